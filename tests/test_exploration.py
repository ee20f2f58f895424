"""The explorer itself: a life that branches off another is the life that it would have been from its beginning."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rotator.clients import http
from rotator.engine.delivery import Delivery
from rotator.errors import Unavailable
from tests.faults import explore
from tests.faults.branches import live
from tests.faults.explore import life
from tests.faults.kinds_of_faults import ON_THE_WIRE, Fault
from tests.faults.life import Life, Verdict
from tests.faults.schedules import Schedule
from tests.faults.stage import NAMESPACE, Bao
from tests.faults.transport import Call

NAMES = ("none", "9.KILL_AFTER", "9.PAUSED", "40.OTHER_RUN+44.LOST", "60.CLOCK_AHEAD", "5000.LOST")


@pytest.mark.parametrize("kind", ["jwt", "okta"])
def test_a_branch_ends_as_the_whole_life_does(bao: Bao, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same faults, runs and traffic; what it draws follows from its name."""
    monkeypatch.setattr(explore, "_bao", [bao])
    schedules = [Schedule.named(f"{kind}-kubernetes-{name}") for name in NAMES if name != "none"]
    scenario = schedules[0].scenario
    branched = dict(live(lambda: life(scenario, {}, "exploration"), schedules))
    assert set(branched) == set(schedules)
    for schedule in schedules:
        whole = life(scenario, dict(schedule.faults), "exploration").live()
        found = branched[schedule]
        assert (found.runs, found.struck, found.figures) == (whole.runs, whole.struck, whole.figures), (
            schedule
        )
        assert (found.converged, found.violations) == (True, [])


@pytest.mark.parametrize("kind", ["jwt", "okta"])
def test_nodes_with_old_copies_are_found_without_the_fence(
    bao: Bao, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They lose the API server before each write that is followed by a restart, and their watches come back at random."""
    monkeypatch.setattr(explore, "_bao", [bao])

    def restarts() -> list[Verdict]:
        return [v for name in "abc" for v in _struck(kind, f"old copies {name}", Fault.STALE_NODE, _restarts)]

    assert {(v.struck, v.converged, len(v.violations)) for v in restarts()} == {(1, True, 0)}
    monkeypatch.setattr(Delivery, "_fence", lambda *_: None)
    assert any(v.violations for v in restarts())


@pytest.mark.parametrize("fault", ON_THE_WIRE)
def test_a_write_that_is_made_again_after_a_damaged_answer_is_found(
    bao: Bao, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider has taken it: a client that takes it for never sent makes a second secret."""
    monkeypatch.setattr(explore, "_bao", [bao])

    def changes() -> list[Verdict]:
        return _struck("okta", "damaged", fault, lambda call: call.at_provider and call.changes)

    assert {(v.struck, v.converged, len(v.violations)) for v in changes()} == {(1, True, 0)}
    monkeypatch.setattr(http, "no_answer", lambda what, *_: Unavailable(what, "it was not reached"))
    assert any(v.violations for v in changes())


def _restarts(call: Call) -> bool:
    return call.writes and call.path.endswith(f"{NAMESPACE}/secrets/key")


def _struck(kind: str, name: str, fault: Fault, where: Callable[[Call], bool]) -> list[Verdict]:
    """Live a life once for each call `where` says, but the first of them, with a fault there."""
    scenario = Schedule.named(f"{kind}-kubernetes-none").scenario

    def begin() -> Life:
        return life(scenario, {}, name)

    numbers = [number for number, call in enumerate(begin().live().calls) if where(call)]
    schedules = [Schedule(scenario, ((number, fault),)) for number in numbers[1:]]
    assert schedules
    return [verdict for _, verdict in live(begin, schedules)]


def test_a_branch_that_fails_is_a_violation(bao: Bao, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in the other process must not be lost."""
    monkeypatch.setattr(explore, "_bao", [bao])
    schedule = Schedule.named("jwt-kubernetes-9.LOST")

    def begin() -> Life:
        begun = life(schedule.scenario, {}, "broken")
        monkeypatch.setattr(begun, "_afterwards", lambda: 1 / 0 if begun.faults else None)
        return begun

    ((_, verdict),) = live(begin, [schedule])
    assert verdict.violations == ["the life ended in an exception"]
