"""Shared secrets: HMAC keys for JWTs, and opaque values for cookies, webhooks and token encryption."""

from __future__ import annotations

import base64
import codecs
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rotator.core.due import Reason
from rotator.core.reading import Unreadable, parse
from rotator.core.ring import Version
from rotator.core.sensitive import Material, Sensitive
from rotator.credentials.encodings import decode, encode, from_base64, from_hex
from rotator.credentials.loaded import known_id, need, need_spec
from rotator.credentials.shared_secret import SharedSecret as Declared
from rotator.ports import Made
from rotator.vocabulary.credential import Beside

HMAC_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
"""The least key size of each algorithm, in bytes: the size of its hash (RFC 7518, section 3.2)."""
ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
ID_LENGTH = 16
OPAQUE = "opaque"
"""Stands for an algorithm where there is none."""
OPAQUE_BYTES = 16
"""The least size of an opaque value that is not weak: 128 bits, if each of its octets is drawn."""


@dataclass(frozen=True)
class SharedSecret:
    """Makes secrets of one form: `algorithm`, or `length` of `alphabet`, or `size` bytes in `encoding`."""

    algorithm: str | None = None
    length: int | None = None
    alphabet: str = ALPHANUMERIC
    size: int = 32
    encoding: str | None = None
    """How bytes are written: `base64` (the default), `base64url`, `hex`, `raw`. With an algorithm: how the value that the
    application is handed writes the HMAC key; None: the value is the key."""
    found: str | None = None
    """How the value that is taken over writes it, where it is not as above."""

    @property
    def spec(self) -> str:
        """The form in one word: `HS256`, `HS256-base64`, `opaque-32-characters`, `opaque-32-base64`."""
        if self.algorithm:
            return _form(self.algorithm, self.encoding)
        if self.length is None:
            return f"opaque-{self.size}-{self._written}"
        alphabet = hashlib.sha256(self.alphabet.encode()).hexdigest()[:8]
        return f"opaque-{self.length}-characters-{alphabet}"

    @property
    def _written(self) -> str | None:
        """How the value writes what was drawn; None: as it is."""
        if self.algorithm or self.length is not None:
            return self.encoding
        return self.encoding or "base64"

    def make(self, rotation: str, number: int) -> Made:
        """Draw a secret. Its id is derived from rotation and value, so it never stands for another value."""
        del number
        value = self._draw()
        return Made(_id(rotation, value), self._material(value), self.spec)

    def adopt(self, value: Sensitive, version_id: str | None, rotation: str) -> Made:
        """Take over a value as it is; one that is shorter than it should be is said to be weak.

        An HMAC key may stand there as a JWK, which says by itself which `kid` its tokens carry, and which `alg`. Raises ValueError, without
        quoting it, where it is empty, or not written as is said.
        """
        if self.algorithm and (jwk := _of_jwk(value.octets())):
            of_today = replace(self, algorithm=jwk.algorithm or self.algorithm)
            text, kid = encode(jwk.key, self.encoding), known_id(jwk.kid)
            return of_today._adopted(text, version_id or kid, rotation)  # noqa: SLF001 - one of our own
        return self._adopted(self._found(value.octets()), version_id, rotation)

    def _adopted(self, text: bytes, version_id: str | None, rotation: str) -> Made:
        material = self._material(text)
        size, least = len(_key(material)), HMAC_BYTES.get(self.algorithm or "", OPAQUE_BYTES)
        weak = f"{size} bytes, and {least} are needed ({_why(self.algorithm)})" if size < least else None
        return Made(version_id or _id(rotation, text), material, self.spec, weak, self._notes(text))

    def _notes(self, text: bytes) -> tuple[str, ...]:
        """Return what nobody can see from here: what the readers of a value make of it."""
        if self.algorithm and self.encoding:
            return ()
        said = tuple(f"it {where}, which counts as part of it" for where in _edges(text))
        if self.algorithm and _looks_encoded(text):
            return (
                *said,
                "its text is taken as the key; if services decode it first, declare sharedSecret.encoding",
            )
        return said

    def _found(self, octets: bytes) -> bytes:
        """Return the value to hand out."""
        if not octets.strip():
            raise ValueError("it is empty")
        written = self.found or (self.encoding if self.algorithm else None)
        if written is None:
            return octets
        key = decode(octets, written)
        return octets if written == self._written else encode(key, self._written)

    def _material(self, value: bytes) -> Material:
        material = {
            "value": Sensitive(base64.b64encode(value)),
            "algorithm": Sensitive(self.algorithm or OPAQUE),
        }
        if self.algorithm and self.encoding:
            material["encoding"] = Sensitive(self.encoding)
        return material

    def check(self, version: Version, material: Material) -> None:
        """See `rotator.ports.Credential`. A key that was taken over may be short."""
        need(material, "value", "algorithm")
        algorithm, encoding = _algorithm(material), _encoding(material)
        try:
            size = len(_key(material))
        except ValueError:
            raise ValueError("its value is damaged") from None
        if algorithm != OPAQUE or version.spec.partition("-")[0] in HMAC_BYTES:
            need_spec(version.spec, _form(algorithm, encoding))
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
        """See `rotator.ports.Credential`.

        A value is itself; one that writes an HMAC key is compared by the key, and a JWK by its key and the `kid` that it has.
        """
        if theirs == ours:
            return True
        if name == "jwk":
            one, other = (_jwk_or_none(v.octets()) for v in (theirs, ours))
            return (
                one is not None
                and other is not None
                and one.key == other.key
                and one.kid in {None, other.kid}
            )
        if name != "value" or not (self.algorithm and self.encoding):
            return False
        try:
            return decode(theirs.octets(), self.encoding) == decode(ours.octets(), self.encoding)
        except ValueError:
            return False

    def accepted(self, version_id: str, material: Material) -> Mapping[str, Any]:
        """Return a symmetric JWK (RFC 7518, section 6.4) for HMAC, else an object of `id` and `value`.

        Bytes that are no text stand in base64, and `encoding` says so.
        """
        if _algorithm(material) != OPAQUE:
            return _jwk(version_id, material)
        value = _octets(material)
        if self.encoding == "raw" or not _is_text(value):
            text = base64.b64encode(value).decode()
            return {"id": version_id, "value": text, "encoding": "base64"}
        return {"id": version_id, "value": value.decode()}

    def _draw(self) -> bytes:
        """Draw the secret. An HMAC key is text, so that one who reads a string and one who reads a JWK agree."""
        if self.algorithm:
            octets = secrets.token_bytes(HMAC_BYTES[self.algorithm])
            return encode(octets, self.encoding or "base64url")
        if self.length is not None:
            return "".join(secrets.choice(self.alphabet) for _ in range(self.length)).encode()
        return encode(secrets.token_bytes(self.size), self._written)


def _form(algorithm: str, encoding: str | None) -> str:
    return f"{algorithm}-{encoding}" if encoding else algorithm


def _why(algorithm: str | None) -> str:
    return f"{algorithm}: RFC 7518, section 3.2" if algorithm else "128 bits"


def _id(rotation: str, value: bytes) -> str:
    """Derive an id from a value: another value has another, also where a ring begins anew.

    By a slow hash (RFC 7914): a value that is taken over may be one that can be guessed, and an id is no secret.
    """
    return hashlib.scrypt(value, salt=rotation.encode(), n=2**14, r=8, p=1, dklen=ID_LENGTH // 2).hex()


def _looks_encoded(text: bytes) -> bool:
    """Whether a text may be base64 or hex of an HMAC key of a usual size."""
    if not _is_text(text):
        return False
    found = {len(octets) for read in (from_base64, from_hex) if (octets := read(text.decode()))}
    return bool(found & set(HMAC_BYTES.values()))


def _is_text(value: bytes) -> bool:
    try:
        return bool(value.decode())
    except UnicodeDecodeError:
        return False


@dataclass(frozen=True, slots=True)
class _Jwk:
    """A symmetric JWK, by what it says."""

    key: bytes
    kid: str | None
    algorithm: str | None
    """Its `alg`, where it is one of HMAC."""


def _of_jwk(octets: bytes) -> _Jwk | None:
    """Read a symmetric JWK (RFC 7518, section 6.4), or a JWK Set that holds one key, as it is or in base64.

    None for what is no JWK. Raises ValueError for a JWK that is no key of HMAC.
    """
    document = _object(octets) or (_object(inner) if (inner := _unwrapped(octets)) else None)
    if document is None or not {"kty", "keys"} & document.keys():
        return None
    keys = document["keys"] if isinstance(document.get("keys"), list) else [document]
    found = {(k["k"], k.get("kid"), k.get("alg")) for k in keys if _is_symmetric(k)}
    if len(found) > 1:
        raise ValueError("it is a JWK Set of several keys; put the one in use into a field of its own")
    key = from_base64(next(iter(found))[0]) if found else None
    if not key:
        raise ValueError(
            'it is a JWK that is no key of HMAC: expected "kty": "oct", and its `k` in base64url'
        )
    ((_, kid, alg),) = found
    return _Jwk(key, kid if isinstance(kid, str) else None, alg if alg in HMAC_BYTES else None)


def _jwk_or_none(octets: bytes) -> _Jwk | None:
    try:
        return _of_jwk(octets)
    except ValueError:
        return None


def _is_symmetric(jwk: object) -> bool:
    if not isinstance(jwk, dict) or jwk.get("kty") != "oct":
        return False
    said = (jwk.get("kid"), jwk.get("alg"))
    return isinstance(jwk.get("k"), str) and all(x is None or isinstance(x, str) for x in said)


def _object(octets: bytes) -> dict[str, Any] | None:
    try:
        document = parse(octets)
    except Unreadable:
        return None
    return document if isinstance(document, dict) else None


def _unwrapped(octets: bytes) -> bytes | None:
    return from_base64(octets.decode()) if octets.isascii() else None


def _edges(text: bytes) -> Iterator[str]:
    """Say what stands around a value that its readers may take off, or not."""
    if text.startswith(codecs.BOM_UTF8):
        yield "begins with a byte order mark"
    if text.endswith((b"\n", b"\r")):
        yield "ends with a line end"
    elif text != text.strip(b" \t\r\n"):
        yield "has white space around it"
    if text[:1] == text[-1:] and text[:1] in {b'"', b"'"}:
        yield "stands in quotes"


def _jwk(version_id: str, material: Material) -> dict[str, Any]:
    """Return the symmetric JWK. The algorithm is the version's own: a policy may ask for another by now."""
    key = encode(_key(material), "base64url").decode()
    return {"kty": "oct", "k": key, "kid": version_id, "use": "sig", "alg": _algorithm(material)}


def _algorithm(material: Material) -> str:
    return material["algorithm"].reveal()


def _octets(material: Material) -> bytes:
    return base64.b64decode(material["value"].octets(), validate=True)


def _encoding(material: Material) -> str | None:
    return material["encoding"].reveal() if "encoding" in material else None


def _key(material: Material) -> bytes:
    """Return the HMAC key that the value writes, or the value itself."""
    encoding = _encoding(material)
    return decode(_octets(material), encoding) if encoding else _octets(material)


def build(declared: Declared, beside: Beside) -> SharedSecret:
    """Make what makes secrets as they are declared."""
    return SharedSecret(
        algorithm=declared.algorithm,
        length=declared.length,
        alphabet=declared.alphabet or ALPHANUMERIC,
        size=declared.bytes or 32,
        encoding=declared.encoding,
        found=beside.encoding,
    )
