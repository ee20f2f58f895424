"""Keycloak: the keys that a realm signs with."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Self

from pydantic import Field, model_validator

from rotator.systems.provider import Provider
from rotator.vocabulary.access import Auth
from rotator.vocabulary.credentials import REALM_KEY
from rotator.vocabulary.types import Duration, Id, Rule, Url, place_of

_NOT_BY_KEY = "a realm's key lets nobody in at its API; expected client or token"


class KeycloakRealmKeys(Provider):
    """The keys that a Keycloak realm publishes and signs with."""

    name: ClassVar[str] = "keycloak_realm_keys"
    system: ClassVar[str] = "keycloak"
    suits: ClassVar[tuple[str, ...]] = (REALM_KEY,)
    makes: ClassVar[bool] = True
    takes_over: ClassVar[bool] = False

    url: Url = Field(
        description="Where Keycloak is, as https://sso.example.com; with its path, if it has one."
    )
    realm: Id = Field(description="The realm, as it stands in its addresses.")
    auth: Auth
    max_age: Duration = Field(
        timedelta(hours=24), description="How long those who verify the realm's tokens may cache its keys."
    )

    rules = (Rule("!has(self.auth.own)", f"auth: {_NOT_BY_KEY}"),)

    @model_validator(mode="after")
    def _not_by_its_key(self) -> Self:
        if self.auth.own:
            raise ValueError(f"auth: {_NOT_BY_KEY}")
        return self

    def label(self, subject: str) -> str:
        """Return the unique label; see `Provider.label`."""
        return f"keycloak {place_of(self.url)}/realms/{self.realm} keys {subject}"

    @property
    def caches(self) -> timedelta:
        """Those who verify the realm's tokens keep its keys."""
        return self.max_age

    @property
    def issuer(self) -> str:
        """The realm, as its tokens name it."""
        return f"{self.url}/realms/{self.realm}"
