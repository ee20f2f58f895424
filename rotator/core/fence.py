"""The names that stand for contents: whoever refers to one cannot be handed a copy that is older than it.

Each new content of a document brings one more field, without a value, whose *name* is that of the content. They have to be fit for
a variable of the environment, for those who read all fields as variables.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

FENCE = "ROTATOR_FENCE_"
"""How these names begin; no field of others begins so."""
KEPT = 10
"""How many of them stay: a Deployment keeps ten old templates (`revisionHistoryLimit`), and an undo has to start."""
_NUMBER = re.compile(rf"{FENCE}([0-9]{{1,15}})_")
_LONG = 8


def data_key(content_revision: int, value: str) -> str:
    """Return the name that stands for a content: its revision, and a hash of what its readers carry."""
    return f"{FENCE}{content_revision}_{short_hash(value)}"


def is_data_key(name: str) -> bool:
    """Whether a field is one of ours."""
    return name.startswith(FENCE)


def outdated(names: Iterable[str], key: str) -> tuple[str, ...]:
    """Return which of our fields among `names` are to go when `key` comes."""
    ours = sorted((n for n in names if is_data_key(n) and n != key), key=_revision)
    return tuple(ours[: max(0, len(ours) - (KEPT - 1))])


def short_hash(text: str) -> str:
    """Return a few characters that tell `text` from others."""
    return hashlib.sha256(text.encode()).hexdigest()[:_LONG]


def _revision(name: str) -> int:
    found = _NUMBER.match(name)
    return int(found[1]) if found else 0
