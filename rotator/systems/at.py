"""What a provider is made from: the rotation that it is for, and how rotator authenticates there in this run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rotator import kinds
from rotator.core.own_secrets import text_of, token_of
from rotator.core.reading import Unreadable
from rotator.core.sensitive import Sensitive
from rotator.errors import Frozen, SettingsError
from rotator.ports import Access, Copy, Login, Provider, Target
from rotator.systems.provider import Provider as Declared
from rotator.targets.kubernetes import KubernetesObject
from rotator.targets.vault import VaultPath
from rotator.vocabulary.access import Auth, ClientAccess, SecretSource
from rotator.vocabulary.credentials import Credential, OAuthClient

if TYPE_CHECKING:
    from rotator.clients.http import Http
    from rotator.world import World


Read = Callable[[Sensitive], Sensitive]
"""Takes a secret of our own as it stands somewhere; see `rotator.core.own_secrets`."""


def reader(w: World, namespace: str, source: SecretSource, read: Read = text_of) -> Callable[[], Sensitive]:
    """Return what reads a secret of our own, whenever it is needed."""
    if source.file:
        path = Path(source.file)
        return lambda: _file(path, read)
    target: Target
    if source.secret:
        target = KubernetesObject(w.kubernetes, kinds.SECRET, namespace, source.secret.name)
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


# --- one provider --------------------------------------------------------------------------------------------------


class Own(Protocol):
    """Authenticates with a version of the credential that is rotated."""

    def offer(self, copies: Sequence[Copy]) -> None:
        """Take the versions of which one is accepted."""


@dataclass(frozen=True)
class At:
    """One declared provider, in one run, for one rotation."""

    world: World
    declared: Declared
    ref: str
    """`namespace/name` of the rotation."""
    credential: Credential
    """As it is declared."""
    every: timedelta
    """The period of the rotation."""
    lasts: timedelta
    """How long a version must stay accepted, from the moment at which the next one is published."""
    _own: list[Own] = field(default_factory=list, repr=False)

    @property
    def namespace(self) -> str:
        """Of the rotation."""
        return self.ref.partition("/")[0]

    @property
    def client(self) -> OAuthClient:
        """The declared client."""
        client = self.credential.oauth_client
        assert client  # noqa: S101 - which provider suits which credential is a rule of the policy
        return client

    def offer(self, copies: Sequence[Copy]) -> None:
        """Tell those who authenticate with a version which there are."""
        for own in self._own:
            own.offer(copies)

    def authenticates_by(self, own: Own) -> None:
        """Have `own` told of the versions before the provider is asked."""
        self._own.append(own)

    def reader(self, source: SecretSource, read: Read = text_of) -> Callable[[], Sensitive]:
        """Return what reads a secret of our own, whenever it is needed."""
        return reader(self.world, self.namespace, source, read)

    def token(self, source: SecretSource) -> Access:
        """Return what sends a token that was given to us."""
        from rotator.clients.oauth import StaticToken  # noqa: PLC0415 - only where one is declared

        return StaticToken(self.reader(source, token_of), scheme=self.declared.token_scheme)

    def http(self, access: Access | None = None) -> Http:
        """Return a client of the provider."""
        w, declared = self.world, self.declared
        return w.http(
            ca_file=declared.ca_file,
            timeout=w.timeout,
            system=declared.system,
            access=access,
            connect=w.connect_http,
        )

    def access(
        self, auth: Auth | None, *, issuer: str, scope: str | None = None, audience: str | None = None
    ) -> Access | None:
        """Return what every request carries; the defaults are what the provider's API needs."""
        if auth is None:
            return None
        if auth.own:
            return self._by_the_client(issuer, scope, audience)
        if auth.token:
            return self.token(auth.token)
        from rotator.clients.oauth import ClientCredentials  # noqa: PLC0415 - as above

        client = auth.client
        assert client  # noqa: S101 - exactly one is set
        source = client.secret or client.key
        assert source  # noqa: S101 - exactly one is set
        return ClientCredentials(
            http=self.http(),
            issuer=client.issuer or issuer,
            method=_method(client),
            client_id=client.client_id,
            credential=self.reader(source),
            clock=self.world.clock,
            scope=client.scope or scope,
            audience=client.audience or audience,
            assertion_audience=client.assertion_audience,
            kid=client.kid,
        )

    def _by_the_client(self, issuer: str, scope: str | None, audience: str | None) -> Access:
        from rotator.clients.oauth import OwnClient  # noqa: PLC0415 - as above

        client = self.client
        own = OwnClient(
            http=self.http(),
            issuer=issuer,
            method=client.authentication,
            clock=self.world.clock,
            client_id=client.client_id,
            scope=scope,
            audience=audience,
            assertion_audience=client.login.assertion_audience,
        )
        self.authenticates_by(own)
        return own

    def login(self) -> Login:
        """Return the login that proves a version of the declared client."""
        return client_login(self.world, self.client)


def client_login(w: World, client: OAuthClient) -> Login:
    """Return the login that proves a version of a client, at its issuer."""
    from rotator.clients.oauth import OAuthLogin  # noqa: PLC0415 - only where a client is declared

    login = client.login
    return OAuthLogin(
        http=w.http(ca_file=login.ca_file, timeout=w.timeout, system="login", connect=w.connect_http),
        issuer=client.issuer,
        method=client.authentication,
        clock=w.clock,
        via=login.via,
        client_id=client.client_id,
        scope=login.scope,
        audience=login.audience,
        assertion_audience=login.assertion_audience,
    )


def _method(client: ClientAccess) -> str:
    return "private_key_jwt" if client.key else "client_secret_basic"


@dataclass(frozen=True)
class Wired:
    """A provider that can be called."""

    provider: Provider
    login: Login | None = None
    """What proves a version there; None: a login of the client does, or nothing can."""
    signer: Provider | None = None
    """The provider as the holder: it uses the credential itself."""
