"""The sets that are held to be answered with, and whether what was read replaces them: values and pure functions.

A set that was served is never replaced by an older one, and none is served that holds anything private. Several rotations may have
keys in one set, each with a stamp of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from rotator.core import shapes
from rotator.core.reading import Unreadable, parse
from rotator.ports import Stamp
from rotator.serving.declared import Declared, Source

PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""The members of a JWK that only its owner may know (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1; RFC 8037, section 2)."""
PUBLIC = frozenset({"RSA", "EC", "OKP"})
"""The types of keys of which it is known what of them is private."""
Jwks = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A document as it was read."""

    body: bytes
    stamps: Mapping[str, Stamp]
    """By rotation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A set as it is answered with."""

    body: bytes
    etag: str
    """Strong (RFC 9110, section 8.8.3): equal sets have equal bytes."""
    algorithms: tuple[str, ...]
    stamps: Mapping[str, Stamp]
    """By rotation."""
    since: Mapping[str, datetime]
    """By rotation, since when what it wrote is answered with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is known of one set."""

    held: Held | None = None
    """What is answered with; None: nothing yet."""
    floors: Mapping[str, int] = field(default_factory=dict)
    """By rotation, the revision below which nothing is served: this replica has served it."""
    trouble: str = ""
    """Why what was looked for last is not what is answered with."""
    missing: bool = False
    """Whether the last look showed that nothing was delivered there yet."""
    counted: bool = False
    """Whether every rotation that it is of has been told that this replica serves it: nothing is answered before."""
    barred: str = ""
    """Why it is not, or not by all of them."""
    looked: float | None = None
    """When it was last looked at with success, by the steady clock; None: never."""

    @property
    def settled(self) -> bool:
        """Whether it is known what is to be answered with, be it nothing."""
        return self.held is not None or self.missing

    def with_floor(self, rotation: str, revision: int) -> State:
        """Return the same where nothing older of a rotation is served."""
        return replace(self, floors={**self.floors, rotation: max(revision, self.floors.get(rotation, 0))})


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All that is served now. It is replaced as a whole, so that an answer is made of one moment."""

    declared: Declared = field(default_factory=Declared)
    states: Mapping[str, State] = field(default_factory=dict)
    """By the name of the set."""
    known: bool = False
    """Whether it was ever known what is declared."""
    trouble: str = ""
    """Why it is not known what is declared now."""

    def state(self, name: str) -> State:
        """Return what is known of a set."""
        return self.states.get(name, State())

    def serves(self, name: str) -> Held | None:
        """Return what is answered with."""
        state = self.state(name)
        return state.held if state.counted else None


def seen(before: State, found: Read | None, source: Source, now: datetime, steady: float) -> State:
    """Return what is known after a look that showed `found`."""
    looked = replace(before, looked=steady, missing=False, trouble="")
    if found is None or not found.stamps:
        gone = "the document is gone, or has no stamp of rotator any more"
        return replace(looked, trouble=gone if before.held else "", missing=not before.held)
    if why := _refused(before, found, source):
        return replace(looked, trouble=why)
    floors = {rotation: stamp.revision for rotation, stamp in found.stamps.items()}
    return replace(looked, floors=floors, held=_held(before.held, found, now))


def unseen(before: State, why: str) -> State:
    """Return what is known after a look that failed: what is held stays, for old keys are better than none."""
    return replace(before, trouble=why)


def _held(before: Held | None, found: Read, now: datetime) -> Held:
    """Return what is answered with from now on; what a rotation has not written anew is answered with since it was."""
    since = {
        rotation: before.since[rotation]
        if before and rotation in before.since and before.stamps[rotation].content == stamp.content
        else now
        for rotation, stamp in found.stamps.items()
    }
    etag = f'"{hashlib.sha256(found.body).hexdigest()}"'
    algorithms = tuple(sorted({str(key["alg"]) for key in public(found.body) if key.get("alg")}))
    return Held(body=found.body, etag=etag, algorithms=algorithms, stamps=found.stamps, since=since)


def _refused(before: State, found: Read, source: Source) -> str:
    """Say why a document does not replace what is held; empty: it does."""
    for rotation, floor in before.floors.items():
        stamp = found.stamps.get(rotation)
        if stamp and stamp.revision < floor:
            return f"the document is at revision {stamp.revision} of {rotation}, and {floor} was served: it was restored from a copy"
        if stamp is None and rotation in source.ages:
            return f"the document has no stamp of {rotation} any more, whose keys are served: it was restored from a copy, or written over"
    try:
        keys = public(found.body)
    except Unreadable as error:
        return f"what the document holds is not served: {error}"
    return _edited(before.held, found, keys)


def _edited(held: Held | None, found: Read, keys: Jwks) -> str:
    """Say that somebody else changed keys of a rotation that has not written since; empty: nobody did."""
    for rotation, stamp in found.stamps.items():
        if held is None or held.body == found.body or held.stamps.get(rotation) != stamp:
            continue
        if _of(stamp, keys) != _of(stamp, public(held.body)):
            return f"somebody else has changed what {rotation} wrote, and rotator has not"
    return ""


def _of(stamp: Stamp, keys: Jwks) -> list[Mapping[str, Any]]:
    """Return the keys of a rotation: in a set that it has alone, all of them."""
    return [key for key in keys if not stamp.keys or key.get("kid") in stamp.keys]


def public(body: bytes) -> Jwks:
    """Return a set of public keys. Raises Unreadable for whatever is not to be shown to everybody."""
    keys: list[dict[str, Any]] = _SET(parse(body))["keys"]
    for key in keys:
        if key["kty"] not in PUBLIC or PRIVATE & key.keys():
            raise Unreadable("it holds a key that is not public")
    return keys


_SET = shapes.record({"keys": shapes.listed(shapes.record({"kty": shapes.filled}, {"alg": shapes.text}))})
