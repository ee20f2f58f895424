"""A directory with passwords, and an AppRole of Vault with secret ids."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from rotator.clients import ldap
from rotator.core.sensitive import Sensitive
from rotator.errors import Ambiguous, ClientError, Unavailable
from tests.faults.environment import Bao, Environment
from tests.faults.transport import Answer, Call, LostReply, Middle
from tests.faults.vendor import ADMIN, OUTAGE, Vendor
from tests.providers import ldap_directory
from tests.providers.ldap_directory import ROTATOR, ROTATOR_PASSWORD, UNBIND, Directory, Entry
from tests.providers.ldap_life import accepts

T = TypeVar("T")
_CHANGES = frozenset({"modify", "password"})
_UNAVAILABLE, _FAILED = (429, 503), 500


# --- a directory ----------------------------------------------------------------------------------------------------


class InMemory:
    """A socket on whose other side a directory answers, in this process."""

    def __init__(self, directory: Directory) -> None:
        self._session = ldap_directory.Session(directory)
        self._answers = b""

    def sendall(self, message: bytes) -> None:
        """Take a request, and answer it."""
        if ldap_directory.operation(message) != UNBIND:
            self._answers += b"".join(self._session.answer(message))

    def recv(self, most: int) -> bytes:
        """Return what was answered."""
        octets, self._answers = self._answers[:most], self._answers[most:]
        return octets

    def close(self) -> None:
        """There is nothing to close."""

    def shutdown(self, how: int) -> None:
        """There is nothing to shut down."""


class Faulty(ldap.Ldap):
    """The product's client, of which each request passes the middle on its way to a directory in this process."""

    directory: Directory
    middle: Middle

    def _log_in(self, dn: str, password: Sensitive) -> ldap.Result:
        return self._through("bind", dn, lambda: super(Faulty, self)._log_in(dn, password))

    def _ask(self, method: str, dn: str, perform: Callable[[Any], T], *, look: bool) -> T:
        return self._through(method, dn, lambda: super(Faulty, self)._ask(method, dn, perform, look=look))

    def _through(self, method: str, dn: str, ask: Callable[[], T]) -> T:
        """Ask, or do not, as the middle says; what the directory itself refuses is no fault."""
        came: list[T | ClientError] = []

        def perform() -> Answer:
            try:
                came.append(ask())
            except ClientError as error:
                came.append(error)
            return Answer(200, {}, b"")

        what = f"ldap: {method} {dn}"
        try:
            answer = self.middle(
                Call("ldap", "POST" if method in _CHANGES else "GET", f"{method} {dn}"), b"", perform
            )
        except LostReply:
            raise Ambiguous(what, "no answer") from None
        if answer.status in _UNAVAILABLE:
            raise Unavailable(what, "LDAP 51 busy", code=51)
        if answer.status == _FAILED:
            raise Ambiguous(what, "LDAP 80 other", code=80)
        result = came[-1]
        if isinstance(result, ClientError):
            raise result
        return result

    @contextlib.contextmanager
    def _connected(self, what: str) -> Iterator[Any]:
        del what
        ldap3 = ldap._ldap3()  # noqa: SLF001 - it is loaded with care
        server = ldap3.Server("directory", get_info="NO_INFO")
        connection = ldap3.Connection(server, auto_bind="NONE", auto_referrals=False, check_names=False)
        connection.socket, connection.closed, connection.listening = InMemory(self.directory), False, True
        connection.strategy._outstanding = {}  # noqa: SLF001 - as if it had been opened
        yield connection


class Ldap(Vendor):
    """An account that takes several passwords, and has none yet."""

    system = "ldap"
    fields = ("bind_dn", "password")
    accounts: ClassVar[tuple[str, ...]] = ("cn=payments,ou=services,dc=example,dc=org",)

    def __init__(self, environment: Environment, draw: random.Random) -> None:
        super().__init__(environment, draw)
        self.directory = Directory()
        for dn in self.accounts:
            self.directory.add(Entry(dn, {"objectClass": [b"person"]}))
        environment.keep(ADMIN, token=ROTATOR_PASSWORD)

    def credential(self) -> Mapping[str, Any]:
        """Return the declared credential."""
        return {"ldapPassword": {"accounts": list(self.accounts)}}

    def verifier(self) -> Mapping[str, Any]:
        """Return the declared verifier."""
        bind = {"dn": ROTATOR, "password": {"secret": {"name": ADMIN, "key": "token"}}}
        return {"ldap": {"url": "ldaps://ldap.example", "bind": bind, "propagation": "30s"}}

    def connections(self, middle: Middle) -> Mapping[str, Any]:
        """Return what makes a client of the directory in this process."""

        def connect(*args: Any, **given: Any) -> Faulty:
            client = Faulty(*args, **given)
            client.directory, client.middle = self.directory, middle
            return client

        return {"connect_directory": connect}

    def value(self, fields: Mapping[str, str]) -> str:
        """Return the password."""
        return fields.get("password", "")

    def secrets(self, material: Mapping[str, str]) -> Iterator[str]:
        """Yield the passwords."""
        yield from super().secrets(material)
        yield from (material[n] for n in ("ldap.closing",) if n in material)

    def _stored(self) -> Iterator[tuple[str, bytes]]:
        for dn in self.accounts:
            for stored in self.directory.find(dn).passwords:
                yield dn, stored

    def present(self) -> Mapping[str, str]:
        """Return what is stored, with the known password that it accepts; else as it is."""
        return {
            f"{dn} {stored.decode()}": next(
                (v for v in self.known if accepts(stored, v.encode())), stored.decode()
            )
            for dn, stored in self._stored()
        }

    def valid(self) -> Sequence[str]:
        """Return them: all are let in."""
        return list(self.present().values())

    def accepted(self, fields: Mapping[str, str]) -> bool:
        """Look whether a bind would be let in; it is not done, because that would end a count of failures."""
        return any(
            dn == fields["bind_dn"] and accepts(v, fields["password"].encode()) for dn, v in self._stored()
        )

    def add_theirs(self) -> bool:
        """Add a password."""
        stored = f"somebody-elses-{len(self.foreign)}"
        self.directory.modify(
            ldap_directory.ADMIN, self.accounts[0], [(0, "userPassword", [stored.encode()])]
        )
        self.leave(f"{self.accounts[0]} {stored}")
        return True

    def take(self, key: str) -> None:
        """Delete a password."""
        dn, _, stored = key.rpartition(" ")
        self.directory.modify(ldap_directory.ADMIN, dn, [(1, "userPassword", [stored.encode()])])

    def record(self, key: str) -> object:
        """Return all that is kept of a password."""
        return key

    def is_named_in(self, reason: str) -> bool:
        """A directory shows no date and no name of a password, only that there is one."""
        return self.accounts[0] in reason and "Nothing was changed there" in reason


class LdapOne(Ldap):
    """An account that takes one password: the old one ends in the instant in which the new one begins."""

    overlaps = False
    blind = True
    nameless = True

    def verifier(self) -> Mapping[str, Any]:
        """Return the declared verifier."""
        return {"ldap": {**super().verifier()["ldap"], "values": "One"}}

    def besides(self) -> Mapping[str, Any]:
        """Accept the outage."""
        return {"outage": OUTAGE}

    def add_theirs(self) -> bool:
        """Nothing: a password of theirs takes the place of ours."""
        return False

    def take_newest(self) -> None:
        """Nothing, as above."""

    refuge = 1


class LdapTurns(Ldap):
    """Two accounts with one password each, which take turns."""

    accounts = tuple(f"cn=payments-{x},ou=services,dc=example,dc=org" for x in "ab")

    def verifier(self) -> Mapping[str, Any]:
        """Return the declared verifier."""
        return {"ldap": {**super().verifier()["ldap"], "values": "One"}}

    def ours(self) -> list[str]:
        """Return the passwords that are known: an account that is not in turn has one that nobody is handed."""
        return [value for value in super().ours() if value in self.known]

    def add_theirs(self) -> bool:
        """Nothing: a password of theirs takes the place of ours."""
        return False

    def exchange(self) -> None:
        """Set another password on the account that was changed last."""
        newest = [key for key, value in self.present().items() if value in self.known][-1:]
        for key in newest:
            dn, _, stored = key.rpartition(" ")
            with self.noting_what_ends():
                self.directory.set_password(ldap_directory.ADMIN, dn, b"somebody-elses")
            self.undo.append(lambda dn=dn, stored=stored: self._set_back(dn, stored.encode()))  # type: ignore[misc]

    def _set_back(self, dn: str, stored: bytes) -> None:
        self.directory.modify(ldap_directory.ADMIN, dn, [(2, "userPassword", [stored])])

    def take_newest(self) -> None:
        """The same: an account always has a password."""
        self.exchange()


# --- AppRole --------------------------------------------------------------------------------------------------------


class AppRole(Vendor):
    """A role of the Vault to which the run itself is logged in; the server is a real one."""

    system = "vault"
    fields = ("secret_id",)
    in_vault = True

    def begin(self, bao: Bao, name: str) -> None:
        """Make the role."""
        self._call = bao.server.call
        self._role = f"of-{name}".lower()
        self._call("POST", f"auth/approle/role/{self._role}", {"token_ttl": "1m", "token_num_uses": 1})
        self._id = self._call("GET", f"auth/approle/role/{self._role}/role-id")["data"]["role_id"]
        self._asked: dict[str, bool] = {}

    def connections(self, middle: Middle) -> Mapping[str, Any]:
        """Return nothing: it is reached like Vault."""
        del middle
        return {}

    def changed(self, call: Call) -> None:
        """Forget which secret ids were accepted."""
        if call.writes and f"/role/{self._role}/" in call.path:
            self._asked.clear()

    def credential(self) -> Mapping[str, Any]:
        """Return the declared credential."""
        return {"vaultAppRole": {"role": self._role}}

    def verifier(self) -> Mapping[str, Any]:
        """Return the declared verifier."""
        return {"appRole": {}}

    def value(self, fields: Mapping[str, str]) -> str:
        """Return the secret id."""
        return fields.get("secret_id", "")

    def secrets(self, material: Mapping[str, str]) -> Iterator[str]:
        """Yield the secret id."""
        yield from (material[n] for n in ("secret_id",) if n in material)

    def present(self) -> Mapping[str, str]:
        """Return the secret ids that are known and work."""
        return {value: value for value in sorted(self.known) if self._works(value)}

    def valid(self) -> Sequence[str]:
        """Return the same."""
        return list(self.present())

    def accepted(self, fields: Mapping[str, str]) -> bool:
        """Whether a login is let in."""
        return self._works(fields["secret_id"])

    def _works(self, value: str) -> bool:
        """Log in, once after each change: the server is a real one, and slower."""
        if value not in self._asked:
            body = {"role_id": self._id, "secret_id": value}
            try:
                self._call("POST", "auth/approle/login", body)
                self._asked[value] = True
            except RuntimeError:
                self._asked[value] = False
        return self._asked[value]

    def add_theirs(self) -> bool:
        """Nothing: secret ids of others are never listed."""
        return False

    def take(self, key: str) -> None:
        """Nothing, as above."""

    def record(self, key: str) -> object:
        """Return the secret id."""
        return key
