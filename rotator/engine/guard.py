"""What is seen to before anything is touched, on every path: rotation and deletion, documents and providers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rotator.errors import DeadlineExceeded
from rotator.ports import Clock, Deadline


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run is: who it is, how long it may take, and whether it acts."""

    clock: Clock
    identity: str
    deadline: Deadline
    act: bool = True
    ahead: bool = True
    """Without acting: whether to go on from what would be recorded, or only to say what is."""


@dataclass(frozen=True, kw_only=True)
class Guard:
    """Stands before every change of one rotation in one run (I5). Call it between the look and the change.

    A run that was overtaken before its look stops. One that is overtaken after it has decided on what was there before the
    other run began. Raises ClockSkewed, DeadlineExceeded, LeaseLost.
    """

    run: Run
    check_clocks: Callable[[], None]
    """Raises ClockSkewed if our clock and that of a system of this rotation differ by more than is allowed."""
    renew: Callable[[], None]
    """Renews the lease; raises LeaseLost."""

    def __call__(self) -> None:
        """See that our clock is right, that our time is not over, and that the lease is ours."""
        self.check_clocks()
        if not self.run.act:
            return
        if self.run.clock.now() >= self.run.deadline.at:
            raise DeadlineExceeded(f"{self.run.deadline.why}; the next run carries on from what is recorded")
        self.renew()
