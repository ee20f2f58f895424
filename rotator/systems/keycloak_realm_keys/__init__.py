"""Keycloak: the keys that a realm signs with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from rotator.systems.holders import HolderKind
from rotator.systems.provider import Provider
from rotator.vocabulary.access import Auth
from rotator.vocabulary.checks import Check, when
from rotator.vocabulary.credential import CredentialKind
from rotator.vocabulary.types import Duration, Id, Rule, Url, place_of

REALM_KEY = "keycloakRealmKey"
_NOT_BY_KEY = "a realm's key lets nobody in at its API; expected client or token"


class KeycloakRealmKey(CredentialKind):
    """A key that a Keycloak realm signs tokens with. Keycloak makes it, and it never leaves Keycloak."""

    declared_as: ClassVar[str] = "keycloak_realm_key"
    forms: ClassVar[Mapping[str, str]] = {REALM_KEY: "has(self.credential.keycloakRealmKey)"}

    algorithm: Literal[
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
    ] = Field("RS256", description="The `alg` of the realm's tokens.")

    @property
    def subjects(self) -> tuple[str, ...]:
        """The keys of one algorithm."""
        return (self.algorithm,)


class RealmHolder(HolderKind):
    """The Keycloak realm itself signs with its key."""

    declared_as: ClassVar[str] = "keycloak_realm"
    handed: ClassVar[bool] = False


class KeycloakRealmKeys(Provider):
    """The keys that a Keycloak realm publishes and signs with."""

    declared_as: ClassVar[str] = "keycloak_realm_keys"
    system: ClassVar[str] = "keycloak"
    suits: ClassVar[tuple[str, ...]] = (REALM_KEY,)
    makes: ClassVar[bool] = True
    takes_over: ClassVar[bool] = False
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            "RealmHolds",
            "the realm signs with its key, and nobody is handed it; expected one holder, keycloakRealm, and only there",
            when(lambda policy: _held_otherwise(policy.spec), "holders"),
            f"({KeycloakRealmKey.forms[REALM_KEY]}) ? self.holders.size() == 1 && has(self.holders[0].keycloakRealm) : "
            "self.holders.all(h, !has(h.keycloakRealm))",
            field=".holders",
        ),
    )

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


def _held_otherwise(spec: Any) -> bool:
    """Whether the realm is a holder of another credential, or another holder has its key."""
    realm = isinstance(spec.credential.one, KeycloakRealmKey)
    return realm != any(isinstance(h.one, RealmHolder) for h in spec.holders) or (
        realm and len(spec.holders) > 1
    )
