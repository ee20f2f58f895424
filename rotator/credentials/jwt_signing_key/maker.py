"""JWT signing keys: RSA, elliptic curve and Edwards keys, with RFC 7638 thumbprints as key ids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rotator.core.due import Reason
from rotator.core.ring import Version
from rotator.core.sensitive import Material, Sensitive
from rotator.credentials.jwt_signing_key import JwtSigningKey as Declared
from rotator.credentials.loaded import known_id, need, need_spec
from rotator.late import Late
from rotator.ports import Made
from rotator.vocabulary.credential import Beside

if TYPE_CHECKING:
    from rotator.credentials import found as reading
    from rotator.credentials import keys
else:
    keys, reading = Late("rotator.credentials.keys"), Late("rotator.credentials.found")

RSA_BITS = 3072
"""NIST SP 800-57 part 1 rev. 5, table 2: 128 bits of security, the strength of ES256."""
LEAST_BITS = 2048
RFC_RSA = "RFC 7518, section 3.3"
"""The section that asks for keys of 2048 bits at least."""
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ALGORITHMS = ("ES256", "ES384", "ES512", *RSA_ALGORITHMS, "EdDSA")
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
        pem = keys.to_pem(keys.generate(self.algorithm, self.bits))
        material = {"private_key": pem, "algorithm": Sensitive(self.algorithm)}
        return Made(keys.to_jwk(pem).thumbprint(), material, self.spec)

    def adopt(self, value: Sensitive, version_id: str | None, rotation: str) -> Made:
        """Take over a private key in any form; its tokens may carry another `kid` than the thumbprint.

        A JWK says by itself which `kid` and which algorithm that is. Raises ValueError, without quoting it, for what is
        no private key of a kind that we make.
        """
        del rotation
        found = reading.read_private_key(value.octets(), self.algorithm)
        private = found.private
        bits = keys.rsa_bits(private)
        candidates = (found.algorithm, self.algorithm, keys.own_algorithm(private))
        algorithm = next(a for a in candidates if a in ALGORITHMS and keys.suits(private, a))
        pem = keys.to_pem(private)
        version_id = version_id or known_id(found.kid)
        material = {"private_key": pem, "algorithm": Sensitive(algorithm)}
        spec = JwtSigningKey(algorithm, bits or self.bits).spec
        weak = (
            f"an RSA key of {bits} bits, and {LEAST_BITS} are needed ({RFC_RSA})"
            if bits and bits < LEAST_BITS
            else None
        )
        return Made(version_id or keys.to_jwk(pem).thumbprint(), material, spec, weak)

    def check(self, version: Version, material: Material) -> None:
        """See `rotator.ports.Credential`. The id is the thumbprint, unless the tokens of a key taken over carry another."""
        need(material, "private_key", "algorithm")
        pem = material["private_key"]
        private, algorithm = keys.from_pem(pem), material["algorithm"].reveal()
        if not keys.suits(private, algorithm):
            raise ValueError(
                f"its key cannot sign {algorithm if algorithm in ALGORITHMS else 'what it is said to sign'}"
            )
        need_spec(version.spec, JwtSigningKey(algorithm, keys.rsa_bits(private) or self.bits).spec)
        if version.reason != Reason.TAKEN_OVER and version.id != keys.to_jwk(pem).thumbprint():
            raise ValueError("its key is another than the one that it is named after (RFC 7638)")

    def fields(self, version_id: str, material: Material) -> Mapping[str, Sensitive]:
        """Return `private_key` and `public_key` (PEM, PKCS #8 and SPKI), `jwk` (private), `kid`, `algorithm`."""
        key = keys.to_jwk(material["private_key"])
        private = _described(version_id, material, key.as_dict(private=True))
        return {
            "private_key": material["private_key"],
            "public_key": Sensitive(key.as_pem(private=False)),
            "jwk": Sensitive(json.dumps(private, separators=(",", ":"))),
            "kid": Sensitive(version_id),
            "algorithm": material["algorithm"],
        }

    def same(self, name: str, theirs: Sensitive, ours: Sensitive) -> bool:
        """See `rotator.ports.Credential`. Keys are compared as keys, and with the `kid` where theirs has one."""
        if theirs == ours or name not in {"private_key", "jwk", "public_key"}:
            return theirs == ours
        found = reading
        if name == "public_key":
            return bool(found.same_public_key(theirs.octets(), ours.octets()))
        try:
            one, other = (found.read_private_key(v.octets(), self.algorithm) for v in (theirs, ours))
        except ValueError:
            return False
        return bool(keys.same_key(one.private, other.private)) and one.kid in {None, other.kid}

    def accepted(self, version_id: str, material: Material) -> Mapping[str, Any]:
        """Return the public JWK (RFC 7517) with `kid`, `alg` and `use`."""
        public = keys.to_jwk(material["private_key"]).as_dict(private=False)
        return _described(version_id, material, public)


def _described(version_id: str, material: Material, document: Mapping[str, Any]) -> dict[str, Any]:
    """Add what a verifier needs. The algorithm is the version's own: a policy may ask for another by now."""
    return {**document, "kid": version_id, "use": "sig", "alg": material["algorithm"].reveal()}


def build(declared: Declared, beside: Beside) -> JwtSigningKey:
    """Make what makes keys as they are declared."""
    del beside
    return JwtSigningKey(declared.algorithm, declared.bits)
