"""The explorer itself: a life that branches off another is the life that it would have been from its beginning."""

from __future__ import annotations

import pytest

from tests.faults import explore
from tests.faults.branches import live
from tests.faults.explore import life
from tests.faults.life import Life
from tests.faults.schedules import Schedule
from tests.faults.stage import Bao

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
