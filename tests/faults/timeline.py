"""Virtual time, shared by everybody in one life."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from rotator.clients.clock import RunClock

START = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(milliseconds=20)
"""What one call to the outside takes."""


class Timeline:
    """True time. It moves when somebody sleeps, when a call is made, and when a run ends."""

    def __init__(self) -> None:
        self.now = START
        self.moved: list[Callable[[], None]] = []

    def pass_by(self, length: timedelta) -> None:
        """Let time pass, in steps small enough for those who watch."""
        self.now += length
        for told in self.moved:
            told()

    def seconds(self) -> float:
        """Return the seconds that have passed."""
        return (self.now - START).total_seconds()

    def run_clock(self, skew: timedelta) -> RunClock:
        """Return the clock of a run on a node that is off by `skew`."""
        return RunClock(
            wall=lambda: self.now + skew,
            steady=self.seconds,
            sleep=lambda seconds: self.pass_by(timedelta(seconds=seconds)),
        )
