"""One Lease per rotation: one run at a time, and a memo where a list shows what is due.

API: https://kubernetes.io/docs/concepts/architecture/leases/. A lease only saves work and shields systems without
a fence; what keeps a stale run from doing harm is the fence on every write (I5).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from rotator.core import shapes
from rotator.core.codec import instant
from rotator.core.reading import Unreadable, parse
from rotator.engine.outcome import Summary
from rotator.errors import Ambiguous, ClientError, Conflict, Frozen, LeaseLost, NotFound, Unavailable
from rotator.kinds import DEEDS, LEASE, MANAGED, MANAGED_BY, PREFIX, ROTATOR, Kind, lease_name
from rotator.ports import Clock, Deeds

Json = dict[str, Any]
Odd = Callable[[object, ClientError], None]
"""Told of an object of a list that has an odd shape, and why."""
LEASE_DURATION = timedelta(seconds=30)
"""How long a lease lasts without renewal: how long a killed run keeps the next one waiting."""
MEMO = f"{PREFIX}/memo"
MOST_RESTARTS = 500
"""So many restarts of one target are remembered: all annotations of an object share 256 KiB."""
RENEW_AFTER = 1 / 3
"""A held lease is renewed once this share of its duration has passed."""
ATTEMPTS = 5
MOST = 2**31 - 1
"""The API takes no larger number of transitions (int32)."""
NAMED = lease_name("")
"""What the name of each of our leases begins with."""


class LeaseApi(Protocol):
    """What leases need of the Kubernetes API."""

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """Read one object. Raises NotFound."""
        ...

    def list(
        self, kind: Kind, namespace: str, *, selector: str = "", odd: Odd | None = None
    ) -> Iterator[Json]:
        """Yield objects; `odd` is told of what is none."""
        ...

    def create(self, kind: Kind, namespace: str, document: Json) -> Json:
        """Create an object. Raises Conflict."""
        ...

    def patch(self, kind: Kind, namespace: str, name: str, changes: Json) -> Json:
        """Apply a merge patch at a resourceVersion. Raises Conflict, Ambiguous."""
        ...

    def delete(self, kind: Kind, namespace: str, name: str, resource_version: str) -> None:
        """Delete an object as it was seen. Raises Conflict, NotFound, Ambiguous."""
        ...


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


def _written(deeds: Deeds) -> Json:
    restarts = dict(islice(deeds.restarts.items(), MOST_RESTARTS))
    document = {"repaired": _text(deeds.repaired), "undone": deeds.undone, "restarts": restarts}
    return {name: value for name, value in document.items() if value}


def _text(moment: datetime | None) -> str | None:
    return instant(moment) if moment else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """A lease as it was read; without a resourceVersion there is none yet."""

    namespace: str
    name: str
    resource_version: str = ""
    holder: str = ""
    acquired: datetime | None = None
    """Since when the holder has it."""
    expires: datetime | None = None
    transitions: int = 0
    memo: Memo = Memo()


class LeaseHeld(Exception):
    """Another run holds the lease."""


@dataclass
class Leases:
    """Takes, renews and gives back the leases of one run."""

    api: LeaseApi
    clock: Clock
    identity: str
    duration: timedelta

    def list(self, namespaces: Iterable[str]) -> dict[str, LeaseView]:
        """Return all our leases in `namespaces` by `namespace/name` of the rotation: one list a namespace.

        One of an odd shape is left out: its rotation meets it when it takes it.
        """
        views = {}
        for namespace in sorted(set(namespaces)):
            for document in self.api.list(LEASE, namespace, selector=MANAGED, odd=lambda *_: None):
                view = _view(document)
                if view.name.startswith(NAMED):
                    views[f"{namespace}/{view.name.removeprefix(NAMED)}"] = view
        return views

    def absent(self, rotation: str) -> LeaseView:
        """Return the view of a lease that a list did not show."""
        namespace, _, name = rotation.partition("/")
        return LeaseView(namespace=namespace, name=lease_name(name))

    def take(self, view: LeaseView) -> LeaseView:
        """Take the lease. Raises LeaseHeld where another run has it, ClientError where it cannot be written."""
        now = instant(self.clock.now())
        last: ClientError | None = None
        for _ in range(ATTEMPTS):
            if (
                view.holder
                and view.holder != self.identity
                and view.expires
                and view.expires > self.clock.now()
            ):
                raise LeaseHeld(view.holder)
            taken = {
                **self._renewed(),
                "acquireTime": now,
                "leaseTransitions": min(view.transitions + 1, MOST),
            }
            try:
                return self._write(view, taken, view.memo)
            except (Conflict, Unavailable, Ambiguous, NotFound) as error:
                last, view = error, self._again(view)
        if last and view.holder in {"", self.identity}:
            raise last
        raise LeaseHeld(view.holder)

    def renew(self, view: LeaseView) -> LeaseView:
        """Renew the lease if a good part of it is over. Raises LeaseLost where somebody else has it."""
        now = self.clock.now()
        if view.expires and view.expires - now > self.duration * (1 - RENEW_AFTER):
            return view
        away: Unavailable | None = None
        for _ in range(ATTEMPTS):
            if view.holder != self.identity:
                raise LeaseLost(
                    f"the lease {view.namespace}/{view.name} was taken by {view.holder or 'nobody'}"
                )
            try:
                return self._write(view, self._renewed(), view.memo)
            except (Conflict, Unavailable, Ambiguous, NotFound) as error:
                away = error if isinstance(error, Unavailable) else None
                view = self._again(view)  # which waits until the API server is back
        if away:
            raise away
        raise LeaseLost(f"the lease {view.namespace}/{view.name} cannot be renewed")

    def give_back(self, view: LeaseView, memo: Memo) -> None:
        """Leave the memo and give the lease back. Somebody else's lease is left alone."""
        for _ in range(ATTEMPTS):
            if view.holder != self.identity:
                return
            try:
                self._write(view, {"holderIdentity": None, "renewTime": None}, memo)
            except (Conflict, Ambiguous, NotFound):
                view = self._again(view)
            else:
                return

    def remove(self, view: LeaseView) -> None:
        """Delete the lease that we hold: its rotation is no more. Raises LeaseLost where somebody else has it."""
        for _ in range(ATTEMPTS):
            if view.resource_version and view.holder != self.identity:
                raise LeaseLost(
                    f"the lease {view.namespace}/{view.name} was taken by {view.holder or 'nobody'}"
                )
            try:
                self.api.delete(LEASE, view.namespace, view.name, view.resource_version)
            except NotFound:
                return
            except (Conflict, Ambiguous):
                view = self._again(view)
            else:
                return
        raise LeaseLost(f"the lease {view.namespace}/{view.name} cannot be deleted")

    def _renewed(self) -> Json:
        seconds = max(1, round(self.duration.total_seconds()))
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": seconds,
            "renewTime": instant(self.clock.now()),
        }

    def _write(self, view: LeaseView, spec: Json, memo: Memo) -> LeaseView:
        metadata: Json = {
            "name": view.name,
            "labels": {MANAGED_BY: ROTATOR},
            "annotations": {MEMO: memo.to_json(), DEEDS: memo.deeds_to_json()},
        }
        if not view.resource_version:
            metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if v is not None}
            document = {"metadata": metadata, "spec": {k: v for k, v in spec.items() if v is not None}}
            return _view(self._create(view.namespace, document))
        metadata["resourceVersion"] = view.resource_version
        changes = {"metadata": metadata, "spec": spec}
        return _view(self.api.patch(LEASE, view.namespace, view.name, changes))

    def _create(self, namespace: str, document: Json) -> Json:
        try:
            return self.api.create(LEASE, namespace, document)
        except NotFound:
            raise Frozen(
                f"the namespace {namespace} does not exist. Create it, or correct the rotation's namespace; nothing was "
                "changed"
            ) from None

    def _again(self, view: LeaseView) -> LeaseView:
        try:
            return _view(self.api.get(LEASE, view.namespace, view.name))
        except NotFound:
            return replace(view, resource_version="", holder="", expires=None)


def _view(document: Json) -> LeaseView:
    """Return what a lease says. Times that make no sense hold nothing: a lease only saves work."""
    metadata, spec = document["metadata"], shapes.fitting(_OBJECT, document.get("spec"), {})
    annotations = metadata.get("annotations") or {}
    renewed = shapes.fitting(shapes.moment, spec.get("renewTime"), None)
    lasts = shapes.fitting(shapes.seconds, spec.get("leaseDurationSeconds"), 0)
    return LeaseView(
        namespace=metadata["namespace"],
        name=metadata["name"],
        resource_version=metadata["resourceVersion"],
        holder=shapes.fitting(shapes.text, spec.get("holderIdentity"), ""),
        acquired=shapes.fitting(shapes.moment, spec.get("acquireTime"), None),
        expires=renewed + timedelta(seconds=lasts) if renewed and lasts else None,
        transitions=shapes.fitting(shapes.count, spec.get("leaseTransitions"), 0),
        memo=Memo.from_json(annotations.get(MEMO, ""), annotations.get(DEEDS, "")),
    )


_OBJECT = shapes.mapping(shapes.anything)
