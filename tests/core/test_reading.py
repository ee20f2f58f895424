"""What comes from outside is read within bounds, or refused in words that do not quote it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rotator.core import shapes
from rotator.core.dates import http_date
from rotator.core.reading import DEPTH, LARGEST, Unreadable, parse
from rotator.core.shapes import Shape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("{} {}", "no JSON"),
        ("secret-x", "no JSON"),
        ("9" * 5_000, "no JSON"),
        (b"\xff", "no UTF-8"),
        (b'"\xed\xa0\x80"', "no UTF-8"),
        (None, "no text"),
        ({}, "no text"),
        ("NaN", "NaN or Infinity"),
        ('{"a": -Infinity}', "NaN or Infinity"),
        ("1e400", "beyond all bounds"),
        ('{"version": -1e400}', "beyond all bounds"),
        ('"\\ud800"', "half a character"),
        ('{"\\udc00": 1}', "half a character"),
        ("[" * (DEPTH + 2) + "]" * (DEPTH + 2), f"deeper than {DEPTH}"),
        ('{"a":' * (DEPTH + 2) + "1" + "}" * (DEPTH + 2), f"deeper than {DEPTH}"),
        ("[" * 1_000_000, f"deeper than {DEPTH}"),
        ('{"secret-x":' * 80_000, f"deeper than {DEPTH}"),
        (" " * (LARGEST + 1), f"larger than {LARGEST}"),
    ],
    ids=lambda value: f"{len(str(value))} {str(value)[:24]}",
)
def test_what_is_odd_is_refused_in_words(text: object, expected: str) -> None:
    """One error for everything, and it shows nothing of what was read."""
    with pytest.raises(Unreadable, match=expected) as caught:
        parse(text)
    assert "secret-x" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        (b"\xef\xbb\xbf{}", {}),
        ('{"a": [1, 2.5, "\\ud83d\\ude00"]}', {"a": [1, 2.5, "\N{GRINNING FACE}"]}),
        ("[" * DEPTH + "]" * DEPTH, None),
    ],
    ids=lambda value: f"{len(str(value))} {str(value)[:24]}",
)
def test_what_is_sound_is_read(text: str | bytes, value: object) -> None:
    """Bounds are wide enough for what is real."""
    assert value in (None, parse(text))


@pytest.mark.parametrize(
    ("shape", "value", "expected"),
    [
        (shapes.text, 1, "it is a number, expected a text"),
        (shapes.text, None, "it is null, expected a text"),
        (shapes.count, "1", "it is a text, expected a whole number"),
        (shapes.count, True, "it is true or false, expected a whole number"),
        (shapes.count, -1, "expected a whole number from 0"),
        (shapes.count, 1.0, "expected a whole number"),
        (shapes.count, 10**400, "expected a whole number"),
        (shapes.number, 10**400, "expected a number of at most"),
        (shapes.number, float("nan"), "expected a number of at most"),
        (shapes.seconds, 1e30, "expected a number of at most"),
        (shapes.seconds, 1e12, "expected seconds from 0"),
        (shapes.seconds, -1, "expected seconds from 0"),
        (shapes.flag, "true", "it is a text, expected true or false"),
        (shapes.digits, 7, "expected the digits"),
        (shapes.digits, "\u0667", "expected the digits"),
        (shapes.digits, "9" * 5_000, "expected the digits"),
        (shapes.moment, 7, "it is a number, expected an instant"),
        (shapes.moment, "soon", "expected an instant"),
        (shapes.moment, "2026-01-01", "expected an instant with a zone"),
        (shapes.moment, "0001-01-01T00:00:00+23:59", "expected an instant with a zone"),
        (shapes.moment, "9999-12-31T23:59:59-23:59", "expected an instant with a zone"),
        (shapes.listed(shapes.text), {}, "it is an object, expected a list"),
        (shapes.listed(shapes.text), ["a", 1], r"\[1\] is a number, expected a text"),
        (shapes.TEXTS, [], "it is a list, expected an object"),
        (shapes.TEXTS, {"a": {}}, "a is an object, expected a text"),
        (shapes.TEXTS, {"a\x1b[2J": {}}, r"^\? is an object"),
        (shapes.record({"a": shapes.text}), {}, "a is missing"),
        (shapes.record({"a": shapes.text}), {"a": None}, "a is missing"),
        (shapes.record({"a": shapes.record({"b": shapes.count})}), {"a": {"b": "x"}}, "a.b is a text"),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_what_has_another_shape_is_named_by_its_place(
    shape: Shape[Any], value: object, expected: str
) -> None:
    """The place and what was expected, never the value."""
    with pytest.raises(Unreadable, match=expected):
        shape(value)


@pytest.mark.parametrize(
    ("shape", "value", "read"),
    [
        (shapes.seconds, 3600, 3600.0),
        (shapes.digits, "007", 7),
        (shapes.moment, "2026-01-01T01:00:00+01:00", datetime(2026, 1, 1, tzinfo=UTC)),
        (shapes.TEXTS, {"a": "b", "c": None}, {"a": "b"}),
        (shapes.record({}, {"a": shapes.text}), {"a": None, "other": [1]}, {"other": [1]}),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_what_fits_is_returned_as_it_is_used(shape: Shape[Any], value: object, read: object) -> None:
    """Null counts as absent, and what no shape names passes."""
    assert shape(value) == read


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("Thu, 26 Nov 2026 10:00:00 GMT", 2026),
        ("Thu Nov 26 10:00:00 2026", 2026),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 7999),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 2001),
        ("Mon, 01 Jan 2026 00:00:00 +99999999999999999999", None),
        ("Mon, 99 Jan 2026 00:00:00 GMT", None),
        ("", None),
        ("0", None),
        ("soon", None),
        ("9" * 100_000, None),
        (", " * 30, None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_date_of_a_header_is_an_instant_that_can_be_counted_from(text: str, year: int | None) -> None:
    """Or none at all."""
    found = http_date(text)
    assert (found and found.year) == year
