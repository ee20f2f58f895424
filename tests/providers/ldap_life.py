"""Whole lives of an account's password in a directory, real or not, with the wire cut at any request; and where they take place."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from typing import Any

from rotator.clients.ldap import BindAs, BindAsOwn, Identities, Ldap
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.core.distinguished_names import parse
from rotator.core.ring import State
from rotator.core.sensitive import Material, Sensitive
from rotator.engine.installation import Installation
from rotator.engine.proof import Proof
from rotator.errors import RotatorError
from rotator.ports import Copy, Deadline, Want
from rotator.systems.ldap.client import DirectoryAccounts as Provider
from rotator.systems.ldap.client import LdapBind
from rotator.systems.ldap.maker import LdapPassword
from tests.providers.contract import ROTATION, Bench
from tests.providers.exploration import START, Virtual
from tests.providers.ldap_directory import (
    ADMIN,
    CHANGES,
    ROTATOR,
    ROTATOR_PASSWORD,
    Directory,
    HangUp,
    Perform,
    Wire,
    admin,
)

TIMES = 3
"""Logins in a row that must agree; also the number of refused binds that lock an account here."""
PATIENCE = 12
EXISTING = "taken-over-Password-1"
_names = itertools.count()


def client(
    url: str, identities: Identities | None = None, *, start_tls: bool = False, ca_file: str | None = None
) -> Ldap:
    """Return the product's client, in virtual time."""
    clock = Virtual()
    retry = Retry(clock, Deadline(START + timedelta(days=3650)))
    who = identities or BindAs(ROTATOR, lambda: Sensitive(ROTATOR_PASSWORD))
    return Ldap(url, retry, Meter(clock), who, start_tls=start_tls, ca_file=ca_file)


def accepts(value: bytes, password: bytes) -> bool:
    """Whether a stored value accepts a password, beside the product's own code."""
    if not value.startswith(b"{SSHA}"):
        return value == password
    octets = base64.b64decode(value[6:])
    return hashlib.sha1(password + octets[20:], usedforsecurity=False).digest() == octets[:20]


@dataclass(frozen=True)
class Place:
    """A directory, as its administrator sees it."""

    url: str
    kept: Any = field(default=None, repr=False)
    """A connection of the administrator's that is used for all; None: one each time."""

    def account(
        self, *, unit: str = "services", policy: str = "", password: str = "", must: bool = False
    ) -> str:
        """Make an account of a name that nobody had; return its DN."""
        name = f"service-{next(_names)}"
        dn = f"cn={name},ou={unit},dc=example,dc=org"
        classes = ["organizationalRole", "simpleSecurityObject"] if must else ["person"]
        attributes: dict[str, Any] = {} if must else {"sn": name}
        if policy:
            attributes["pwdPolicySubentry"] = f"cn={policy},ou=policies,dc=example,dc=org"
        if password:
            attributes["userPassword"] = password
        with self._admin() as connection:
            assert connection.add(dn, classes, attributes), connection.result
        return dn

    def change(self, dn: str, how: str, values: Sequence[bytes]) -> None:
        """Change the passwords of an account as its administrator does: `MODIFY_ADD`, `MODIFY_DELETE`."""
        with self._admin() as connection:
            assert connection.modify(dn, {"userPassword": [(how, list(values))]}), connection.result

    def remove(self, dn: str) -> None:
        """Remove an account."""
        with self._admin() as connection:
            assert connection.delete(dn)

    def stored(self, dn: str) -> list[bytes]:
        """Return what is stored as its passwords."""
        return self._read(dn, "userPassword")

    def locked(self, dn: str) -> bool:
        """Whether too many wrong passwords have locked it."""
        return bool(self._read(dn, "pwdAccountLockedTime"))

    def failures(self, dn: str) -> int:
        """Return how many refused binds in a row are counted."""
        return len(self._read(dn, "pwdFailureTime"))

    def accepted(self, copy: Copy) -> bool:
        """Whether the directory accepts a version, found without a bind: that would end a count of failures."""
        password = copy.material["password"].octets()
        return any(accepts(value, password) for value in self.stored(copy.material["bind_dn"].reveal()))

    def _admin(self) -> AbstractContextManager[Any]:
        return nullcontext(self.kept) if self.kept else admin(self.url)

    def _read(self, dn: str, name: str) -> list[bytes]:
        with self._admin() as connection:
            connection.search(dn, "(objectClass=*)", "BASE", attributes=[name])
            shown = connection.response[0]["raw_attributes"] if connection.response else {}
            found: list[bytes] = {n.lower(): v for n, v in shown.items()}.get(name.lower(), [])
            return found


@dataclass(frozen=True, kw_only=True)
class PlaceInMemory(Place):
    """The directory in this process, looked at without asking it."""

    directory: Directory

    def _read(self, dn: str, name: str) -> list[bytes]:
        return self.directory.shown(ADMIN, dn).get(name, []) if parse(dn) in self.directory.entries else []


def copied(credential: LdapPassword, number: int) -> Copy:
    """Return version `number`."""
    made = credential.make(ROTATION, number)
    return Copy(made.id, made.material)


def bench(place: Place, accounts: Sequence[str], *, several: bool = True, others: str = "Stop") -> Bench:
    """Return the contract's bench."""
    credential = LdapPassword(accounts=accounts)
    return Bench(
        provider=lambda: Provider(client(place.url), accounts, several=several, others=others),
        make=lambda number: copied(credential, number),
        logs_in=place.accepted,
        one_slot=not several and len(accounts) == 1,
    )


class Mode(Enum):
    """The ways in which an account's password can be rotated."""

    SEVERAL = "several values"
    TURNS = "accounts in turn"
    ONE = "one value"


class Fault(Enum):
    """What can happen at a request. A killed run asks nothing more; the next one knows what was recorded."""

    NEVER_CAME = "the connection ends before the request came"
    REPLY_LOST = "it took effect, and the reply is lost"
    KILLED_BEFORE = "the run is killed before the request came"
    KILLED_AFTER = "the run is killed when it took effect"


class Killed(BaseException):
    """The run ends here."""


@dataclass
class Life:
    """One life: the first version, one beside it, the switch, the old one's end, another change, the deletion."""

    place: Place
    wire: Wire
    mode: Mode
    own: bool = False
    unit: str = "services"
    policy: str = ""
    fault: Fault | None = None
    at: int = -1
    asked: list[int] = field(default_factory=list)
    """What was asked of the directory, in order: the tags of the requests."""
    told: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """After which requests what is in use was refused."""
    locked: list[str] = field(default_factory=list)
    """After which requests an account was locked."""
    _killed: bool = False
    _used: Copy | None = None
    _changed: bool = False

    def __post_init__(self) -> None:
        """Make the accounts; the first has a password in use where the life begins with it."""
        make = {"unit": self.unit, "policy": self.policy}
        first = self.place.account(**make, password=EXISTING if self.own else "")  # type: ignore[arg-type]
        second = [self.place.account(**make)] if self.mode is Mode.TURNS else []  # type: ignore[arg-type]
        self.accounts = (first, *second)
        self.credential = LdapPassword(accounts=self.accounts)
        self.memory: dict[str, Material] = {}
        self._bench = Bench(
            lambda: self._provider(BindAsOwn()), lambda n: copied(self.credential, n), self.place.accepted
        )

    def live(self) -> None:
        """Live it, and see that it ends as wanted."""
        self.wire.middle = self._between
        first = self._adopted() if self.own else self._bench.version(1)
        self._reach([first], active=first)
        self._used = self._bench.copy(first)
        for number in (2, 3):
            before, fresh = self._used.id, self._bench.version(number)
            if self.mode is Mode.ONE:
                self._used = None  # the hard cut
            self._reach([before, fresh], active=before)
            self._used = self._bench.copy(fresh)
            self._reach([fresh], [before], active=fresh)
            assert not self.place.accepted(self._bench.copy(before))
        last = self._bench.version(4)
        self._reach([self._used.id, last], active=self._used.id) if self.mode is not Mode.ONE else None
        live = [self._used.id, last]
        self._used = None
        self._until(lambda: self._delete(live))
        assert not [i for i in self._bench.material if self.place.accepted(self._bench.copy(i))]
        assert not self.refused
        assert not self.locked

    def _adopted(self) -> str:
        made = self.credential.adopt(Sensitive(EXISTING), None, ROTATION)
        self._bench.material[made.id] = made.material
        self._bench.numbers[made.id] = 1
        return made.id

    def _provider(self, own: BindAsOwn) -> Provider:
        directory = client(self.wire.url, own if self.own else None)
        return Provider(directory, self.accounts, several=self.mode is Mode.SEVERAL)

    def _parties(self) -> tuple[Installation, Proof]:
        """Return what a run is made of."""
        own = BindAsOwn()
        provider = self._provider(own)
        login = LdapBind(provider.directory)
        one_slot = self.mode is Mode.ONE
        return Installation(provider, offer=own.offer, one_slot=one_slot), Proof(login, Virtual(), TIMES)

    def _reach(self, accept: Sequence[str], forget: Sequence[str] = (), *, active: str) -> None:
        want = self._want(accept, forget, active)

        def look() -> bool:
            installation, proof = self._parties()
            for _ in range(PATIENCE):
                sighting = installation.sync(want, act=True, fresh=False)
                self._check_killed()
                if not sighting.again:
                    break
            assert sighting.confirmed, sighting
            proven = proof.sync(want, act=True, fresh=False)
            self._check_killed()
            assert proven.confirmed, proven
            return True

        self._until(look)

    def _want(self, accept: Sequence[str], forget: Sequence[str], active: str) -> Want:
        want = self._bench.want(accept, forget)
        versions = tuple(
            replace(
                v,
                state=State.ACTIVE
                if v.id == active
                else State.RETIRING
                if v.id in forget
                else State.PUBLISHED,
            )
            for v in want.ring.versions
        )
        return replace(want, ring=replace(want.ring, versions=versions))

    def _delete(self, ids: Sequence[str]) -> bool:
        installation, _ = self._parties()
        installation.remove(ROTATION, lambda: [self._bench.copy(i) for i in ids], lambda: None)
        self._check_killed()
        return True

    def _until(self, done: Callable[[], bool]) -> None:
        for _ in range(PATIENCE):
            self._killed = False
            try:
                if done():
                    return
            except Killed:
                self.told.append("killed")
            except RotatorError as error:
                if not self._killed:
                    self.told.append(str(error))
        raise AssertionError(f"not reached with {self.fault} at request {self.at}: {self.told[-3:]}")

    def _check_killed(self) -> None:
        if self._killed:
            raise Killed

    # --- between the client and the directory ---------------------------------------------------------------------

    def _between(self, asked: int, perform: Perform) -> None:
        if self._killed:
            raise HangUp
        number = len(self.asked)
        self.asked.append(asked)
        try:
            if number == self.at and self.fault is not None:
                self._killed = self.fault in {Fault.KILLED_BEFORE, Fault.KILLED_AFTER}
                if self.fault in {Fault.REPLY_LOST, Fault.KILLED_AFTER}:
                    perform()
                raise HangUp
            perform()
        finally:
            self._check(f"{number}: {asked:#x}")

    def _check(self, after: str) -> None:
        """See that what is in use is accepted, and that nobody is locked out."""
        if self._used is not None and not self.place.accepted(self._used):
            self.refused.append(after)
        if self.policy and any(self.place.locked(dn) for dn in self.accounts):
            self.locked.append(after)


def schedules(asked: Sequence[int], *, changes_only: bool = False) -> Iterator[tuple[Fault, int]]:
    """Every fault at every change of a life; at its reads and binds, which have no effect, the connection ends."""
    for at, tag in enumerate(asked):
        if tag in CHANGES:
            yield from ((fault, at) for fault in Fault)
        elif not changes_only:
            yield Fault.NEVER_CAME, at
            yield Fault.KILLED_AFTER, at
