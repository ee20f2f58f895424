"""From declarations to providers that work: credentials, ways in, and the logins that prove what was done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rotator import kinds
from rotator.clients.http import Http
from rotator.core.own_secrets import text_of, token_of
from rotator.core.reading import Unreadable
from rotator.core.sensitive import Sensitive
from rotator.engine.confirmation import Confirmation
from rotator.engine.installation import Installation
from rotator.engine.proof import PATIENCE, Proof
from rotator.errors import Frozen, SettingsError
from rotator.policy.model import RotationPolicy
from rotator.policy.model import Verifier as VerifierPolicy
from rotator.policy.providers import Auth, ClientAccess, SecretSource
from rotator.policy.providers import Ldap as LdapPolicy
from rotator.ports import Access, Copy, Credential, Login, Party, Provider, Seen, Target
from rotator.targets.kubernetes import KubernetesObject
from rotator.targets.vault import VaultPath

if TYPE_CHECKING:
    from rotator.clients.ldap import BindAsOwn, Identities
    from rotator.clients.ldap import Ldap as Directory
    from rotator.clients.oauth import OwnClient
    from rotator.policy.credentials import OAuthClient
    from rotator.wiring import World

SAYS = f"{kinds.PREFIX}/accepts"
"""The annotation by which whoever installs versions says which are accepted now: their ids, with commas between."""
SPARE = 2
"""A secret that ends by itself lasts for so many times its period: a rotation that is late must not lose it."""


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
        made_by_provider=any(v.entra or v.hydra or v.registration for v in policy.spec.verifiers),
    )


# --- our own ways in ---------------------------------------------------------------------------------------------


Read = Callable[[Sensitive], Sensitive]
"""Takes a secret of our own as it stands somewhere; see `rotator.core.own_secrets`."""


def reader(
    w: World, policy: RotationPolicy, source: SecretSource, read: Read = text_of
) -> Callable[[], Sensitive]:
    """Return what reads a secret of our own, whenever it is needed."""
    if source.file:
        path = Path(source.file)
        return lambda: _file(path, read)
    target: Target
    if source.secret:
        target = KubernetesObject(w.kubernetes, kinds.SECRET, policy.metadata.namespace, source.secret.name)
        name = source.secret.key
    else:
        assert source.vault  # noqa: S101 - exactly one is set
        target, name = VaultPath(w.vault, source.vault.mount, source.vault.path), source.vault.field
    return lambda: _field(target, name, read)


def _file(path: Path, read: Read) -> Sensitive:
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{path}: {error.strerror or type(error).__name__}; expected a file that holds the secret with which rotator "
            "is let in at the provider. Nothing was changed"
        ) from None
    return _own(Sensitive(octets), f"the file {path}", read)


def _field(target: Target, name: str, read: Read) -> Sensitive:
    seen = target.read([name])
    if seen is None or name not in seen.fields:
        raise Frozen(
            f"{target.label} has no field {name}, by which rotator is let in at the provider. Nothing was changed there"
        )
    where = f"{target.label}, field {name},"
    if seen.shaped:
        raise Frozen(f"{where} is an object or a number, no text. {_LET_IN}")
    return _own(seen.fields[name], where, read)


def _own(value: Sensitive, where: str, read: Read) -> Sensitive:
    """Return a secret of our own. Raises Frozen, naming `where` it stands, for what cannot be one."""
    try:
        return read(value)
    except Unreadable as error:
        raise Frozen(f"{where} {error}. {_LET_IN}") from None


_LET_IN = "Expected the text by which rotator is let in at the provider. Nothing was changed there"


@dataclass(frozen=True)
class _Way:
    """How we are let in at one provider's API."""

    w: World
    policy: RotationPolicy
    ca_file: str | None
    system: str

    def http(self, access: Access | None = None) -> Http:
        """Return a client of the provider."""
        return _http(self.w, self.ca_file, self.system, access)

    def access(
        self, auth: Auth | None, *, issuer: str, scope: str | None = None, audience: str | None = None
    ) -> Access | None:
        """Return what every request carries; the defaults are what the provider's API needs."""
        from rotator.clients.oauth import ClientCredentials, StaticToken  # noqa: PLC0415 - as above

        if auth is None or auth.own:
            return None if auth is None else self._own(issuer, scope, audience)
        if auth.token:
            scheme = "SSWS" if self.system == "okta" else "Bearer"
            return StaticToken(reader(self.w, self.policy, auth.token, token_of), scheme=scheme)
        client = auth.client
        assert client  # noqa: S101 - exactly one is set
        source = client.secret or client.key
        assert source  # noqa: S101 - exactly one is set
        return ClientCredentials(
            http=self.http(),
            issuer=client.issuer or issuer,
            method=_method(client),
            client_id=client.client_id,
            credential=reader(self.w, self.policy, source),
            clock=self.w.clock,
            scope=client.scope or scope,
            audience=client.audience or audience,
            assertion_audience=client.assertion_audience,
            kid=client.kid,
        )

    def _own(self, issuer: str, scope: str | None, audience: str | None) -> OwnClient:
        from rotator.clients.oauth import OwnClient  # noqa: PLC0415 - as above

        client = self.policy.spec.credential.oauth_client
        assert client  # noqa: S101 - `own` goes with a client
        return OwnClient(
            http=self.http(),
            issuer=issuer,
            method=client.authentication,
            clock=self.w.clock,
            client_id=client.client_id,
            scope=scope,
            audience=audience,
            assertion_audience=client.login.assertion_audience,
        )


def _http(w: World, ca_file: str | None, system: str, access: Access | None = None) -> Http:
    return w.http(ca_file=ca_file, timeout=w.timeout, system=system, access=access, connect=w.connect_http)


def _method(client: ClientAccess) -> str:
    return "private_key_jwt" if client.key else "client_secret_basic"


# --- parties -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _At:
    """One verifier that is a provider, and the rotation it is for."""

    w: World
    policy: RotationPolicy
    verifier: VerifierPolicy

    @property
    def client(self) -> OAuthClient:
        """The declared client."""
        client = self.policy.spec.credential.oauth_client
        assert client  # noqa: S101 - which verifier suits which credential is a rule of the policy
        return client

    @property
    def issuer(self) -> str:
        """Who issues the tokens of the declared client; for a realm's keys, the realm."""
        keys = self.verifier.keycloak_realm_keys
        return f"{keys.url}/realms/{keys.realm}" if keys else self.client.issuer

    @property
    def lasts(self) -> timedelta:
        """How long a version must stay accepted, from the moment at which the next one is published."""
        return self.policy.lead + self.policy.converge + self.policy.overlap.total

    def way(self, system: str) -> _Way:
        """Return how this provider is reached."""
        declared = self.verifier.provider
        return _Way(self.w, self.policy, declared.ca_file if declared else None, system)


@dataclass(frozen=True)
class _Wired:
    """A provider, and who is to be told of the versions before it is asked."""

    provider: Provider
    access: Access | BindAsOwn | None = None


def _keycloak(at: _At) -> _Wired:
    from rotator.providers.keycloak import Keycloak  # noqa: PLC0415 - only where one is declared

    declared, way = at.verifier.keycloak, at.way("keycloak")
    assert declared  # noqa: S101 - exactly one is set
    access = way.access(declared.auth, issuer=at.issuer)
    keycloak = Keycloak(
        http=way.http(access),
        url=declared.url,
        realm=declared.realm,
        client=at.client.client_id or "",
        overlap=declared.overlap,
        ensure_policy=declared.ensure_policy,
        lasts=at.lasts,
        lives=at.policy.spec.every + at.lasts,
        others=declared.others,
        clock=at.w.clock,
    )
    return _Wired(keycloak, access)


def _okta(at: _At) -> _Wired:
    from rotator.providers.okta import Okta  # noqa: PLC0415 - only where one is declared

    declared, way = at.verifier.okta, at.way("okta")
    assert declared  # noqa: S101 - exactly one is set
    scope = "okta.apps.read okta.apps.manage"
    access = way.access(declared.auth, issuer=declared.url, scope=scope)
    okta = Okta(
        http=way.http(access), url=declared.url, app=declared.app, others=declared.others, clock=at.w.clock
    )
    return _Wired(okta, access)


def _entra(at: _At) -> _Wired:
    from rotator.providers.entra import Entra  # noqa: PLC0415 - only where one is declared

    declared, way = at.verifier.entra, at.way("entra")
    assert declared  # noqa: S101 - exactly one is set
    access = way.access(declared.auth, issuer=at.issuer, scope=f"{declared.url}/.default")
    entra = Entra(
        http=way.http(access),
        url=declared.url,
        application=declared.application,
        others=declared.others,
        lasts=SPARE * (at.policy.spec.every + at.lasts),
        clock=at.w.clock,
    )
    return _Wired(entra, access)


def _auth0(at: _At) -> _Wired:
    from rotator.providers.auth0 import Auth0Keys, Auth0Secret  # noqa: PLC0415 - only where one is declared

    declared, way = at.verifier.auth0, at.way("auth0")
    assert declared  # noqa: S101 - exactly one is set
    access = way.access(declared.auth, issuer=f"{declared.url}/", audience=f"{declared.url}/api/v2/")
    http, client = way.http(access), at.client.client_id or ""
    if at.client.has_key:
        keys = Auth0Keys(http=http, url=declared.url, client=client, others=declared.others, clock=at.w.clock)
        return _Wired(keys, access)
    return _Wired(Auth0Secret(http=http, url=declared.url, client=client), access)


def _hydra(at: _At) -> _Wired:
    from rotator.providers.hydra import Hydra  # noqa: PLC0415 - only where one is declared

    declared, way = at.verifier.hydra, at.way("hydra")
    assert declared  # noqa: S101 - exactly one is set
    access = way.access(declared.auth, issuer=at.issuer)
    hydra = Hydra(
        http=way.http(access), url=declared.url, client=at.client.client_id or "", others=declared.others
    )
    return _Wired(hydra, access)


def _registration(at: _At) -> _Wired:
    from rotator.clients.oauth import Server, StaticToken  # noqa: PLC0415 - only where one is declared
    from rotator.providers.registration import Registration  # noqa: PLC0415 - as above

    declared, way = at.verifier.registration, at.way("registration")
    assert declared  # noqa: S101 - exactly one is set
    metadata = {
        "grant_types": declared.grant_types,
        "response_types": declared.response_types,
        "redirect_uris": declared.redirect_uris,
        "scope": declared.scope,
        "client_name": declared.client_name,
    }
    provider = Registration(
        server=Server(way.http(), at.issuer),
        rotation=at.policy.ref,
        clock=at.w.clock,
        login=_login(at.w, at.client),
        access=StaticToken(reader(at.w, at.policy, declared.token, token_of)) if declared.token else None,
        endpoint=declared.endpoint,
        authentication=at.client.authentication,
        metadata={name: value for name, value in metadata.items() if value is not None},
        lasts=at.policy.spec.every + at.lasts,
    )
    return _Wired(provider)


def _ldap(at: _At) -> _Wired:
    from rotator.clients.ldap import BindAsOwn  # noqa: PLC0415 - only where one is declared
    from rotator.providers.ldap import Ldap  # noqa: PLC0415 - as above

    declared, password = at.verifier.ldap, at.policy.spec.credential.ldap_password
    assert declared  # noqa: S101 - exactly one is set
    assert password  # noqa: S101 - a rule of the policy
    own = BindAsOwn() if declared.bind.own else None
    ldap = Ldap(
        directory=_directory(at.w, at.policy, declared, own),
        accounts=tuple(password.accounts),
        several=declared.values == "Several",
        others=declared.others,
    )
    return _Wired(ldap, own)


def _directory(w: World, policy: RotationPolicy, declared: LdapPolicy, own: BindAsOwn | None) -> Directory:
    from rotator.clients.ldap import BindAs, BindAsOwn  # noqa: PLC0415 - only where one is declared
    from rotator.clients.ldap import Ldap as Directory  # noqa: PLC0415 - as above

    bind = declared.bind
    identities: Identities = own or BindAsOwn()
    if bind.password and bind.dn:
        identities = BindAs(bind.dn, reader(w, policy, bind.password))
    connect = w.connect_directory or Directory
    return connect(
        declared.url,
        w.retry,
        w.meter,
        identities,
        start_tls=declared.start_tls,
        ca_file=declared.ca_file,
        timeout=w.timeout,
    )


def _app_role(at: _At) -> _Wired:
    from rotator.providers.app_role import AppRole  # noqa: PLC0415 - only where one is declared

    declared = at.policy.spec.credential.vault_app_role
    assert declared  # noqa: S101 - a rule of the policy
    return _Wired(AppRole(at.w.vault, declared.mount, declared.role))


def _realm_keys(at: _At) -> _Wired:
    from rotator.providers.keycloak_realm_keys import RealmKeys  # noqa: PLC0415 - only where one is declared

    declared, way = at.verifier.keycloak_realm_keys, at.way("keycloak")
    assert declared  # noqa: S101 - exactly one is set
    access = way.access(declared.auth, issuer=at.issuer)
    return _Wired(RealmKeys(http=way.http(access), url=declared.url, realm=declared.realm), access)


_PROVIDERS: Mapping[str, Callable[[_At], _Wired]] = {
    "keycloak": _keycloak,
    "keycloak_realm_keys": _realm_keys,
    "okta": _okta,
    "entra": _entra,
    "auth0": _auth0,
    "hydra": _hydra,
    "registration": _registration,
    "ldap": _ldap,
    "app_role": _app_role,
}
"""Makes each provider that can be declared; a test holds the names equal to the schema's."""


def _wired(w: World, policy: RotationPolicy) -> Iterator[_Wired]:
    for verifier in policy.spec.verifiers:
        if verifier.provider:
            yield _PROVIDERS[verifier.chosen](_At(w, policy, verifier))


def installations(w: World, policy: RotationPolicy) -> Iterator[Installation]:
    """Yield the verifiers that are changed by calls."""
    for wired in _wired(w, policy):
        yield Installation(wired.provider, offer=getattr(wired.access, "offer", _tell_nobody))


def _tell_nobody(copies: Sequence[Copy]) -> None:
    del copies


def proofs(w: World, policy: RotationPolicy, installed: Sequence[Installation]) -> Iterator[Party]:
    """Yield those who see what is accepted: by a login, or because somebody says so."""
    static = next((v.static for v in policy.spec.verifiers if v.static), None)
    if static and static.confirmed_by == "Annotation":
        namespace = static.namespace or policy.metadata.namespace
        yield _confirmation(KubernetesObject(w.kubernetes, kinds.SECRET, namespace, static.secret or ""))
        return
    credential = policy.spec.credential
    if client := credential.oauth_client:
        patience = None if static else max(PATIENCE, policy.least_lead.total)
        yield Proof(_login(w, client), w.clock, client.login.times, patience=patience)
    if credential.ldap_password:
        from rotator.providers.ldap import Ldap, LdapBind  # noqa: PLC0415 - only where one is declared

        directories = [p.provider.directory for p in installed if isinstance(p.provider, Ldap)]
        yield from (Proof(LdapBind(directory), w.clock, times=1) for directory in directories)
    if role := credential.vault_app_role:
        from rotator.providers.app_role import AppRoleLogin  # noqa: PLC0415 - only where one is declared

        yield Proof(AppRoleLogin(w.vault, role.mount, role.role), w.clock, times=1)


def _login(w: World, client: OAuthClient) -> Login:
    from rotator.clients.oauth import OAuthLogin  # noqa: PLC0415 - only where one is declared

    login = client.login
    return OAuthLogin(
        http=_http(w, login.ca_file, "login"),
        issuer=client.issuer,
        method=client.authentication,
        clock=w.clock,
        via=login.via,
        client_id=client.client_id,
        scope=login.scope,
        audience=login.audience,
        assertion_audience=login.assertion_audience,
    )


def _confirmation(target: KubernetesObject) -> Confirmation:
    def said() -> frozenset[str]:
        return frozenset(part.strip() for part in (target.annotation(SAYS) or "").split(",") if part.strip())

    how = f"kubectl annotate --overwrite --namespace {target.namespace} secret {target.name} {SAYS}={{ids}}"
    return Confirmation(name=f"confirmation on {target.label}", said=said, how=how)


def realm_signer(w: World, policy: RotationPolicy) -> Party:
    """Return the holder that a realm itself is: it signs with the version that is active."""
    from rotator.providers.keycloak_realm_keys import RealmSigner  # noqa: PLC0415 - only where one is declared

    verifier = next(v for v in policy.spec.verifiers if v.keycloak_realm_keys)
    declared = verifier.keycloak_realm_keys
    assert declared  # noqa: S101 - just found
    at = _At(w, policy, verifier)
    way = at.way("keycloak")
    access = way.access(declared.auth, issuer=at.issuer)
    return Installation(RealmSigner(http=way.http(access), url=declared.url, realm=declared.realm))


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
    return Shown(next(wired.provider for wired in _wired(w, policy)))
