"""Dates as headers of HTTP write them (RFC 9110, section 5.6.7)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from rotator.core.shapes import FIRST_YEAR, LAST_YEAR

LONGEST = 64
"""Characters of a date; each of the three forms has fewer."""


def http_date(text: str) -> datetime | None:
    """Return the instant that a header names; None where it names none. What is later than all instants is the last of them."""
    try:
        found = parsedate_to_datetime(text.strip()) if len(text) <= LONGEST else None
    except (ValueError, TypeError, LookupError, OverflowError):
        return None
    if found is None:
        return None
    if found.year > LAST_YEAR:
        return _LAST
    return (found if found.tzinfo else found.replace(tzinfo=UTC)) if found.year >= FIRST_YEAR else None


_LAST = datetime(LAST_YEAR, 12, 31, tzinfo=UTC)
