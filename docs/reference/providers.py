"""Write what each provider can do, from its own `Capabilities`: a part of the page of providers.

`python -m docs.reference.providers` writes it, with `--check` it only compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from docs.written import HERE, finish
from rotator.ports import Capabilities, Provider
from rotator.systems.app_role.client import AppRoleSecretIds
from rotator.systems.auth0.client import Auth0Keys, Auth0Secret
from rotator.systems.entra.client import EntraApplication
from rotator.systems.hydra.client import HydraClient
from rotator.systems.keycloak.client import KeycloakClient
from rotator.systems.keycloak_realm_keys.client import RealmKeys
from rotator.systems.ldap.client import DirectoryAccounts
from rotator.systems.okta.client import OktaApp
from rotator.systems.registration.client import RegisteredClients

FOLDER = HERE / "declare/providers"
FILE = FOLDER / "capabilities.txt"
HEAD = """\
% Written by docs/reference/providers.py from the providers' Capabilities: change the code, not this file.

| verifier | with | at a time | whose value | lists | removes one | timed | strategy |
|---|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Row:
    """A provider in one of its forms."""

    declared: str
    """Its name in a declaration."""
    page: str
    form: str
    """What it is declared with; empty: there is one form only."""
    provider: Provider


def rows() -> Iterator[Row]:
    """Yield every form of every provider; what they can do needs no connection."""
    nothing: Any = None
    client = {"http": nothing, "url": "", "clock": nothing}
    keycloak = {**client, "realm": "", "client": ""}
    yield Row("keycloak", "keycloak.md", "", KeycloakClient(**keycloak))
    yield Row("keycloak", "keycloak.md", "`overlap: false`", KeycloakClient(**keycloak, overlap=False))
    yield Row("okta", "okta.md", "", OktaApp(**client, app=""))
    yield Row("entra", "entra.md", "", EntraApplication(**client, application="", lasts=timedelta()))
    yield Row("auth0", "auth0.md", "a key", Auth0Keys(**client, client=""))
    yield Row("auth0", "auth0.md", "a secret", Auth0Secret(http=nothing, url="", client=""))
    yield Row("hydra", "hydra.md", "", HydraClient(http=nothing, url="", client=""))
    registration = RegisteredClients(server=nothing, rotation="", clock=nothing, login=nothing)
    yield Row("registration", "registration.md", "", registration)
    one, two = ("cn=a",), ("cn=a", "cn=b")
    yield Row("ldap", "ldap.md", "one account", DirectoryAccounts(nothing, one))
    yield Row("ldap", "ldap.md", "two accounts, in turn", DirectoryAccounts(nothing, two))
    yield Row("ldap", "ldap.md", "one account, `values: One`", DirectoryAccounts(nothing, one, several=False))
    yield Row("appRole", "approle.md", "", AppRoleSecretIds(nothing, "", ""))
    yield Row("keycloakRealmKeys", "keycloak-realm-keys.md", "", RealmKeys(http=nothing, url="", realm=""))


def texts() -> Mapping[Path, str]:
    """Return the table by its file."""
    return {FILE: "\n".join([HEAD, *(_written(row) for row in rows()), ""])}


def _written(row: Row) -> str:
    can = row.provider.capabilities
    cells = (
        f"[`{row.declared}`]({row.page})",
        row.form,
        "any number" if can.slots is None else str(can.slots),
        _maker(row, can),
        _yes(value=can.lists),
        _yes(value=can.removes),
        _yes(value=can.expires),
        f"**{can.strategy}**",
    )
    return "| " + " | ".join(cells) + " |"


def _maker(row: Row, can: Capabilities) -> str:
    """Say who makes the value; the key of a realm is made there and never learned."""
    return "its own" if can.makes or row.declared == "keycloakRealmKeys" else "ours"


def _yes(*, value: bool) -> str:
    return "yes" if value else "no"


if __name__ == "__main__":
    finish(texts())
