"""Texts that others wrote a part of: what a terminal, a log, an Event or a status may be given."""

from __future__ import annotations

LONGEST = 4096
"""Characters of a sentence for a person."""


def printable(text: str, most: int = LONGEST) -> str:
    """Return `text` on one line of at most `most` characters, without what breaks or colours a terminal's lines.

    Control characters, and those that turn the direction of writing, become `?`; what is cut off is shown by `…`.
    """
    if len(text) <= most and text.isprintable():
        return text
    shown = "".join(c if c.isprintable() else "?" for c in text[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
