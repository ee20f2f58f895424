"""HTML elements as values: a text is escaped wherever it stands, and only what is made here is not."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

EMPTY = frozenset({"meta", "link", "br", "hr"})
"""Elements without an end (https://html.spec.whatwg.org/#void-elements)."""


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of a page, ready to be sent."""

    text: str


Child = Html | str
NOTHING = Html("")


def element(name: str, /, *children: Child, **attributes: str) -> Html:
    """Return an element. `class_` and `for_` stand for names that Python has taken, `_` for `-`."""
    named = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items()
    )
    inner = "".join(child.text if isinstance(child, Html) else escape(child) for child in children)
    return Html(f"<{name}{named}>" if name in EMPTY else f"<{name}{named}>{inner}</{name}>")


def joined(*children: Child) -> Html:
    """Return several pieces as one."""
    return Html("".join(child.text if isinstance(child, Html) else escape(child) for child in children))
