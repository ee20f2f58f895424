"""Ory Hydra: the secrets of a client."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from rotator.credentials.oauth_client import CLIENT_SECRET
from rotator.systems.provider import Others, Provider
from rotator.vocabulary.access import Auth
from rotator.vocabulary.types import Url, place_of


class Hydra(Provider):
    """A client of Ory Hydra: Hydra makes the secrets, and the previous ones stay valid until they are cleared."""

    declared_as: ClassVar[str] = "hydra"
    system: ClassVar[str] = "hydra"
    with_own: ClassVar[str] = "auth"
    suits: ClassVar[tuple[str, ...]] = (CLIENT_SECRET,)
    slots: ClassVar[int | None] = 6
    """The current secret and five previous ones, which all end together."""
    makes: ClassVar[bool] = True

    url: Url = Field(description="Hydra's admin API.")
    auth: Auth | None = Field(None, description="Where a proxy before the admin API asks for it.")
    others: Others = Field(
        "Stop",
        description="What to do where somebody else changes the client: Stop, and say so; or Leave, which takes each change for "
        "one of its settings: a secret made then ends with the next of rotator's.",
    )

    def label(self, subject: str) -> str:
        """Return the unique label; see `Provider.label`."""
        return f"hydra {place_of(self.url)} client {subject}"
