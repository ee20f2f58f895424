"""All providers at which credentials live, by the kind of a scenario."""

from __future__ import annotations

from collections.abc import Mapping

from tests.faults import vendors_oauth, vendors_others
from tests.faults.vendor import Vendor

VENDORS: Mapping[str, type[Vendor]] = {
    "okta": vendors_oauth.Okta,
    "oktaWithTheirs": vendors_oauth.OktaWithTheirs,
    "oktaFull": vendors_oauth.OktaFull,
    "oktaTakenOver": vendors_oauth.OktaTakenOver,
    "entra": vendors_oauth.Entra,
    "entraBesideTheirs": vendors_oauth.EntraBesideTheirs,
    "hydra": vendors_oauth.Hydra,
    "auth0Keys": vendors_oauth.Auth0Keys,
    "keycloak": vendors_oauth.Keycloak,
    "keycloakCut": vendors_oauth.KeycloakCut,
    "registration": vendors_oauth.Registration,
    "ldap": vendors_others.Ldap,
    "ldapOne": vendors_others.LdapOne,
    "ldapTurns": vendors_others.LdapTurns,
    "appRole": vendors_others.AppRole,
}
"""By the kind of a scenario."""
