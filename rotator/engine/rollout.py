"""Restarts that wait: find the workloads, annotate their pod templates with the version, see every pod switch.

The annotation carries the ring's revision and the version, so a repeated run restarts nothing twice, and a run
that was overtaken sees it (I5). Proof is taken from the pods themselves: none without the annotation may be left,
terminating ones included, for they sign until they are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from rotator.core.machine import Sighting
from rotator.core.timing import format_duration
from rotator.engine.workloads import (
    Progress,
    Workload,
    controller,
    created,
    leaving,
    progress,
    ready_since,
    references,
    terminal,
)
from rotator.errors import Ambiguous, Conflict, Frozen, NotFound, Superseded
from rotator.kinds import POD, WORKLOADS, Kind
from rotator.ports import Clock

Json = dict[str, Any]
SHOWN = 3
"""How many pods are named in a sentence."""


class Cluster(Protocol):
    """What restarts need of the Kubernetes API."""

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """Read one object. Raises NotFound."""
        ...

    def list(self, kind: Kind, namespace: str, *, selector: str = "") -> Iterator[Json]:
        """Yield objects."""
        ...

    def patch(self, kind: Kind, namespace: str, name: str, changes: Json) -> Json:
        """Apply a merge patch at a resourceVersion. Raises Conflict, Ambiguous."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which workloads depend on a target: by reference to it, by selector, or by name, in this order."""

    namespaces: tuple[str, ...]
    source: tuple[Kind, str] | None = None
    """The Secret or ConfigMap whose name they reference."""
    selector: str = ""
    named: tuple[tuple[Kind, str], ...] = ()


@dataclass
class Rollout:
    """The workloads that read one target, restarted `at_once` at a time."""

    cluster: Cluster
    clock: Clock
    key: str
    """The annotation's key."""
    which: Which
    soak: timedelta = timedelta()
    at_once: int = 0
    """How many may be under way at the same time; 0: all."""
    timeout: timedelta | None = None
    """How long after delivery it is a failure that pods have not switched."""
    _found: list[Workload] = field(default_factory=list, repr=False)
    _looked: bool = False

    def plan(self, *, fresh: bool) -> tuple[str, ...]:
        """Say what would be restarted."""
        return tuple(
            f"restart {w.label}" for w in self._find(fresh=fresh) if w.template and not self._reloaded(w)
        )

    def sync(self, seen: Sighting, value: str, since: datetime, *, act: bool, fresh: bool) -> Sighting:
        """Restart what does not carry `value` yet, and see whether every pod has switched.

        The content was written at `since`, and `seen.since` is when it was there for certain. Returns `seen`, not
        confirmed and with what is waited for as long as that is not so.
        """
        delivered = _Delivered(value, since, seen.since or since)
        workloads = self._find(fresh=fresh)
        for workload in workloads:
            self._check(workload, value)
        steps = self._in_order([self._one(w, delivered) for w in workloads])
        due = [n for n, step in enumerate(steps) if step.restart]
        seen = replace(seen, changes=(*seen.changes, *(f"restart {workloads[n].label}" for n in due)))
        for n in due if act else ():
            self._restart(n, value)
        shown = list(zip(workloads, (step.progress for step in steps), strict=True))
        if failed := [f"{w.label}: {p.failed}" for w, p in shown if p.failed]:
            return replace(seen, confirmed=False, failed="; ".join(failed))
        waiting = "; ".join(f"{w.label}: {p.waiting}" for w, p in shown if p.waiting)
        if waiting and not self._late(delivered):
            return replace(seen, confirmed=False, waiting=waiting, soon=True)
        return self._pods(seen, workloads, delivered, waiting)

    def _late(self, delivered: _Delivered) -> bool:
        return self.timeout is not None and self.clock.now() > delivered.since + self.timeout

    def _one(self, workload: Workload, delivered: _Delivered) -> _Step:
        if not workload.template and not workload.lender:
            return _Step(
                Progress(failed="it has no pod template of its own to restart it by: name what it refers to")
            )
        if delivered.precedes(workload.document):
            return _Step(Progress())  # it has never known anything else, and need not work yet
        if workload.annotation(self.key) == delivered.value or workload.lender or self._reloaded(workload):
            return _Step(progress(workload))
        if workload.leaving:
            return _Step(Progress(waiting="it is being deleted"))
        if workload.paused:
            return _Step(Progress(waiting=f"{workload.paused}; it is restarted after that"))
        return _Step(Progress(waiting="its restart has begun"), restart=True)

    def _in_order(self, steps: Sequence[_Step]) -> list[_Step]:
        """Hold back those for whom there is no room, and all others once one has failed."""
        under_way = sum(1 for s in steps if s.progress.waiting and not s.restart)
        failed = any(s.progress.failed for s in steps)
        ordered = []
        for step in steps:
            held = step.restart and (failed or (self.at_once and under_way >= self.at_once))
            ordered.append(_Step(Progress(waiting="its turn comes after those before it")) if held else step)
            under_way += step.restart and not held
        return ordered

    def _reloaded(self, workload: Workload) -> bool:
        """Whether Stakater Reloader restarts it; of a Vault path it knows nothing."""
        return self.which.source is not None and workload.reloaded_by_others(*self.which.source)

    def _check(self, workload: Workload, value: str) -> None:
        """Stop where a later run has restarted the workload already."""
        theirs, ours = _revision(workload.annotation(self.key)), _revision(value)
        if theirs > ours:
            raise Superseded(
                f"{workload.label} was restarted for revision {theirs}, we act on revision {ours}. If the rotation "
                f"was begun anew on purpose, remove the annotation {self.key} from its pod template"
            )

    def _restart(self, position: int, value: str) -> None:
        """Annotate the template at the resourceVersion that was read; the next look sees who won."""
        workload = self._found[position]
        metadata = {"resourceVersion": workload.document["metadata"]["resourceVersion"]}
        template = {"metadata": {"annotations": {self.key: value}}}
        changes = {"metadata": metadata, "spec": {"template": template}}
        try:
            document = self.cluster.patch(workload.kind, workload.namespace, workload.name, changes)
        except (Conflict, Ambiguous):
            return
        except NotFound:
            self._looked = False
        else:
            self._found[position] = Workload(workload.kind, document)

    def _pods(
        self, seen: Sighting, workloads: Sequence[Workload], delivered: _Delivered, waiting: str
    ) -> Sighting:
        """Look at the pods: all new, ready, and for the soak.

        Only an old pod is a failure after the time-out: the next rollout of somebody else's is none.
        """
        old, unready, soaking = [], [], [self.clock.now()]
        for pod, owner in self._running(workloads):
            name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            if not self._switched(pod, owner, delivered):
                old.append(name)
                self._looked = self._looked and (
                    owner is not None or controller(pod).get("kind") not in _RESTARTABLE
                )
            elif owner and not leaving(pod) and not delivered.precedes(owner.document):
                ready = ready_since(pod)
                soaking += [ready + self.soak] if ready else []
                unready += [] if ready else [name]
        if old:
            waiting = waiting or f"pods that run the old version: {_some(old)}"
        elif unready:
            waiting = waiting or f"pods that are not ready: {_some(unready)}"
        if old and self.timeout and self._late(delivered):
            failed = f"not all has switched within {format_duration(self.timeout)}: {waiting}"
            return replace(seen, confirmed=False, failed=failed)
        if waiting:
            return replace(seen, confirmed=False, waiting=waiting, soon=True)
        if (until := max(soaking)) > self.clock.now():
            waiting = f"all pods are ready, and have to stay so for {format_duration(self.soak)}"
            return replace(seen, confirmed=False, waiting=waiting, until=until, soon=True)
        return seen

    def _switched(self, pod: Json, owner: Workload | None, delivered: _Delivered) -> bool:
        """Whether a pod started with what was delivered: it says so, or it was made after that.

        What Reloader has made is younger than the content that made it act; the pods that it replaces are gone by
        then, or about to go, so that the instant of writing is enough once the write must have landed.
        """
        if str((pod["metadata"].get("annotations") or {}).get(self.key, "")) == delivered.value:
            return True
        if owner and self._reloaded(owner):
            landed = self.clock.now() > delivered.landed
            return delivered.precedes(pod) or (
                landed and created(pod) >= delivered.since.replace(microsecond=0)
            )
        return (owner is None or delivered.precedes(owner.document)) and delivered.precedes(pod)

    def _running(self, workloads: Sequence[Workload]) -> Iterator[tuple[Json, Workload | None]]:
        """Yield the pods that use the target, in all its namespaces, page by page, and the workload of each."""
        source = self.which.source
        for namespace in self.which.namespaces:
            for pod in self.cluster.list(POD, namespace):
                if terminal(pod):
                    continue
                owner = next((w for w in workloads if w.selects(pod)), None)
                if owner or (source and references(pod.get("spec") or {}, *source)):
                    yield pod, owner

    def _find(self, *, fresh: bool) -> list[Workload]:
        """Find the workloads once a run, then look only at those that were found; many, or one gone: find again."""
        if fresh and not self.which.named and len(self._found) > len(WORKLOADS):
            self._looked = False
        if self._looked and fresh:
            try:
                self._found = [
                    Workload(w.kind, self.cluster.get(w.kind, w.namespace, w.name)) for w in self._found
                ]
            except NotFound:
                self._looked = False
        if not self._looked:
            self._found = self._discover()
            self._looked = True
        return self._found

    def _discover(self) -> list[Workload]:
        """Find them, and the Deployments whose template a Rollout borrows."""
        found: list[Workload] = []
        for workload in self._named() if self.which.named else self._listed():
            known = {(w.kind, w.name) for w in found if w.namespace == workload.namespace}
            lender = workload.lender
            if self._concerns(workload) and lender and lender not in known:
                found.append(Workload(lender[0], self.cluster.get(lender[0], workload.namespace, lender[1])))
            if self._concerns(workload) or lender in known:
                found.append(workload)
        return found

    def _concerns(self, workload: Workload) -> bool:
        source = self.which.source
        asked_for = bool(self.which.named or self.which.selector)
        return asked_for or (source is not None and workload.references(*source))

    def _named(self) -> Iterator[Workload]:
        namespace = self.which.namespaces[0]
        for kind, name in self.which.named:
            try:
                yield Workload(kind, self.cluster.get(kind, namespace, name))
            except NotFound:
                raise Frozen(
                    f"{kind} {namespace}/{name} is to be restarted (restart.workloads), and does not exist. "
                    "Create it, or correct the name"
                ) from None

    def _listed(self) -> Iterator[Workload]:
        for namespace in self.which.namespaces:
            for kind in WORKLOADS:
                try:
                    for document in self.cluster.list(kind, namespace, selector=self.which.selector):
                        yield Workload(kind, document)
                except NotFound:
                    continue  # the kind is not installed (Argo Rollouts)


_RESTARTABLE = {"ReplicaSet", *(kind.name for kind in WORKLOADS)}
"""What makes pods that we can restart: one that was not there when we looked is looked for again."""


@dataclass(frozen=True, slots=True)
class _Step:
    progress: Progress
    restart: bool = False


@dataclass(frozen=True, slots=True)
class _Delivered:
    """What was delivered, and when."""

    value: str
    since: datetime
    landed: datetime

    def precedes(self, document: Json) -> bool:
        """Whether an object was created when the content was there for certain."""
        return created(document) > self.landed


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _revision(value: str) -> int:
    head = value.partition(".")[0]
    return int(head) if head.isdigit() else 0
