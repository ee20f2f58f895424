"""Private keys as other people write them down, read by what they mean: PEM of any kind, DER, JWK, raw, base64, hex.

Nothing that is read here is written back: it is only told which key it is. No message quotes what was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_public_key
from joserfc.errors import JoseError

from rotator.core.reading import Unreadable, parse
from rotator.credentials.encodings import from_base64, from_hex
from rotator.credentials.keys import CURVES, OF_KIND, PrivateKey, jwk_to_private, own_algorithm, same_key

LARGEST = 64 * 1024
"""Octets: the largest RSA key in use, written as a JWK in base64 between certificates, is a tenth of it."""
LAYERS = 3
"""So often is what stands in base64 or hex looked into: base64 of a PEM that stands in base64 is seen, a bomb is not."""
WANTED = "expected a private key in PEM, DER or as a JWK, as it is or in base64 or hex"

_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_KEY_BLOCKS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY")
_WAYS = {
    "ENCRYPTED PRIVATE KEY": "it is encrypted; put it down without a password (openssl pkey -in KEY -out PLAIN)",
    "OPENSSH PRIVATE KEY": "it is in OpenSSH's own format; write it as PKCS #8 (ssh-keygen -p -m pkcs8 -f KEY)",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A private key, and what stood beside it."""

    private: PrivateKey
    algorithm: str | None = None
    """The `alg` of a JWK, where it says one."""
    kid: str | None = None
    """The `kid` of a JWK, likewise."""


def read_private_key(octets: bytes, algorithm: str = "") -> Found:
    """Read a private key, whatever form it stands in. Bare numbers (a seed, a scalar) are read as `algorithm` has them.

    Raises ValueError for what is no private key, for one that a password protects, and for several different ones.
    """
    if len(octets) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST // 1024} KiB; {WANTED}")
    found = _read(octets, algorithm, LAYERS)
    own_algorithm(found.private)
    return found


def _read(octets: bytes, algorithm: str, layers: int) -> Found:
    if found := _raw(octets, algorithm) or _der(octets):
        return found
    text = _text(octets)
    if "-----BEGIN " in text:
        return Found(_only(_pem_keys(text)))
    if text.startswith(("{", "[")):
        return _json(text)
    for decode in (from_hex, from_base64) if layers else ():
        if inner := decode(text):
            return _read(inner, algorithm, layers - 1)
    raise ValueError(f"it is no private key; {WANTED}")


def _text(octets: bytes) -> str:
    """Return text without what editors and shells put around it: a byte order mark, white space, quotes."""
    try:
        return octets.decode("utf-8-sig").strip(" \t\r\n\0\"'")
    except UnicodeDecodeError:
        pass  # it quotes the octets
    raise ValueError(f"it is no private key; {WANTED}")


# --- PEM and DER -------------------------------------------------------------------------------------------------


def _pem_keys(text: str) -> Iterator[PrivateKey]:
    """Read the private keys of a PEM (RFC 7468); certificates, parameters, public keys and text around are passed over."""
    text = text.replace("\\r", "\n").replace("\\n", "\n")  # one line of an .env file or of JSON
    seen, position = [], 0
    while begin := _BEGIN.search(text, position):
        label = begin[1]
        position = text.find(f"-----END {label}-----", begin.end())
        if position < 0:
            raise ValueError(f"its PEM is cut off: there is no END {label}")
        seen.append(label)
        if label in _WAYS:
            raise ValueError(_WAYS[label])
        if label in _KEY_BLOCKS:
            yield _pem_key(text[begin.end() : position])
    if not set(seen) & set(_KEY_BLOCKS):
        raise ValueError(f"its PEM holds {_listed(seen)}, and no private key")


def _pem_key(body: str) -> PrivateKey:
    lines = body.splitlines()
    if any("ENCRYPTED" in line for line in lines):
        raise ValueError("it is encrypted; put it down without a password (openssl pkey -in KEY -out PLAIN)")
    der = from_base64("".join(line for line in lines if ":" not in line))
    found = _der(der) if der else None
    if found is None:
        raise ValueError("its PEM is damaged: what stands between BEGIN and END is no private key")
    return found.private


def _der(octets: bytes) -> Found | None:
    """Read PKCS #8, PKCS #1 or SEC 1; None for anything else."""
    if not octets.startswith(b"\x30"):
        return None
    try:
        private = load_der_private_key(octets, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        bare = _sec1_without_curve(octets)
        return Found(bare) if bare else None
    if not isinstance(private, PrivateKey):
        raise ValueError(OF_KIND)  # noqa: TRY004 - one error for all that is no key of ours
    return Found(private)


def _sec1_without_curve(octets: bytes) -> ec.EllipticCurvePrivateKey | None:
    """Read an ECPrivateKey that leaves its curve out (RFC 5915, section 3): its length says which it is."""
    inner = re.match(rb"\x30(?:.|\x81.|\x82..)\x02\x01\x01\x04(.)", octets, re.DOTALL)
    if inner is None:
        return None
    size = inner[1][0]
    scalar = octets[inner.end() : inner.end() + size]
    return next((k for curve in CURVES.values() if (k := _scalar(scalar, curve()))), None)


def _scalar(octets: bytes, curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey | None:
    if len(octets) != (curve.key_size + 7) // 8:
        return None
    try:
        return ec.derive_private_key(int.from_bytes(octets), curve)
    except ValueError:
        return None


def _raw(octets: bytes, algorithm: str) -> Found | None:
    """Read the bare number: an Ed25519 seed (RFC 8032), with its public key behind it or not, or a curve's scalar."""
    if curve := CURVES.get(algorithm):
        private = _scalar(octets, curve())
        return Found(private) if private else None
    if algorithm != "EdDSA" or len(octets) not in {ED_SEED, 2 * ED_SEED}:
        return None
    seed = ed25519.Ed25519PrivateKey.from_private_bytes(octets[:ED_SEED])
    public = seed.public_key().public_bytes_raw()
    return Found(seed) if octets[ED_SEED:] in {b"", public} else None


ED_SEED = 32
"""Octets of an Ed25519 seed."""


# --- JWK ---------------------------------------------------------------------------------------------------------


def _json(text: str) -> Found:
    """Read a JWK, or a JWK Set that holds one private key (RFC 7517)."""
    try:
        document = parse(text, largest=LARGEST)
    except Unreadable:
        document = None
    keys = document.get("keys", [document]) if isinstance(document, dict) else None
    if not isinstance(keys, list) or not all(isinstance(k, dict) and "kty" in k for k in keys):
        raise ValueError(f"it is JSON, and no JWK; {WANTED}")
    found = [_jwk(k) for k in keys if "d" in k]
    if not found:
        raise ValueError("it is a JWK without a private part (no `d`)")
    _only(f.private for f in found)
    return found[0]


def _jwk(document: dict[str, Any]) -> Found:
    try:
        private = jwk_to_private(document)
    except (JoseError, ValueError, TypeError, KeyError, UnsupportedAlgorithm, OverflowError):
        _damaged("it is a JWK that no key can be read from, or of a kind that no JWT is signed with here")
    said = {name: document[name] for name in ("alg", "kid") if isinstance(document.get(name), str)}
    return Found(private, algorithm=said.get("alg"), kid=said.get("kid"))


def _damaged(why: str) -> NoReturn:
    raise ValueError(why) from None


# --- public keys -------------------------------------------------------------------------------------------------


def same_public_key(theirs: bytes, ours: bytes) -> bool:
    """Whether PEM that others wrote (SPKI, PKCS #1) holds the public key that our PEM holds."""
    bare = _text(theirs) if len(theirs) <= LARGEST else ""
    try:
        one, other = (load_pem_public_key(pem) for pem in (bare.encode(), ours))
    except (ValueError, UnsupportedAlgorithm):
        return False
    return one == other


# --- several -----------------------------------------------------------------------------------------------------


def _only(keys: Iterator[PrivateKey]) -> PrivateKey:
    """Return the one key that there is, however often. Raises ValueError for two that differ."""
    first, *others = keys
    if any(not same_key(first, other) for other in others):
        raise ValueError(
            f"it holds {len(others) + 1} private keys, and they differ; put the one in use into a field of its own"
        )
    return first


def _listed(labels: list[str]) -> str:
    return " and ".join(sorted({f"a {label.capitalize()}" for label in labels}))
