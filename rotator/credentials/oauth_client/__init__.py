"""OAuth clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from rotator.vocabulary.credential import CredentialKind, JwtAlgorithm
from rotator.vocabulary.footprint import Account, Home, Touch, Use
from rotator.vocabulary.types import ClientId, Issuer, JobFile, Model, Rule, Words, place_of

CLIENT_SECRET, CLIENT_KEY = "oauthClient with a secret", "oauthClient with a key"
_BY_KEY = "has(self.credential.oauthClient.authentication) && self.credential.oauthClient.authentication == 'private_key_jwt'"


class ClientLogin(Model):
    """How a version is proven: by a login as the client, at an endpoint that discovery names."""

    via: Literal["client_credentials", "introspection", "revocation"] = Field(
        "client_credentials",
        description="client_credentials: ask for a token (RFC 6749, section 4.4). For clients that may not: introspection "
        "(RFC 7662) or revocation (RFC 7009) of a token that does not exist; only the client is looked at.",
    )
    times: int = Field(3, ge=1, le=20, description="How many logins in a row must agree.")
    scope: Words | None = Field(None, description="The scope to ask for.")
    audience: Words | None = Field(None, description="The audience to ask for, where the provider wants one.")
    assertion_audience: Literal["issuer", "token endpoint"] = Field(
        "issuer",
        description="With private_key_jwt: what the client's assertions name as their audience (RFC 7523, section 3).",
    )
    ca_file: JobFile | None = Field(
        None, description="A PEM bundle to verify the issuer with; default: the system's."
    )

    rules = (
        Rule(
            "!(has(self.scope) || has(self.audience)) || !has(self.via) || self.via == 'client_credentials'",
            "scope and audience go with client_credentials",
        ),
    )

    @model_validator(mode="after")
    def _asks_for_a_token(self) -> Self:
        if (self.scope or self.audience) and self.via != "client_credentials":
            raise ValueError("scope and audience go with client_credentials")
        return self


class OAuthClient(CredentialKind):
    """What a client of an identity provider proves itself with: a secret, or a key of its own."""

    declared_as: ClassVar[str] = "oauth_client"
    forms: ClassVar[Mapping[str, str]] = {
        CLIENT_SECRET: f"has(self.credential.oauthClient) && !({_BY_KEY})",
        CLIENT_KEY: f"has(self.credential.oauthClient) && {_BY_KEY}",
    }
    carried: ClassVar[tuple[str, ...]] = (CLIENT_KEY,)
    public: ClassVar[tuple[str, ...]] = (CLIENT_KEY,)
    secret: ClassVar[tuple[str, ...]] = (CLIENT_SECRET,)

    client_id: ClientId | None = Field(
        None, description="The client. Only where each version is registered anew: left out."
    )
    issuer: Issuer = Field(
        description="The issuer, letter by letter as its tokens name it; its endpoints are found by discovery.",
    )
    authentication: Literal["client_secret_basic", "client_secret_post", "private_key_jwt"] = Field(
        "client_secret_basic", description="How the client proves itself (RFC 7591, section 2)."
    )
    algorithm: JwtAlgorithm = Field(
        "ES256", description="With private_key_jwt: the `alg` of the client's assertions, default ES256."
    )
    length: int = Field(
        48,
        ge=32,
        le=128,
        description="Characters of a secret that rotator makes, default 48.",
    )
    login: ClientLogin = ClientLogin()

    conditional = ("algorithm", "length")
    rules = (
        Rule(
            "!has(self.algorithm) || (has(self.authentication) && self.authentication == 'private_key_jwt')",
            "algorithm goes with private_key_jwt",
        ),
        Rule(
            "!has(self.length) || !has(self.authentication) || self.authentication != 'private_key_jwt'",
            "length goes with a secret; a key has its algorithm",
        ),
    )

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if "algorithm" in self.model_fields_set and not self.has_key:
            raise ValueError("algorithm goes with private_key_jwt")
        if "length" in self.model_fields_set and self.has_key:
            raise ValueError("length goes with a secret; a key has its algorithm")
        return self

    @property
    def has_key(self) -> bool:
        """Whether the client has a key; else it has a secret."""
        return self.authentication == "private_key_jwt"

    @classmethod
    def examples(cls) -> Mapping[str, CredentialKind]:
        """Return a client with a secret, and one with a key."""
        some = "https://issuer.example"
        return {
            cls.forms[CLIENT_SECRET]: cls(issuer=some),
            cls.forms[CLIENT_KEY]: cls(issuer=some, authentication="private_key_jwt"),
        }

    @property
    def form(self) -> str:
        """With a key, or with a secret."""
        return CLIENT_KEY if self.has_key else CLIENT_SECRET

    @property
    def subjects(self) -> tuple[str, ...]:
        """The client; none where each version is registered anew."""
        return (self.client_id,) if self.client_id else ()

    def touches(self, home: Home) -> Iterator[Touch]:
        """The client has one owner, whichever way it is reached."""
        del home
        if self.client_id:
            what = f"the {'key' if self.has_key else 'secret'} of client {self.client_id}"
            yield Touch(Account(f"{what} at {place_of(self.issuer)}"), Use.ASKED, ("clientId",))

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a holder can be handed."""
        if self.has_key:
            return ("client_id", "issuer", "private_key", "public_key", "jwk", "kid", "algorithm")
        return ("client_id", "issuer", "client_secret")
