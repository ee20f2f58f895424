"""Reads JSON that came from outside, within bounds on its size, its depth and its numbers.

Whoever writes a Lease, a Secret or an answer may write anything there. What is odd raises one error, in words, which never
quotes what was read (RFC 8259; section 9 lets a reader set such limits).
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

LARGEST = 1 << 20
"""Octets of one document, where its reader says nothing else: as much as an object in etcd may have."""
DEPTH = 64
"""Levels of lists and objects in one another. The deepest that we need, a pod template, has about 15."""


class Unreadable(ValueError):
    """Something from outside that this program cannot read; the message says why and never quotes it."""


def parse(text: object, *, largest: int = LARGEST) -> Any:
    """Read a JSON document, which is a text or octets. Raises Unreadable."""
    if not isinstance(text, str | bytes):
        raise Unreadable("it is no text")
    if len(text) > largest:
        raise Unreadable(f"it is larger than {largest} bytes")
    try:
        document = _DECODER.decode(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except UnicodeDecodeError:
        raise Unreadable("it is no UTF-8") from None
    except RecursionError:
        raise Unreadable(_TOO_DEEP) from None
    except Unreadable:
        raise
    except ValueError:
        raise Unreadable("it is no JSON") from None
    _check_depth(document)
    if "\\u" in text if isinstance(text, str) else b"\\u" in text:
        _check_characters(document)
    return document


_NESTING = frozenset({dict, list})
"""The types of what a decoder makes that holds further values."""
_TOO_DEEP = f"it is nested deeper than {DEPTH} levels"


def _check_depth(document: Any) -> None:
    """Look at one level after another: what is too deep must not be walked by recursion."""
    level = [document] if type(document) in _NESTING else []
    for _ in range(DEPTH + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) in _NESTING
        ]
        if not level:
            return
    raise Unreadable(_TOO_DEEP)


def _check_characters(document: Any) -> None:
    r"""Refuse a half of a surrogate pair (`\ud800`): such a text can neither be written nor shown."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Unreadable("it holds half a character (a lone surrogate)") from None


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isfinite(number):
        return number
    raise Unreadable("it holds a number beyond all bounds")


def _no_number(_: str) -> NoReturn:
    raise Unreadable("it holds NaN or Infinity, which are no numbers in JSON")


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_number)
