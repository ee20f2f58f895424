"""What a document from outside has to look like: shapes, as values that are put together.

A shape takes a value and where it stands, and returns it as our code may use it: fields that are null count as absent, as
in the Kubernetes API, and fields that no shape names pass as they are. What does not fit raises Unreadable, which names the
place and what was expected, and never the value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from rotator.core.reading import Unreadable

MOST = 2**53
"""No count is larger, so that every reader of JSON reads the same (RFC 8259, section 6)."""
FIRST_YEAR, LAST_YEAR = 1900, 7999
"""Instants lie in these years, so that no sum with a duration of ours leaves the calendar."""
LONGEST = 1000 * 366 * 86400
"""Seconds that a duration may have."""
LONGEST_NAME = 64
"""Characters of a name that are shown."""
_HANDLE = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~:@=+-]{1,255}")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Shape(Protocol[T_co]):
    """One shape: reads a value at a place."""

    def __call__(self, value: object, where: str = "") -> T_co:
        """Return the value as our code may use it. Raises Unreadable."""
        ...


def text(value: object, where: str = "") -> str:
    """A text."""
    if isinstance(value, str):
        return value
    raise _odd(where, "a text", value)


def filled(value: object, where: str = "") -> str:
    """A text that is not empty."""
    if found := text(value, where):
        return found
    raise Unreadable(f"{where or 'it'} is empty")


def handle(value: object, where: str = "") -> str:
    """An id that may stand in an address by itself: no part of it leads elsewhere (RFC 3986, section 3.3)."""
    found = text(value, where)
    if _HANDLE.fullmatch(found):
        return found
    raise Unreadable(f"{where or 'it'} is no id: expected up to 255 letters, digits and some of ._~:@=+-")


def visible(value: object, where: str = "") -> str:
    """A client's id or secret: printable ASCII, with spaces (VSCHAR: RFC 6749, appendix A)."""
    found = text(value, where)
    if found and found.isascii() and found.isprintable():
        return found
    raise Unreadable(f"{where or 'it'} is not printable ASCII, or empty")


def token(value: object, where: str = "") -> str:
    """A text that fits into a header: printable ASCII without spaces (RFC 9110, section 5.6.2, and what tokens are made of)."""
    found = text(value, where)
    if found and found.isascii() and found.isprintable() and " " not in found:
        return found
    raise Unreadable(f"{where or 'it'} is no token: expected printable ASCII without spaces")


def count(value: object, where: str = "") -> int:
    """A whole number from 0 on."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST:
        return value
    raise _odd(where, f"a whole number from 0 to {MOST}", value)


def whole(value: object, where: str = "") -> int:
    """A whole number, which may be negative."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MOST:
        return value
    raise _odd(where, f"a whole number of at most {MOST}", value)


def number(value: object, where: str = "") -> float:
    """A finite number."""
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= MOST
        and math.isfinite(value)
    ):
        return float(value)
    raise _odd(where, f"a number of at most {MOST}", value)


def seconds(value: object, where: str = "") -> float:
    """A duration in seconds, from 0 to a thousand years."""
    if (found := number(value, where)) and not 0 <= found <= LONGEST:
        raise _odd(where, f"seconds from 0 to {LONGEST}", value)
    return found


def flag(value: object, where: str = "") -> bool:
    """True or false."""
    if isinstance(value, bool):
        return value
    raise _odd(where, "true or false", value)


def digits(value: object, where: str = "") -> int:
    """A count that is written as a text, as in annotations."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(MOST)):
        return count(int(value), where)
    raise _odd(where, f"the digits of a number from 0 to {MOST}", value)


def moment(value: object, where: str = "") -> datetime:
    """An instant as RFC 3339 writes it, with a zone; in UTC."""
    try:
        found = datetime.fromisoformat(text(value, where))
    except ValueError:
        raise _odd(where, "an instant (RFC 3339)", value) from None
    if found.tzinfo is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise _odd(where, f"an instant with a zone, from {FIRST_YEAR} to {LAST_YEAR}", value)
    return found.astimezone(UTC)


def anything(value: object, where: str = "") -> Any:
    """Whatever it is."""
    del where
    return value


def listed(shape: Shape[T]) -> Shape[list[T]]:
    """Return the shape of a list of such."""

    def read(value: object, where: str = "") -> list[T]:
        if not isinstance(value, list):
            raise _odd(where, "a list", value)
        return [shape(inner, f"{where}[{i}]") for i, inner in enumerate(value)]

    return read


def mapping(shape: Shape[T]) -> Shape[dict[str, T]]:
    """Return the shape of an object whose fields may have any name."""

    def read(value: object, where: str = "") -> dict[str, T]:
        if not isinstance(value, dict):
            raise _odd(where, "an object", value)
        given = {name: inner for name, inner in value.items() if inner is not None}
        try:
            return {name: shape(inner) for name, inner in given.items()}
        except Unreadable:  # only then it is said where
            return {name: shape(inner, _below(where, name)) for name, inner in given.items()}

    return read


def record(
    needed: Mapping[str, Shape[Any]] | None = None, maybe: Mapping[str, Shape[Any]] | None = None
) -> Shape[dict[str, Any]]:
    """Return the shape of an object with fields of these names: some that it needs, some that it may have."""
    needed, maybe = needed or {}, maybe or {}
    known = {**needed, **maybe}

    def read(value: object, where: str = "") -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _odd(where, "an object", value)
        found = dict(value)
        for name, shape in known.items():
            inner = found.pop(name, None)
            if inner is not None:
                found[name] = shape(inner, f"{where}.{name}" if where else name)
            elif name in needed:
                raise Unreadable(f"{_below(where, name)} is missing")
        return found

    return read


def one_of(*words: str) -> Shape[str]:
    """Return the shape of a text that is one of these."""

    def read(value: object, where: str = "") -> str:
        if (found := text(value, where)) in words:
            return found
        raise Unreadable(f"{where or 'it'} is another word than {' or '.join(words)}")

    return read


def distinct(name: str, shape: Shape[dict[str, T]]) -> Shape[list[dict[str, T]]]:
    """Return the shape of a list of objects no two of which have the same `name`."""
    items = listed(shape)

    def read(value: object, where: str = "") -> list[dict[str, T]]:
        found = items(value, where)
        if len({item[name] for item in found}) == len(found):
            return found
        raise Unreadable(f"{where or 'it'} has the same {name} twice")

    return read


def fitting(shape: Shape[T], value: object, default: T) -> T:
    """Return `value` if it fits, else `default`: for what only saves work."""
    try:
        return shape(value)
    except Unreadable:
        return default


def document(value: object, where: str = "") -> dict[str, Any]:
    """An object, left as it is, with what is null in it."""
    if isinstance(value, dict):
        return value
    raise _odd(where, "an object", value)


def as_written(shape: Shape[Any]) -> Shape[Any]:
    """Return a shape that is looked at, and whose value stays as it was written."""

    def read(value: object, where: str = "") -> Any:
        shape(value, where)
        return value

    return read


def lenient(shape: Shape[T], default: T) -> Shape[T]:
    """Return a shape that anything fits: what is odd counts as `default`."""

    def read(value: object, where: str = "") -> T:
        del where
        return fitting(shape, value, default)

    return read


TEXTS = mapping(text)
"""Labels, annotations and the like."""

_NAMES = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}


def _odd(where: str, expected: str, value: object) -> Unreadable:
    return Unreadable(f"{where or 'it'} is {_NAMES.get(type(value), 'a number')}, expected {expected}")


def _below(where: str, name: str) -> str:
    shown = name[:LONGEST_NAME] if name.isprintable() else "?"
    return f"{where}.{shown}" if where else shown
