"""Whole lives of a client at an identity provider, with a fault at every request; and the clock and the lag they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar

from rotator.clients.http import Http
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.engine.installation import Installation
from rotator.errors import RotatorError
from rotator.ports import Access, Deadline
from tests.providers.contract import ROTATION, Bench
from tests.providers.served import Api, Asked, HangUp, Said

T = TypeVar("T")
START = datetime(2030, 1, 1, tzinfo=UTC)
READS, LOGINS = "reads", "logins"
PATIENCE = 40
"""So many looks are enough for every life, whatever happens in it."""
LONG = 6
"""So many refusals in a row outlast the retries of one run."""


@dataclass
class Virtual:
    """A clock that only moves when somebody sleeps, or is told to."""

    at: datetime = START

    def now(self) -> datetime:
        """Return the instant."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)

    def correct(self, by: timedelta) -> None:
        """Set it right, by what a server says: it is right already."""
        raise AssertionError(f"a clock that is right was moved by {by}")


def http(clock: Virtual, access: Access | None = None) -> Http:
    """Return the product's client, in virtual time."""
    retry = Retry(clock, Deadline(START + timedelta(days=3650)))
    return Http(retry, Meter(clock), access=access)


@dataclass
class _Shown(Generic[T]):
    value: T
    left: dict[str, int]


class Lagging(Generic[T]):
    """A state whose changes are shown only after some more looks at it, by who looks."""

    def __init__(self, value: T) -> None:
        self.lag: dict[str, int] = {}
        """How many looks after a change show the state before it: `{READS: 2}`."""
        self._states = [_Shown(value, {})]

    @property
    def now(self) -> T:
        """The state as it is."""
        return self._states[-1].value

    def change(self, value: T) -> None:
        """Change it."""
        self._states.append(_Shown(value, dict(self.lag)))

    def look(self, who: str) -> T:
        """Return the state as it is shown, one look later."""
        shown = [s.value for s in self._states if s.left.get(who, 0) <= 0][-1]
        for state in self._states:
            state.left[who] = state.left.get(who, 0) - 1
        return shown

    def settle(self) -> None:
        """Let all be shown."""
        del self._states[:-1]
        self._states[0].left = {}


class Fault(StrEnum):
    """What can happen at a request."""

    NEVER_CAME = "the connection ends before the request came"
    REPLY_LOST = "it took effect, and the reply is lost"
    NOT_KEPT = "the run is killed before it keeps what it learned"
    LIMITED = "a rate limit, once"
    LIMITED_FOR_LONG = "a rate limit that outlasts the retries"
    FAILED_AFTER = "HTTP 500 after it took effect"
    ANOTHERS = "somebody else adds a secret"
    TAKEN_AWAY = "somebody else takes away one of ours that is not in use yet"


@dataclass(kw_only=True)
class World:
    """A provider's contract server, a bench at it, and somebody else."""

    api: Api
    bench: Bench
    accepts: Callable[[str], bool]
    """Whether a value is accepted, in truth."""
    add_anothers: Callable[[], None]
    take_anothers_away: Callable[[], None]
    """What a person does whom a frozen rotation asked to."""
    anothers: Callable[[], Sequence[str]]
    """The ids of what somebody else made."""
    take_away: Callable[[str], None]
    """Takes away one of ours, by its value."""
    limit: Callable[[int], None]
    """Refuses so many of the next requests."""


@dataclass
class Life:
    """One life: add, add beside, withdraw, delete; with one fault at request number `at`."""

    world: World
    fault: Fault | None = None
    at: int = -1
    requests: int = 0
    used: str = ""
    """The version that holders use."""
    told: list[str] = field(default_factory=list)
    """What people were told, run after run."""
    refused: list[str] = field(default_factory=list)
    """After which requests what is in use was refused."""
    _keep: bool = True

    def live(self) -> None:
        """Live it, and see that it ends as wanted."""
        self.world.api.middle = self._between
        bench = self.world.bench
        first = bench.version(1)
        self._reach([first])
        self.used = first
        second = bench.version(2)
        self._reach([first, second])
        assert self._accepted(second)
        self.used = second
        self._reach([second], [first])
        assert not self._accepted(first)
        third = bench.version(3)
        self._reach([second, third])
        strangers = self.world.anothers()
        self.used = ""
        self._delete([second, third])
        assert not self._accepted(first)
        assert not self._accepted(second)
        assert not self._accepted(third)
        assert set(strangers) <= set(self.world.anothers())
        assert self.refused == []

    def _accepted(self, version_id: str) -> bool:
        return self.world.accepts(self.world.bench.material[version_id]["client_secret"].reveal())

    def _reach(self, accept: Sequence[str], forget: Sequence[str] = ()) -> None:
        """Look again and again, run after run, until all is as wanted."""
        self._until(lambda: self._look(accept, forget))

    def _look(self, accept: Sequence[str], forget: Sequence[str]) -> bool:
        bench = self.world.bench
        self._keep = True
        sighting = bench.step(accept, forget, keep=False)
        if self._keep:
            bench.learn(sighting.learned)
        return sighting.confirmed and self._proven(accept[-1], forget)

    def _proven(self, newest: str, forget: Sequence[str]) -> bool:
        """Do what the engine's proof by login does."""
        return self._accepted(newest) and not any(self._accepted(old) for old in forget)

    def _delete(self, ids: Sequence[str]) -> None:
        bench = self.world.bench

        def remove() -> bool:
            copies = [bench.copy(i) for i in ids]
            Installation(bench.provider(), one_slot=bench.one_slot).remove(
                ROTATION, lambda: copies, lambda: None
            )
            return True

        self._until(remove)

    def _until(self, done: Callable[[], bool]) -> None:
        for patience in range(2 * PATIENCE):
            try:
                if done():
                    self.world.bench.settle()
                    return
            except RotatorError as error:
                self.told.append(str(error))
            self.world.bench.settle()
            if patience == PATIENCE:
                self.world.take_anothers_away()
        raise AssertionError(f"not reached with {self.fault!s} at request {self.at}: {self.told[-3:]}")

    # --- between the client and the server ----------------------------------------------------------------------

    def _between(self, asked: Asked, perform: Callable[[], Said]) -> Said:
        """Let a request through, or not; after it, what is in use is accepted as before."""
        number, self.requests = self.requests, self.requests + 1
        try:
            if number != self.at or self.fault is None:
                return perform()
            return self._faulty(self.fault, perform)
        finally:
            if self.used and not self._accepted(self.used):
                self.refused.append(f"{number}: {asked.method} {asked.path}")

    def _faulty(self, fault: Fault, perform: Callable[[], Said]) -> Said:
        match fault:
            case Fault.NEVER_CAME:
                raise HangUp
            case Fault.REPLY_LOST:
                perform()
                raise HangUp
            case Fault.NOT_KEPT:
                self._keep = False
            case Fault.LIMITED:
                self.world.limit(1)
            case Fault.LIMITED_FOR_LONG:
                self.world.limit(LONG)
            case Fault.FAILED_AFTER:
                perform()
                return Said(500, {"error": {"code": "InternalServerError"}})
            case Fault.ANOTHERS:
                self.world.add_anothers()
            case Fault.TAKEN_AWAY:
                self._take_away()
        return perform()

    def _take_away(self) -> None:
        """Take away what nobody uses."""
        material = self.world.bench.material
        for version_id, fields in material.items():
            if version_id != self.used and "client_secret" in fields:
                self.world.take_away(fields["client_secret"].reveal())


def schedules(plain: Api, *, changes_only: bool = False) -> Iterator[tuple[Fault, int]]:
    """Every fault at every request of a life that was lived without one, or only at those that change something."""
    for fault in Fault:
        for at, (method, _, _) in enumerate(plain.journal):
            if method != "GET" or not changes_only:
                yield fault, at
