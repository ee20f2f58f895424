"""The secrets by which rotator itself is let in are read in one way, wherever they stand.

Line ends behind one are what `echo` or an editor put there. What is wrong with one is said in words, which never quote it.
"""

from __future__ import annotations

from rotator.core import shapes
from rotator.core.reading import Unreadable
from rotator.core.sensitive import Sensitive


def text_of(value: Sensitive) -> Sensitive:
    """Return a secret without the line ends behind it. Raises Unreadable for nothing and for bytes that are no text."""
    try:
        text = value.reveal().rstrip("\r\n")
    except ValueError:
        raise Unreadable("is bytes, no text") from None
    if not text:
        raise Unreadable("is empty")
    return Sensitive(text)


def token_of(value: Sensitive) -> Sensitive:
    """Return a secret that is to fit into a header. Raises Unreadable, as `text_of`, for every other one too."""
    text = text_of(value)
    try:
        shapes.token(text.reveal())
    except Unreadable:
        raise Unreadable(
            "holds more than a token: expected printable ASCII without spaces and line ends"
        ) from None
    return text
