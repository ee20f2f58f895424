"""Dynamic client registration (RFC 7591, RFC 7592): every version is a client of its own.

A client is registered with metadata that a person declared, and what the server answers is learned. It ends by a DELETE with
its own registration access token. That is the only thing the token is ever used for: each answer to a GET or a PUT may
replace it (RFC 7592, section 3), so that a lost answer would leave a client that cannot be removed any more. Whether a client
is there is seen by logging in.

A limit of the protocol: if the answer to a registration is lost, the client that was made cannot be found again, for nothing
lists clients. Its name carries the rotation and the version, so that a person finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.clients.addresses import origin
from rotator.clients.oauth import Server
from rotator.core.reading import Unreadable
from rotator.core.sensitive import Material, Sensitive
from rotator.core.shapes import LAST_YEAR, Shape, filled, number, text, token, visible
from rotator.core.timing import format_duration
from rotator.errors import Ambiguous, Forbidden, Frozen, NotFound, Rejected
from rotator.ports import Access, Aim, Call, Clock, Copy, Learned, Login
from rotator.systems.at import At, Wired
from rotator.systems.registration import Registration

TOKEN, URI = "registration.access_token", "registration.uri"
REGISTERED_AT, EXPIRES_AT = "registration.registered_at", "registration.expires_at"
"""Instants in seconds since 1970: by our clock, and by the server's."""
METHOD, REMOVED = "registration.authentication", "registration.removed"
ODD = "registration.odd"
"""What was odd about the answer to the registration, in words."""
_LAST = int(datetime(LAST_YEAR, 1, 1, tzinfo=UTC).timestamp())
_ONCE = "the client is gone, or somebody else replaced its registration access token"


@dataclass(frozen=True, kw_only=True)
class RegisteredClients:
    """Registers clients at one server, for one rotation."""

    server: Server
    """Its `http` has no access of its own: each client has a token of its own."""
    rotation: str
    """`namespace/name`."""
    clock: Clock
    login: Login
    """Tells whether a client is still let in, where its token tells nothing any more."""
    access: Access | None = None
    """The initial access token (RFC 7591, section 3), where the server wants one."""
    endpoint: str | None = None
    """None: by discovery."""
    authentication: str = "client_secret_basic"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What a person declared (RFC 7591, section 2), such as `grant_types` and `scope`."""
    lasts: timedelta | None = None
    """For how long a version is used at the most; None: not checked."""
    _gone: set[str] = field(default_factory=set, repr=False, compare=False)
    """The versions that this run saw removed."""

    @property
    def label(self) -> str:
        """Name it."""
        return f"registration at {self.server.issuer} for {self.rotation}"

    def check_free(self, rotation: str) -> None:
        """Nothing can be in the way of a new client; but the server has to have a registration endpoint."""
        del rotation
        self._endpoint()

    def current(self) -> Sensitive | None:
        """Return None: no client is in use that could be asked for."""
        return None

    def next_call(self, aim: Aim) -> Call | None:
        """Return the next call; see `rotator.ports.Provider`."""
        missing = next((copy for copy in aim.accept if is_missing(copy.material)), None)
        if missing:
            endpoint = self._endpoint()
            headers = (
                self.access.headers() if self.access else {}
            )  # by now: between guard and change nothing is slow
            return Call(
                f"register a client for {missing.id} at {self.label}",
                lambda: self._register(missing, endpoint, headers),
            )
        for copy in aim.forget:
            if call := self._withdraw(copy):
                return call
        for copy in aim.accept:
            if wrong := self._wrong(copy.material):
                raise Frozen(f"{self.label}: {_client(copy)} {wrong}")
        return None

    # --- registering ----------------------------------------------------------------------------------------

    def _register(self, copy: Copy, endpoint: str, headers: Mapping[str, Sensitive]) -> Learned:
        document = client_metadata(self.metadata, self.rotation, copy.id, self.authentication)
        name = document["client_name"]
        at = self.clock.now()
        try:
            answer = self.server.http.send("POST", endpoint, document=document, headers=headers)
        except Ambiguous as error:
            raise Frozen(
                f"{error}: the answer to a registration was lost. If it took effect, there is a client named "
                f"{name!r} now whose secret nobody knows: look for it and remove it. Nothing else was changed; the next "
                "run registers another one"
            ) from None
        except (Forbidden, Rejected) as error:
            raise Frozen(
                f"{error}: the registration of {name!r} was refused. Nothing was changed. {_advice(error)}"
            ) from None
        learned = read_client(answer.document, at)
        if not learned:
            raise Frozen(
                f"{self.label}: the answer to the registration of {name!r} names no client_id. Nothing else was "
                "changed. Look at the server whether it made a client of that name, and remove it"
            )
        return {copy.id: learned}

    def _endpoint(self) -> str:
        return self.endpoint or self.server.endpoint("registration")

    def _wrong(self, material: Material) -> str:
        """Say what is wrong with a client that is to be accepted, and what to do; empty: nothing."""
        if _is_planned(material):
            return ""
        if ODD in material:
            return (
                f"was registered by an odd answer: {material[ODD].reveal()}. Remove this client at the server"
            )
        if "client_secret" not in material:
            return "was given no client_secret. Declare grant_types that need one, and remove this client at the server"
        if unmanaged := self._unmanaged(material):
            return f"could not be withdrawn later: {unmanaged}. Rotate this credential another way"
        method = material.get(METHOD)
        if method and method.reveal() != self.authentication:
            return (
                f"was registered for {method.reveal()}, declared is {self.authentication}. Declare the former, or "
                "change what the server allows"
            )
        return _ends_early(material, self.lasts)

    def _unmanaged(self, material: Material) -> str:
        """Say why the client cannot be removed by us; empty: it can."""
        if URI not in material or TOKEN not in material:
            return "the server gave no registration_client_uri and registration_access_token (RFC 7592)"
        uri, endpoint = material[URI].reveal(), self._endpoint()
        if not origin(uri) or origin(uri) != origin(endpoint):
            return (
                f"its registration_client_uri leads to {origin(uri) or 'no plain address'}, expected {origin(endpoint)}, where clients are "
                "registered; no token is sent elsewhere"
            )
        return ""

    # --- withdrawing ------------------------------------------------------------------------------------------

    def _withdraw(self, copy: Copy) -> Call | None:
        """Return the call that ends the client; None where it has ended, or was never made."""
        if copy.id in self._gone or REMOVED in copy.material or is_missing(copy.material):
            return None
        if unmanaged := self._unmanaged(copy.material):
            self._needs_hands(copy, unmanaged)
            return None
        return Call(f"remove the client of {copy.id} at {self.label}", lambda: self._remove(copy))

    def _remove(self, copy: Copy) -> Learned:
        """Delete the client (RFC 7592, section 2.3). What is not there any more answers 401, like a token used up.

        Where the answer is lost, a login shows whether the client has ended: nothing else there can be looked at.
        """
        bearer = Sensitive(f"Bearer {copy.material[TOKEN].reveal()}")
        try:
            self.server.http.send("DELETE", copy.material[URI].reveal(), headers={"Authorization": bearer})
        except Ambiguous:
            if self.login.accepted(copy):
                raise
        except NotFound:
            self._needs_hands(copy, "the server answers that there is no such client")
        except Forbidden as error:
            self._needs_hands(copy, f"{error}; {_ONCE}")
        except Rejected as error:
            self._needs_hands(copy, str(error))
        self._gone.add(copy.id)
        return {copy.id: {REMOVED: Sensitive("yes")}}

    def _needs_hands(self, copy: Copy, why: str) -> None:
        """Raise Frozen where a client that we cannot remove is let in still; where it is not, it has ended."""
        if self.login.accepted(copy):
            raise Frozen(
                f"{self.label}: {_client(copy)} cannot be removed: {why}. It still logs in. Nothing was changed; remove "
                "this client at the server, the next run then goes on"
            )


def is_missing(material: Material) -> bool:
    """Whether no client was registered for a version, as far as anybody knows."""
    return REGISTERED_AT not in material and "client_secret" not in material


def _is_planned(material: Material) -> bool:
    """Whether a plan put an empty secret where the server's will be."""
    return "client_secret" in material and not material["client_secret"].octets()


def client_metadata(
    declared: Mapping[str, Any], rotation: str, version_id: str, authentication: str
) -> dict[str, Any]:
    """Return what is registered (RFC 7591, section 2), so named that a person finds it again."""
    return {
        "grant_types": ["client_credentials"],
        "response_types": [],
        "redirect_uris": [],
        **declared,
        "token_endpoint_auth_method": authentication,
        "client_name": f"{declared.get('client_name') or 'rotator'} {rotation} {version_id}",
        "software_id": f"rotator {rotation}",
        "software_version": version_id,
    }


def read_client(document: Any, at: datetime) -> Material:
    """Return what is kept of a client information response (RFC 7591, section 3.2.1); {} where it names no client.

    The client is there, whatever else is said of it: what is odd is noted, so that what is sound can still remove it.
    """
    known = document if isinstance(document, dict) else {}
    kept: dict[str, Sensitive] = {}
    odd: list[str] = []
    for name, (field_name, shape) in _KEPT.items():
        try:
            if (value := known.get(field_name)) not in _SAYS_NOTHING:
                kept[name] = Sensitive(str(shape(value, field_name)))
        except Unreadable as error:
            odd.append(str(error))
    if "client_id" not in kept:
        return {}
    if odd:
        kept[ODD] = Sensitive("; ".join(odd))
    return {**kept, REGISTERED_AT: Sensitive(str(int(at.timestamp())))}


def _ends(value: object, where: str = "") -> int:
    """An instant in seconds since 1970."""
    if 0 < (found := number(value, where)) <= _LAST:
        return int(found)
    raise Unreadable(f"{where} is no instant, expected seconds since 1970, or 0")


_KEPT: Mapping[str, tuple[str, Shape[object]]] = {
    "client_id": ("client_id", visible),
    "client_secret": ("client_secret", visible),
    TOKEN: ("registration_access_token", token),
    URI: ("registration_client_uri", filled),
    METHOD: ("token_endpoint_auth_method", text),
    EXPIRES_AT: ("client_secret_expires_at", _ends),
}
"""What is kept of an answer, and what it has to look like."""
_SAYS_NOTHING = (None, "", 0)
"""A secret that never ends has `client_secret_expires_at` 0."""


def _ends_early(material: Material, lasts: timedelta | None) -> str:
    """Say so where the server ends a secret before its version can be retired."""
    if lasts is None or EXPIRES_AT not in material or REGISTERED_AT not in material:
        return ""
    ends, since = _instant(material[EXPIRES_AT]), _instant(material[REGISTERED_AT])
    if ends >= since + lasts:
        return ""
    return (
        f"has a secret that the server ends at {ends.isoformat()}; a version made at {since.isoformat()} may be in use "
        f"until {(since + lasts).isoformat()}, {format_duration(lasts)} later. Rotate more often (every), or let the "
        "server give longer"
    )


def _instant(seconds: Sensitive) -> datetime:
    return datetime.fromtimestamp(int(seconds.reveal()), UTC)


def _client(copy: Copy) -> str:
    name = copy.material["client_id"].reveal() if "client_id" in copy.material else "?"
    return f"the client {name} of version {copy.id}"


def _advice(error: Forbidden | Rejected) -> str:
    if isinstance(error, Forbidden):
        return "Is the initial access token the one that the server expects, and has it uses left?"
    return "Correct the declared metadata, or what the server allows to be registered"


def build(declared: Registration, at: At) -> Wired:
    """Make what registers clients at the issuer."""
    metadata = {
        "grant_types": declared.grant_types,
        "response_types": declared.response_types,
        "redirect_uris": declared.redirect_uris,
        "scope": declared.scope,
        "client_name": declared.client_name,
    }
    return Wired(
        RegisteredClients(
            server=Server(at.http(), at.client.issuer),
            rotation=at.home.ref,
            clock=at.world.clock,
            login=at.login(),
            access=at.token(declared.token) if declared.token else None,
            endpoint=declared.endpoint,
            authentication=at.client.authentication,
            metadata={name: value for name, value in metadata.items() if value is not None},
            lasts=at.every + at.lasts,
        )
    )
