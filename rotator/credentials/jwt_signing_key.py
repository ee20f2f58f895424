"""JWT signing keys: RSA, elliptic curve and Edwards keys, with RFC 7638 thumbprints as key ids."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from joserfc import jwk

from rotator.core.sensitive import Material, Sensitive
from rotator.ports import Made

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
RSA_EXPONENT = 65537
RSA_BITS = 3072
"""NIST SP 800-57 part 1 rev. 5, table 2: 128 bits of security, the strength of ES256."""

_CURVES: Mapping[str, Callable[[], ec.EllipticCurve]] = {
    "ES256": ec.SECP256R1,
    "ES384": ec.SECP384R1,
    "ES512": ec.SECP521R1,
}
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ALGORITHMS = (*_CURVES, *RSA_ALGORITHMS, "EdDSA")
"""The `alg` values of RFC 7518, section 3.1, and RFC 8037 that this kind makes keys for."""


@dataclass(frozen=True)
class JwtSigningKey:
    """Makes keys for one algorithm; `bits` counts for RSA only, at least 2048 (RFC 7518, section 3.3)."""

    algorithm: str
    bits: int = RSA_BITS

    @property
    def spec(self) -> str:
        """The parameters in one word: `ES256`, `RS256-3072`."""
        return f"{self.algorithm}-{self.bits}" if self.algorithm in RSA_ALGORITHMS else self.algorithm

    def make(self, rotation: str, number: int) -> Made:
        """Make a key pair. The id is its RFC 7638 thumbprint, so rotation and number do not matter."""
        del rotation, number
        pem = self._generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        material = {"private_key": Sensitive(pem), "algorithm": Sensitive(self.algorithm)}
        return Made(_key(material).thumbprint(), material, self.spec)

    def adopt(self, value: Sensitive, version_id: str | None, rotation: str) -> Made:
        """Take over an existing private key in PEM; its tokens may carry another `kid` than the thumbprint.

        Raises ValueError, without quoting it, for what is no private key of a kind that we make.
        """
        del rotation
        try:
            private = load_pem_private_key(value.octets(), password=None)
        except (ValueError, TypeError):
            raise ValueError("it is no unencrypted private key in PEM") from None
        algorithm = _fitting(private, self.algorithm)
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        material = {"private_key": Sensitive(pem), "algorithm": Sensitive(algorithm)}
        bits = private.key_size if isinstance(private, rsa.RSAPrivateKey) else self.bits
        return Made(version_id or _key(material).thumbprint(), material, JwtSigningKey(algorithm, bits).spec)

    def fields(self, version_id: str, material: Material) -> Mapping[str, Sensitive]:
        """Return `private_key` and `public_key` (PEM, PKCS #8 and SPKI), `jwk` (private), `kid`, `algorithm`."""
        key = _key(material)
        private = _described(version_id, material, key.as_dict(private=True))
        return {
            "private_key": material["private_key"],
            "public_key": Sensitive(key.as_pem(private=False)),
            "jwk": Sensitive(json.dumps(private, separators=(",", ":"))),
            "kid": Sensitive(version_id),
            "algorithm": material["algorithm"],
        }

    def accepted(self, version_id: str, material: Material) -> Mapping[str, Any]:
        """Return the public JWK (RFC 7517) with `kid`, `alg` and `use`."""
        return _described(version_id, material, _key(material).as_dict(private=False))

    def _generate(self) -> PrivateKey:
        if curve := _CURVES.get(self.algorithm):
            return ec.generate_private_key(curve())
        if self.algorithm == "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        return rsa.generate_private_key(public_exponent=RSA_EXPONENT, key_size=self.bits)


_JWK_KINDS: tuple[tuple[type[Any], type[jwk.RSAKey | jwk.ECKey | jwk.OKPKey]], ...] = (
    (ec.EllipticCurvePrivateKey, jwk.ECKey),
    (rsa.RSAPrivateKey, jwk.RSAKey),
    (ed25519.Ed25519PrivateKey, jwk.OKPKey),
)


def _described(version_id: str, material: Material, document: Mapping[str, Any]) -> dict[str, Any]:
    """Add what a verifier needs. The algorithm is the version's own: a policy may ask for another by now."""
    return {**document, "kid": version_id, "use": "sig", "alg": material["algorithm"].reveal()}


def _fitting(private: object, wanted: str) -> str:
    """Return the algorithm that an existing key signs with: the one wanted where it fits, else its own."""
    if isinstance(private, rsa.RSAPrivateKey):
        return wanted if wanted in RSA_ALGORITHMS else "RS256"
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "EdDSA"
    for algorithm, curve in _CURVES.items():
        if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name == curve().name:
            return algorithm
    raise ValueError("its kind is none that JWTs are signed with here: RSA, P-256, P-384, P-521, Ed25519")


def _key(material: Material) -> jwk.RSAKey | jwk.ECKey | jwk.OKPKey:
    pem = material["private_key"].octets()
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        private = None
    kind = next((kind for made, kind in _JWK_KINDS if isinstance(private, made)), None)
    if kind is None:
        raise ValueError("the stored private key is none that this kind makes")
    return kind.import_key(pem)
