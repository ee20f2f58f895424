"""The clock of one run: steady within the run, and set right by the API server's.

Windows begin in one run and end in another, perhaps on another node. So that two nodes' clocks cannot shorten a
window, every run counts in the API server's time: it corrects its own clock once, by what the first `Date` header
makes certain. A step of the node's clock during the run changes nothing, for time goes on by the monotonic clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from rotator.clients.limits import LOOK
from rotator.ports import Deadline


def _wall() -> datetime:
    return datetime.now(UTC)


def _steady() -> float:
    """Return seconds that go on during a suspend as well, where the system can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class RunClock:
    """The instant at the start of the run, and what has passed since."""

    def __init__(
        self,
        wall: Callable[[], datetime] = _wall,
        steady: Callable[[], float] = _steady,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._steady = steady
        self._start = wall()
        self._origin = steady()
        self._sleep = sleep or self._nap
        self._deadlines: list[Deadline] = []

    def now(self) -> datetime:
        """Return the instant, in UTC."""
        return self._start + timedelta(seconds=self._steady() - self._origin)

    def sleep(self, seconds: float) -> None:
        """Let time pass, or as much of it as there is until the run is asked to stop."""
        self._sleep(seconds)

    def _nap(self, seconds: float) -> None:
        while seconds > 0 and not any(deadline.signal for deadline in self._deadlines):
            time.sleep(min(seconds, LOOK))
            seconds -= LOOK

    def correct(self, by: timedelta) -> None:
        """Move the clock by what it was found to be off; what time is left stays the same."""
        self._start += by
        for deadline in self._deadlines:
            deadline.at += by

    def deadline(self, length: timedelta, grace: timedelta = timedelta()) -> Deadline:
        """Return the deadline that is `length` from now."""
        deadline = Deadline(self.now() + length, grace)
        self._deadlines.append(deadline)
        return deadline
