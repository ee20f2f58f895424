"""What a provider is made from: the rotation that it is for, and how rotator authenticates there in this run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from rotator.core.own_secrets import text_of, token_of
from rotator.core.reading import Unreadable
from rotator.core.sensitive import Sensitive
from rotator.credentials.oauth_client import OAuthClient
from rotator.errors import Frozen, SettingsError
from rotator.kinds import Address, SecretMeta
from rotator.late import Late
from rotator.ports import Access, Copy, Login, Provider, Target
from rotator.ports.stamp import Signature
from rotator.systems.kubernetes.target import PLAIN, KubernetesObject
from rotator.systems.provider import Provider as Declared
from rotator.systems.vault.target import VaultPath
from rotator.vocabulary.access import Auth, ClientAccess, Own, SecretSource
from rotator.vocabulary.credential import CredentialKind
from rotator.vocabulary.footprint import Home, Place

if TYPE_CHECKING:
    from rotator.clients import oauth
    from rotator.clients.http import Http
    from rotator.systems.world import World
else:
    oauth = Late("rotator.clients.oauth")


Read = Callable[[Sensitive], Sensitive]
"""Takes a secret of our own as it stands somewhere; see `rotator.core.own_secrets`."""
Kind = TypeVar("Kind", bound=CredentialKind)


def target(
    w: World, place: Place, sharer: str = "", meta: SecretMeta = PLAIN
) -> KubernetesObject | VaultPath:
    """Return the document at `place`; `sharer`: the rotation that shares it with others."""
    signature = Signature(sharer)
    if isinstance(place, Address):
        return KubernetesObject(w.kubernetes, place, signature, meta)
    return VaultPath(w.vault, place.mount, place.path, signature)


def reader(w: World, home: Home, source: SecretSource, read: Read = text_of) -> Callable[[], Sensitive]:
    """Return what reads a secret of our own, whenever it is needed."""
    one = source.one
    if isinstance(one, str):
        path = Path(one)
        return lambda: _file(path, read)
    place, name = one.at(home)
    document = target(w, place)
    return lambda: _field(document, name, read)


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


class ByVersions(Protocol):
    """Authenticates with a version of the credential that is rotated."""

    def offer(self, copies: Sequence[Copy]) -> None:
        """Take the versions of which one is accepted."""


@dataclass(frozen=True)
class At:
    """One declared provider, in one run, for one rotation."""

    world: World
    declared: Declared
    home: Home
    """The rotation that it is for."""
    credential: CredentialKind
    """As it is declared."""
    every: timedelta
    """The period of the rotation."""
    lasts: timedelta
    """How long a version must stay accepted, from the moment at which the next one is published."""
    _own: list[ByVersions] = field(default_factory=list, repr=False)

    def of(self, kind: type[Kind]) -> Kind:
        """Return the declared credential. Raises TypeError for another kind, which a check of the policy refuses."""
        if not isinstance(self.credential, kind):
            raise TypeError(f"{self.declared.declared_as} with {self.credential.declared_as}")
        return self.credential

    @property
    def client(self) -> OAuthClient:
        """The declared client."""
        return self.of(OAuthClient)

    def offer(self, copies: Sequence[Copy]) -> None:
        """Tell those who authenticate with a version which there are."""
        for own in self._own:
            own.offer(copies)

    def authenticates_by(self, own: ByVersions) -> None:
        """Have `own` told of the versions before the provider is asked."""
        self._own.append(own)

    def reader(self, source: SecretSource, read: Read = text_of) -> Callable[[], Sensitive]:
        """Return what reads a secret of our own, whenever it is needed."""
        return reader(self.world, self.home, source, read)

    def token(self, source: SecretSource) -> Access:
        """Return what sends a token that was given to us."""
        return oauth.StaticToken(self.reader(source, token_of), scheme=self.declared.token_scheme)

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
        way = auth.one
        if isinstance(way, Own):
            return self._by_the_client(issuer, scope, audience)
        if isinstance(way, SecretSource):
            return self.token(way)
        return oauth.ClientCredentials(
            http=self.http(),
            issuer=way.issuer or issuer,
            method=_method(way),
            client_id=way.client_id,
            credential=self.reader(way.proof),
            clock=self.world.clock,
            scope=way.scope or scope,
            audience=way.audience or audience,
            assertion_audience=way.assertion_audience,
            kid=way.kid,
        )

    def _by_the_client(self, issuer: str, scope: str | None, audience: str | None) -> Access:
        client = self.client
        own = oauth.OwnClient(
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
    login = client.login
    return oauth.OAuthLogin(
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
    offer: Callable[[Sequence[Copy]], None] = lambda _: None
    """Told of the versions before each look, for one that rotator authenticates at with a version."""
