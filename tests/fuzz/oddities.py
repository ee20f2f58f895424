"""How what was recorded becomes odd: values of another type or beyond all bounds, parts left out, bytes exchanged."""

from __future__ import annotations

import json
import random
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 7, 2**31, 2**63, 10**400, -0.5, 1e30, 1e308, "", "x", "abc", "\u0667", "\u00b2", "\ud800",
    "\x00\x1b[2J\r\nX: y", "9" * 5_000, "1e400", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "2026-01-01", "[" * 50_000,
    "https://[::1", "%25..%2f", "x" * 100_000, [], [[]], [None], ["x"], [{}], {}, {"": {}}, {"x": None}, {"\x1b": []},
)  # fmt: skip
"""What may stand anywhere instead of what is expected."""
RAW = (
    b"NaN",
    b"-Infinity",
    b"1e400",
    b"[" * 50_000,
    b'{"a":' * 50_000,
    b"\xff",
    b"",
    b'"\\ud800"',
    b"null",
    b"{}",
    b"[]",
    b"<html>",
)
"""What only bytes can say."""
MARK = "\ue000"
"""Stands in a document for what only bytes can say, until it is written."""


def odd(draw: random.Random, document: Any) -> bytes:
    """Write `document` down with one or two oddities in it."""
    for _ in range(draw.choice((1, 1, 2))):
        document = _changed(draw, document)
    written = json.dumps(document).encode()
    written = written.replace(json.dumps(MARK).encode(), draw.choice(RAW))
    return torn(draw, written) if draw.random() < 0.1 else written


def torn(draw: random.Random, octets: bytes) -> bytes:
    """Cut `octets` off, or exchange, repeat or leave out some of them."""
    at, length = draw.randrange(len(octets) + 1), draw.randrange(9)
    middle = draw.choice((b"", draw.randbytes(length), octets[at : at + length] * 2, draw.choice(RAW)))
    return octets[:at] + (b"" if draw.random() < 0.3 else middle + octets[at + length :])


def _changed(draw: random.Random, document: Any) -> Any:
    """Return a copy of `document` in which one part is another."""
    places: list[tuple[tuple[Any, ...], Any]] = [((), document)]
    for path, value in places:
        inner = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        places += [((*path, step), part) for step, part in inner]
    path, value = draw.choice(places)
    return _put(document, path, _instead(draw, value))


def _instead(draw: random.Random, value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("{", "[")) and draw.random() < 0.6:
        try:
            return odd(draw, json.loads(value)).decode(errors="replace")  # a document in a text
        except (ValueError, RecursionError):
            pass
    if isinstance(value, dict | list) and value and draw.random() < 0.3:
        return _without(draw, value)
    return draw.choice((*ODD, MARK, [value], {"x": value}, f"{value}"))


def _without(draw: random.Random, value: Any) -> Any:
    if isinstance(value, list):
        return value[1:] if draw.random() < 0.5 else value * 2
    left = dict(value)
    del left[draw.choice(list(left))]
    return left


def _put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    step, *rest = path
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[step] = _put(document[step], tuple(rest), value)
    return copy
