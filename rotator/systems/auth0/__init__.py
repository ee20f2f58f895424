"""Auth0: the secret or the keys of an application."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from rotator.credentials.oauth_client import CLIENT_KEY, CLIENT_SECRET, OAuthClient
from rotator.systems.provider import OTHERS, Others, Provider, When
from rotator.vocabulary.access import Auth
from rotator.vocabulary.types import Url, place_of

_BY_SECRET = When(lambda _, credential: credential.form == CLIENT_SECRET, OAuthClient.forms[CLIENT_SECRET])


class Auth0(Provider):
    """An application of an Auth0 tenant. Its keys overlap (private_key_jwt), its secrets do not."""

    declared_as: ClassVar[str] = "auth0"
    system: ClassVar[str] = "auth0"
    with_own: ClassVar[str] = "auth"
    suits: ClassVar[tuple[str, ...]] = (CLIENT_SECRET, CLIENT_KEY)
    slots: ClassVar[int | None] = 2
    one_slot: ClassVar[When] = _BY_SECRET
    shows: ClassVar[When] = _BY_SECRET
    algorithms: ClassVar[tuple[str, ...]] = ("RS256", "RS384", "PS256")
    """What it verifies the assertions of clients with (its manual, private key JWT)."""

    url: Url = Field(description="The tenant, as https://acme.eu.auth0.com.")
    auth: Auth
    others: Others = Field("Stop", description=OTHERS)
    settles: ClassVar[timedelta] = timedelta(seconds=30)

    def label(self, subject: str) -> str:
        """Return the unique label; see `Provider.label`."""
        return f"auth0 {place_of(self.url)} client {subject}"
