"""For how long an HTTP answer may be used instead of a new one: a pure function over its headers (RFC 9111)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from rotator.core.dates import http_date

LONGEST = timedelta(seconds=1 << 31)
"""What a larger number of seconds means (section 1.2.2)."""
_AGES = re.compile(r"(?:^|[,\s])(s-maxage|max-age)\s*=\s*\"?([0-9]+)", re.IGNORECASE)
_UNSHARED = re.compile(r"(?:^|[,\s])(?:max-age\s*=\s*\"?[0-9]|no-store|no-cache(?!\s*=))", re.IGNORECASE)
"""What makes every cache ignore `Expires`; `s-maxage` is for shared caches only."""
_DATE = re.compile(r"(?:\s*[A-Za-z]+,)?[^,]+")


def lifetime(headers: Mapping[str, str], now: datetime) -> timedelta:
    """Return for how long an answer may be used after it was made: the longest that any cache may take it for.

    `headers` are by lower-case name, and several of one name are joined by commas. max-age or s-maxage count, else
    Expires - Date (section 4.2.1); where neither is said, a cache may choose, and this returns zero. Age is not taken off: who
    asked before it did may keep its copy for the whole lifetime.
    """
    control = headers.get("cache-control", "")
    ages = [_seconds(text) for _, text in _AGES.findall(control)]
    if not _UNSHARED.search(control):
        ages += _until_expiry(headers, now)
    return max(ages, default=timedelta())


def age(headers: Mapping[str, str]) -> timedelta:
    """Return for how long a cache on the way has kept an answer (section 5.1); zero where none says so."""
    return max((_seconds(t) for t in re.findall(r"[0-9]+", headers.get("age", ""))), default=timedelta())


def _seconds(text: str) -> timedelta:
    return min(timedelta(seconds=min(float(text), LONGEST.total_seconds())), LONGEST)


def _until_expiry(headers: Mapping[str, str], now: datetime) -> Iterator[timedelta]:
    """Yield Expires - Date. An Expires that is no date, as `0`, lies in the past (section 5.3)."""
    made = next(_dates(headers.get("date", "")), now)
    for expires in _dates(headers.get("expires", "")):
        yield min(max(expires - made, timedelta()), LONGEST)


def _dates(text: str) -> Iterator[datetime]:
    """Yield the dates that a header holds, in any of the three forms of RFC 9110, section 5.6.7."""
    for found in _DATE.findall(text):
        if date := http_date(found):
            yield date
