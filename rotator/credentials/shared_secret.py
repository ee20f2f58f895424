"""Shared secrets: HMAC keys for JWTs, and opaque values for cookies, webhooks and token encryption."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rotator.core.due import Reason
from rotator.core.ring import Version
from rotator.core.sensitive import Material, Sensitive
from rotator.credentials.loaded import need, need_spec
from rotator.ports import Made

HMAC_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
"""The least key size of each algorithm, in bytes: the size of its hash (RFC 7518, section 3.2)."""
ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
ID_LENGTH = 16
OPAQUE = "opaque"
"""Stands for an algorithm where there is none."""


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@dataclass(frozen=True)
class SharedSecret:
    """Makes secrets of one form: `algorithm`, or `length` of `alphabet`, or `size` bytes in `encoding`."""

    algorithm: str | None = None
    length: int | None = None
    alphabet: str = ALPHANUMERIC
    size: int = 32
    encoding: str = "base64"
    """`base64`, `hex` or `raw`."""

    @property
    def spec(self) -> str:
        """The form in one word: `HS256`, `opaque-32-characters`, `opaque-32-base64`."""
        if self.algorithm:
            return self.algorithm
        if self.length is None:
            return f"opaque-{self.size}-{self.encoding}"
        alphabet = hashlib.sha256(self.alphabet.encode()).hexdigest()[:8]
        return f"opaque-{self.length}-characters-{alphabet}"

    def make(self, rotation: str, number: int) -> Made:
        """Draw a secret. Its id is derived from rotation and number, never from the secret."""
        version_id = hashlib.sha256(f"{rotation}\0{number}".encode()).hexdigest()[:ID_LENGTH]
        octets = base64.b64encode(self._draw()).decode()
        return Made(version_id, self._material(Sensitive(octets)), self.spec)

    def adopt(self, value: Sensitive, version_id: str | None, rotation: str) -> Made:
        """Take over an existing value as it is. Raises ValueError where it is too short for the algorithm."""
        if len(value.octets()) < HMAC_BYTES.get(self.algorithm or "", 1):
            raise ValueError(
                f"it is shorter than the {HMAC_BYTES.get(self.algorithm or '', 1)} bytes expected"
            )
        derived = hashlib.sha256(f"{rotation}\0adopted".encode()).hexdigest()[:ID_LENGTH]
        octets = base64.b64encode(value.octets()).decode()
        return Made(version_id or derived, self._material(Sensitive(octets)), self.spec)

    def _material(self, value: Sensitive) -> Material:
        return {"value": value, "algorithm": Sensitive(self.algorithm or OPAQUE)}

    def check(self, version: Version, material: Material) -> None:
        """See `rotator.ports.Credential`. A key that was taken over may be short."""
        need(material, "value", "algorithm")
        try:
            algorithm, size = _algorithm(material), len(_octets(material))
        except ValueError:
            raise ValueError("its value is damaged") from None
        if algorithm != OPAQUE or version.spec in HMAC_BYTES:
            need_spec(version.spec, algorithm)
        if size < (1 if version.reason == Reason.TAKEN_OVER else HMAC_BYTES.get(algorithm, 1)):
            raise ValueError(f"it is shorter than {algorithm} wants")

    def fields(self, version_id: str, material: Material) -> Mapping[str, Sensitive]:
        """Return `value` (the secret as the application uses it), `kid`, `algorithm` and, for HMAC, `jwk`."""
        fields = {
            "value": Sensitive(_octets(material)),
            "kid": Sensitive(version_id),
            "algorithm": material["algorithm"],
        }
        if _algorithm(material) != OPAQUE:
            fields["jwk"] = Sensitive(json.dumps(_jwk(version_id, material), separators=(",", ":")))
        return fields

    def same(self, name: str, theirs: Sensitive, ours: Sensitive) -> bool:
        """See `rotator.ports.Credential`. A value has one form; a JWK is compared by its key, and its `kid` where it has one."""
        if theirs == ours or name != "jwk":
            return theirs == ours
        one, other = (_of_jwk(v.octets()) for v in (theirs, ours))
        return one is not None and other is not None and one[0] == other[0] and one[1] in {None, other[1]}

    def accepted(self, version_id: str, material: Material) -> Mapping[str, Any]:
        """Return a symmetric JWK (RFC 7518, section 6.4) for HMAC, else an object of `id` and `value`.

        Bytes that are no text stand in base64, and `encoding` says so.
        """
        if _algorithm(material) != OPAQUE:
            return _jwk(version_id, material)
        if self.encoding == "raw":
            text = base64.b64encode(_octets(material)).decode()
            return {"id": version_id, "value": text, "encoding": "base64"}
        return {"id": version_id, "value": _octets(material).decode()}

    def _draw(self) -> bytes:
        """Draw the secret. An HMAC key is text, so that one who reads a string and one who reads a JWK agree."""
        if self.algorithm:
            return _text(secrets.token_bytes(HMAC_BYTES[self.algorithm])).encode()
        if self.length is not None:
            return "".join(secrets.choice(self.alphabet) for _ in range(self.length)).encode()
        octets = secrets.token_bytes(self.size)
        if self.encoding == "base64":
            return base64.b64encode(octets)
        return octets.hex().encode() if self.encoding == "hex" else octets


def _of_jwk(octets: bytes) -> tuple[bytes, str | None] | None:
    """Return key and `kid` of a symmetric JWK (RFC 7518, section 6.4); None for anything else."""
    try:
        document = json.loads(octets)
        text, kid = document["k"], document.get("kid")
        key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return (key, kid) if document.get("kty") == "oct" else None


def _jwk(version_id: str, material: Material) -> dict[str, Any]:
    """Return the symmetric JWK. The algorithm is the version's own: a policy may ask for another by now."""
    algorithm = _algorithm(material)
    return {"kty": "oct", "k": _text(_octets(material)), "kid": version_id, "use": "sig", "alg": algorithm}


def _algorithm(material: Material) -> str:
    return material["algorithm"].reveal()


def _octets(material: Material) -> bytes:
    return base64.b64decode(material["value"].octets(), validate=True)
