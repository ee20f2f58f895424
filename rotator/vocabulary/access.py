"""How rotator authenticates elsewhere, and where its own secrets are read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, Self, TypeVar, get_args, get_origin

from pydantic import Field, model_validator
from pydantic.fields import FieldInfo

from rotator.vocabulary.types import (
    BASE_URL,
    DNS_LABEL,
    FILE,
    ISSUER_URL,
    LDAP_URL,
    PROVIDER_URL,
    URL,
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


# --- what is named, wherever it stands ----------------------------------------------------------------------------

Part = TypeVar("Part", bound=Model)


def parts(declared: object, kind: type[Part]) -> Iterator[Part]:
    """Yield every part of a declaration that is of one kind, itself or in whatever field it stands."""
    if isinstance(declared, kind):
        yield declared
    elif isinstance(declared, list):
        for each in declared:
            yield from parts(each, kind)
    elif isinstance(declared, Model):
        for name in type(declared).model_fields:
            yield from parts(getattr(declared, name), kind)


def secret_sources(declared: object) -> Iterator[SecretSource]:
    """Yield every place below `declared` from which a secret of rotator's own is read."""
    return parts(declared, SecretSource)


ADDRESSES = frozenset({BASE_URL, ISSUER_URL, LDAP_URL, PROVIDER_URL, URL})
"""The patterns of texts that are asked over the network."""
NAMESPACES = frozenset({DNS_LABEL})
"""The pattern of names of namespaces."""
FILES = frozenset({FILE})
"""The pattern of texts that are read from the job's own disk."""


def named(declared: object, patterns: frozenset[str]) -> Iterator[str]:
    """Yield every text below `declared` whose type has one of `patterns`, in whatever field it stands."""
    if isinstance(declared, list):
        for part in declared:
            yield from named(part, patterns)
    elif isinstance(declared, Model):
        for name, given in _patterns(type(declared)).items():
            value = getattr(declared, name)
            if given & patterns:
                yield from [value] if isinstance(value, str) else value or ()
            else:
                yield from named(value, patterns)


@cache
def _patterns(kind: type[Model]) -> Mapping[str, frozenset[str]]:
    """Return the patterns of each field, in whatever its type wraps them."""
    return {
        name: frozenset({*_of(info.annotation), *(p for m in info.metadata for p in _of(m))})
        for name, info in kind.model_fields.items()
    }


def _of(part: Any) -> Iterator[str]:
    if isinstance(part, FieldInfo):
        for each in part.metadata:
            yield from _of(each)
    elif isinstance(pattern := getattr(part, "pattern", None), str):
        yield pattern
    if get_origin(part) is Annotated:
        for each in part.__metadata__:
            yield from _of(each)
    for each in get_args(part):
        yield from _of(each)
