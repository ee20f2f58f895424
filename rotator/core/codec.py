"""How a ring is written down: a JSON document with a format number, read strictly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from typing import Any

from rotator.core.reading import Unreadable
from rotator.core.request import Request, Verb
from rotator.core.ring import Ring, State, Version
from rotator.core.shapes import Shape, count, listed, moment, record, text

FORMAT = 1
LAST_FORMAT = 1000
"""Numbers of formats that a message shows."""
_INSTANTS = tuple(f.name for f in fields(Version) if "datetime" in str(f.type))


def instant(at: datetime) -> str:
    """Write an instant in RFC 3339, UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_instant(written: str) -> datetime:
    """Read an RFC 3339 instant. Raises Unreadable where it is none, has no zone, or lies beyond all time."""
    return moment(written)


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
        "requests": [r.reason for r in ring.requests if r.verb == Verb.ROTATE],
        "asked": [_request_document(r) for r in ring.requests],
        "versions": [_version_document(v) for v in ring.versions],
    }


def from_document(document: object) -> Ring:
    """Read a ring back. Raises Unreadable for garbage and for documents of a newer format."""
    if not isinstance(document, dict):
        raise Unreadable("not a JSON object")
    if document.get("format") != FORMAT:
        raise Unreadable(
            f"it has format {_shown(document.get('format'))}, this program reads format {FORMAT}: "
            "it was written by another version of rotator"
        )
    try:
        found = _RING(document)
    except Unreadable as error:
        raise Unreadable(f"{error}: the document is damaged") from None
    return Ring(
        rotation=found["rotation"],
        revision=found["revision"],
        versions=tuple(found["versions"]),
        acceptance_revision=found["acceptanceRevision"],
        acceptance_confirmed=found["acceptanceConfirmed"],
        holding_revision=found["holdingRevision"],
        holding_confirmed=found["holdingConfirmed"],
        requests=tuple(_requests(found["requests"], found.get("asked", ()))),
    )


def _request_document(request: Request) -> dict[str, str]:
    about = {} if request.version is None else {"version": request.version}
    return {
        "verb": str(request.verb),
        "reason": request.reason,
        **about,
        **({"by": request.by} if request.by else {}),
    }


def _requests(reasons: Sequence[str], asked: Sequence[Mapping[str, str]]) -> Iterator[Request]:
    """Yield what was honoured. Rings before 0.2 know the reasons of rotations only, and so does a rotator that reads this one."""
    known = [Request(**each) for each in asked]
    told = {request.reason for request in known if request.verb == Verb.ROTATE}
    yield from (Request(reason=reason) for reason in reasons if reason not in told)
    yield from known


def _shown(written: object) -> str:
    return str(written) if written is None or (isinstance(written, int) and written < LAST_FORMAT) else "?"


def _version_document(version: Version) -> dict[str, Any]:
    values = {f.name: getattr(version, f.name) for f in fields(version)}
    return {
        name: instant(value) if isinstance(value, datetime) else value
        for name, value in values.items()
        if value is not None
    }


def _version(value: object, where: str = "") -> Version:
    found = _VERSION(value, where)
    if unknown := found.keys() - _FIELDS.keys():
        raise Unreadable(f"{where} has {len(unknown)} unknown fields")
    return Version(**found)


def _state(value: object, where: str = "") -> State:
    if isinstance(value, str) and value in set(State):
        return State(value)
    raise Unreadable(f"{where} is no state of a version")


_KNOWN: Mapping[str, Shape[Any]] = {"state": _state, "number": count, **dict.fromkeys(_INSTANTS, moment)}
_FIELDS = {f.name: _KNOWN.get(f.name, text) for f in fields(Version)}
_NEEDED = {f.name: _FIELDS[f.name] for f in fields(Version) if f.default is MISSING}
_VERSION = record(_NEEDED, _FIELDS)
_ASKED = {"verb": text, "reason": text}
_ASKED_MAYBE = {"version": text, "by": text}


def _asked(value: object, where: str = "") -> dict[str, str]:
    """Read a request; what a later rotator says of it beside that is left out."""
    found = record(_ASKED, _ASKED_MAYBE)(value, where)
    return {name: found[name] for name in (*_ASKED, *_ASKED_MAYBE) if name in found}


_COUNTS = ("revision", "acceptanceRevision", "acceptanceConfirmed", "holdingRevision", "holdingConfirmed")
_RING = record(
    {
        "rotation": text,
        "versions": listed(_version),
        "requests": listed(text),
        **dict.fromkeys(_COUNTS, count),
    },
    {"asked": listed(_asked)},
)
