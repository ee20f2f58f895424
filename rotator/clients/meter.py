"""What one run asked of each system, and what their clocks say."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from rotator.errors import ClockSkewed
from rotator.ports import Clock

DATE_RESOLUTION = timedelta(seconds=1)
"""The `Date` header (RFC 9110, section 6.6.1) names whole seconds."""


class Meter:
    """Counts requests by system, method and status code, and keeps the clearest clock skew of each system."""

    def __init__(self, clock: Clock) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self._clock = clock
        self._skew: dict[str, timedelta] = {}
        self._lock = threading.Lock()

    def count(self, system: str, method: str, code: int) -> None:
        """Count one request; code 0 stands for no answer."""
        with self._lock:
            self.requests[system, method, code] += 1

    def note_date(self, system: str, header: str | None, sent: datetime) -> None:
        """Compare a `Date` header with our own clock around the request that it answers.

        Only what is certain counts: the server's instant is somewhere in its second, and somewhere between
        sending and receiving.
        """
        if not header:
            return
        try:
            theirs = parsedate_to_datetime(header)
        except ValueError:
            return
        theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
        ahead = sent - (theirs + DATE_RESOLUTION)
        behind = theirs - self._clock.now()
        with self._lock:
            self._skew[system] = max(ahead, behind, timedelta())

    def check_skew(self, allowance: timedelta) -> None:
        """Raise ClockSkewed if our clock certainly differs from a server's by more than `allowance`."""
        with self._lock:
            worst = max(self._skew.items(), key=lambda item: item[1], default=None)
        if worst and worst[1] > allowance:
            system, skew = worst
            raise ClockSkewed(
                f"the clock here and the clock of {system} differ by at least {skew.total_seconds():.0f} s, the "
                f"policy allows {allowance.total_seconds():.0f} s (overlap.clockSkew). Nothing was changed. "
                "Put the node's clock right (NTP) and run again."
            )
