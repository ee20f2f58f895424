"""How rotator authenticates elsewhere, and where its own secrets are read from."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, Self

from pydantic import Field, model_validator

from rotator.vocabulary.types import (
    ClientId,
    Issuer,
    JobFile,
    Model,
    OneOf,
    Rule,
    SecretKey,
    VaultField,
    Words,
)


class SecretSource(OneOf):
    """Where a secret of rotator's own is read from, whenever it is needed."""

    secret: SecretKey | None = Field(None, description="A Secret in the rotation's namespace.")
    vault: VaultField | None = Field(None, description="A Vault document.")
    file: JobFile | None = Field(None, description="A file of the job. Not in a custom resource.")

    @cached_property
    def one(self) -> SecretKey | VaultField | str:
        """Where it is read; a text is the path of a file."""
        given: SecretKey | VaultField | str = self.given
        return given


class Own(Model):
    """Rotator logs in with the very credential that this rotation is about."""


class ClientAccess(Model):
    """A client of rotator's own, let in by its secret or its key (client credentials grant)."""

    client_id: ClientId = Field(description="The client.")
    secret: SecretSource | None = Field(None, description="Its secret.")
    key: SecretSource | None = Field(None, description="Its private key in PEM, for private_key_jwt.")
    kid: str | None = Field(
        None, min_length=1, max_length=255, description="The key's id; default: its RFC 7638 thumbprint."
    )
    assertion_audience: Literal["issuer", "token endpoint"] = Field(
        "issuer", description="With key: what its assertions name as their audience (RFC 7523, section 3)."
    )
    issuer: Issuer | None = Field(
        None,
        description="Who issues its tokens; default: the issuer of the rotated client, or the provider itself where it "
        "is the issuer of tokens for its API.",
    )
    scope: Words | None = Field(
        None, description="The scope to ask for; default: what the provider's API needs."
    )
    audience: Words | None = Field(
        None, description="The audience to ask for; default: what the provider's API needs."
    )

    rules = (
        Rule("has(self.secret) != has(self.key)", "expected exactly one of secret, key"),
        Rule("!has(self.kid) || has(self.key)", "kid goes with key"),
    )

    @property
    def proof(self) -> SecretSource:
        """Its secret, or its key."""
        (given,) = (source for source in (self.secret, self.key) if source)
        return given

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.secret is None) == (self.key is None):
            raise ValueError("expected exactly one of secret, key")
        if self.kid and not self.key:
            raise ValueError("kid goes with key")
        return self


class Auth(OneOf):
    """How rotator is let in at the provider's API."""

    client: ClientAccess | None = None
    token: SecretSource | None = Field(None, description="An API token that lasts.")
    own: Own | None = Field(
        None, description="The rotated client is rotator's own: it logs in with the version that works."
    )

    @cached_property
    def one(self) -> ClientAccess | SecretSource | Own:
        """The way; a secret's source stands for a token."""
        given: ClientAccess | SecretSource | Own = self.given
        return given
