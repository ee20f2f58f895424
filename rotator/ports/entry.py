"""A ring with its material, and how that is written down in any store: JSON texts, and the name of the run that wrote them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from rotator.core.codec import from_document, to_document
from rotator.core.reading import Unreadable, parse
from rotator.core.ring import Ring
from rotator.core.sensitive import Material, Sensitive
from rotator.core.shapes import TEXTS, count, mapping, record, text
from rotator.ports.credentials import Copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A ring with the material of its live versions, as stored."""

    ring: Ring
    material: Mapping[str, Material] = field(default_factory=dict)
    """By version id."""
    fence: str = ""
    """What the next save must find unchanged; empty: there is nothing yet."""
    writer: str = ""
    """Which run wrote it."""
    vanishes: str = ""
    """When the system deletes what was loaded by itself; empty: never."""

    def copy(self, version_id: str) -> Copy:
        """Return the version with its material."""
        return Copy(version_id, self.material[version_id])


def to_fields(entry: Entry) -> dict[str, Sensitive]:
    """Return `entry` as named texts."""
    material = {
        version: {name: value.reveal() for name, value in parts.items()}
        for version, parts in entry.material.items()
    }
    digests = {
        "revision": entry.ring.revision,
        "material": {version: _digest(version, parts) for version, parts in entry.material.items()},
    }
    return {
        "ring": Sensitive(json.dumps(to_document(entry.ring))),
        "material": Sensitive(json.dumps(material)),
        "digests": Sensitive(json.dumps(digests)),
        "writer": Sensitive(entry.writer),
    }


def from_fields(fields: Mapping[str, Sensitive], fence: str) -> Entry:
    """Read an entry back. Raises Unreadable, and never quotes what it could not read."""
    try:
        ring, material = (parse(fields[name].reveal()) for name in ("ring", "material"))
        read: dict[str, Material] = {
            version: {name: Sensitive(value) for name, value in parts.items()}
            for version, parts in _MATERIAL(material).items()
        }
        writer = fields["writer"].reveal() if "writer" in fields else ""
    except KeyError as error:
        raise Unreadable(f"the field {error} is missing") from None
    except ValueError:
        raise Unreadable("a field holds no JSON of ours") from None
    entry = Entry(
        ring=from_document(ring),
        material=read,
        fence=fence,
        writer=writer,
    )
    for version in _changed(entry, fields):
        raise Unreadable(f"the material of the version {version} is not what was recorded with it")
    needed = {v.id for v in entry.ring.live if v.withdrawn_at is None}
    if needed - read.keys():
        raise Unreadable("the material of a live version is missing")
    return entry


def _changed(entry: Entry, fields: Mapping[str, Sensitive]) -> list[str]:
    """Return the versions whose material was changed by somebody else.

    Digests count at the revision that they were written with: earlier programs wrote none, and left those of others as they were.
    """
    if "digests" not in fields:
        return []
    try:
        recorded = _DIGESTS(parse(fields["digests"].reveal()))
    except ValueError:
        raise Unreadable("the field 'digests' holds no JSON of ours") from None
    known = recorded["material"] if recorded["revision"] == entry.ring.revision else {}
    return [v for v, parts in entry.material.items() if known.get(v, "") not in {"", _digest(v, parts)}]


def _digest(version: str, parts: Material) -> str:
    """Return a digest of one version's material. It stands beside the material, and nowhere else."""
    texts = {name: value.reveal() for name, value in sorted(parts.items())}
    return hashlib.sha256(json.dumps([version, texts]).encode()).hexdigest()


_MATERIAL = mapping(mapping(text))
_DIGESTS = record({"revision": count, "material": TEXTS})
