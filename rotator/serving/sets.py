"""The sets that are held to be answered with, and whether what was read replaces them: values and pure functions.

A set that was served is never replaced by an older one, and none is served that holds anything private.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from rotator.core import shapes
from rotator.core.reading import Unreadable, parse
from rotator.ports import Stamp
from rotator.serving.declared import Declared

PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""The members of a JWK that only its owner may know (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1; RFC 8037, section 2)."""
PUBLIC = frozenset({"RSA", "EC", "OKP"})
"""The types of keys of which it is known what of them is private."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A set as it is answered with."""

    body: bytes
    etag: str
    """Strong (RFC 9110, section 8.8.3): equal sets have equal bytes."""
    algorithms: tuple[str, ...]
    stamps: Mapping[str, Stamp]
    """By rotation: several may share it."""
    since: datetime
    """Since when it is answered with."""

    @property
    def revision(self) -> int:
        """The newest revision of a rotation that is in it."""
        return max(stamp.revision for stamp in self.stamps.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is known of one document."""

    held: Held | None = None
    """What is answered with; None: nothing yet."""
    floor: Mapping[str, int] = field(default_factory=dict)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All that is served now. It is replaced as a whole, so that an answer is made of one moment."""

    declared: Declared = field(default_factory=Declared)
    states: Mapping[str, State] = field(default_factory=dict)
    """By the label of the document."""
    known: bool = False
    """Whether it was ever known what is declared."""
    trouble: str = ""
    """Why it is not known what is declared now."""

    def state(self, label: str) -> State:
        """Return what is known of a document."""
        return self.states.get(label, State())

    def serves(self, label: str) -> Held | None:
        """Return what a document is answered with."""
        state = self.state(label)
        return state.held if state.counted else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A document as it was read."""

    body: bytes
    stamps: Mapping[str, Stamp]
    """By rotation; empty: rotator has written nothing there."""
    is_shared: bool = False
    """Whether others may have keys in it, and change them."""


def seen(before: State, found: Found | None, now: datetime, steady: float) -> State:
    """Return what is known after a look that showed `found`."""
    looked = replace(before, looked=steady, missing=False, trouble="")
    if found is None or not found.stamps:
        gone = "the document is gone, or has no stamp of rotator any more"
        return replace(looked, trouble=gone if before.held else "", missing=not before.held)
    held, older = before.held, _older(before, found)
    floor = {**before.floor, **{rotation: stamp.revision for rotation, stamp in found.stamps.items()}}
    if held and held.body == found.body and not older:
        return replace(looked, floor=floor, held=replace(held, stamps=found.stamps))
    if why := older or _refused(before, found):
        return replace(looked, trouble=why)
    etag = f'"{hashlib.sha256(found.body).hexdigest()}"'
    made = Held(body=found.body, etag=etag, algorithms=public(found.body), stamps=found.stamps, since=now)
    return replace(looked, floor=floor, held=made)


def _older(before: State, found: Found) -> str:
    """Say that a document is older than what was served; empty: it is not."""
    for rotation, stamp in sorted(found.stamps.items()):
        floor = before.floor.get(rotation, 0)
        if stamp.revision < floor:
            return f"the document is at revision {stamp.revision}, and {floor} was served: it was restored from a copy"
    return ""


def _refused(before: State, found: Found) -> str:
    """Say why a document does not replace what is held; empty: it does."""
    if before.held and before.held.stamps == found.stamps and not found.is_shared:
        return "somebody else has changed the document, and rotator has not"
    try:
        public(found.body)
    except Unreadable as error:
        return f"what the document holds is not served: {error}"
    return ""


def unseen(before: State, why: str) -> State:
    """Return what is known after a look that failed: what is held stays, for old keys are better than none."""
    return replace(before, trouble=why)


def public(body: bytes) -> tuple[str, ...]:
    """Return the algorithms of a set of public keys. Raises Unreadable for whatever is not to be shown to everybody."""
    keys = _SET(parse(body))["keys"]
    for key in keys:
        if key["kty"] not in PUBLIC or PRIVATE & key.keys():
            raise Unreadable("it holds a key that is not public")
    return tuple(sorted({str(key["alg"]) for key in keys if key.get("alg")}))


_SET = shapes.record({"keys": shapes.listed(shapes.record({"kty": shapes.filled}, {"alg": shapes.text}))})
