"""How a ring is written down: a JSON document with a format number, read strictly."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from rotator.core.reading import Unreadable
from rotator.core.ring import Ring, State, Version
from rotator.core.shapes import moment

FORMAT = 1
_INSTANTS = tuple(f.name for f in fields(Version) if "datetime" in str(f.type))


def instant(at: datetime) -> str:
    """Write an instant in RFC 3339, UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 instant. Raises Unreadable where it is none, has no zone, or lies beyond all time."""
    return moment(text)


def to_document(ring: Ring) -> dict[str, Any]:
    """Return `ring` as a JSON document. Unset fields are left out."""
    return {
        "format": FORMAT,
        "rotation": ring.rotation,
        "revision": ring.revision,
        "acceptanceRevision": ring.acceptance_revision,
        "acceptanceConfirmed": ring.acceptance_confirmed,
        "holdingRevision": ring.holding_revision,
        "holdingConfirmed": ring.holding_confirmed,
        "requests": list(ring.requests),
        "versions": [_version_document(v) for v in ring.versions],
    }


def from_document(document: object) -> Ring:
    """Read a ring back. Raises Unreadable for garbage and for documents of a newer format."""
    if not isinstance(document, dict):
        raise Unreadable("not a JSON object")
    if document.get("format") != FORMAT:
        raise Unreadable(
            f"it has format {document.get('format')!r}, this program reads format {FORMAT}: "
            "it was written by another version of rotator"
        )
    try:
        return Ring(
            rotation=str(document["rotation"]),
            revision=int(document["revision"]),
            versions=tuple(_version(v) for v in document["versions"]),
            acceptance_revision=int(document["acceptanceRevision"]),
            acceptance_confirmed=int(document["acceptanceConfirmed"]),
            holding_revision=int(document["holdingRevision"]),
            holding_confirmed=int(document["holdingConfirmed"]),
            requests=tuple(str(r) for r in document["requests"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Unreadable(f"{type(error).__name__} in a field: the document is damaged") from None


def _version_document(version: Version) -> dict[str, Any]:
    values = {f.name: getattr(version, f.name) for f in fields(version)}
    return {
        name: instant(value) if isinstance(value, datetime) else value
        for name, value in values.items()
        if value is not None
    }


def _version(document: dict[str, Any]) -> Version:
    values: dict[str, Any] = {k: parse_instant(v) if k in _INSTANTS else v for k, v in document.items()}
    return Version(**{**values, "state": State(values["state"])})
