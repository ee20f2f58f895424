"""What one run did, and with which exit code a process ends that did nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rotator.engine import fleet
from rotator.engine.outcome import Outcome, Result
from rotator.errors import HELD
from rotator.run.request import Mode, RunRequest


@dataclass(frozen=True, kw_only=True)
class Report(fleet.Report):
    """What one run did, over all rotations, and what of it was asked for and is not done yet."""

    undone: tuple[str, ...] = ()
    """The rotations for which what was asked could not be begun, or ended, yet."""

    @property
    def exit_code(self) -> int:
        """0 done, or nothing due, or waiting as planned; 1 one is frozen or refused; 3 held by another run, or undone."""
        return super().exit_code or (HELD if self.undone else 0)


def report_of(request: RunRequest, done: fleet.Report) -> Report:
    """Return what was `done`, measured by what was asked."""
    undone = tuple(o.rotation for o in done.outcomes if _undone(request)(o))
    return Report(started=done.started, ended=done.ended, outcomes=done.outcomes, undone=undone)


def _undone(request: RunRequest) -> Callable[[Outcome], bool]:
    if request.mode is Mode.LEAVE:
        return lambda outcome: outcome.result in {Result.WAITING, Result.HELD}
    if asked := request.asked:
        return lambda outcome: asked.key not in outcome.summary.requests
    return lambda _: False
