"""A directory in this process, for machines without slapd: it speaks LDAP on loopback, with a BER of its own.

It keeps accounts with passwords and answers binds, base searches, comparisons, modifications, additions, deletions and the
password modify operation as slapd 2.5 does (RFC 4511, RFC 3062; the ppolicy overlay as slapo-ppolicy(5) says and as
test_ldap.py sees it on a real one, by the same tests). What is not here: TLS, referrals, any search but for one entry.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from rotator.clients.ldap import _ldap3
from rotator.core.distinguished_names import Name, parse

ADMIN, ADMIN_PASSWORD = "cn=admin,dc=example,dc=org", "admin-password"
ROTATOR, ROTATOR_PASSWORD = "cn=rotator,dc=example,dc=org", "rotator-password"
BIND, UNBIND, SEARCH, MODIFY, ADD, DELETE, COMPARE, EXTENDED = 0x60, 0x42, 0x63, 0x66, 0x68, 0x4A, 0x6E, 0x77
CHANGES = {MODIFY: "modify", EXTENDED: "password"}
"""The requests by which rotator changes something."""
_PARTS = {0x64, 0x73}
"""Answers of a search that are not its last."""
_REPLY = {BIND: 0x61, SEARCH: 0x65, MODIFY: 0x67, ADD: 0x69, DELETE: 0x6B, COMPARE: 0x6F, EXTENDED: 0x78}
_CONTROL = b"1.3.6.1.4.1.42.2.27.8.5.1"


@contextlib.contextmanager
def admin(url: str) -> Iterator[Any]:
    """Bind as the directory's administrator, beside the product's client."""
    ldap3 = _ldap3()
    server = ldap3.Server(url, get_info="NO_INFO")
    connection = ldap3.Connection(server, ADMIN, ADMIN_PASSWORD, auto_bind=True, check_names=False)
    yield connection
    connection.unbind()


def binds(url: str, dn: str, password: bytes) -> bool:
    """Whether a bind is let in, beside the product's client."""
    ldap3 = _ldap3()
    connection = ldap3.Connection(ldap3.Server(url, get_info="NO_INFO"), dn, password, check_names=False)
    let_in = bool(connection.bind())
    connection.unbind()
    return let_in


# --- BER (ITU-T X.690), as far as LDAP uses it -------------------------------------------------------------------


def _read_one(octets: bytes) -> tuple[int, bytes, bytes]:
    """Return tag, contents, and what follows."""
    length, at = octets[1], 2
    if length & 0x80:
        at += length & 0x7F
        length = int.from_bytes(octets[2:at], "big")
    return octets[0], octets[at : at + length], octets[at + length :]


def _parts(octets: bytes) -> list[tuple[int, bytes]]:
    found = []
    while octets:
        tag, contents, octets = _read_one(octets)
        found.append((tag, contents))
    return found


def tlv(tag: int, *contents: bytes) -> bytes:
    """Write one value."""
    body = b"".join(contents)
    size = b"" if len(body) < 0x80 else len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, len(body)]) + body if not size else bytes([tag, 0x80 | len(size)]) + size + body


def receive(connection: socket.socket) -> bytes:
    """Read one message; empty where the other side has gone."""
    octets = b""
    while len(octets) < 2 or len(octets) < _size(octets):
        more = connection.recv(65536)
        if not more:
            return b""
        octets += more
    return octets


def _size(octets: bytes) -> int:
    if not octets[1] & 0x80:
        return 2 + octets[1]
    at = 2 + (octets[1] & 0x7F)
    return at + int.from_bytes(octets[2:at], "big")


def operation(message: bytes) -> int:
    """Return the tag of the request in a message."""
    return _parts(_read_one(message)[1])[1][0]


# --- the directory -----------------------------------------------------------------------------------------------


@dataclass
class Entry:
    """One entry."""

    dn: str
    attributes: dict[str, list[bytes]]
    failures: int = 0
    locked: bool = False
    history: list[bytes] = field(default_factory=list)

    def values(self, name: str) -> list[bytes]:
        """Return an attribute's values."""
        return next((v for n, v in self.attributes.items() if n.lower() == name.lower()), [])

    @property
    def passwords(self) -> list[bytes]:
        """The stored passwords."""
        return self.attributes.setdefault("userPassword", [])

    @property
    def policy(self) -> str:
        """`strict`, `lax`, `must`, or none."""
        named = self.values("pwdPolicySubentry")
        return named[0].decode().split(",", maxsplit=1)[0].removeprefix("cn=") if named else ""


Reply = tuple[int, bytes, bytes]
"""Result code, what follows it in the answer, and the policy's error."""


class _Refused(Exception):
    def __init__(self, code: int, policy: int | None = None) -> None:
        super().__init__(f"LDAP {code}")
        self.code, self.policy = code, policy


@dataclass
class Directory:
    """The entries, and what may be done with them: rotator writes and reads, in `ou=hidden` it only writes."""

    entries: dict[Name, Entry] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Make rotator's own account."""
        self.add(Entry(ROTATOR, {"userPassword": [ROTATOR_PASSWORD.encode()]}))

    def add(self, entry: Entry) -> None:
        """Add an entry."""
        self.entries[parse(entry.dn)] = entry

    def find(self, dn: str) -> Entry:
        """Return an entry; code 32 where there is none."""
        try:
            return self.entries[parse(dn)]
        except (KeyError, ValueError):
            raise _Refused(32) from None

    def bind(self, dn: str, password: bytes) -> None:
        """Let in, or count a failure."""
        if (dn, password) == (ADMIN, ADMIN_PASSWORD.encode()):
            return
        try:
            entry = self.find(dn)
        except _Refused:
            raise _Refused(49) from None
        if not password:
            raise _Refused(53)
        if entry.locked:
            raise _Refused(49, 1)
        if not any(_matches(value, password) for value in entry.passwords):
            entry.failures += 1
            entry.locked = entry.policy in {"strict", "lax"} and entry.failures >= 3
            raise _Refused(49)
        entry.failures = 0

    def set_password(self, who: str, dn: str, password: bytes) -> None:
        """Set the only password."""
        entry = self._writable(who, dn)
        if entry.policy == "strict" and who != ADMIN:
            known = any(_matches(v, password) for v in (*entry.passwords, *entry.history))
            if known or len(password) < 12:
                raise _Refused(19, 8 if known else 6)
        entry.history = [*entry.history, *entry.passwords][-3:]
        salt = os.urandom(8)
        digest = hashlib.sha1(password + salt, usedforsecurity=False).digest()
        entry.passwords[:] = [b"{SSHA}" + base64.b64encode(digest + salt)]
        entry.failures, entry.locked = 0, False

    def modify(self, who: str, dn: str, changes: Sequence[tuple[int, str, list[bytes]]]) -> None:
        """Add (0), delete (1) or replace (2) values: all of it, or nothing."""
        entry = self._writable(who, dn)
        after = list(entry.passwords)
        for how, name, values in changes:
            assert name.lower() == "userpassword"
            if how == 0 and entry.policy == "strict" and who != ADMIN:
                raise _Refused(19, 5)
            after = _changed(after, how, values)
        if not after and b"simpleSecurityObject" in entry.values("objectClass"):
            raise _Refused(65)
        entry.passwords[:] = after

    def shown(self, who: str, dn: str) -> dict[str, list[bytes]]:
        """Return what `who` may see of an entry."""
        entry = self.find(dn)
        instant = b"20300101000000Z"
        seen = {
            **entry.attributes,
            "pwdFailureTime": [instant] * entry.failures,
            "pwdAccountLockedTime": [instant] if entry.locked else [],
        }
        if not self._may_read(who, dn):
            seen["userPassword"] = []
        return seen

    def compare(self, who: str, dn: str, value: bytes) -> int:
        """Compare a password with a value, as it is stored."""
        entry = self.find(dn)
        if not self._may_read(who, dn):
            raise _Refused(50)
        if not entry.passwords:
            raise _Refused(16)
        return 6 if value in entry.passwords else 5

    def _may_read(self, who: str, dn: str) -> bool:
        hidden = ("ou", "hidden") in {pair for rdn in parse(dn) for pair in rdn}
        return who == ADMIN or (who and parse(who) == parse(dn)) or (bool(who) and not hidden)

    def _writable(self, who: str, dn: str) -> Entry:
        entry = self.find(dn)
        if not who:
            raise _Refused(50)
        return entry


def _matches(value: bytes, password: bytes) -> bool:
    if not value.startswith(b"{SSHA}"):
        return hmac.compare_digest(value, password)
    octets = base64.b64decode(value[6:])
    return hashlib.sha1(password + octets[20:], usedforsecurity=False).digest() == octets[:20]


def _changed(present: list[bytes], how: int, values: list[bytes]) -> list[bytes]:
    if how == 0:
        if set(present) & set(values):
            raise _Refused(20)
        return [*present, *values]
    if how == 1:
        if not set(values or present[:1]) <= set(present) or not present:
            raise _Refused(16)
        return [v for v in present if values and v not in values]
    return values


@dataclass
class Session:
    """One connection."""

    directory: Directory
    who: str = ""

    def answer(self, message: bytes) -> list[bytes]:
        """Return the messages that answer one."""
        parts = _parts(_read_one(message)[1])
        number, (tag, body) = parts[0][1], parts[1]
        asked = any(_CONTROL in contents for kind, contents in parts[2:] if kind == 0xA0)
        before: list[bytes] = []
        code, policy, more = 0, None, b""
        try:
            code, before, more = self._perform(tag, body)
        except _Refused as refused:
            code, policy = refused.code, refused.policy
        controls = b""
        if asked and policy is not None:
            value = tlv(0x30, tlv(0x81, bytes([policy])))
            controls = tlv(0xA0, tlv(0x30, tlv(0x04, _CONTROL), tlv(0x04, value)))
        result = tlv(_REPLY[tag], tlv(0x0A, bytes([code])), tlv(0x04), tlv(0x04), more)
        messages = [tlv(0x30, tlv(0x02, number), entry) for entry in before]
        return [*messages, tlv(0x30, tlv(0x02, number), result, controls)]

    def _perform(self, tag: int, body: bytes) -> tuple[int, list[bytes], bytes]:
        if tag == DELETE:
            del self.directory.entries[parse(self.directory.find(body.decode()).dn)]
            return 0, [], b""
        parts = _parts(body)
        if tag == BIND:
            self.who = ""
            self.directory.bind(parts[1][1].decode(), parts[2][1])
            self.who = parts[1][1].decode()
        elif tag == SEARCH:
            return 0, [self._entry(parts[0][1].decode(), [n for _, n in _parts(parts[7][1])])], b""
        elif tag == COMPARE:
            return self.directory.compare(self.who, parts[0][1].decode(), _parts(parts[1][1])[1][1]), [], b""
        elif tag == ADD:
            pairs = [_parts(pair) for _, pair in _parts(parts[1][1])]
            attributes = {name.decode(): [v for _, v in _parts(values)] for (_, name), (_, values) in pairs}
            self.directory.add(Entry(parts[0][1].decode(), attributes))
        elif tag == MODIFY:
            self.directory.modify(self.who, parts[0][1].decode(), list(_modifications(parts[1][1])))
        else:
            given = dict(_parts(_read_one(parts[1][1])[1]))
            self.directory.set_password(self.who, given[0x80].decode(), given[0x82])
        return 0, [], b""

    def _entry(self, dn: str, names: list[bytes]) -> bytes:
        wanted = {name.decode().lower() for name in names}
        seen = self.directory.shown(self.who, dn)
        attributes = (
            tlv(0x30, tlv(0x04, name.encode()), tlv(0x31, *(tlv(0x04, v) for v in values)))
            for name, values in seen.items()
            if name.lower() in wanted and values
        )
        return tlv(0x64, tlv(0x04, dn.encode()), tlv(0x30, *attributes))


def _modifications(octets: bytes) -> Iterator[tuple[int, str, list[bytes]]]:
    for _, change in _parts(octets):
        (_, how), (_, what) = _parts(change)
        (_, name), (_, values) = _parts(what)
        yield how[0], name.decode(), [v for _, v in _parts(values)]


# --- on loopback -------------------------------------------------------------------------------------------------


class HangUp(Exception):
    """The connection ends here."""


Perform = Callable[[], None]
Middle = Callable[[int, Perform], None]
"""Stands between client and server: what is asked (`MODIFY`), and what lets it come through and take effect."""


def straight(asked: int, perform: Perform) -> None:
    """Let every request through."""
    del asked
    perform()


class Listener(socketserver.ThreadingTCPServer):
    """Listens on loopback."""

    daemon_threads = False
    allow_reuse_address = True

    def __init__(self, handler: Callable[[socket.socket], None]) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self._handler = handler
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ldap://127.0.0.1:{self.server_address[1]}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        del client_address
        with contextlib.suppress(ConnectionError):
            self._handler(request)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class DirectoryServer(Listener):
    """A directory behind a port."""

    def __init__(self, directory: Directory) -> None:
        super().__init__(self._serve)
        self.directory = directory
        self._one = threading.Lock()

    def _serve(self, client: socket.socket) -> None:
        session = Session(self.directory)
        while message := receive(client):
            if operation(message) == UNBIND:
                return
            with self._one:
                answers = session.answer(message)
            client.sendall(b"".join(answers))


class Wire(Listener):
    """A place in the wire before a directory, real or not, where every request can be cut off, or its answer."""

    def __init__(self, url: str) -> None:
        super().__init__(self._serve)
        host, _, port = url.removeprefix("ldap://").partition(":")
        self._behind = host, int(port)
        self.middle: Middle = straight

    def _serve(self, client: socket.socket) -> None:
        with socket.create_connection(self._behind) as server:
            while message := receive(client):
                asked = operation(message)
                if asked == UNBIND:
                    server.sendall(message)
                    return
                answers: list[bytes] = []
                try:
                    self.middle(asked, lambda m=message, a=answers: _forward(server, m, a))  # type: ignore[misc]
                except HangUp:
                    return
                client.sendall(b"".join(answers))


def _forward(server: socket.socket, message: bytes, answers: list[bytes]) -> None:
    server.sendall(message)
    octets = b""
    while True:
        more = server.recv(65536)
        if not more:
            raise HangUp
        octets += more
        rest = octets
        while len(rest) >= 2 and len(rest) >= _size(rest):
            one, rest = rest[: _size(rest)], rest[_size(rest) :]
            if operation(one) not in _PARTS:
                answers.append(octets)
                return
