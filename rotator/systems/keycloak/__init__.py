"""Keycloak: the clients of a realm."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from rotator.credentials.oauth_client import CLIENT_SECRET
from rotator.systems.provider import ALWAYS, Others, Provider, When
from rotator.vocabulary.access import Auth
from rotator.vocabulary.types import Id, Url, place_of


class Keycloak(Provider):
    """A client of a Keycloak realm. Two secrets overlap by the realm's client policies (executor secret-rotation)."""

    declared_as: ClassVar[str] = "keycloak"
    system: ClassVar[str] = "keycloak"
    with_own: ClassVar[str] = "auth"
    suits: ClassVar[tuple[str, ...]] = (CLIENT_SECRET,)
    slots: ClassVar[int | None] = 2
    expires: ClassVar[bool] = True
    one_slot: ClassVar[When] = When(
        lambda declared, _: not declared.overlap, "has(v.keycloak.overlap) && !v.keycloak.overlap"
    )
    shows: ClassVar[When] = ALWAYS

    url: Url = Field(
        description="Where Keycloak is, as https://sso.example.com; with its path, if it has one."
    )
    realm: Id = Field(description="The realm, as it stands in its addresses.")
    auth: Auth
    overlap: bool = Field(
        default=True,
        description="Whether the old secret stays accepted. Without it every switch is an outage, and `outage` says when.",
    )
    ensure_policy: bool = Field(
        default=False,
        description="Whether rotator may add a client profile and a client policy of its own to the realm, which allow two "
        "secrets for this client. Otherwise somebody else has to.",
    )
    others: Others = Field(
        "Stop",
        description="What to do about a secret of the client that somebody else made: Stop, and say so; or Leave it, accepted "
        "beside rotator's until it ends.",
    )

    def label(self, subject: str) -> str:
        """Return the unique label; see `Provider.label`."""
        return f"keycloak {place_of(self.url)}/realms/{self.realm} client {subject}"
