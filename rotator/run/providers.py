"""From declarations to providers that work: credentials, installations, and the logins that prove what was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator import kinds
from rotator.engine.confirmation import Confirmation
from rotator.engine.installation import Installation
from rotator.engine.proof import PATIENCE, Proof
from rotator.policy.model import RotationPolicy
from rotator.ports import Credential, Login, Party, Provider, Seen
from rotator.systems.at import At, Wired, client_login
from rotator.systems.registry import build
from rotator.targets.kubernetes import KubernetesObject

if TYPE_CHECKING:
    from rotator.vocabulary.credentials import OAuthClient
    from rotator.world import World

SAYS = f"{kinds.PREFIX}/accepts"
"""The annotation by which whoever installs versions says which are accepted now: their ids, with commas between."""


def credential_for_provider(policy: RotationPolicy) -> Credential:
    """Return the credential kind of a policy whose verifier is a provider."""
    declared = policy.spec.credential
    if client := declared.oauth_client:
        return _client_credential(policy, client)
    if password := declared.ldap_password:
        from rotator.credentials.ldap_password import LdapPassword  # noqa: PLC0415 - only where one is declared

        return LdapPassword(accounts=tuple(password.accounts), length=password.length)
    if declared.vault_app_role:
        from rotator.credentials.app_role_secret import AppRoleSecret  # noqa: PLC0415 - as above

        return AppRoleSecret()
    from rotator.credentials.realm_key import RealmKey  # noqa: PLC0415 - as above

    key = declared.keycloak_realm_key
    assert key  # noqa: S101 - exactly one is set
    return RealmKey(key.algorithm)


def _client_credential(policy: RotationPolicy, client: OAuthClient) -> Credential:
    from rotator.credentials.oauth_client import OAuthClient as Secret  # noqa: PLC0415 - only where one is declared
    from rotator.credentials.oauth_client import OAuthClientKey  # noqa: PLC0415 - as above

    if client.has_key:
        assert client.client_id  # noqa: S101 - a rule of the policy
        return OAuthClientKey(issuer=client.issuer, client_id=client.client_id, algorithm=client.algorithm)
    return Secret(
        issuer=client.issuer,
        client_id=client.client_id,
        length=client.length,
        made_by_provider=any(v.provider.makes for v in policy.spec.verifiers if v.provider),
    )


# --- parties -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Installed:
    """A provider among the verifiers, and the login that is its own."""

    party: Installation
    login: Login | None


def _wired(w: World, policy: RotationPolicy) -> Iterator[tuple[At, Wired]]:
    spec = policy.spec
    lasts = policy.lead + policy.converge + policy.overlap.total
    for verifier in spec.verifiers:
        if declared := verifier.provider:
            at = At(w, declared, policy.ref, spec.credential, every=spec.every, lasts=lasts)
            yield at, build(declared, at)


def installations(w: World, policy: RotationPolicy) -> Iterator[Installed]:
    """Yield the verifiers that are changed by calls."""
    for at, wired in _wired(w, policy):
        one_slot = at.declared.one_slot.holds(at.declared, at.credential)
        yield Installed(Installation(wired.provider, offer=at.offer, one_slot=one_slot), wired.login)


def proofs(w: World, policy: RotationPolicy, installed: Sequence[Installed]) -> Iterator[Party]:
    """Yield those who see what is accepted: by a login, or because somebody says so."""
    static = next((v.static for v in policy.spec.verifiers if v.static), None)
    if static and static.confirmed_by == "Annotation":
        namespace = static.namespace or policy.metadata.namespace
        yield _confirmation(KubernetesObject(w.kubernetes, kinds.SECRET, namespace, static.secret or ""))
        return
    if client := policy.spec.credential.oauth_client:
        patience = None if static else max(PATIENCE, policy.least_lead.total)
        yield Proof(client_login(w, client), w.clock, client.login.times, patience=patience)
    yield from (Proof(each.login, w.clock, times=1) for each in installed if each.login)


def _confirmation(target: KubernetesObject) -> Confirmation:
    def said() -> frozenset[str]:
        return frozenset(part.strip() for part in (target.annotation(SAYS) or "").split(",") if part.strip())

    how = f"kubectl annotate --overwrite --namespace {target.namespace} secret {target.name} {SAYS}={{ids}}"
    return Confirmation(name=f"confirmation on {target.label}", said=said, how=how)


def signers(w: World, policy: RotationPolicy) -> Iterator[Party]:
    """Yield the holders that providers themselves are: they sign with the version that is active."""
    yield from (Installation(wired.signer) for _, wired in _wired(w, policy) if wired.signer)


@dataclass(frozen=True)
class Shown:
    """The value in use, as the provider shows it."""

    provider: Provider

    @property
    def label(self) -> str:
        """The provider's label."""
        return self.provider.label

    def read(self, names: Sequence[str]) -> Seen | None:
        """Ask the provider; the value stands under the first of `names`."""
        value = self.provider.current()
        return Seen(fields={names[0]: value}, stamp=None, fence="") if value else None


def shown(w: World, policy: RotationPolicy) -> Shown:
    """Return where the value in use is read that a provider shows."""
    return Shown(next(wired.provider for _, wired in _wired(w, policy)))
