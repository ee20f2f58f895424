"""For how long an answer may be used instead of a new one, by its headers (RFC 9111)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.systems.freshness import LONGEST, age, lifetime

NOW = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)
DATE = "Thu, 26 Nov 2026 10:00:00 GMT"
TOMORROW = "Fri, 27 Nov 2026 10:00:00 GMT"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NONE = timedelta()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, NONE),
        ({"cache-control": "max-age=3600"}, HOUR),
        ({"cache-control": "public, s-maxage=3600"}, HOUR),
        ({"cache-control": "s-maxage=3600, max-age=60"}, HOUR),
        ({"cache-control": "max-age=60, max-age=3600"}, HOUR),
        ({"cache-control": "no-store"}, NONE),
        ({"cache-control": "stale-if-error=9999, x-max-age=9"}, NONE),
        ({"cache-control": "max-age=99999999999999999999"}, LONGEST),
        ({"cache-control": f"max-age={'9' * 400}"}, LONGEST),
        # Expires counts from Date, and from now where there is none
        ({"expires": TOMORROW, "date": DATE}, DAY),
        ({"expires": TOMORROW}, DAY),
        ({"expires": TOMORROW, "date": "soon"}, DAY),
        ({"expires": TOMORROW, "date": "Thu, 26 Nov 2026 09:00:00 GMT"}, DAY + HOUR),
        ({"expires": "Friday, 27-Nov-26 10:00:00 GMT", "date": DATE}, DAY),
        ({"expires": "Fri Nov 27 10:00:00 2026", "date": DATE}, DAY),
        ({"expires": f"{DATE}, {TOMORROW}", "date": DATE}, DAY),
        ({"expires": TOMORROW, "cache-control": "public", "date": DATE}, DAY),
        ({"expires": "Sat, 27 Nov 9999 10:00:00 GMT", "date": DATE}, LONGEST),
        # one in the past, and one that is no date, is over
        ({"expires": DATE, "date": TOMORROW}, NONE),
        ({"expires": "0", "date": DATE}, NONE),
        ({"expires": "-1", "date": DATE}, NONE),
        ({"expires": "never", "date": DATE}, NONE),
        ({"expires": "", "date": DATE}, NONE),
        # what Cache-Control says goes before it, where every cache heeds it
        ({"expires": TOMORROW, "date": DATE, "cache-control": "max-age=60"}, timedelta(minutes=1)),
        ({"expires": TOMORROW, "date": DATE, "cache-control": "MAX-AGE=0"}, NONE),
        ({"expires": TOMORROW, "date": DATE, "cache-control": "no-store"}, NONE),
        ({"expires": TOMORROW, "date": DATE, "cache-control": "private, no-cache"}, NONE),
        ({"expires": TOMORROW, "date": DATE, "cache-control": 'no-cache="set-cookie"'}, DAY),
        ({"expires": TOMORROW, "date": DATE, "cache-control": "s-maxage=60"}, DAY),
        ({"expires": TOMORROW, "date": DATE, "cache-control": "max-age=soon"}, DAY),
        # Age is not taken off: who asked just before the change keeps the old list for all of it
        ({"cache-control": "max-age=3600", "age": "3590"}, HOUR),
        ({"expires": TOMORROW, "date": DATE, "age": "86000"}, DAY),
    ],
)
def test_the_lifetime_is_the_longest_that_any_cache_may_take(
    headers: dict[str, str], expected: timedelta
) -> None:
    """Sections 4.2.1, 5.2 and 5.3."""
    assert lifetime(headers, NOW) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, NONE),
        ({"age": "3600"}, HOUR),
        ({"age": " 3600 "}, HOUR),
        ({"age": "10, 3600"}, HOUR),
        ({"age": "old"}, NONE),
        ({"age": ""}, NONE),
        ({"age": "9" * 400}, LONGEST),
    ],
)
def test_the_age_is_what_a_cache_says(headers: dict[str, str], expected: timedelta) -> None:
    """Section 5.1."""
    assert age(headers) == expected


ODD = st.lists(
    st.sampled_from(
        [*"0123456789,;=\"' -", "max-age=", "Fri", TOMORROW, "GMT", "\x00", "é", "٣", "no-cache", "9" * 20]
    )
).map("".join)


@given(st.fixed_dictionaries(dict.fromkeys(("cache-control", "expires", "date", "age"), ODD)))
def test_no_header_is_too_odd(headers: dict[str, str]) -> None:
    """Whatever a server sends, the answer lies within bounds."""
    assert NONE <= lifetime(headers, NOW) <= LONGEST
    assert NONE <= age(headers) <= LONGEST
