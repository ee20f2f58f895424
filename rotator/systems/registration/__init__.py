"""Dynamic registration (RFC 7591, RFC 7592): each version is a client of its own."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from rotator.credentials.oauth_client import CLIENT_SECRET, OAuthClient
from rotator.systems.provider import ALWAYS, Provider, When
from rotator.vocabulary.access import SecretSource
from rotator.vocabulary.checks import Check, each
from rotator.vocabulary.types import Url, Words

_GRANT = "client_credentials"
_NO_LOGIN = "the login that proves a version needs the grant client_credentials; expected it among grantTypes, or another login.via"


class Registration(Provider):
    """Dynamic registration (RFC 7591, RFC 7592): each version is a client of its own."""

    declared_as: ClassVar[str] = "registration"
    system: ClassVar[str] = "registration"
    suits: ClassVar[tuple[str, ...]] = (CLIENT_SECRET,)
    makes: ClassVar[bool] = True
    alternates: ClassVar[When] = ALWAYS
    takes_over: ClassVar[bool] = False
    registers: ClassVar[bool] = True
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            "NoLogin",
            _NO_LOGIN,
            each("verifiers", lambda policy, v: _cannot_log_in(v.one, policy.spec.credential.one)),
            "!has(self.credential.oauthClient) || (has(self.credential.oauthClient.login) && "
            "has(self.credential.oauthClient.login.via) && "
            f"self.credential.oauthClient.login.via != '{_GRANT}') || self.verifiers.all(v, "
            f"!has(v.registration) || !has(v.registration.grantTypes) || '{_GRANT}' in v.registration.grantTypes)",
            field=".verifiers",
        ),
    )

    endpoint: Url | None = Field(None, description="The registration endpoint; default: found by discovery.")
    token: SecretSource | None = Field(
        None, description="The initial access token, where the provider wants one."
    )
    grant_types: list[Words] = Field(
        ["client_credentials"], min_length=1, max_length=16, description="What each client may use."
    )
    redirect_uris: list[Words] = Field(
        [],
        max_length=64,
        description="Where users may be sent back to; needed by the authorization code grant.",
    )
    response_types: list[Words] = Field([], max_length=16, description="As code, with that grant.")
    scope: Words | None = Field(
        None,
        description="The scopes that each client may ask for, with blanks between; default: the provider's.",
    )
    client_name: Words | None = Field(
        None,
        description="What each client's name begins with; the rotation and the version follow. Default: rotator.",
    )

    def label(self, subject: str) -> str:
        """Return the unique label; see `Provider.label`."""
        return f"registration of {subject}"


def _cannot_log_in(kind: object, credential: object) -> bool:
    """Whether no client could make the login that proves a version."""
    return (
        isinstance(kind, Registration)
        and isinstance(credential, OAuthClient)
        and credential.login.via == _GRANT
        and _GRANT not in kind.grant_types
    )
