"""LDAP version 3, on ldap3 (the extra `ldap`): simple binds, one account's passwords, and the password modify operation.

RFC 4511 (the protocol and its result codes), RFC 4513 (bind, StartTLS), RFC 3062 (password modify), and
draft-behera-ldap-password-policy-10 (the control in which a directory says why it refuses). Each request has a connection
of its own, with TLS verified: a run makes few, and a directory may close an idle connection at any time.
"""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from rotator.clients.addresses import LOOPBACK
from rotator.clients.connections import cause_of, shared
from rotator.clients.limits import PlainSocket, left_now, resolved
from rotator.clients.meter import Meter
from rotator.clients.proxies import set_variable
from rotator.clients.retry import Retry
from rotator.core.distinguished_names import parse
from rotator.core.sensitive import Sensitive
from rotator.errors import (
    Ambiguous,
    ClientError,
    Conflict,
    Forbidden,
    Frozen,
    NotFound,
    Rejected,
    RotatorError,
    SettingsError,
    Unavailable,
)
from rotator.late import Late
from rotator.ports import Copy

if TYPE_CHECKING:
    import types

    from ldap3 import Connection
    from ldap3.core import exceptions
    from ldap3.protocol import rfc3062
else:
    exceptions, rfc3062 = Late("ldap3.core.exceptions"), Late("ldap3.protocol.rfc3062")

T = TypeVar("T")

SYSTEM = "ldap"
LARGEST = 1 << 20
"""The largest answer read, in bytes: one account, and of it three attributes."""
ATTRIBUTE = "userPassword"
LOCKED_SINCE = "pwdAccountLockedTime"
"""Operational, kept by OpenLDAP's ppolicy overlay."""
START_TLS = "1.3.6.1.4.1.1466.20037"
PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 - the control's name
PORTS = {"ldaps": 636, "ldap": 389}
NO_ANSWER = -1
"""Stands for a result code where there was none: 0 is success."""

SUCCESS, COMPARE_FALSE, COMPARE_TRUE = 0, 5, 6
NO_SUCH_ATTRIBUTE, CONSTRAINT_VIOLATION, VALUE_EXISTS = 16, 19, 20
NO_SUCH_OBJECT, INVALID_CREDENTIALS, INSUFFICIENT_ACCESS, OBJECT_CLASS_VIOLATION = 32, 49, 50, 65
_CLASSES: dict[int, type[ClientError]] = {
    1: Ambiguous,  # operationsError
    3: Ambiguous,  # timeLimitExceeded
    8: Forbidden,  # strongerAuthRequired
    13: Forbidden,  # confidentialityRequired
    VALUE_EXISTS: Conflict,
    NO_SUCH_OBJECT: NotFound,
    48: Forbidden,  # inappropriateAuthentication
    INVALID_CREDENTIALS: Forbidden,
    INSUFFICIENT_ACCESS: Forbidden,
    51: Unavailable,  # busy
    52: Unavailable,  # unavailable
    68: Conflict,  # entryAlreadyExists
    80: Ambiguous,  # other
}
"""What the result codes mean to us (RFC 4511, appendix A.2); all others: the request itself is wrong."""
_HINTS = {
    10: "; it refers to another server, and no referral is followed: declare the server that has the account",
    INSUFFICIENT_ACCESS: "; rotator's own bind needs more access to it",
}
POLICY_ERRORS = {
    0: "passwordExpired",
    1: "accountLocked",
    2: "changeAfterReset",
    3: "passwordModNotAllowed",
    4: "mustSupplyOldPassword",
    5: "insufficientPasswordQuality",
    6: "passwordTooShort",
    7: "passwordTooYoung",
    8: "passwordInHistory",
}
"""The errors of the password policy control (the draft, section 6.2)."""
_ERROR_TAG = 0x81
ACCOUNT_LOCKED, CHANGE_AFTER_RESET = POLICY_ERRORS[1], POLICY_ERRORS[2]


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one operation. The server's own sentence is not kept: it may quote what was sent."""

    code: int
    word: str
    """The code's name: `invalidCredentials`."""
    policy: str = ""
    """What the password policy says, from POLICY_ERRORS; empty: nothing."""

    def __str__(self) -> str:
        said = f"LDAP {self.code} {self.word}"
        return f"{said}, {self.policy} by its password policy" if self.policy else said


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who binds."""

    dn: str
    password: Sensitive


class Identities(Protocol):
    """As whom the client may bind."""

    def known(self) -> Sequence[Identity]:
        """Return them in order of trust: the next is tried where one is refused. Raises ClientError, SettingsError."""
        ...


@dataclass(frozen=True)
class BindAs:
    """An account of rotator's own, with a password that is read whenever it is needed."""

    dn: str
    password: Callable[[], Sensitive]

    def known(self) -> Sequence[Identity]:
        """Return the one."""
        return (Identity(self.dn, self.password()),)


@dataclass
class BindAsOwn:
    """The account whose password is rotated, with the versions there are: any of them may be the one that works."""

    _copies: tuple[Copy, ...] = field(default=(), repr=False)

    def offer(self, copies: Sequence[Copy]) -> None:
        """Say which versions there are, in order of trust: the active one first."""
        self._copies = tuple(copies)

    def known(self) -> Sequence[Identity]:
        """Return one identity a version."""
        return tuple(
            Identity(c.material["bind_dn"].reveal(), c.material["password"])
            for c in self._copies
            if {"bind_dn", "password"} <= c.material.keys()
        )


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it was read."""

    values: tuple[Sensitive, ...]
    """What is shown of its passwords, in the form in which they are stored."""
    has_password: bool | None
    """None: we are not allowed to know."""
    locked_since: str = ""
    """As the directory writes instants; empty: not locked, or not shown."""


class Ldap:
    """A directory: `ldaps://`, or `ldap://` with StartTLS; without either only on loopback."""

    def __init__(  # noqa: PLR0913 - what one system may need
        self,
        url: str,
        retry: Retry,
        meter: Meter,
        identities: Identities,
        *,
        start_tls: bool = False,
        ca_file: str | None = None,
        timeout: float = 5.0,
    ) -> None:
        """Say where it is, and as whom we change it. Raises SettingsError for what would not be safe, or without ldap3."""
        self.url = url
        self._encrypted, self._host, self._port = _address(url.rstrip("/"), start_tls=start_tls)
        _check_installed(url)
        self._start_tls = start_tls
        self._context = shared(ca_file) if self._encrypted or start_tls or ca_file else None
        self._retry = retry
        self._meter = meter
        self.identities = identities
        self._timeout = timeout
        self._worked: Identity | None = None

    # --- what is asked ----------------------------------------------------------------------------------------

    def log_in(self, dn: str, password: Sensitive) -> Result:
        """Bind as `dn` would, and leave. The result tells whether it was let in; raises ClientError where none came.

        It is asked once: a directory may count a refused bind whose answer was lost.
        """
        return self._retry.call(lambda: self._log_in(dn, password), read=False)

    def account(self, dn: str) -> Account:
        """Read an account. Raises NotFound where there is none."""
        return self._request("search", dn, lambda c: self._account(c, dn), read=True)

    def add_value(self, dn: str, value: Sensitive) -> None:
        """Add one stored form of a password. Raises Conflict where it stands there already."""
        self._modify(dn, "MODIFY_ADD", value)

    def delete_value(self, dn: str, value: Sensitive) -> None:
        """Delete one stored form of a password. Raises Rejected with code 16 where it does not stand there."""
        self._modify(dn, "MODIFY_DELETE", value)

    def set_password(self, dn: str, password: Sensitive) -> None:
        """Set the one password of an account, which the directory hashes itself (RFC 3062)."""

        def perform(connection: Connection) -> Result:
            request = rfc3062.PasswdModifyRequestValue()
            request["userIdentity"] = dn
            request["newPasswd"] = password.octets()
            connection.extended("1.3.6.1.4.1.4203.1.11.1", request, _policy_control())
            return self._result(connection, "password")

        self._request("password", dn, lambda c: _taken(perform(c), f"{SYSTEM}: password {dn}"), read=False)

    def _modify(self, dn: str, how: str, value: Sensitive) -> None:
        def perform(connection: Connection) -> Result:
            changes = {ATTRIBUTE: [(how, [value.octets()])]}
            connection.modify(dn, changes, _policy_control())  # type: ignore[no-untyped-call]  # the stubs say less
            return self._result(connection, "modify")

        self._request("modify", dn, lambda c: _taken(perform(c), f"{SYSTEM}: modify {dn}"), read=False)

    def _account(self, connection: Connection, dn: str) -> Account:
        what = f"{SYSTEM}: search {dn}"
        connection.search(
            dn, "(objectClass=*)", "BASE", dereference_aliases="NEVER", attributes=[ATTRIBUTE, LOCKED_SINCE]
        )
        _taken(self._result(connection, "search"), what)
        entries = [e for e in connection.response or () if e.get("type") == "searchResEntry"]
        if not entries:
            raise NotFound(what, "no such entry is shown to us", code=NO_SUCH_OBJECT)
        if len(entries) > 1 or not _is_entry_of(entries[0], dn):
            raise Rejected(what, "the answer is odd: it shows another entry than the one that was asked for")
        values = tuple(Sensitive(value) for value in _values(entries[0], ATTRIBUTE))
        locked = _values(entries[0], LOCKED_SINCE) or [b""]
        has_password = True if values else self._has_password(connection, dn)
        return Account(values, has_password, locked[0].decode(errors="replace"))

    def _has_password(self, connection: Connection, dn: str) -> bool | None:
        """Ask by a comparison with nothing, where reading shows nothing: absent and hidden look the same."""
        connection.compare(dn, ATTRIBUTE, b"{}")  # type: ignore[no-untyped-call]  # as above
        code = self._result(connection, "compare").code
        known = {NO_SUCH_ATTRIBUTE: False, COMPARE_FALSE: True, COMPARE_TRUE: True}
        return known.get(code)

    # --- connections -----------------------------------------------------------------------------------------

    def _log_in(self, dn: str, password: Sensitive) -> Result:
        what = f"{SYSTEM}: bind {dn}"
        with self._meter.span(SYSTEM, {"request": what}), self._connected(what) as connection:
            return self._bind(connection, Identity(dn, password), what)

    def _request(self, method: str, dn: str, perform: Callable[[Connection], T], *, read: bool) -> T:
        return self._retry.call(lambda: self._ask(method, dn, perform, look=read), read=read)

    def _ask(self, method: str, dn: str, perform: Callable[[Connection], T], *, look: bool) -> T:
        what = f"{SYSTEM}: {method} {dn}"
        with (
            self._meter.span(SYSTEM, {"request": what}),
            self._signed_in(what, look=look) as connection,
            self._asking(method, what, self._lost),
        ):
            return perform(connection)

    @contextlib.contextmanager
    def _asking(self, method: str, what: str, failed: Callable[[str, str], ClientError]) -> Any:
        """Keep the limit of a request, and say what became of one to which no answer came, or one that is no LDAP.

        ldap3 raises whatever its decoder stumbles over.
        """
        try:
            with self._retry.within(self._timeout, what, self.url, octets=LARGEST):
                yield
        except RotatorError:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            self._meter.count(SYSTEM, method, NO_ANSWER)
            lost = isinstance(error, _transport_errors())
            raise failed(what, cause_of(error) if lost else "its answer is no LDAP") from None

    @contextlib.contextmanager
    def _signed_in(self, what: str, *, look: bool) -> Any:
        """Connect and bind as the first that is let in."""
        identities = self._to_try(look=look)
        first = next(identities, None)
        if first is None:
            raise Frozen(
                f"{what}: rotator is to bind with the very password that it rotates, and there is none yet. Nothing was "
                "changed. Take over the password in use (spec.takeOver), or let rotator in by another account"
            )
        tried: list[str] = []
        with self._connected(what) as connection:
            for identity in itertools.chain((first,), identities):
                tried.append(identity.dn)
                try:
                    result = self._bind(connection, identity, what)
                except Ambiguous as error:  # it was not asked anything yet
                    raise Unavailable(what, f"while binding: {error}") from None
                if result.code == SUCCESS and result.policy != CHANGE_AFTER_RESET:
                    break
                if result.code != INVALID_CREDENTIALS or result.policy:
                    raise self._not_let_in(what, result, identity.dn)
            else:
                raise Forbidden(
                    what,
                    f"{self.url} refused rotator's own bind as {', '.join(dict.fromkeys(tried))} with "
                    f"{_passwords(len(tried))} ({result}). Nothing was changed there",
                    code=result.code,
                    reason=result.word,
                )
            self._worked = identity
            yield connection

    def _to_try(self, *, look: bool) -> Iterator[Identity]:
        """Yield as whom to bind: the one that last was let in, then in order of trust.

        A change goes in by the way of the look before it, and no other is read unless that one is refused (I5).
        """
        worked = self._worked
        if worked is not None and not look:
            yield worked
        known = list(self.identities.known())
        if worked in known and look:
            yield worked
        yield from (identity for identity in known if identity != worked)

    def _not_let_in(self, what: str, result: Result, dn: str) -> ClientError:
        kind = _CLASSES.get(result.code, Forbidden)
        said = f"{self.url} refused rotator's own bind as {dn} ({result}). Nothing was changed there"
        return kind(what, said, code=result.code, reason=result.policy or result.word)

    @contextlib.contextmanager
    def _connected(self, what: str) -> Any:
        """Connect, with TLS before anything else, and leave no socket behind."""
        connection: Connection | None = None
        try:
            with self._asking("connect", what, self._unreached):
                connection = self._opened()
                if self._start_tls or self._encrypted:
                    self._encrypt(connection, what)
            yield connection
        finally:
            if connection is not None:
                with self._retry.within(self._timeout, what, self.url, octets=LARGEST):
                    _close(connection)

    def _opened(self) -> Connection:
        """Connect to the first address that takes it, by a socket that keeps the limit of a request."""
        ldap3 = _ldap3()
        failed: Exception = OSError("the name has no address")
        addresses = resolved(self._host, self._port)
        for number, (_, _, _, _, address) in enumerate(addresses):
            share = left_now() / (len(addresses) - number)
            server = ldap3.Server(address[0], port=self._port, get_info="NO_INFO", connect_timeout=share)
            connection: Connection = ldap3.Connection(
                server, auto_bind="NONE", auto_referrals=False, check_names=False
            )
            try:
                connection.open(read_server_info=False)
            except _transport_errors() as error:
                _close(connection)
                failed = error
            else:
                connection.socket = PlainSocket(fileno=connection.socket.detach())
                return connection
        raise failed

    def _encrypt(self, connection: Connection, what: str) -> None:
        """Agree on keys; where StartTLS comes first ask for it (RFC 4513, section 3), and go no further without it."""
        if self._start_tls:
            connection.extended(START_TLS)
            result = _read(connection)
            if result.code != SUCCESS:
                raise Unavailable(
                    what, f"{self.url} refused StartTLS ({result}); nothing was sent in plain text"
                )
            connection.tls_started = True
        if self._context:
            connection.socket = self._context.wrap_socket(connection.socket, server_hostname=self._host)

    def _bind(self, connection: Connection, identity: Identity, what: str) -> Result:
        if not identity.password.octets():
            raise Forbidden(what, f"the password of {identity.dn} is empty, which would bind as nobody")
        connection.user, connection.authentication = identity.dn, "SIMPLE"
        connection.password = identity.password.octets()  # bytes go out as they are
        with self._asking("bind", what, self._lost):
            connection.bind(read_server_info=False, controls=_policy_control())
            return self._result(connection, "bind")

    def _result(self, connection: Connection, method: str) -> Result:
        result = _read(connection)
        self._meter.count(SYSTEM, method, result.code)
        return result

    def _unreached(self, what: str, cause: str) -> ClientError:
        hint = "; is its CA in caFile?" if "certificate" in cause.lower() else ""
        unused = f"; {proxy} is set, and LDAP goes by no proxy" if (proxy := set_variable()) else ""
        return Unavailable(what, f"{self._host}:{self._port} was not reached ({cause}){hint}{unused}")

    def _lost(self, what: str, cause: str) -> ClientError:
        return Ambiguous(what, f"no answer from {self._host}:{self._port} ({cause})")


def _check_installed(url: str) -> None:
    """Raise SettingsError where the extra `ldap` is not installed. It is looked for and not loaded: that is slow."""
    if find_spec("ldap3") is None:
        raise SettingsError(
            f"the directory {url} is declared, and the library for LDAP (ldap3) is not installed. It was not asked, and "
            "nothing was changed. Expected: pip install 'rotator[ldap]', or rotator's image, which has it"
        )


@cache
def _ldap3() -> types.ModuleType:
    """Load ldap3: slow, and it asks pyasn1 for two names that are deprecated there."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"(tag|type)Map is deprecated", DeprecationWarning)
        import ldap3  # noqa: PLC0415 - slow to load
    return ldap3


@cache
def _transport_errors() -> tuple[type[Exception], ...]:
    """Return what ldap3 raises where no answer can be read; its own checks of what we send are none of these."""
    return (exceptions.LDAPCommunicationError, OSError)


def _is_entry_of(entry: Any, dn: str) -> bool:
    """Whether an entry has the name that was asked for, whatever a directory calls the types of its parts (`uid`, `userid`)."""
    try:
        return [_parts(rdn) for rdn in parse(entry["dn"])] == [_parts(rdn) for rdn in parse(dn)]
    except ValueError:
        return False


def _parts(rdn: Iterable[tuple[str, str]]) -> list[str]:
    return sorted(value for _, value in rdn)


def _values(entry: Any, name: str) -> list[bytes]:
    """Return the values of an attribute, in whatever letters its name is written (RFC 4512, section 2.5)."""
    shown = {written.lower(): values for written, values in entry["raw_attributes"].items()}
    return list(shown.get(name.lower(), ()))


def _address(url: str, *, start_tls: bool) -> tuple[bool, str, int]:
    """Return whether TLS comes first, the host and the port."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError):
        host, port = "", 0
    if not host or parts.path or parts.query or parts.username is not None:
        raise SettingsError("an LDAP address: expected ldaps://HOST or ldap://HOST, perhaps with a port")
    if parts.scheme == "ldaps" and start_tls:
        raise SettingsError(
            f"{url} with startTls: ldaps:// is encrypted from the start; expected one of them"
        )
    if parts.scheme == "ldap" and not start_tls and host not in LOOPBACK:
        raise SettingsError(f"{url}: passwords do not travel in plain text; expected ldaps://, or startTls")
    return parts.scheme == "ldaps", host, port


def _policy_control() -> list[tuple[str, bool, None]]:
    """Ask for the password policy's reasons; a directory that has none passes this over."""
    return [(PASSWORD_POLICY, False, None)]


def _read(connection: Connection) -> Result:
    result: Any = connection.result
    control = (result.get("controls") or {}).get(PASSWORD_POLICY)
    policy = policy_error(control["value"]) if control else ""
    return Result(int(result["result"]), str(result["description"]), policy)


def policy_error(value: bytes | None) -> str:
    """Return the error in a password policy response, empty for none.

    It is SEQUENCE { warning [0] ... OPTIONAL, error [1] ENUMERATED OPTIONAL } in BER, always short.
    """
    octets, position = value or b"", 2
    while position + 2 <= len(octets):
        tag, length = octets[position], octets[position + 1]
        if tag == _ERROR_TAG and length == 1 and position + 2 < len(octets):
            return POLICY_ERRORS.get(octets[position + 2], "an error unknown here")
        position += 2 + length
    return ""


def _taken(result: Result, what: str) -> None:
    """Raise what a result that is no success means."""
    if result.code == SUCCESS:
        return
    kind = _CLASSES.get(result.code, Rejected)
    hint = _HINTS.get(result.code, "")
    raise kind(what, f"{result}{hint}", code=result.code, reason=result.policy or result.word)


def _passwords(number: int) -> str:
    return "its password" if number == 1 else f"each of the {number} passwords that may be the one that works"


def _close(connection: Connection) -> None:
    """Close without a word that may be waited for; ldap3 forgets a socket that was never connected."""
    with contextlib.suppress(Exception):
        connection.unbind()
    if connection.socket is not None:
        connection.socket.close()
