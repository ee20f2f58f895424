"""What each delivered document says of itself, and how that is written down: short texts, the same wherever a document can carry them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from rotator.core.codec import instant, parse_instant
from rotator.core.fence import short_hash
from rotator.core.reading import parse
from rotator.core.shapes import digits
from rotator.errors import Frozen


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
    keys: tuple[str, ...] = ()
    """The ids of the keys that are the rotation's in a set in which others have keys too; empty: all of it is its own."""

    @property
    def content(self) -> str:
        """What stands for the current version's fields: whoever has read them carries it."""
        return f"{self.content_revision}.{self.version}.{instant(self.since)}"


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


# --- several rotations in one document ---------------------------------------------------------------------------

SHARER = "sharer_"
"""How the name of the text begins in which one of several rotations keeps its stamp."""


@dataclass(frozen=True, slots=True)
class Signature:
    """How a rotation says in a document what it delivered there: alone, or beside other rotations."""

    sharer: str = ""
    """The rotation, where others deliver to the document as well; empty: the document is its own."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all texts that can be the rotation's: one that shares now may have been alone before."""
        return (*STAMP_FIELDS, *((_name(self.sharer),) if self.sharer else ()))

    def texts(self, stamp: Stamp | None) -> dict[str, str | None]:
        """Return the texts of a stamp, and None for each that is not to be there; all of them for no stamp."""
        none: dict[str, str | None] = dict.fromkeys(self.names)
        if stamp is None:
            return none
        return {**none, **({_name(self.sharer): _to_text(stamp)} if self.sharer else to_texts(stamp))}

    def read(self, texts: Mapping[str, str], label: str) -> Stamp | None:
        """Read the rotation's stamp in the document `label`: of one that is shared, its own, else that of who has it alone.

        Raises Frozen for a document that others share where it was declared as the rotation's own.
        """
        if self.sharer:
            alone = from_texts(texts)
            if alone and alone.rotation == self.sharer:
                alone = replace(
                    alone, revision=0
                )  # it is not in place until it is written beside those of others
            return _from_text(texts.get(_name(self.sharer), "")) or alone
        if others := sharers(texts):
            raise Frozen(
                f"{label} is shared by the rotations {', '.join(sorted(others))}; it was left untouched. Share it as well "
                "(shared: true), or name another one"
            )
        return from_texts(texts)


ALONE = Signature()


def sharers(texts: Mapping[str, str]) -> dict[str, Stamp]:
    """Return the stamps of all rotations that share a document, by rotation."""
    found = (_from_text(text) for name, text in texts.items() if name.startswith(SHARER))
    return {stamp.rotation: stamp for stamp in found if stamp}


def _name(rotation: str) -> str:
    return f"{SHARER}{short_hash(rotation)}"


def _to_text(stamp: Stamp) -> str:
    return json.dumps({**to_texts(stamp), "keys": list(stamp.keys)})


def _from_text(text: str) -> Stamp | None:
    """Read a stamp of one text; a damaged one counts as none."""
    try:
        found = parse(text)
        keys = tuple(key for key in found["keys"] if isinstance(key, str))
        stamp = from_texts({name: found[name] for name in STAMP_FIELDS})
    except (KeyError, TypeError, ValueError):
        return None
    return stamp and replace(stamp, keys=keys)
