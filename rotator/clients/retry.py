"""Retries, in one place: attempts and a deadline, exponential back-off with jitter, Retry-After honoured.

What a system did not take (`Unavailable`) is asked again. What may have taken effect (`Ambiguous`) is asked again
only if it is a read: a write goes back to the caller, who reads the state back first (I6).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import tenacity

from rotator.clients.limits import LARGEST, bounded, within
from rotator.errors import Ambiguous, DeadlineExceeded, Unavailable
from rotator.ports import Clock, Deadline

T = TypeVar("T")

ATTEMPTS = 5
FIRST_WAIT = 0.1
LONGEST_WAIT = 10.0
LONGEST_ASKED = 86400.0
"""A Retry-After beyond this means the same to us: not in this run."""


@dataclass(frozen=True)
class Retry:
    """How the clients of one run retry: within its deadline, on its clock."""

    clock: Clock
    deadline: Deadline
    attempts: int = ATTEMPTS

    def call(self, ask: Callable[[], T], *, read: bool) -> T:
        """Call `ask` until it answers, gives up for good, or the run's deadline is near."""
        self.check()
        again = (Unavailable, Ambiguous) if read else (Unavailable,)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(again),
            stop=lambda state: state.attempt_number >= self.attempts or self._too_late(state),
            wait=_wait,
            sleep=self.clock.sleep,
            reraise=True,
        )
        return retrying(ask)

    def within(self, seconds: float, octets: int = LARGEST) -> AbstractContextManager[None]:
        """Limit all waits for one request to `seconds`, to so many octets, and to what is left of the run."""
        return within(seconds, self._seconds, octets=octets)

    def bounded(self, call: Callable[[], T]) -> T:
        """Call what cannot be told to end, and leave it behind when the run ends. Raises DeadlineExceeded then."""
        try:
            with within(self._seconds(), self._seconds):
                return bounded(call)
        except TimeoutError:
            raise self._over() from None

    def _seconds(self) -> float:
        return (self.deadline.last - self.clock.now()).total_seconds()

    def check(self) -> None:
        """Raise DeadlineExceeded if no time is left to ask anything."""
        if self.clock.now() >= self.deadline.last:
            raise self._over()

    def _over(self) -> DeadlineExceeded:
        return DeadlineExceeded(f"{self.deadline.why}; the next run carries on from what is recorded")

    def _too_late(self, state: tenacity.RetryCallState) -> bool:
        return timedelta(seconds=state.upcoming_sleep) >= self.deadline.last - self.clock.now()


_backoff = tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)


def _wait(state: tenacity.RetryCallState) -> float:
    """Return how long to wait: the server's Retry-After (RFC 9110, section 10.2.3), else back-off with jitter."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, Unavailable) and error.retry_after else 0.0
    return max(asked, _backoff(state))


def retry_after(header: str | None) -> float | None:
    """Read a Retry-After header in seconds; its date form and garbage count as absent."""
    return min(float(header), LONGEST_ASKED) if header and header.isdecimal() else None
