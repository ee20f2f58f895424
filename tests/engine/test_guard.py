"""One guard on every path: before each call at a provider and each removal, after the look that decided on it (I5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.ring import Ring
from rotator.core.sensitive import Sensitive
from rotator.engine.delivery import Delivery
from rotator.engine.guard import Guard, Run
from rotator.engine.installation import Installation
from rotator.errors import ClockSkewed, DeadlineExceeded, LeaseLost
from rotator.ports import (
    Aim,
    Blocked,
    Call,
    Copy,
    Deadline,
    Rendered,
    Seen,
    Stamp,
    Want,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ROTATION = "payments/key"
OLD, NEW = Copy("old", {"value": Sensitive("old")}), Copy("new", {"value": Sensitive("new")})


@dataclass
class Clock:
    """A clock that stands still."""

    at: datetime = NOW

    def now(self) -> datetime:
        """Return the instant."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)


@dataclass
class Slow:
    """A provider where each change takes 20 seconds."""

    clock: Clock
    seen: list[str]
    accepted: list[str] = field(default_factory=list)
    label: str = "slow"

    def next_call(self, aim: Aim) -> Call | Blocked | None:
        """Add what is missing, then take away what is to go."""
        self.seen.append("look")
        if missing := [c.id for c in aim.accept if c.id not in self.accepted]:
            return Call(f"add {missing[0]}", lambda: self._does(self.accepted.append, missing[0]))
        if left := [c.id for c in aim.forget if c.id in self.accepted]:
            return Call(f"remove {left[0]}", lambda: self._does(self.accepted.remove, left[0]))
        return None

    def _does(self, change: Callable[[str], None], version: str) -> Mapping[str, Mapping[str, Sensitive]]:
        self.seen.append("call")
        self.clock.sleep(20)
        change(version)
        return {}

    def check_free(self, rotation: str) -> None:
        """Nothing is in the way."""

    def current(self) -> Sensitive | None:
        """It shows nothing."""
        return None


@dataclass
class Document:
    """A document that is ours."""

    seen: list[str]
    label: str = "document"
    takes_bytes: bool = True

    def read(self, names: Sequence[str]) -> Seen:
        """Show our stamp."""
        self.seen.append("look")
        stamp = Stamp(rotation=ROTATION, revision=1, version="old", content_revision=1, since=NOW)
        return Seen(fields=dict.fromkeys(names, Sensitive("x")), stamp=stamp, fence="1")

    def write(
        self, fields: Mapping[str, Sensitive | None], stamp: Stamp, seen: Seen | None, note: Mapping[str, str]
    ) -> Seen:
        """Nobody writes here."""
        raise NotImplementedError

    def obstacle(self, names: Sequence[str], *, adopted: bool) -> str:
        """Nothing is in the way."""
        del names, adopted
        return ""

    def last_writer(self, names: Sequence[str]) -> str:
        """Nobody writes."""
        del names
        return ""

    def erase_history(self, *, act: bool) -> bool:
        """There is none."""
        return act

    def remove(self, names: Sequence[str], seen: Seen) -> tuple[str, ...]:
        """Remove it."""
        del names, seen
        self.seen.append("call")
        return ()


class Rendering:
    """Renders one field."""

    names = ("key",)

    def __call__(self, want: Want) -> Rendered:
        """Return nothing: nobody writes here."""
        del want
        return Rendered({})


def followed(seen: list[str]) -> list[str]:
    """Return what stands before each call, nearest last."""
    return [
        "".join(f"{e} " for e in seen[max(0, n - 2) : n]).strip() for n, e in enumerate(seen) if e == "call"
    ]


def test_a_rotation_looks_and_is_guarded_before_each_call() -> None:
    """However many calls there are."""
    seen: list[str] = []
    clock = Clock()
    party = Installation(Slow(clock, seen, ["old", "older"]))
    want = Want(
        ring=Ring(rotation=ROTATION), copies=(NEW,), epoch=0, settled=0, drift=False, known={}, erase=False,
        withdrawn=(OLD, Copy("older", {})), guard=lambda: seen.append("guard"),
    )  # fmt: skip
    while not party.sync(want, act=True, fresh=True).confirmed:
        pass
    assert followed(seen) == ["look guard"] * 3


def test_a_deletion_looks_and_is_guarded_before_each_call() -> None:
    """Six withdrawals of 20 seconds outlast a lease of 30 many times."""
    seen: list[str] = []
    versions = [Copy(f"v{n}", {}) for n in range(6)]
    party = Installation(Slow(Clock(), seen, [v.id for v in versions]))
    party.remove(ROTATION, lambda: versions, lambda: seen.append("guard"))
    assert followed(seen) == ["look guard"] * 6


def test_a_document_is_guarded_before_it_is_removed() -> None:
    """Vault has no fence for a removal."""
    seen: list[str] = []
    party = Delivery(
        name="d",
        target=Document(seen),
        render=Rendering(),
        clock=Clock(),
        landing=timedelta(seconds=10),
        lands_within=lambda _: nullcontext(),
    )
    party.remove(ROTATION, lambda: (), lambda: seen.append("guard"))
    assert followed(seen) == ["look guard"]


def guard(seen: list[str], *, act: bool = True, skewed: bool = False, late: bool = False) -> Guard:
    """Return a guard that notes what it looks at."""

    def check() -> None:
        seen.append("clocks")
        if skewed:
            raise ClockSkewed

    deadline = Deadline(NOW - timedelta(seconds=1) if late else NOW + timedelta(minutes=1))
    run = Run(clock=Clock(), identity="run", deadline=deadline, act=act)
    return Guard(run=run, check_clocks=check, renew=lambda: seen.append("lease"))


def test_a_guard_looks_at_the_clock_the_time_and_the_lease() -> None:
    """In this order: nothing is written for a run that may not act."""
    seen: list[str] = []
    guard(seen)()
    assert seen == ["clocks", "lease"]


@pytest.mark.parametrize(
    ("how", "error"), [({"skewed": True}, ClockSkewed), ({"late": True}, DeadlineExceeded)]
)
def test_a_guard_stops_who_may_not_go_on_before_the_lease_is_renewed(
    how: Mapping[str, bool], error: type[Exception]
) -> None:
    """The lease is left to whoever comes next."""
    seen: list[str] = []
    with pytest.raises(error):
        guard(seen, **how)()
    assert "lease" not in seen


def test_a_plan_renews_nothing_and_has_time() -> None:
    """It changes nothing, so nothing has to be ours."""
    seen: list[str] = []
    guard(seen, act=False, late=True)()
    assert seen == ["clocks"]


def test_a_lost_lease_stops_a_deletion_in_the_middle() -> None:
    """What is left is the other run's."""
    seen: list[str] = []
    versions = [Copy(f"v{n}", {}) for n in range(3)]
    provider = Slow(Clock(), seen, [v.id for v in versions])

    def lost() -> None:
        if seen.count("call") == 1:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        Installation(provider).remove(ROTATION, lambda: versions, lost)
    assert provider.accepted == ["v1", "v2"]
