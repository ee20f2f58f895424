"""Ages as kubectl shows them."""

from __future__ import annotations

from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_YEAR = 365 * _DAY


def parse_time(text: str) -> datetime:
    """Read a metav1.Time or MicroTime."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _minutes(seconds: int) -> str:
    if seconds < 10 * _MINUTE:
        return _two(seconds, _MINUTE, 1, "ms")
    return f"{seconds // _MINUTE}m"


def _hours(seconds: int) -> str:
    if seconds < 8 * _HOUR:
        return _two(seconds, _HOUR, _MINUTE, "hm")
    return f"{seconds // _HOUR}h"


def _days(seconds: int) -> str:
    if seconds < 8 * _DAY:
        return _two(seconds, _DAY, _HOUR, "dh")
    if seconds < 2 * _YEAR:
        return f"{seconds // _DAY}d"
    return _two(seconds, _YEAR, _DAY, "yd")


def _two(seconds: int, large: int, small: int, names: str) -> str:
    rest = seconds % large // small
    return f"{seconds // large}{names[0]}" + (f"{rest}{names[1]}" if rest else "")


def human_duration(seconds: int) -> str:
    """Give a duration as apimachinery's HumanDuration does: 45s, 3m12s, 5h, 2d3h, 400d."""
    if seconds < 2 * _MINUTE:
        return f"{max(seconds, 0)}s"
    if seconds < 3 * _HOUR:
        return _minutes(seconds)
    return _hours(seconds) if seconds < 2 * _DAY else _days(seconds)


def age(text: str | None, now: datetime) -> str:
    """Give how long ago an instant was."""
    if not text:
        return "<unknown>"
    return human_duration(int((now - parse_time(text)).total_seconds()))
