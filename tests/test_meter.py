"""What clocks say: a certain skew is named, an uncertain one is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.clients.meter import Meter
from rotator.errors import ClockSkewed

START = datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)
ALL = frozenset({"kubernetes", "vault", "http"})
ZERO = timedelta()
LATENCIES = st.timedeltas(ZERO, timedelta(seconds=30))
OFFSETS = st.timedeltas(timedelta(hours=-2), timedelta(hours=2))


class Clock:
    """A clock that moves only when told."""

    def __init__(self, instant: datetime = START) -> None:
        self.instant = instant

    def now(self) -> datetime:
        """Return the instant."""
        return self.instant

    def correct(self, by: timedelta) -> None:
        """Move it."""
        self.instant += by


def exchange(  # noqa: PLR0913, PLR0917 - what a network does
    meter: Meter,
    clock: Clock,
    offset: timedelta,
    there: timedelta = ZERO,
    back: timedelta = ZERO,
    system: str = "vault",
) -> None:
    """Ask a server whose clock is `offset` ahead of ours, with these latencies."""
    sent = clock.now()
    clock.instant += there
    date = format_datetime((clock.now() + offset).replace(microsecond=0), usegmt=True)
    clock.instant += back
    meter.note_date(system, date, sent)


def accused(meter: Meter, allowance: timedelta) -> bool:
    """Say whether the meter finds a skew above the allowance."""
    try:
        meter.check_skew(allowance, ALL)
    except ClockSkewed:
        return True
    return False


@settings(deadline=None)
@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), LATENCIES, LATENCIES)  # noqa: DTZ001 - strategy's form
def test_equal_clocks_are_never_accused(start: datetime, there: timedelta, back: timedelta) -> None:
    """Proves that neither the second of the Date header nor a slow network looks like a skew, even of 0 s."""
    clock = Clock(start.replace(tzinfo=UTC))
    meter = Meter(clock)
    exchange(meter, clock, ZERO, there, back)
    meter.check_skew(ZERO, ALL)


@settings(deadline=None)
@given(OFFSETS, LATENCIES, LATENCIES)
def test_nobody_is_accused_of_more_than_their_skew(
    offset: timedelta, there: timedelta, back: timedelta
) -> None:
    """Proves that what is measured is at most what is."""
    clock = Clock()
    meter = Meter(clock)
    exchange(meter, clock, offset, there, back)
    meter.check_skew(abs(offset), ALL)


@settings(deadline=None)
@given(OFFSETS, LATENCIES, LATENCIES)
def test_a_skew_beyond_what_a_second_and_the_network_hide_is_found(
    offset: timedelta, there: timedelta, back: timedelta
) -> None:
    """Proves that what is certain is found, in both directions."""
    clock = Clock()
    meter = Meter(clock)
    exchange(meter, clock, offset, there, back)
    hidden = there + back + timedelta(seconds=1)
    if abs(offset) > hidden:
        assert accused(meter, abs(offset) - hidden - timedelta(microseconds=1))


@pytest.mark.parametrize(("sign", "says"), [(1, "behind"), (-1, "ahead of")])
def test_the_accusation_names_the_system_and_the_seconds(sign: int, says: str) -> None:
    """Proves that a person reads how far the clocks are apart, which way, and what is allowed."""
    clock = Clock(START.replace(microsecond=0))
    meter = Meter(clock)
    exchange(meter, clock, sign * timedelta(seconds=90))
    with pytest.raises(ClockSkewed) as caught:
        meter.check_skew(timedelta(seconds=60), ALL)
    least = "1m30s" if sign > 0 else "1m29s"
    assert f"the clock here is {least} {says} the clock of vault, the policy allows 1m (" in str(caught.value)
    assert "overlap.clockSkew" in str(caught.value)


def test_an_accusation_just_above_the_allowance_does_not_name_equal_numbers() -> None:
    """Proves that the message never says that 60 s is more than 60 s."""
    clock = Clock(START.replace(microsecond=0))
    meter = Meter(clock)
    exchange(meter, clock, timedelta(seconds=60))
    with pytest.raises(ClockSkewed, match="is 1m behind the clock of vault, the policy allows 59s800ms"):
        meter.check_skew(timedelta(seconds=59, milliseconds=800), ALL)


@settings(deadline=None)
@given(
    OFFSETS,
    st.lists(st.tuples(st.sampled_from(["vault", "http", "kubernetes"]), OFFSETS, LATENCIES), max_size=4),
)
def test_the_reference_sets_the_clock_right_and_is_still_accused(
    offset: timedelta, others: list[tuple[str, timedelta, timedelta]]
) -> None:
    """Proves that the first answer of Kubernetes moves the clock, once, and that the skew is not forgotten by it."""
    clock = Clock()
    meter = Meter(clock)
    exchange(meter, clock, offset, system="kubernetes")
    assert abs(clock.instant - (START + offset)) <= timedelta(seconds=1)
    corrected = clock.instant - START
    for system, theirs, there in others:
        before = clock.instant
        exchange(meter, clock, theirs - corrected, there, system=system)
        assert clock.instant == before + there
    if abs(offset) > timedelta(seconds=1):
        assert accused(meter, abs(offset) - timedelta(seconds=1, microseconds=1))
    meter.check_skew(max(abs(offset), *(abs(t) for _, t, _ in others), ZERO), ALL)


def test_a_clear_skew_is_not_forgotten_after_a_slow_answer() -> None:
    """Proves that what was once certain stays so: a later answer that says less takes nothing back."""
    clock = Clock()
    meter = Meter(clock)
    exchange(meter, clock, timedelta(seconds=-90))
    exchange(meter, clock, timedelta(seconds=-90), there=timedelta(seconds=60))
    assert accused(meter, timedelta(seconds=60))


def test_the_worst_of_all_systems_is_named() -> None:
    """Proves that one good clock does not excuse another."""
    clock = Clock()
    meter = Meter(clock)
    for system, offset in (("kubernetes", 0), ("vault", 300), ("http", 10)):
        exchange(meter, clock, timedelta(seconds=offset), system=system)
    with pytest.raises(ClockSkewed, match="the clock of vault"):
        meter.check_skew(timedelta(seconds=60), ALL)


def test_a_clock_that_nobody_counts_on_is_named_by_no_accusation() -> None:
    """Proves that one system's clock does not stop who does not use it; and whose clock is to be put right."""
    clock = Clock(START.replace(microsecond=0))
    meter = Meter(clock)
    for system, offset in (("kubernetes", 10), ("vault", 300)):
        exchange(meter, clock, timedelta(seconds=offset), system=system)
    meter.check_skew(timedelta(seconds=60), {"kubernetes"})
    with pytest.raises(
        ClockSkewed, match="Put the clock of vault right, for that of kubernetes agrees with ours"
    ):
        meter.check_skew(timedelta(seconds=60), ALL)
    with pytest.raises(ClockSkewed, match="Put the clock of this machine right"):
        meter.check_skew(timedelta(seconds=5), ALL)


def test_the_zone_of_a_date_counts() -> None:
    """Proves that a Date with another zone, or none, is read as RFC 5322 says."""
    clock = Clock(datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC))
    for header in ("Thu, 01 Jan 2026 13:00:00 +0100", "Thu, 01 Jan 2026 12:00:00 -0000"):
        meter = Meter(clock)
        meter.note_date("vault", header, clock.now())
        meter.check_skew(ZERO, ALL)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "   ",
        "yesterday",
        "2026-01-01T00:00:00Z",
        "Thu, 99 Jan 2026 12:00:00 GMT",
        "Thu",
        ",,,",
        "0",
        "Thu, 01 Jan 99999 12:00:00 GMT",
        "Thu, 01 Jan 99999999999999999999 12:00:00 GMT",
        "Thu, 01 Jan 2026 12:00:00 +99999999999999",
    ],
)
def test_a_damaged_date_says_nothing(header: str | None) -> None:
    """Proves that garbage is neither an accusation nor a crash."""
    clock = Clock()
    meter = Meter(clock)
    meter.note_date("vault", header, clock.now())
    meter.check_skew(ZERO, ALL)


@pytest.mark.parametrize(
    ("header", "counts"),
    [
        ("Fri, 31 Dec 9999 23:59:59 GMT", False),
        ("Thu, 01 Jan 2100 00:00:00 GMT", False),
        ("Thu, 31 Dec 2099 23:59:59 GMT", True),
        ("Wed, 01 Jan 2020 00:00:00 GMT", True),
        ("Tue, 31 Dec 2019 23:59:59 GMT", False),
        ("Thu, 01 Jan 1970 00:00:00 GMT", False),
    ],
)
def test_a_year_in_which_no_clock_can_stand_accuses_nobody(header: str, counts: bool) -> None:
    """Proves that an odd answer of one server stops no rotation, and a credible clock does."""
    clock = Clock()
    meter = Meter(clock)
    meter.note_date("vault", header, clock.now())
    assert accused(meter, timedelta(days=1)) == counts


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_date_header_crashes(header: str) -> None:
    """Proves that whatever a server sends as its Date, we go on."""
    clock = Clock()
    Meter(clock).note_date("vault", header, clock.now())


def test_requests_are_counted_by_system_method_and_code() -> None:
    """Proves what the metrics are made of."""
    meter = Meter(Clock())
    for code in (200, 200, 0):
        meter.count("vault", "GET", code)
    assert meter.requests == {("vault", "GET", 200): 2, ("vault", "GET", 0): 1}


@pytest.mark.parametrize(("node", "whose"), [("worker-3", "the node worker-3"), ("", "this machine")])
def test_the_accusation_says_whose_clock_to_put_right(node: str, whose: str) -> None:
    """In a pod nobody knows which node it was on."""
    clock = Clock(START.replace(microsecond=0))
    meter = Meter(clock, node=node)
    exchange(meter, clock, timedelta(hours=2))
    with pytest.raises(ClockSkewed, match=f"Put the clock of {whose} right"):
        meter.check_skew(timedelta(seconds=60), ALL)
