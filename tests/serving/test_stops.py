"""The process is asked to end at a call of a run: the run stops at a safe point, and the next one carries on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.environment import Bao
from tests.faults.transport import Answer, Call, Perform
from tests.serving.replica import Serving, policy
from tests.serving.test_refresher import MONTH
from tests.trial import Trial


class Stopped(Trial):
    """A trial whose process is asked to end at one call of its run."""

    def __init__(self, bao: Bao) -> None:
        super().__init__(bao)
        self.serving: Serving | None = None
        self.at = -1
        """The call; negative: none."""
        self.made = 0

    def _middle(self, call: Call, body: bytes, perform: Perform) -> Answer:
        if self.serving and self.made == self.at:
            self.serving.service.stop("SIGTERM")
        self.made += 1
        return super()._middle(call, body, perform)


def begun(bao: Bao, folder: Path, runs: int) -> tuple[Stopped, Serving, Any]:
    """Return a trial whose second rotation is due, or so many runs further."""
    trial = Stopped(bao)
    made = policy(trial)
    serving = Serving(trial, folder, made)
    for _ in range(10):
        serving.tick()
    trial.timeline.pass_by(MONTH)
    for _ in range(runs):
        serving.tick()
        trial.timeline.pass_by(timedelta(minutes=20))
    return trial, serving, made


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("runs", [0, 1, 2], ids=["publish", "activate", "withdraw"])
def test_at_whatever_call_nothing_is_lost_and_nobody_is_refused(
    bao: Bao, tmp_path: Path, part: int, runs: int
) -> None:
    """One life for every third call of the runs of a rotation; whoever comes next finishes it."""
    number, reached = 3 * part, 0
    while True:
        trial, serving, made = begun(bao, tmp_path, runs)
        first = serving.kids()[0]
        trial.serving, trial.at, trial.made = serving, number, 0
        serving.tick()
        calls, trial.serving = trial.made, None
        assert trial.held() in serving.kids()
        after = Serving(trial, tmp_path, made)  # the pod that takes its place, by the same name
        for _ in range(40):
            (outcome,) = after.tick(timedelta(minutes=4)).outcomes
            assert trial.held() in after.kids()
            if outcome.summary.phase == "Stable" and trial.held() != first:
                break
        assert trial.held() != first
        assert after.kids() == [trial.held()]
        if calls <= number:
            break
        reached, number = reached + 1, number + 12
    assert reached
