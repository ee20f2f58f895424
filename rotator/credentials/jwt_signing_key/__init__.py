"""JWT signing keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import Field, model_validator

from rotator.vocabulary.credential import CredentialKind, JwtAlgorithm
from rotator.vocabulary.types import Rule

SIGNING_KEY = "jwtSigningKey"


class JwtSigningKey(CredentialKind):
    """A key pair that signs JWTs; its id is its RFC 7638 thumbprint."""

    declared_as: ClassVar[str] = "jwt_signing_key"
    forms: ClassVar[Mapping[str, str]] = {SIGNING_KEY: "has(self.credential.jwtSigningKey)"}
    carried: ClassVar[tuple[str, ...]] = (SIGNING_KEY,)
    public: ClassVar[tuple[str, ...]] = (SIGNING_KEY,)

    algorithm: JwtAlgorithm = Field("ES256", description="The `alg` of the tokens (RFC 7518, RFC 8037).")
    bits: int = Field(
        3072, ge=2048, le=8192, multiple_of=8, description="RSA key size, default 3072; RS and PS only."
    )

    conditional = ("bits",)
    rules = (
        Rule(
            "!has(self.bits) || self.algorithm.startsWith('RS') || self.algorithm.startsWith('PS')",
            "bits goes with RS and PS algorithms; the others have one size",
        ),
    )

    @model_validator(mode="after")
    def _bits_of_rsa(self) -> Self:
        if "bits" in self.model_fields_set and not self.algorithm.startswith(("RS", "PS")):
            raise ValueError(f"bits goes with RS and PS algorithms; {self.algorithm} has one size")
        return self

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a holder can be handed."""
        return ("private_key", "public_key", "jwk", "kid", "algorithm")
