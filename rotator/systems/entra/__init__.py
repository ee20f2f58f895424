"""Microsoft Entra ID: the passwords of an application."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from rotator.credentials.oauth_client import CLIENT_SECRET
from rotator.systems.provider import OTHERS, Others, Provider
from rotator.vocabulary.access import Auth
from rotator.vocabulary.types import Id, Url, place_of


class Entra(Provider):
    """An application of Microsoft Entra ID: Microsoft makes the secrets."""

    declared_as: ClassVar[str] = "entra"
    system: ClassVar[str] = "entra"
    with_own: ClassVar[str] = "auth"
    suits: ClassVar[tuple[str, ...]] = (CLIENT_SECRET,)
    makes: ClassVar[bool] = True

    url: Url = Field(
        "https://graph.microsoft.com", description="Microsoft Graph; another one in national clouds."
    )
    application: Id = Field(description="The application's object id (not its client id).")
    auth: Auth
    others: Others = Field("Stop", description=OTHERS)
    settles: ClassVar[timedelta] = timedelta(minutes=2)

    def label(self, subject: str) -> str:
        """Return the unique label; see `Provider.label`."""
        del subject
        return f"entra {place_of(self.url)} application {self.application.lower()}"
