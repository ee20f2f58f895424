"""Retries, in one place: attempts, patience and a deadline, exponential back-off with jitter, Retry-After honoured.

What a system did not take (`Unavailable`) is asked again. What may have taken effect (`Ambiguous`) is asked again
only if it is a read: a write goes back to the caller, who reads the state back first (I6).

A read waits until a system is back: an API server that restarts is away for 10 to 30 seconds. A write does not, and neither
does what is asked for its sake, as a token: its lease was renewed and the state read right before it (I5). Nor does
what a person looks at.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import tenacity

from rotator.clients.addresses import where
from rotator.clients.limits import LARGEST, Left, bounded, within
from rotator.errors import Ambiguous, DeadlineExceeded, Unavailable
from rotator.ports import Clock, Deadline

T = TypeVar("T")

log = logging.getLogger("rotator")

ATTEMPTS = 5
"""So often anything is tried that can be tried again."""
PATIENCE = 30.0
"""For so many seconds at least a run tries a read again."""
SILENCE = 3.0
"""After so many seconds people are told what is waited for."""
ANSWER = timedelta(seconds=2)
"""For so long a request that is under way when its run ends is waited for: its answer tells what the next run need not ask."""
FIRST_WAIT = 0.1
LONGEST_WAIT = 5.0
LONGEST_ASKED = 86400.0
"""A Retry-After beyond this means the same to us: not in this run."""


_brief: ContextVar[bool] = ContextVar("_brief", default=False)
_lands: ContextVar[tuple[Retry, datetime] | None] = ContextVar("_lands", default=None)
"""Whose write is under way, and when it is to be over."""
_until: ContextVar[datetime | None] = ContextVar("_until", default=None)
"""Until when that of which a request is part is tried."""


@contextmanager
def briefly(*, brief: bool = True) -> Iterator[None]:
    """Wait for nothing meanwhile: a change is about to be made, on what was seen right before it."""
    token = _brief.set(brief or _brief.get())
    try:
        yield
    finally:
        _brief.reset(token)


@dataclass
class Retry:
    """How the clients of one run retry: within its deadline, on its clock."""

    clock: Clock
    deadline: Deadline
    attempts: int = ATTEMPTS
    patience: float = 0.0
    """For how many seconds a read is tried again, however many attempts that takes."""
    hurry: float = math.inf
    """After how many seconds nothing is tried again, however few attempts that were."""
    _told: datetime | None = field(default=None, repr=False)
    _telling: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def call(self, ask: Callable[[], T], *, read: bool) -> T:
        """Call `ask` until it answers, gives up for good, or the run's deadline is near."""
        self.check()
        began, again = self.clock.now(), (Unavailable, Ambiguous) if read else (Unavailable,)
        waits = read and not _brief.get() and began < self.deadline.at
        patience = timedelta(seconds=self.patience if waits else 0)

        def enough(state: tenacity.RetryCallState) -> bool:
            then = self.clock.now() + timedelta(seconds=state.upcoming_sleep)
            tried = state.attempt_number >= self.attempts and then > began + patience
            late = (then - began).total_seconds() >= self.hurry
            return tried or late or then >= self._end(began) or self._ended_since(began)

        def tell(state: tenacity.RetryCallState) -> None:
            self._tell_since(began, str(state.outcome.exception() if state.outcome else ""), began + patience)

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(again),
            stop=enough,
            wait=_wait,
            sleep=self.clock.sleep,
            before_sleep=tell,
            reraise=True,
        )
        token = _until.set(began + patience)
        try:
            return retrying(ask)
        finally:
            _until.reset(token)

    def _ended_since(self, began: datetime) -> bool:
        """Whether the run has ended, or was asked to, since something was begun. What is given back comes after that."""
        return began < self.deadline.at <= self.clock.now()

    def _tell_since(self, began: datetime, reason: str, until: datetime) -> None:
        """Say what has been waited for in vain since `began`, once for all that wait for it."""
        now = self.clock.now()
        if now < began + timedelta(seconds=SILENCE):
            return
        with self._telling:
            if self._told and now < self._told + timedelta(seconds=PATIENCE):
                return
            self._told = now
        left = max(0, round((min(until, self.deadline.last) - now).total_seconds()))
        log.warning("waiting for an answer", extra={"reason": reason, "seconds": left})

    def within(
        self, seconds: float, what: str, address: str, *, octets: int = LARGEST
    ) -> AbstractContextManager[None]:
        """Limit all waits for the request `what` to `seconds`, to so many octets, and to what is left of the run.

        One that is under way when the run ends, or is asked to, gets a moment for its answer and no more. `address`: who is
        waited for, as people are told.
        """
        began, run = self.clock.now(), self._left()
        until = max(began + timedelta(seconds=seconds), _until.get() or began)
        reason = f"{what}: no answer from {where(address)} yet"

        def left() -> float:
            self._tell_since(began, reason, until)
            return run()

        return within(seconds, left, octets=octets)

    def _end(self, began: datetime) -> datetime:
        """Return when that which was begun at `began` has to end, if the run goes on as it does now."""
        whose, over = _lands.get() or (self, self.deadline.last)
        end = min(self.deadline.last, over) if whose is self else self.deadline.last
        return min(end, self.deadline.at + ANSWER) if self._ended_since(began) else end

    @contextmanager
    def landing(self, length: timedelta) -> Iterator[None]:
        """Let all that is asked meanwhile take effect within `length`, or not at all: its instant is written down already."""
        token = _lands.set((self, self.clock.now() + length))
        try:
            yield
        finally:
            _lands.reset(token)

    def _left(self) -> Left:
        """Return what tells for how many seconds that which begins now may go on."""
        began = self.clock.now()

        def left() -> float:
            return (self._end(began) - self.clock.now()).total_seconds()

        return left

    def bounded(self, what: str, call: Callable[[], T]) -> T:
        """Call what cannot be told to end, and leave it behind when the run ends. Raises DeadlineExceeded then.

        `what`: for people, who are told while they wait for it.
        """
        began, run = self.clock.now(), self._left()

        def left() -> float:
            self._tell_since(began, f"{what} has not answered yet", self.deadline.last)
            return run()

        try:
            with within(run(), left):
                return bounded(call)
        except TimeoutError:
            raise self._over() from None

    def check(self) -> None:
        """Raise DeadlineExceeded if no time is left to ask anything."""
        if self.clock.now() >= self.deadline.last:
            raise self._over()

    def _over(self) -> DeadlineExceeded:
        return DeadlineExceeded(f"{self.deadline.why}; the next run carries on from what is recorded")


_backoff = tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)


def _wait(state: tenacity.RetryCallState) -> float:
    """Return how long to wait: the server's Retry-After (RFC 9110, section 10.2.3), else back-off with jitter."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, Unavailable) and error.retry_after else 0.0
    return max(asked, _backoff(state))


def retry_after(header: str | None) -> float | None:
    """Read a Retry-After header in seconds; its date form and garbage count as absent."""
    return min(float(header), LONGEST_ASKED) if header and header.isdecimal() else None
