"""Durations and the sums behind the windows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.core.timing import (
    Staleness,
    Sum,
    format_duration,
    least_lead,
    least_overlap,
    parse_duration,
)

DURATIONS = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=36500))
MILLISECONDS = st.integers(min_value=0, max_value=10 * 86_400_000).map(lambda n: timedelta(milliseconds=n))
VERIFIERS = st.lists(
    st.builds(Staleness, st.sampled_from(["a", "b", "c"]), MILLISECONDS, MILLISECONDS), min_size=1, max_size=4
)


@settings(deadline=None)
@given(DURATIONS)
def test_what_is_written_is_read_back_to_the_millisecond(length: timedelta) -> None:
    """Proves that a duration survives writing and reading, for all durations there are."""
    back = parse_duration(format_duration(length))
    assert abs(back - length) <= timedelta(microseconds=500)
    assert parse_duration(format_duration(back)) == back


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30d", 30 * 86400),
        ("1h30m", 5400),
        ("90s", 90),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("0s", 0),
        ("1d1d", 2 * 86400),
        ("1m1h", 3660),
        ("0.001s", 0.001),
        ("36500d", 36500 * 86400),
        ("1d2h3m4s5ms", 93784.005),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    """Proves what each form means."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "d",
        "30 d",
        " 30d",
        "30d ",
        "30d\n",
        "-1d",
        "+1d",
        "1w",
        "1D",
        "1y",
        "1e3s",
        ".5s",
        "1.s",
        "1,5s",
        "٣d",
        "1d and more",
        "PT1M",
        "99999999999d",
        "36501d",
        "9" * 400 + "d",
    ],
)
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    """Proves that nothing is guessed, and that no number is too large to be refused."""
    with pytest.raises(ValueError, match="expected"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(days=-1), "0s"),
        (timedelta(seconds=450), "7m30s"),
        (timedelta(days=1, hours=1, minutes=1, seconds=1, milliseconds=1), "1d1h1m1s1ms"),
        (timedelta(microseconds=999_600), "1s"),
    ],
)
def test_durations_are_written_largest_unit_first(length: timedelta, text: str) -> None:
    """Proves how durations look."""
    assert format_duration(length) == text


@settings(deadline=None)
@given(VERIFIERS, MILLISECONDS)
def test_the_lead_covers_every_verifier_and_the_skew(verifiers: list[Staleness], skew: timedelta) -> None:
    """Proves that the lead is the slowest verifier and the skew, no more and no less."""
    lead = least_lead(verifiers, skew).total
    assert all(lead >= v.cache + v.propagation + skew for v in verifiers)
    assert any(lead == v.cache + v.propagation + skew for v in verifiers)


@settings(deadline=None)
@given(VERIFIERS, MILLISECONDS, MILLISECONDS, MILLISECONDS, st.integers(0, 3))
def test_the_lead_never_shrinks_when_something_gets_slower(
    verifiers: list[Staleness], skew: timedelta, cache: timedelta, propagation: timedelta, position: int
) -> None:
    """Proves that the lead is monotone in every term, and in the number of verifiers."""
    before = least_lead(verifiers, skew).total
    position %= len(verifiers)
    old = verifiers[position]
    slower = [*verifiers]
    slower[position] = Staleness(old.verifier, old.cache + cache, old.propagation + propagation)
    assert least_lead(slower, skew).total >= before
    assert least_lead([*verifiers, slower[position]], skew).total >= before
    assert least_lead(verifiers, skew + cache).total == before + cache


def test_without_verifiers_the_lead_is_the_skew() -> None:
    """Proves the smallest sum."""
    assert str(least_lead([], timedelta(minutes=1))) == "1m (clock skew) = 1m"


@settings(deadline=None)
@given(MILLISECONDS, MILLISECONDS)
def test_the_overlap_is_the_longest_token_and_the_skew(token: timedelta, skew: timedelta) -> None:
    """Proves the second sum of the design."""
    assert least_overlap(token, skew).total == token + skew


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["cache of a", "clock skew"]), MILLISECONDS), min_size=1, max_size=5)
)
def test_a_sum_that_is_written_out_adds_up(terms: list[tuple[str, timedelta]]) -> None:
    """Proves that a person who adds up the terms of a refusal gets the total it names."""
    left, _, total = str(Sum(tuple(terms))).rpartition(" = ")
    parts = [part.partition(" (") for part in left.split(" + ")]
    assert sum((parse_duration(p[0]) for p in parts), timedelta()) == parse_duration(total)
    assert [p[2].removesuffix(")") for p in parts] == [name for name, _ in terms]
