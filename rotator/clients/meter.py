"""What one run asked of each system, and what their clocks say."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Protocol

from rotator.core.dates import http_date
from rotator.core.timing import format_duration
from rotator.errors import ClockSkewed

DATE_RESOLUTION = timedelta(seconds=1)
"""The `Date` header (RFC 9110, section 6.6.1) names whole seconds."""
REFERENCE = "kubernetes"
"""The system whose time all runs share."""
VAULT = "vault"


class Span(Protocol):
    """Traces some work: opened with a name and texts about it, closed when it is done."""

    def __call__(self, name: str, about: Mapping[str, str], /) -> AbstractContextManager[object]:
        """Begin it."""
        ...


def no_span(name: str, about: Mapping[str, str], /) -> AbstractContextManager[object]:
    """Trace nothing."""
    del name, about
    return nullcontext()


class CorrectableClock(Protocol):
    """A clock that can be set right."""

    def now(self) -> datetime:
        """Return the instant, in UTC."""
        ...

    def correct(self, by: timedelta) -> None:
        """Move it by `by`."""
        ...


YEARS = range(2020, 2100)
"""When a server's clock may stand."""


class Meter:
    """Counts requests by system, method and status code, and keeps how far our clock was off at first sight."""

    def __init__(self, clock: CorrectableClock, span: Span = no_span, node: str = "") -> None:
        """`node`: whose clock ours is, for people; empty: not known."""
        self.span = span
        self._whose = f"the node {node}" if node else "this machine"
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self._clock = clock
        self._corrected = timedelta()
        self._off: dict[str, timedelta] = {}
        self._lock = threading.Lock()

    def count(self, system: str, method: str, code: int) -> None:
        """Count one request; code 0 stands for no answer."""
        with self._lock:
            self.requests[system, method, code] += 1

    def note_date(self, system: str, header: str | None, sent: datetime) -> None:
        """Compare a `Date` header with our own clock around the request that it answers.

        Only what is certain counts: the server's instant is somewhere in its second, and somewhere between
        sending and receiving. The first header of the reference system sets the run's clock right. A year in which
        no clock can stand is an odd answer, and accuses nobody's clock.
        """
        theirs = http_date(header or "")
        if theirs is None or theirs.year not in YEARS:
            return
        with self._lock:
            behind = max(theirs - self._clock.now(), timedelta())
            ahead = max(sent - theirs - DATE_RESOLUTION, timedelta())
            error = behind - ahead
            off = error + self._corrected
            if system != REFERENCE:
                self._off[system] = max(off, self._off.get(system, off), key=abs)
            elif system not in self._off:
                self._off[system] = self._corrected = error
                self._clock.correct(error)

    @property
    def skew(self) -> Mapping[str, timedelta]:
        """How far each system's clock is ahead of ours, as far as is certain."""
        with self._lock:
            return dict(self._off)

    def check_skew(self, allowance: timedelta, systems: Collection[str]) -> None:
        """Raise ClockSkewed if our clock certainly differs from that of one of `systems` by more than `allowance`."""
        skew = self.skew
        asked = {system: off for system, off in skew.items() if system in systems}
        system, off = max(asked.items(), key=lambda item: abs(item[1]), default=("", timedelta()))
        if abs(off) <= allowance:
            return
        ours_is_right = abs(skew.get(REFERENCE, off)) <= allowance
        wrong = (
            f"{system} right, for that of {REFERENCE} agrees with ours"
            if ours_is_right
            else f"{self._whose} right"
        )
        raise ClockSkewed(
            f"the clock here is {format_duration(abs(off))} {'behind' if off > timedelta() else 'ahead of'} "
            f"the clock of {system}, the policy allows {format_duration(allowance)} (overlap.clockSkew). "
            f"Nothing was changed. Put the clock of {wrong} (NTP), then run again"
        )
