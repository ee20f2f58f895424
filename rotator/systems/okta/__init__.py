"""Okta: the client secrets of an app."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from rotator.credentials.oauth_client import CLIENT_SECRET
from rotator.systems.provider import ALWAYS, OTHERS, Others, Provider, When
from rotator.vocabulary.access import Auth
from rotator.vocabulary.types import Id, Url, place_of


class Okta(Provider):
    """An app of an Okta organisation: two secrets at a time."""

    declared_as: ClassVar[str] = "okta"
    system: ClassVar[str] = "okta"
    with_own: ClassVar[str] = "auth"
    suits: ClassVar[tuple[str, ...]] = (CLIENT_SECRET,)
    slots: ClassVar[int | None] = 2
    shows: ClassVar[When] = ALWAYS
    token_scheme: ClassVar[str] = "SSWS"  # noqa: S105 - how, not which
    max_length: ClassVar[int | None] = 100
    """Its API description says so of `client_secret` of an app."""

    url: Url = Field(description="The organisation, as https://acme.okta.com.")
    app: Id = Field(description="The app's id.")
    auth: Auth
    others: Others = Field("Stop", description=OTHERS)
    settles: ClassVar[timedelta] = timedelta(seconds=30)

    def label(self, subject: str) -> str:
        """Return the unique label; see `Provider.label`."""
        del subject
        return f"okta {place_of(self.url)} app {self.app}"
