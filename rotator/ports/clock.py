"""Time: whose clock counts, and when a run has to end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Return the instant, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


@dataclass
class Deadline:
    """When a run has to end. What it holds is given back within the grace after that."""

    at: datetime
    grace: timedelta = timedelta()
    signal: str = ""
    """The signal by which the run was asked to stop; empty: it was not."""

    def end(self, now: datetime, signal: str) -> None:
        """End the run now, since it was asked to stop."""
        self.at, self.signal = min(self.at, now), signal

    @property
    def why(self) -> str:
        """Why the run ends then, for people."""
        return f"the run was asked to stop ({self.signal})" if self.signal else "the run's time is used up"

    @property
    def last(self) -> datetime:
        """The last instant at which a request may begin."""
        return self.at + self.grace
