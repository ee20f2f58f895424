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
    created,
    progress,
    ready_since,
    references,
    terminal,
)
from rotator.errors import Ambiguous, Conflict, NotFound, Superseded
from rotator.kinds import POD, WORKLOADS, Kind
from rotator.ports import Clock

Json = dict[str, Any]


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
    _found: list[Workload] = field(default_factory=list, repr=False)
    _looked: bool = False

    def plan(self, *, fresh: bool) -> tuple[str, ...]:
        """Say what would be restarted."""
        return tuple(f"restart {w.label}" for w in self._find(fresh=fresh))

    def sync(self, seen: Sighting, value: str, since: datetime, *, act: bool, fresh: bool) -> Sighting:
        """Restart what does not carry `value` yet, and see whether every pod has switched.

        Returns `seen`, not confirmed and with what is waited for as long as that is not so.
        """
        workloads = self._find(fresh=fresh)
        changes, waiting, failed = [], [], []
        under_way = 0
        for position, workload in enumerate(workloads):
            self._check(workload, value)
            step = self._one(workload, value, room=not self.at_once or under_way < self.at_once)
            if step.restart:
                changes.append(f"restart {workload.label}")
                if act:
                    workloads[position] = self._restart(workload, value)
            waiting += [f"{workload.label}: {step.progress.waiting}"] if step.progress.waiting else []
            failed += [f"{workload.label}: {step.progress.failed}"] if step.progress.failed else []
            under_way += bool(step.progress.waiting)
        seen = replace(seen, changes=(*seen.changes, *changes))
        if failed:
            return replace(seen, confirmed=False, failed="; ".join(failed))
        if waiting:
            return replace(seen, confirmed=not act, waiting="; ".join(waiting), soon=True)
        return self._pods(seen, workloads, value, since)

    def _one(self, workload: Workload, value: str, *, room: bool) -> _Step:
        if workload.annotation(self.key) == value:
            return _Step(progress(workload))
        if workload.reloaded_by_others:
            return _Step(progress(workload))
        if workload.paused:
            return _Step(Progress(waiting="its rollout is paused; it switches once it is resumed"))
        if not room:
            return _Step(Progress(waiting="its turn comes after those before it"))
        return _Step(Progress(waiting="its restart has begun"), restart=True)

    def _check(self, workload: Workload, value: str) -> None:
        """Stop where a later run has restarted the workload already."""
        theirs, ours = _revision(workload.annotation(self.key)), _revision(value)
        if theirs > ours:
            raise Superseded(
                f"{workload.label} was restarted for revision {theirs}, we act on revision {ours}"
            )

    def _restart(self, workload: Workload, value: str) -> Workload:
        """Annotate the template at the resourceVersion that was read; the next look sees who won."""
        metadata = {"resourceVersion": workload.document["metadata"]["resourceVersion"]}
        template = {"metadata": {"annotations": {self.key: value}}}
        changes = {"metadata": metadata, "spec": {"template": template}}
        try:
            document = self.cluster.patch(workload.kind, workload.namespace, workload.name, changes)
        except (Conflict, Ambiguous):
            return workload
        return Workload(workload.kind, document)

    def _pods(self, seen: Sighting, workloads: Sequence[Workload], value: str, since: datetime) -> Sighting:
        """Look at the pods: all new, ready, and for the soak."""
        others = {w.name for w in workloads if w.reloaded_by_others}
        old, soaking = [], [self.clock.now()]
        for pod in self._running(workloads):
            owned = any(w.selects(pod) for w in workloads if w.name not in others)
            if not self._switched(pod, value, since, by_age=not owned):
                old.append(f"{pod['metadata']['namespace']}/{pod['metadata']['name']}")
            elif owned and (ready := ready_since(pod)):
                soaking.append(ready + self.soak)
        if old:
            shown = ", ".join(old[:3]) + (f" and {len(old) - 3} more" if len(old) > 3 else "")  # noqa: PLR2004
            return replace(
                seen, confirmed=False, waiting=f"pods that run the old version: {shown}", soon=True
            )
        if (until := max(soaking)) > self.clock.now():
            waiting = f"all pods are ready, and have to stay so for {format_duration(self.soak)}"
            return replace(seen, confirmed=False, waiting=waiting, until=until, soon=True)
        return seen

    def _switched(self, pod: Json, value: str, since: datetime, *, by_age: bool) -> bool:
        carried = str((pod["metadata"].get("annotations") or {}).get(self.key, ""))
        return carried == value or (by_age and created(pod) > since)

    def _running(self, workloads: Sequence[Workload]) -> Iterator[Json]:
        """Yield the pods that use the target, in all its namespaces, page by page."""
        for namespace in self.which.namespaces:
            for pod in self.cluster.list(POD, namespace):
                if not terminal(pod) and self._uses(pod, workloads):
                    yield pod

    def _uses(self, pod: Json, workloads: Sequence[Workload]) -> bool:
        if self.which.source and references(pod.get("spec") or {}, *self.which.source):
            return True
        return any(w.selects(pod) for w in workloads)

    def _find(self, *, fresh: bool) -> list[Workload]:
        """Find the workloads once a run, then look only at those that were found."""
        if not self._looked:
            self._found = list(self._discover())
            self._looked = True
        elif fresh:
            self._found = [
                Workload(w.kind, self.cluster.get(w.kind, w.namespace, w.name)) for w in self._found
            ]
        return self._found

    def _discover(self) -> Iterator[Workload]:
        namespace = self.which.namespaces[0]
        for kind, name in self.which.named:
            yield Workload(kind, self.cluster.get(kind, namespace, name))
        if self.which.named:
            return
        for namespace in self.which.namespaces:
            for kind in WORKLOADS:
                yield from self._listed(kind, namespace)

    def _listed(self, kind: Kind, namespace: str) -> Iterator[Workload]:
        try:
            for document in self.cluster.list(kind, namespace, selector=self.which.selector):
                workload = Workload(kind, document)
                if self.which.selector or (self.which.source and workload.references(*self.which.source)):
                    yield workload
        except NotFound:
            return  # the kind is not installed (Argo Rollouts)


@dataclass(frozen=True, slots=True)
class _Step:
    progress: Progress
    restart: bool = False


def _revision(value: str) -> int:
    head = value.partition(".")[0]
    return int(head) if head.isdigit() else 0
