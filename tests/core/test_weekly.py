"""The window in which an outage is accepted: when it is open, when it opens, and that nothing begins outside it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.machine import Record, Step, Wait, decide
from rotator.core.ring import Ring
from rotator.core.weekly import DAYS, Weekly
from tests.core.rings import ALL_GOOD, POLICY, STABLE, after

SATURDAY = datetime(2026, 1, 3, tzinfo=UTC)
NIGHT = Weekly(("Sat",), time(2, 30), timedelta(hours=2))
LATE = Weekly(("Sat",), time(23, 0), timedelta(hours=2))


@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        pytest.param(NIGHT, SATURDAY, SATURDAY + timedelta(hours=2.5), id="before it opens"),
        pytest.param(NIGHT, SATURDAY + timedelta(hours=2.5), SATURDAY + timedelta(hours=2.5), id="as it opens"),
        pytest.param(NIGHT, SATURDAY + timedelta(hours=4), SATURDAY + timedelta(hours=4), id="while it is open"),
        pytest.param(NIGHT, SATURDAY + timedelta(hours=4.5), SATURDAY + timedelta(days=7, hours=2.5), id="once it is closed"),
        pytest.param(LATE, SATURDAY + timedelta(hours=24.5), SATURDAY + timedelta(hours=24.5), id="open over midnight"),
        pytest.param(LATE, SATURDAY + timedelta(hours=25), SATURDAY + timedelta(days=7, hours=23), id="closed after midnight"),
    ],
)  # fmt: skip
def test_it_says_when_it_is_open_next(window: Weekly, now: datetime, opens: datetime) -> None:
    """An open window answers with now itself."""
    assert window.opens(now) == opens


@given(
    days=st.sets(st.sampled_from(DAYS), min_size=1),
    start=st.times(),
    minutes=st.integers(1, 1440),
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
)
def test_it_is_open_when_it_says_so_and_within_a_week(
    days: set[str], start: time, minutes: int, now: datetime
) -> None:
    """What it answers is never in the past, is itself open, and is not far."""
    window = Weekly(tuple(days), start, timedelta(minutes=minutes))
    opens = window.opens(now)
    assert now <= opens <= now + timedelta(days=8)
    assert window.opens(opens) == opens


def test_without_overlap_a_switch_begins_in_the_window_only() -> None:
    """The first version never waits: nobody uses another one. One that was begun is finished outside as well."""
    due = STABLE.versions[0].activated_at
    assert due
    due += POLICY.windows.every
    policy = replace(POLICY, outage=NIGHT)
    opens = NIGHT.opens(due)
    waiting = decide(policy, STABLE, ALL_GOOD, due)
    assert isinstance(waiting, Wait)
    assert waiting.until == opens > due
    begun = decide(policy, STABLE, ALL_GOOD, opens)
    assert isinstance(begun, Record)
    assert begun.step is Step.STAGE
    first = decide(policy, Ring(rotation="a/b"), ALL_GOOD, due)
    assert isinstance(first, Record)
    staged = after(Step.STAGE, start=STABLE, now=opens)
    later = decide(policy, staged, ALL_GOOD, opens + timedelta(days=1))
    assert isinstance(later, Record)
    assert later.step is Step.PUBLISH
