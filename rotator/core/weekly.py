"""A window that opens on some days of the week, in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from rotator.core.timing import format_duration

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WEEK = 7


@dataclass(frozen=True, slots=True)
class Weekly:
    """Opens at `start` on each of `days`, for `length`."""

    days: tuple[str, ...]
    start: time
    length: timedelta

    def opens(self, now: datetime) -> datetime:
        """Return `now` where it is open, else when it opens next."""
        here = now.astimezone(UTC)
        openings = [self._opening(here, offset) for offset in range(-_WEEK, _WEEK + 1)]
        found = [opening for opening in openings if opening is not None]
        if any(opening <= now < opening + self.length for opening in found):
            return now
        return min(opening for opening in found if opening > now)

    def _opening(self, now: datetime, offset: int) -> datetime | None:
        day = now.date() + timedelta(days=offset)
        return datetime.combine(day, self.start, UTC) if DAYS[day.weekday()] in self.days else None

    def __str__(self) -> str:
        """Write it as `Sat, Sun from 02:00 UTC for 2h`."""
        days = ", ".join(day for day in DAYS if day in self.days)
        return f"{days} from {self.start:%H:%M} UTC for {format_duration(self.length)}"
