"""How an entry is written down in any store: two JSON texts and the name of the run that wrote them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rotator.core.codec import Unreadable, from_document, to_document
from rotator.core.sensitive import Material, Sensitive
from rotator.ports import Entry


def to_fields(entry: Entry) -> dict[str, Sensitive]:
    """Return `entry` as named texts."""
    material = {
        version: {name: value.reveal() for name, value in parts.items()}
        for version, parts in entry.material.items()
    }
    return {
        "ring": Sensitive(json.dumps(to_document(entry.ring))),
        "material": Sensitive(json.dumps(material)),
        "writer": Sensitive(entry.writer),
    }


def from_fields(fields: Mapping[str, Sensitive], fence: str) -> Entry:
    """Read an entry back. Raises Unreadable, and never quotes what it could not read."""
    try:
        ring = json.loads(fields["ring"].reveal())
        material = json.loads(fields["material"].reveal())
        read: dict[str, Material] = {
            str(version): {str(name): _text(value) for name, value in parts.items()}
            for version, parts in material.items()
        }
        writer = fields["writer"].reveal() if "writer" in fields else ""
    except KeyError as error:
        raise Unreadable(f"the field {error} is missing") from None
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise Unreadable("a field holds no JSON of ours") from None
    entry = Entry(
        ring=from_document(ring),
        material=read,
        fence=fence,
        writer=writer,
    )
    needed = {v.id for v in entry.ring.live if v.withdrawn_at is None}
    if needed - read.keys():
        raise Unreadable("the material of a live version is missing")
    return entry


def _text(value: object) -> Sensitive:
    if not isinstance(value, str):
        raise TypeError
    return Sensitive(value)
