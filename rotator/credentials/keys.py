"""Private keys: made by `cryptography`, shown as JWKs by joserfc. Loaded only once a key is made or shown."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from joserfc.errors import SecurityWarning

from rotator.core.sensitive import Sensitive
from rotator.late import in_part

with in_part("joserfc", without=("cryptography.x509",)):  # keys come without certificates
    from joserfc import jwk

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Jwk = jwk.RSAKey | jwk.ECKey | jwk.OKPKey
RSA_EXPONENT = 65537

OF_KIND = "its kind is none that JWTs are signed with here: RSA, P-256, P-384, P-521, Ed25519"
CURVES: Mapping[str, Callable[[], ec.EllipticCurve]] = {
    "ES256": ec.SECP256R1,
    "ES384": ec.SECP384R1,
    "ES512": ec.SECP521R1,
}
_JWK_KINDS: tuple[tuple[type[Any], type[Jwk]], ...] = (
    (ec.EllipticCurvePrivateKey, jwk.ECKey),
    (rsa.RSAPrivateKey, jwk.RSAKey),
    (ed25519.Ed25519PrivateKey, jwk.OKPKey),
)
_BY_TYPE: Mapping[str, type[Jwk]] = {"EC": jwk.ECKey, "RSA": jwk.RSAKey, "OKP": jwk.OKPKey}
"""By `kty` (RFC 7518, section 6.1; RFC 8037, section 2)."""


def generate(algorithm: str, bits: int) -> PrivateKey:
    """Make a key for `algorithm`; `bits` counts for RSA only."""
    if curve := CURVES.get(algorithm):
        return ec.generate_private_key(curve())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=RSA_EXPONENT, key_size=bits)


def to_pem(private: PrivateKey) -> Sensitive:
    """Write a key down in PEM, PKCS #8."""
    return Sensitive(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def to_pkcs1(pem: Sensitive) -> Sensitive:
    """Write an RSA key in PEM as PKCS #1 (RFC 8017, appendix A.1.2). Raises ValueError like `from_pem`, and for other keys."""
    return _of_its_kind(pem, rsa.RSAPrivateKey, "RSA")


def to_sec1(pem: Sensitive) -> Sensitive:
    """Write a key of an elliptic curve in PEM as SEC 1 has it (RFC 5915). Raises ValueError like `from_pem`, and for other keys."""
    return _of_its_kind(pem, ec.EllipticCurvePrivateKey, "elliptic curves P-256, P-384 and P-521")


def _of_its_kind(pem: Sensitive, kind: type[PrivateKey], called: str) -> Sensitive:
    private = from_pem(pem)
    if isinstance(private, kind):
        return Sensitive(
            private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        )
    raise ValueError(f"only keys of {called} are written so, and this version has another")


def from_pem(pem: Sensitive) -> PrivateKey:
    """Read a key. Raises ValueError, without quoting it, for what is no private key of a kind that we make."""
    return _from_pem(pem.octets())


@lru_cache(maxsize=64)
def _from_pem(octets: bytes) -> PrivateKey:
    """Read a key once: looking an RSA key over costs some 100 ms, and a run asks for the same one at each of its looks."""
    try:
        private = load_pem_private_key(octets, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("it is no unencrypted private key in PEM") from None
    if not isinstance(private, PrivateKey):
        raise ValueError(OF_KIND)  # noqa: TRY004 - one error for all that is no key of ours
    return private


def to_jwk(pem: Sensitive) -> Jwk:
    """Return the key as a JWK (RFC 7517). Raises ValueError like `from_pem`."""
    return _to_jwk(pem.octets())


@lru_cache(maxsize=64)
def _to_jwk(octets: bytes) -> Jwk:
    """Import a key once, likewise."""
    private = _from_pem(octets)
    kind = next(kind for made, kind in _JWK_KINDS if isinstance(private, made))
    return _imported(kind, octets)


def _imported(kind: type[Jwk], value: bytes | dict[str, Any]) -> Jwk:
    """Import a key. That one taken over is weak is said elsewhere, and not on the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        return kind.import_key(value)


def jwk_to_private(document: dict[str, Any]) -> PrivateKey:
    """Read a private JWK. Raises ValueError and errors of joserfc where it is none of a kind that we make."""
    kind = _BY_TYPE.get(document["kty"])
    if kind is None:
        raise ValueError(OF_KIND)
    private = _imported(kind, document).private_key
    if not isinstance(private, PrivateKey):
        raise ValueError(OF_KIND)  # noqa: TRY004 - one error for all that is no key of ours
    return private


def same_key(one: PrivateKey, other: PrivateKey) -> bool:
    """Whether two keys are one, however each was written down."""
    return one.public_key() == other.public_key()


def own_algorithm(private: PrivateKey) -> str:
    """Return the algorithm that a key signs with when nothing else is known. Raises ValueError for other curves."""
    if isinstance(private, rsa.RSAPrivateKey):
        return "RS256"
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "EdDSA"
    for algorithm, curve in CURVES.items():
        if private.curve.name == curve().name:
            return algorithm
    raise ValueError(f"its curve {private.curve.name} is none of P-256, P-384 and P-521")


def suits(private: PrivateKey, algorithm: str) -> bool:
    """Whether a key can sign with `algorithm`."""
    if isinstance(private, rsa.RSAPrivateKey):
        return algorithm.startswith(("RS", "PS"))
    return own_algorithm(private) == algorithm


def rsa_bits(private: PrivateKey) -> int | None:
    """Return the size of an RSA key; None for other kinds."""
    return private.key_size if isinstance(private, rsa.RSAPrivateKey) else None
