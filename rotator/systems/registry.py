"""The only list of the systems that a declaration can name, and where what each of them needs is loaded."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from rotator.systems.app_role import AppRole
from rotator.systems.auth0 import Auth0
from rotator.systems.entra import Entra
from rotator.systems.hydra import Hydra
from rotator.systems.keycloak import Keycloak
from rotator.systems.keycloak_realm_keys import KeycloakRealmKeys
from rotator.systems.ldap import Ldap
from rotator.systems.okta import Okta
from rotator.systems.provider import Provider
from rotator.systems.registration import Registration

if TYPE_CHECKING:
    from rotator.systems.at import At, Wired

PROVIDERS: tuple[type[Provider], ...] = (
    Keycloak,
    KeycloakRealmKeys,
    Okta,
    Entra,
    Auth0,
    Hydra,
    Registration,
    Ldap,
    AppRole,
)
"""The verifiers that are changed by calls, in the order in which the schema shows them."""


def build(declared: Provider, at: At) -> Wired:
    """Make what calls a declared provider. Its module `client` is loaded here, and only where one is declared."""
    wired: Wired = import_module(f"{type(declared).__module__}.client").build(declared, at)
    return wired
