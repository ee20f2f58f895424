"""What each delivered document says of itself, and how that is written down: short texts, the same wherever a document can carry them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from rotator.core.codec import instant, parse_instant
from rotator.core.shapes import digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What each delivered document says of itself."""

    rotation: str
    revision: int
    """The ring's revision at the last write; never goes backwards (I5)."""
    version: str
    """The id of the version that the document makes current."""
    content_revision: int
    """The ring's revision at which the current version's fields were last written."""
    since: datetime
    """When those fields were written, by the writer's clock, just before the request."""
    fence_key: str = ""
    """The data key whose name stands for that content (`rotator.core.fence`); empty: none was written."""


STAMP_FIELDS = ("rotation", "revision", "version", "content_revision", "since")
"""The names of the texts. In a Vault path they are fields of the document, so a mapping must not use them."""


def to_texts(stamp: Stamp) -> dict[str, str]:
    """Return the stamp as texts."""
    return {
        "rotation": stamp.rotation,
        "revision": str(stamp.revision),
        "version": stamp.version,
        "content_revision": str(stamp.content_revision),
        "since": instant(stamp.since),
    }


def from_texts(texts: Mapping[str, str]) -> Stamp | None:
    """Read a stamp; a damaged one counts as none, and what carries none is not ours to overwrite."""
    try:
        return Stamp(
            rotation=texts["rotation"],
            revision=digits(texts["revision"]),
            version=texts["version"],
            content_revision=digits(texts["content_revision"]),
            since=parse_instant(texts["since"]),
        )
    except (KeyError, ValueError):
        return None
