"""What the last run left for the next one: enough to see that there is nothing to do. Data, and how it is written down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from rotator.core import shapes
from rotator.core.codec import instant
from rotator.core.reading import Unreadable, parse
from rotator.core.ring import Ring, phase

MOST_RESTARTS = 500
"""So many restarts of one target are remembered: all annotations of an object share 256 KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deeds:
    """What was done for one target that nothing else may show: somebody else can take all traces of it away."""

    repaired: datetime | None = None
    """When it was last put right after somebody else had changed it; None: not lately."""
    undone: bool = False
    """Whether that was undone: then it is left as it is."""
    restarts: Mapping[str, str] = field(default_factory=dict)
    """The workloads that were restarted for what the target holds, by uid, with the value of the annotation that they got."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A ring in a few words, for people and for the memo on the lease."""

    revision: int = 0
    phase: str = ""
    active: str = ""
    active_since: datetime | None = None
    accepted: int = 0
    """How many versions may be accepted: one that was withdrawn counts until it is proven dead."""
    retire_at: datetime | None = None
    """See `Version.retire_at`."""
    requests: tuple[str, ...] = ()
    """What was asked for and honoured, by `Request.key`."""

    @classmethod
    def of(cls, ring: Ring) -> Summary:
        """Sum up `ring`."""
        active, retiring = ring.active, ring.retiring
        return cls(
            revision=ring.revision,
            phase=str(phase(ring)),
            active=active.id if active else "",
            active_since=active.activated_at if active else None,
            accepted=sum(v.proven_at is None for v in ring.live),
            retire_at=retiring.retire_at if retiring else None,
            requests=tuple(request.key for request in ring.requests),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Memo:
    """What the last run left on the lease: enough to see in a list that there is nothing to do."""

    summary: Summary = field(default_factory=Summary)
    """The ring in short. A ring that is gone is no new beginning where its revision is above 0."""
    spec: str = ""
    """The digest of the declaration that was acted on."""
    due: datetime | None = None
    """Before this instant nothing is to be done; None: look at it in each run."""
    look: datetime | None = None
    """At this instant everything is looked at again, for what no list shows."""
    type: str = ""
    """The credential kind, for those who read leases only."""
    every: timedelta = timedelta()
    outcome: str = ""
    reason: str = ""
    since: datetime | None = None
    """Since when the outcome and its reason are the same."""
    fences: Mapping[str, str] = field(default_factory=dict)
    """The fence of each target by label: a list shows whether somebody wrote since."""
    deeds: Mapping[str, Deeds] = field(default_factory=dict)
    """What was done at targets, by label, in an annotation of its own: a person may take it away to have it done once more."""

    def deeds_to_json(self) -> str | None:
        """Write the deeds down; None where there are none."""
        document = {label: _written(deeds) for label, deeds in self.deeds.items()}
        kept = {label: written for label, written in document.items() if written}
        return json.dumps(kept, separators=(",", ":"), sort_keys=True) if kept else None

    def to_json(self) -> str:
        """Write it down."""
        document = {
            "revision": self.summary.revision,
            "phase": self.summary.phase,
            "active": self.summary.active,
            "activeSince": _text(self.summary.active_since),
            "accepted": self.summary.accepted,
            "retireAt": _text(self.summary.retire_at),
            "requests": self.summary.requests,
            "spec": self.spec,
            "due": _text(self.due),
            "look": _text(self.look),
            "type": self.type,
            "every": self.every.total_seconds(),
            "outcome": self.outcome,
            "reason": self.reason,
            "since": _text(self.since),
            "fences": dict(self.fences),
        }
        return json.dumps(document, separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str, deeds: str = "") -> Memo:
        """Read it back. A damaged memo is an empty one: it only costs a look."""
        try:
            found = _MEMO(parse(text))
        except Unreadable:
            return cls(deeds=_deeds(deeds))
        return cls(
            summary=Summary(
                revision=found["revision"],
                phase=found["phase"],
                active=found["active"],
                active_since=found.get("activeSince"),
                accepted=found.get("accepted", 0),
                retire_at=found.get("retireAt"),
                requests=tuple(found.get("requests", ())),
            ),
            spec=found["spec"],
            due=found.get("due"),
            look=found.get("look"),
            type=found.get("type", ""),
            every=timedelta(seconds=found.get("every", 0)),
            outcome=found["outcome"],
            reason=found["reason"],
            since=found.get("since"),
            fences=found["fences"],
            deeds=_deeds(deeds),
        )


_MEMO = shapes.record(
    {
        "revision": shapes.count,
        "phase": shapes.text,
        "active": shapes.text,
        "spec": shapes.text,
        "outcome": shapes.text,
        "reason": shapes.text,
        "fences": shapes.TEXTS,
    },
    {
        "activeSince": shapes.moment,
        "accepted": shapes.count,
        "retireAt": shapes.moment,
        "requests": shapes.listed(shapes.text),
        "due": shapes.moment,
        "look": shapes.moment,
        "type": shapes.text,
        "every": shapes.seconds,
        "since": shapes.moment,
    },
)


_DEEDS = shapes.mapping(
    shapes.record({}, {"repaired": shapes.moment, "undone": shapes.flag, "restarts": shapes.TEXTS})
)


def _deeds(text: str) -> dict[str, Deeds]:
    """Read deeds back. Damaged ones count as none: then a thing is done once more."""
    try:
        found = _DEEDS(parse(text))
    except Unreadable:
        return {}
    return {
        label: Deeds(
            repaired=deed.get("repaired"), undone=deed.get("undone", False), restarts=deed.get("restarts", {})
        )
        for label, deed in found.items()
    }


def _written(deeds: Deeds) -> dict[str, object]:
    restarts = dict(islice(deeds.restarts.items(), MOST_RESTARTS))
    document = {"repaired": _text(deeds.repaired), "undone": deeds.undone, "restarts": restarts}
    return {name: value for name, value in document.items() if value}


def _text(moment: datetime | None) -> str | None:
    return instant(moment) if moment else None
