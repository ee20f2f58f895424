"""Windows by a zone's clocks: open when people there say so, also in the nights when the clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rotator.core.windows import Window, opens

BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
HOUR = timedelta(hours=1)
NIGHT = Window("0 2 * * *", 4 * HOUR, BERLIN)
SATURDAY = Window("0 2 * * sat", 4 * HOUR, BERLIN)
LATE = Window("30 2 * * *", HOUR, BERLIN)
EVENING = Window("0 22 * * *", 6 * HOUR, BERLIN)


def at(text: str) -> datetime:
    """Read an instant, as 2026-03-29T01:00 in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "now", "opening"),
    [
        pytest.param(SATURDAY, "2026-01-02T12:00", "2026-01-03T01:00", id="winter: an hour before UTC"),
        pytest.param(SATURDAY, "2026-07-03T12:00", "2026-07-04T00:00", id="summer: two"),
        pytest.param(SATURDAY, "2026-01-03T01:00", "2026-01-03T01:00", id="as it opens"),
        pytest.param(SATURDAY, "2026-01-03T04:59", "2026-01-03T04:59", id="open"),
        pytest.param(SATURDAY, "2026-01-03T05:00", "2026-01-10T01:00", id="as it closes"),
        pytest.param(EVENING, "2026-01-03T02:59", "2026-01-03T02:59", id="open over midnight"),
        # 29 March 2026: at 01:00 UTC the clocks go from 02:00 to 03:00.
        pytest.param(NIGHT, "2026-03-29T00:59", "2026-03-29T01:00", id="gap: opens as the hour is left out"),
        pytest.param(NIGHT, "2026-03-29T04:59", "2026-03-29T04:59", id="gap: open for four hours, until 07:00"),
        pytest.param(NIGHT, "2026-03-29T05:00", "2026-03-30T00:00", id="gap: closed after four hours"),
        pytest.param(LATE, "2026-03-29T00:30", "2026-03-29T01:00", id="gap: 02:30 is 03:00"),
        pytest.param(LATE, "2026-03-29T01:59", "2026-03-29T01:59", id="gap: open from 03:00 to 04:00"),
        pytest.param(LATE, "2026-03-29T02:00", "2026-03-30T00:30", id="gap: closed at 04:00"),
        pytest.param(EVENING, "2026-03-29T02:59", "2026-03-29T02:59", id="gap: open across it, until 05:00"),
        pytest.param(EVENING, "2026-03-29T03:00", "2026-03-29T20:00", id="gap: closed at 05:00"),
        # 25 October 2026: at 01:00 UTC the clocks go from 03:00 back to 02:00.
        pytest.param(NIGHT, "2026-10-24T23:59", "2026-10-25T00:00", id="overlap: opens in the first hour"),
        pytest.param(NIGHT, "2026-10-25T03:59", "2026-10-25T03:59", id="overlap: open for four hours, until 05:00"),
        pytest.param(NIGHT, "2026-10-25T04:00", "2026-10-26T01:00", id="overlap: closed at 05:00"),
        pytest.param(LATE, "2026-10-25T00:29", "2026-10-25T00:30", id="overlap: the first 02:30"),
        pytest.param(LATE, "2026-10-25T01:10", "2026-10-25T01:10", id="overlap: open into the second hour"),
        pytest.param(LATE, "2026-10-25T01:30", "2026-10-26T01:30", id="overlap: not once more at the second 02:30"),
        pytest.param(LATE, "2026-10-25T02:10", "2026-10-26T01:30", id="overlap: closed, an hour after the second 02:10"),
        pytest.param(EVENING, "2026-10-25T01:59", "2026-10-25T01:59", id="overlap: open across it, until 03:00"),
        pytest.param(EVENING, "2026-10-25T02:00", "2026-10-25T21:00", id="overlap: closed at 03:00"),
        # Half an hour: on 4 October 2026 at 15:30 UTC the day before from 02:00 to 02:30; on 5 April back, at 15:00.
        pytest.param(Window("15 2 * * *", HOUR, LORD_HOWE), "2026-10-03T15:00", "2026-10-03T15:30", id="a gap of 30 minutes"),
        pytest.param(Window("45 1 * * *", HOUR, LORD_HOWE), "2026-04-04T15:10", "2026-04-04T15:10", id="an overlap of 30 minutes"),
        pytest.param(Window("0 * * * *", HOUR, BERLIN), "2026-10-25T01:30", "2026-10-25T01:30", id="each hour: always open"),
    ],
)  # fmt: skip
def test_it_says_when_it_is_open_next(window: Window, now: str, opening: str) -> None:
    """An open window answers with now itself."""
    assert window.opens(at(now)) == at(opening)


def test_now_may_be_in_any_zone() -> None:
    """Also in the window's own, in the second of two equal hours."""
    second = datetime(2026, 10, 25, 2, 10, tzinfo=BERLIN, fold=1)
    assert LATE.opens(second) == second.astimezone(UTC) == at("2026-10-25T01:10")
    assert LATE.opens(second).tzinfo is UTC


@given(
    zone=st.sampled_from([BERLIN, LORD_HOWE, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")]),
    start=st.builds(time, st.integers(0, 23), st.integers(0, 59)),
    minutes=st.integers(1, 1440),
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
)
@example(zone=BERLIN, start=time(2, 30), minutes=60, now=at("2026-10-25T01:30"))
@example(zone=BERLIN, start=time(2, 30), minutes=60, now=at("2026-03-29T01:00"))
def test_it_is_as_a_calendar_on_the_wall_says(
    zone: ZoneInfo, start: time, minutes: int, now: datetime
) -> None:
    """One opening a day, each at the first instant at which the clocks there have reached it."""
    length = timedelta(minutes=minutes)
    window = Window(f"{start.minute} {start.hour} * * *", length, zone)
    days = [now.astimezone(zone).date() + timedelta(days=n) for n in range(-2, 3)]
    openings = [first_instant(datetime.combine(day, start), zone) for day in days]
    assert window.opens(now) == min(max(now, opening) for opening in openings if opening + length > now)


def first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant, to the minute, at which clocks in a zone show `wall` or have been put past it."""
    about = wall.replace(tzinfo=zone).astimezone(UTC)
    minutes = (about + timedelta(minutes=n) for n in range(-180, 181))
    return next(instant for instant in minutes if instant.astimezone(zone).replace(tzinfo=None) >= wall)


def test_several_windows_are_open_when_one_of_them_is() -> None:
    """And without any, nothing is shut out."""
    both = (SATURDAY, EVENING)
    assert opens(both, at("2026-01-03T04:00")) == at("2026-01-03T04:00")
    assert opens(both, at("2026-01-03T06:00")) == at("2026-01-03T21:00")
    assert opens((), at("2026-01-03T06:00")) == at("2026-01-03T06:00")


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("", "expected the five fields"),
        ("0 2 * *", "expected the five fields"),
        ("0 0 2 * * sat", "expected the five fields"),
        ("@daily", "expected the five fields"),
        ("60 2 * * *", "the minute is none of a cron schedule"),
        ("0 24 * * *", "the hour is none"),
        ("0 2 30 2 *", "the day-of-month is none"),
        ("0 2 * 13 *", "the month is none"),
        ("0 2 * * caturday", "the day-of-week is none"),
    ],
)
def test_a_schedule_that_is_none_is_refused(schedule: str, said: str) -> None:
    """With the schedule, and the field that is wrong."""
    with pytest.raises(ValueError, match=f"^{schedule!r}: {said}".replace("*", r"\*")):
        Window(schedule, HOUR, BERLIN)


@pytest.mark.parametrize("duration", [timedelta(), -HOUR])
def test_a_window_has_a_length(duration: timedelta) -> None:
    """It could not be open."""
    with pytest.raises(ValueError, match="expected more than 0 seconds"):
        Window("0 2 * * *", duration, BERLIN)
