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
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_public_key,
)
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
_FOREIGN = (
    (re.compile(rb"\x30(?:\x80|[\x00-\x7f]|\x81.|\x82..|\x83...)\x02\x01\x03\x30", re.DOTALL), "a PKCS #12 store", "openssl pkcs12 -nodes"),
    (re.compile(rb"\xfe\xed\xfe\xed|\xce\xce\xce\xce"), "a Java key store", "keytool -importkeystore -deststoretype pkcs12"),
    (re.compile(rb"PuTTY-User-Key-File-"), "PuTTY's own format", "puttygen -O private-openssh"),
)  # fmt: skip
"""How other containers of keys begin, what they are called, and what takes a key out of them."""
_PSS = re.compile(
    rb"\x30.{1,8}\x02\x01\x00\x30.{1,2}?\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a(.{0,40})", re.DOTALL
)
"""A PKCS #8 that says id-RSASSA-PSS (RFC 4055, section 1.2): its key signs nothing else. Then the hash, where it is said."""
_PSS_HASHES = {
    b"\x60\x86\x48\x01\x65\x03\x04\x02" + bytes([n]): alg
    for n, alg in ((1, "PS256"), (2, "PS384"), (3, "PS512"))
}
_WAYS = {
    "ENCRYPTED PRIVATE KEY": "it is encrypted; put it down without a password (openssl pkey -in KEY -out PLAIN)",
    "OPENSSH PRIVATE KEY": "it is in OpenSSH's own format; write it as PKCS #8 (ssh-keygen -p -m pkcs8 -f KEY)",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A private key, and what stood beside it."""

    private: PrivateKey
    algorithm: str | None = None
    """The `alg` of a JWK, where it says one, and of a key that is for RSASSA-PSS alone."""
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
    if found := _raw(octets, algorithm) or _der(octets, algorithm):
        return found
    for begins, called, way in _FOREIGN:
        if begins.match(octets):
            raise ValueError(f"it is {called}; take the key out of it ({way}), and put it down as PKCS #8")
    text = _text(octets)
    if "-----BEGIN " in text:
        return _only(_pem_keys(text, algorithm))
    if text.startswith(("{", "[")):
        return _json(text)
    for decode in (from_hex, from_base64) if layers else ():
        if inner := decode(text):
            return _read(inner, algorithm, layers - 1)
    raise ValueError(f"it is no private key; {WANTED}")


def _text(octets: bytes) -> str:
    """Return text without what editors and shells put around it: a byte order mark, white space, quotes.

    What stands around a PEM may be in any encoding (RFC 7468, section 2).
    """
    try:
        return octets.decode("utf-8-sig").strip(" \t\r\n\0\"'")
    except UnicodeDecodeError:  # it quotes the octets
        if b"-----BEGIN " in octets:
            return octets.decode("latin-1")
    raise ValueError(f"it is no private key; {WANTED}")


# --- PEM and DER -------------------------------------------------------------------------------------------------


def _pem_keys(text: str, algorithm: str) -> Iterator[Found]:
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
            yield _pem_key(text[begin.end() : position], algorithm)
    if not set(seen) & set(_KEY_BLOCKS):
        raise ValueError(f"its PEM holds {_listed(seen)}, and no private key")


def _pem_key(body: str, algorithm: str) -> Found:
    lines = body.splitlines()
    if any("ENCRYPTED" in line for line in lines):
        raise ValueError("it is encrypted; put it down without a password (openssl pkey -in KEY -out PLAIN)")
    der = from_base64("".join(line for line in lines if ":" not in line))
    found = _der(der, algorithm) if der else None
    if found is None:
        raise ValueError(
            "its PEM is damaged, or of a kind that is not known here: what stands between BEGIN and END is no private key"
        )
    return found


def _der(octets: bytes, algorithm: str) -> Found | None:
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
    return Found(private, algorithm=_of_pss(octets, algorithm))


def _of_pss(octets: bytes, algorithm: str) -> str | None:
    """Return the algorithm of a key that is for RSASSA-PSS alone; where it names no hash, the one that is asked for."""
    found = _PSS.match(octets)
    if found is None:
        return None
    said = (alg for oid, alg in _PSS_HASHES.items() if oid in found[1])
    return next(said, algorithm if algorithm.startswith("PS") else "PS256")


def _sec1_without_curve(octets: bytes) -> ec.EllipticCurvePrivateKey | None:
    """Read an ECPrivateKey that names no curve (RFC 5915, section 3): its length says which it is.

    One that describes another curve has a public key of that curve, or says it in parameters: it is none of ours.
    """
    inner = re.match(rb"\x30(?:.|\x81.|\x82..)\x02\x01\x01\x04(.)", octets, re.DOTALL)
    if inner is None:
        return None
    size = inner[1][0]
    scalar, rest = octets[inner.end() : inner.end() + size], octets[inner.end() + size :]
    private = next((k for curve in CURVES.values() if (k := _scalar(scalar, curve()))), None)
    if private is None or not rest:
        return private
    points = (
        private.public_key().public_bytes(Encoding.X962, written)
        for written in (PublicFormat.UncompressedPoint, PublicFormat.CompressedPoint)
    )
    return private if any(rest.endswith(b"\x03" + _length(len(p) + 1) + b"\0" + p) for p in points) else None


def _length(size: int) -> bytes:
    """Write a length in DER."""
    return bytes([size]) if size < 128 else bytes([0x81, size])  # noqa: PLR2004 - X.690, section 8.1.3


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
    return _only(iter(found))


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


def _only(keys: Iterator[Found]) -> Found:
    """Return the one key that there is, however often. Raises ValueError for two that differ."""
    first, *others = keys
    if any(not same_key(first.private, other.private) for other in others):
        raise ValueError(
            f"it holds {len(others) + 1} private keys, and they differ; put the one in use into a field of its own"
        )
    return first


def _listed(labels: list[str]) -> str:
    return " and ".join(sorted({f"a {label.capitalize()}" for label in labels}))
