"""The only list of what a declaration can name, and where what each of it needs is loaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

from rotator.credentials.jwt_signing_key import JwtSigningKey
from rotator.credentials.oauth_client import OAuthClient
from rotator.credentials.shared_secret import SharedSecret
from rotator.ports import Credential
from rotator.systems.accepted_list import AcceptedListPlace
from rotator.systems.accepting_holders import AcceptingHolders
from rotator.systems.app_role import AppRole, VaultAppRole
from rotator.systems.auth0 import Auth0
from rotator.systems.document import Document
from rotator.systems.entra import Entra
from rotator.systems.gate import GateKind
from rotator.systems.gateway import Gateway
from rotator.systems.holders import HolderKind, SecretHolder, VaultHolder
from rotator.systems.hydra import Hydra
from rotator.systems.istio import Istio
from rotator.systems.jwks import JwksPlace
from rotator.systems.jwks_probe import JwksProbe
from rotator.systems.keycloak import Keycloak
from rotator.systems.keycloak_realm_keys import KeycloakRealmKey, KeycloakRealmKeys, RealmHolder
from rotator.systems.kong import Kong
from rotator.systems.ldap import Ldap, LdapPassword
from rotator.systems.okta import Okta
from rotator.systems.others import SETTING, others
from rotator.systems.pem import PemPlace
from rotator.systems.prometheus import PrometheusQuery
from rotator.systems.provider import Provider
from rotator.systems.registration import Registration
from rotator.systems.static import StaticPlace
from rotator.systems.verifier import VerifierKind
from rotator.vocabulary.checks import Check
from rotator.vocabulary.credential import Beside, CredentialKind

if TYPE_CHECKING:
    from rotator.systems.at import At, Wired

CREDENTIALS: tuple[type[CredentialKind], ...] = (
    JwtSigningKey,
    SharedSecret,
    OAuthClient,
    LdapPassword,
    VaultAppRole,
    KeycloakRealmKey,
)
DOCUMENTS: tuple[type[Document], ...] = (JwksPlace, PemPlace, AcceptedListPlace, StaticPlace)
OURS: tuple[type[Provider], ...] = (
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
_KNOWN = {
    AcceptingHolders.declared_as,
    Gateway.declared_as,
    Istio.declared_as,
    Kong.declared_as,
    *(k.declared_as for k in DOCUMENTS),
    *(k.declared_as for k in OURS),
}
PROVIDERS: tuple[type[Provider], ...] = (*OURS, *others(os.environ.get(SETTING, ""), _KNOWN))
"""The same, with those of other distributions that a setting names."""
VERIFIERS: tuple[type[VerifierKind], ...] = (*DOCUMENTS, AcceptingHolders, Gateway, Istio, Kong, *PROVIDERS)
HOLDERS: tuple[type[HolderKind], ...] = (SecretHolder, VaultHolder, RealmHolder)
GATES: tuple[type[GateKind], ...] = (JwksProbe, PrometheusQuery)

FORMS = {form: condition for kind in CREDENTIALS for form, condition in kind.forms.items()}
"""The forms of credentials, each with its condition in CEL, of the spec `self`."""


def checks() -> Iterator[Check]:
    """Yield what the kinds ask of the rest of a declaration."""
    yield from (check for verifier in VERIFIERS for check in verifier.checks)
    yield from (check for holder in HOLDERS for check in holder.checks)
    yield from (check for gate in GATES for check in gate.checks)


def build(declared: Provider, at: At) -> Wired:
    """Make what calls a declared provider. Its module `client` is loaded here, and only where one is declared."""
    wired: Wired = import_module(f"{type(declared).__module__}.client").build(declared, at)
    return wired


def maker(declared: CredentialKind, beside: Beside) -> Credential:
    """Make what makes versions of a declared credential. Its module `maker` is loaded here, and only where one is declared."""
    made: Credential = import_module(f"{type(declared).__module__}.maker").build(declared, beside)
    return made
