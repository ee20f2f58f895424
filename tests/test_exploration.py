"""The explorer itself: a life that branches off another is the life that it would have been from its beginning."""

from __future__ import annotations

import pytest

from rotator.engine.delivery import Delivery
from tests.faults import explore
from tests.faults.branches import live
from tests.faults.explore import life
from tests.faults.kinds_of_faults import Fault
from tests.faults.life import Life, Verdict
from tests.faults.schedules import Schedule
from tests.faults.stage import NAMESPACE, Bao

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
    with_fence = [verdict for name in "abc" for verdict in _restarts(kind, name)]
    monkeypatch.setattr(Delivery, "_fence", lambda *_: None)
    without = [verdict for name in "abc" for verdict in _restarts(kind, name)]
    assert {(v.struck, v.converged, len(v.violations)) for v in with_fence} == {(1, True, 0)}
    assert any(v.violations for v in without)


def _restarts(kind: str, name: str) -> list[Verdict]:
    """Live a life once for each of its restarts, on nodes that have lost the API server before."""
    scenario = Schedule.named(f"{kind}-kubernetes-none").scenario

    def begin() -> Life:
        return life(scenario, {}, f"old copies {name}")

    calls = begin().live().calls
    writes = [n for n, c in enumerate(calls) if c.writes and c.path.endswith(f"{NAMESPACE}/secrets/key")]
    schedules = [Schedule(scenario, ((number, Fault.STALE_NODE),)) for number in writes[1:]]
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
