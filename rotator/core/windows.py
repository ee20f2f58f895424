"""A window that opens as a cron schedule says, by the clocks of a time zone, and stays open for a duration.

cronsim reads the schedule as Debian's cron does (https://manpages.debian.org/cron.8: "Daylight Saving Time"). On the
night when clocks go forward, what should open in the hour that is left out opens as that hour ends. On the night when they go
back, it opens in the first of the two hours, and only there. A schedule that begins with `*` in minute or hour follows
elapsed time instead. A duration is elapsed time too: four hours are four hours in each of these nights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from cronsim import CronSim, CronSimError

_FIELDS = 5
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """Opens at each instant of `schedule`, by the clocks of `zone`, for `duration`.

    Raises ValueError for a schedule that is none, and for a duration that is not longer than nothing.
    """

    schedule: str
    """Minute, hour, day of the month, month, day of the week, as in a CronJob."""
    duration: timedelta
    zone: tzinfo

    def __post_init__(self) -> None:
        if len(self.schedule.split()) != _FIELDS:
            raise ValueError(
                f"{self.schedule!r}: expected the five fields of a cron schedule, as '0 2 * * sat'"
            )
        try:
            CronSim(self.schedule, _ANY_DAY)
        except CronSimError as error:
            fault = str(error).removeprefix("Bad ")
            raise ValueError(f"{self.schedule!r}: the {fault} is none of a cron schedule") from None
        if self.duration <= timedelta():
            raise ValueError(f"a duration of {self.duration}: expected more than 0 seconds")

    def opens(self, now: datetime) -> datetime:
        """Return `now` where it is open, else when it opens next; in UTC."""
        now = now.astimezone(UTC)
        closed_since = (now - self.duration).astimezone(self.zone)
        openings = (opening.astimezone(UTC) for opening in CronSim(self.schedule, closed_since))
        return next(max(now, opening) for opening in openings if opening + self.duration > now)


def opens(windows: Iterable[Window], now: datetime) -> datetime:
    """Return `now` where one of the windows is open, else when the first of them opens. Without any, it is open."""
    return min((window.opens(now) for window in windows), default=now)
