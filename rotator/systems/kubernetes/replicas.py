"""Who serves a rotation's documents (`rotator serve`), on one Lease a rotation: each replica says what it answers with.

The Lease stands beside the rotation's own and has a name that is known, so a Role can name it, and a run needs to know neither
where replicas run nor what they are called. Each replica writes one annotation, by a merge patch (RFC 7386) that names no other:
no two are in each other's way. Nothing expires: a replica that cannot reach the API goes on serving what it has, so it counts
until it says that it has ended, until its pod is gone, or until a person takes it off the list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rotator.core import shapes
from rotator.core.codec import instant
from rotator.core.fence import short_hash
from rotator.core.machine import Sighting
from rotator.core.reading import Unreadable, parse
from rotator.core.texts import printable
from rotator.core.timing import format_duration
from rotator.errors import Conflict, Forbidden, NotFound
from rotator.kinds import LEASE, PREFIX, Address, serving_name
from rotator.ports import Clock, Content, Readers
from rotator.systems.kubernetes.api import Json, KubernetesApi

REPLICA = f"replica.{PREFIX}"
"""The prefix of the annotations, of which each belongs to one replica."""
SERVING = f"{PREFIX}/serving"
"""The label of these Leases."""
SOON = timedelta(minutes=1)
"""So long after a write the same run looks again: replicas read every few seconds."""
LONGEST = 63
"""Characters that an annotation's name may have (https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/)."""
NAMED = 3
"""So many replicas are named in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one replica answers with, of one document."""

    content: str = ""
    """`Stamp.content` of what it answers with; empty: nothing yet."""
    revision: int = 0
    """`Stamp.revision` of that."""
    at: datetime | None = None
    """When it first did."""
    max_age: timedelta = timedelta()
    """For how long it lets others cache that."""
    readers: Mapping[str, str] = field(default_factory=dict)
    """By the name of a declared reader, `Stamp.content` of what it was answered with last."""

    @property
    def newest_readers(self) -> Mapping[str, str]:
        """The readers that have what this replica answers with."""
        return {name: content for name, content in self.readers.items() if content == self.content}


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One replica, as it says of itself."""

    name: str
    """Of its pod."""
    namespace: str = ""
    """Of its pod; empty: it is none."""
    uid: str = ""
    shown: Mapping[str, Shown] = field(default_factory=dict)
    """By the label of the document."""

    def of(self, document: str) -> Shown:
        """Return what it shows of a document, by its label."""
        return self.shown.get(document, Shown())

    @property
    def key(self) -> str:
        """Its annotation."""
        name = self.name if len(self.name) <= LONGEST else f"{self.name[:50]}-{short_hash(self.name)}"
        return f"{REPLICA}/{name}"


@dataclass(frozen=True, slots=True)
class ServingLease:
    """The Lease on which all who serve documents of one rotation say so."""

    api: KubernetesApi
    rotation: str
    """`namespace/name`."""

    @property
    def address(self) -> Address:
        """Where it is."""
        namespace, _, name = self.rotation.partition("/")
        return Address(LEASE, namespace, serving_name(name))

    def read(self) -> tuple[Replica, ...]:
        """Return all replicas by name. One that says nothing that can be read shows nothing. Raises ClientError."""
        at = self.address
        try:
            document = self.api.get(LEASE, at.namespace, at.name)
        except NotFound:
            return ()
        written: Mapping[str, str] = document["metadata"].get("annotations") or {}
        return tuple(_replica(key, written[key]) for key in sorted(written) if key.startswith(f"{REPLICA}/"))

    def say(self, replica: Replica) -> None:
        """Write down what a replica shows. Raises ClientError."""
        text = json.dumps(_document(replica), separators=(",", ":"), sort_keys=True)
        at = self.address
        annotations = {replica.key: text}
        try:
            self.api.patch(LEASE, at.namespace, at.name, {"metadata": {"annotations": annotations}})
        except NotFound:
            metadata = {"name": at.name, "labels": {SERVING: "true"}, "annotations": annotations}
            try:
                self.api.create(LEASE, at.namespace, {"metadata": metadata})
            except Conflict:  # another replica was faster
                self.api.patch(LEASE, at.namespace, at.name, {"metadata": {"annotations": annotations}})

    def take_off(self, replica: Replica) -> None:
        """Take a replica off the list: it serves no more. The last one takes the Lease with it. Raises ClientError."""
        at = self.address
        gone = {"metadata": {"annotations": {replica.key: None}}}
        try:
            left = self.api.patch(LEASE, at.namespace, at.name, gone)["metadata"]
        except NotFound:
            return
        if any(key.startswith(f"{REPLICA}/") for key in left.get("annotations") or {}):
            return
        with suppress(NotFound, Conflict, Forbidden):  # a newcomer keeps it, and so does an older Role
            self.api.delete(LEASE, at.namespace, at.name, left["resourceVersion"])

    def how_to_take_off(self, replica: Replica) -> str:
        """Return the command by which a person does that."""
        at = self.address
        return f"kubectl -n {at.namespace} annotate lease {at.name} {replica.key}-"


@dataclass
class Replicas:
    """All replicas of `rotator serve` that serve one document; and `others`, who read it in another way."""

    lease: ServingLease
    clock: Clock
    document: str
    """The label of the document."""
    max_age: timedelta
    """For how long a verifier may cache what it was answered: the lead was computed from it."""
    others: Readers | None = None
    awaited: tuple[str, ...] = ()
    """Declared readers that have to be seen to fetch each new content."""

    @property
    def is_fenced(self) -> bool:
        """See `rotator.ports.Readers`."""
        return bool(self.others and self.others.is_fenced)

    @property
    def restarts(self) -> Mapping[str, str]:
        """See `rotator.ports.Readers`."""
        return self.others.restarts if self.others else {}

    def sync(self, seen: Sighting, content: Content, *, act: bool, fresh: bool) -> Sighting:
        """See that every replica answers with `content`, and lets nobody cache it for longer than was counted on.

        `since` is then when the last of them did: until then somebody may have been answered with what was there before.
        """
        if self.others:
            seen = self.others.sync(seen, content, act=act, fresh=fresh)
        if not seen.confirmed:
            return seen
        if not act and seen.changes:
            return replace(
                seen, changes=(*seen.changes, f"wait until `rotator serve` answers with {self.document}")
            )
        found = self.lease.read()
        waiting = "; ".join(self._missing(found, content)) or self._unread(found, content)
        if not waiting:
            instants = [shown.at for replica in found if (shown := replica.of(self.document)).at]
            return replace(seen, since=max([at for at in (seen.since, *instants) if at], default=None))
        soon = self.clock.now() < content.since + SOON
        return replace(seen, confirmed=False, waiting=waiting, soon=soon)

    def _missing(self, found: tuple[Replica, ...], content: Content) -> Iterator[str]:
        """Say who is waited for, and what to do about those who never come."""
        if not found:
            yield f"no replica of `rotator serve` has said on {self.lease.address.label} that it serves the set"
        behind = [replica for replica in found if replica.of(self.document).content != content.value]
        for replica in behind[:NAMED]:
            yield (
                f"the replica {printable(replica.name)} does not serve the set yet. If it is gone for good: "
                f"{printable(self.lease.how_to_take_off(replica))}"
            )
        if len(behind) > NAMED:
            yield f"{len(behind) - NAMED} other replicas do not either"
        for replica in [r for r in found if r.of(self.document).max_age > self.max_age][:NAMED]:
            allowed, given = format_duration(self.max_age), format_duration(replica.of(self.document).max_age)
            yield (
                f"the replica {printable(replica.name)} lets verifiers cache the set for {given}, and this run counts on {allowed}: "
                "they were declared differently"
            )

    def _unread(self, found: Sequence[Replica], content: Content) -> str:
        """Say which declared readers were not seen to fetch the content, where they may have an older one; empty: none.

        This is asked beside the computed lead and never ends it: a fetch shows one cache of a reader that may have several.
        """
        fetched = {
            name for r in found for name, seen in r.of(self.document).readers.items() if seen == content.value
        }
        silent = [name for name in self.awaited if name not in fetched]
        if not (content.older and silent):
            return ""
        return (
            f"no replica has seen {'the reader' if len(silent) == 1 else 'the readers'} {', '.join(silent)} fetch the set as it is "
            "now. Look whether it reaches the address and how long it caches, or take it out of served.readers"
        )


def _document(replica: Replica) -> Json:
    shown = {
        label: {
            "content": each.content,
            "revision": each.revision,
            "maxAge": each.max_age.total_seconds(),
            **({"at": instant(each.at)} if each.at else {}),
            **({"readers": dict(each.readers)} if each.readers else {}),
        }
        for label, each in replica.shown.items()
    }
    return {"pod": replica.name, "namespace": replica.namespace, "uid": replica.uid, "shown": shown}


def _replica(key: str, text: str) -> Replica:
    """Read what a replica says. Anybody may write there: what cannot be read shows nothing, and is waited for."""
    name = key.partition("/")[2]
    try:
        found = _REPLICA(parse(text))
    except Unreadable:
        return Replica(name=name)
    shown = {
        label: Shown(
            content=each.get("content", ""),
            revision=each.get("revision", 0),
            at=each.get("at"),
            max_age=timedelta(seconds=each.get("maxAge", 0)),
            readers=each.get("readers", {}),
        )
        for label, each in found.get("shown", {}).items()
    }
    said = Replica(
        name=found.get("pod", name),
        namespace=found.get("namespace", ""),
        uid=found.get("uid", ""),
        shown=shown,
    )
    return said if said.key == key else replace(said, name=name)


_REPLICA = shapes.record(
    {},
    {
        "pod": shapes.text,
        "namespace": shapes.text,
        "uid": shapes.text,
        "shown": shapes.mapping(
            shapes.record(
                {},
                {
                    "content": shapes.text,
                    "revision": shapes.count,
                    "at": shapes.moment,
                    "maxAge": shapes.seconds,
                    "readers": shapes.mapping(shapes.text),
                },
            )
        ),
    },
)
