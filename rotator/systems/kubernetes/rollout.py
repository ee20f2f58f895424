"""Restarts that wait: find the workloads, annotate their pod templates with the version, see every pod switch.

The annotation carries the ring's revision and the version, so a repeated run restarts nothing twice, and a run
that was overtaken sees it (I5). Proof is taken from the pods themselves: none without the annotation may be left,
terminating ones included, for they sign until they are gone. A fence (`rotator.systems.kubernetes.fence`) keeps a node from starting a
pod with an old copy of what was delivered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rotator.core.machine import Sighting
from rotator.core.shapes import digits, fitting
from rotator.core.timing import format_duration
from rotator.errors import Ambiguous, Conflict, Frozen, NotFound, Superseded
from rotator.kinds import DEEDS, POD, WORKLOADS, Address, Kind
from rotator.ports import Clock, Content
from rotator.systems.kubernetes.api import Json, KubernetesApi
from rotator.systems.kubernetes.fence import Fence
from rotator.systems.kubernetes.pods import (
    controller,
    created,
    has_no_node,
    leaving,
    ready_since,
    terminal,
    trouble,
)
from rotator.systems.kubernetes.readers import Source, references
from rotator.systems.kubernetes.workloads import Progress, Workload, progress

SHOWN = 3
"""How many pods are named in a sentence."""
COPIES = timedelta(minutes=3)
"""For so long after a write a node may start pods from an older copy: the watches of a kubelet come back within a minute
after an outage, its periodic look takes up to 90 s."""
PATIENCE = timedelta(seconds=30)
"""A rollout that takes longer than this is explained by one of its pods, looked at no more often than half of this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which workloads depend on a target: by reference to it, by selector, or by name, in this order."""

    namespace: str
    source: Source | None = None
    """The Secret or ConfigMap whose name they reference."""
    selector: str = ""
    named: tuple[tuple[Kind, str], ...] = ()


@dataclass
class Rollout:
    """The workloads that read one target, restarted `at_once` at a time."""

    api: KubernetesApi
    clock: Clock
    key: str
    """The annotation's key."""
    which: Which
    soak: timedelta = timedelta()
    at_once: int = 0
    """How many may be under way at the same time; 0: all."""
    timeout: timedelta | None = None
    """How long after delivery it is a failure that pods have not switched."""
    copies: timedelta = COPIES
    """How long after a write a node may start pods from an older copy of `which.source`."""
    _found: list[Workload] = field(default_factory=list, repr=False)
    _looked: bool = False
    _restarted: dict[str, str] = field(default_factory=dict, repr=False)
    """The value of the last restart of each workload, by uid."""
    _not_taken: dict[str, str] = field(default_factory=dict, repr=False)
    """What the last try to restart a workload met, by uid."""
    _explained: tuple[datetime, str] | None = field(default=None, repr=False)

    @property
    def is_fenced(self) -> bool:
        """See `rotator.ports.Readers`: only what a kubelet hands to pods has to be referred to by name."""
        return self.which.source is not None

    @property
    def restarts(self) -> Mapping[str, str]:
        """What was restarted, by the workload's uid, with the value that it got."""
        return self._restarted

    def sync(self, seen: Sighting, content: Content, *, act: bool, fresh: bool) -> Sighting:
        """Restart what does not carry `content` yet, and see whether every pod has switched; see `rotator.ports.Readers`."""
        found = self._sync(seen, self._delivered(seen, content), act=act, fresh=fresh)
        if act or not seen.changes or found.confirmed or found.failed:
            return found
        return replace(found, changes=(*seen.changes, *self._plan()))

    def _plan(self) -> tuple[str, ...]:
        """Say what would be restarted, and which restarts are left to others and believed."""
        return tuple(self._planned(w) for w in self._find(fresh=False) if w.template)

    def _planned(self, workload: Workload) -> str:
        if self._reloaded(workload):
            left = f"wait for Stakater Reloader to restart {workload.label}"
            return f"{left}: that its pods start with the new content is believed"
        said = f"restart {workload.label}"
        if controller(workload.document):
            return f"{said}: that {workload.owner} leaves the restart alone is believed"
        return said

    def _delivered(self, seen: Sighting, content: Content) -> _Delivered:
        landed = seen.since or content.since
        certain = landed + self.copies if self.which.source and content.older else landed
        known = {**content.restarts, **self._restarted}
        self._restarted = {uid: carried for uid, carried in known.items() if carried == content.value}
        return _Delivered(content.value, content.since, landed, certain, self._fence(content))

    def _fence(self, content: Content) -> Fence | None:
        source = self.which.source
        if source is None or not content.key:
            return None
        return Fence(source=source, key=content.key, files=content.files, alone=content.alone)

    def _sync(self, seen: Sighting, delivered: _Delivered, *, act: bool, fresh: bool) -> Sighting:
        workloads = self._find(fresh=fresh)
        for workload in workloads:
            self._check(workload, delivered.value)
        steps = self._in_order([self._one(w, delivered) for w in workloads])
        due = [n for n, step in enumerate(steps) if step.restart]
        seen = replace(seen, changes=(*seen.changes, *(f"restart {workloads[n].label}" for n in due)))
        for n in due if act else ():
            self._restart(n, delivered)
        shown = list(zip(workloads, (step.progress for step in steps), strict=True))
        if failed := [f"{w.label}: {p.failed}" for w, p in shown if p.failed]:
            return replace(seen, confirmed=False, failed=self._with_reason("; ".join(failed), workloads))
        waiting = "; ".join(f"{w.label}: {p.waiting}" for w, p in shown if p.waiting)
        if waiting and not self._late(workloads, delivered):
            if all(step.until for step in steps if step.progress.waiting):
                until = max(step.until for step in steps if step.until)
                return replace(seen, confirmed=False, waiting=waiting, until=until)
            if self.clock.now() > delivered.since + PATIENCE:
                waiting = self._with_reason(waiting, workloads)
            return replace(seen, confirmed=False, waiting=waiting, soon=True)
        reverted = [w for w, step in zip(workloads, steps, strict=True) if step.reverted]
        return self._pods(seen, workloads, delivered, waiting, reverted)

    def _late(self, workloads: Sequence[Workload], delivered: _Delivered) -> bool:
        if self.timeout is None:
            return False
        waits = delivered.fence and any(delivered.fence.leaves_gap(w.pod_spec) for w in workloads)
        return self.clock.now() > (delivered.certain if waits else delivered.since) + self.timeout

    def _with_reason(self, said: str, workloads: Sequence[Workload]) -> str:
        """Add one pod that is not ready, and why: that saves a person the first commands."""
        now = self.clock.now()
        if self._explained is None or now > self._explained[0] + PATIENCE / 2:
            pods = (pod for pod, owner in self._running(workloads) if owner and ready_since(pod) is None)
            found = next((_named(pod) for pod in pods if trouble(pod)), "")
            self._explained = (now, f" (pod {found})" if found else "")
        return f"{said}{self._explained[1]}"

    def _one(self, workload: Workload, delivered: _Delivered) -> _Step:
        if not workload.template and not workload.lender:
            return _Step(
                Progress(failed="it has no pod template of its own to restart it by: name what it refers to")
            )
        if delivered.precedes(workload.document):
            return _Step(Progress())  # it has never known anything else, and need not work yet
        if workload.annotation(self.key) == delivered.value or workload.lender or self._reloaded(workload):
            return _Step(progress(workload))
        return self._due(workload, delivered)

    def _due(self, workload: Workload, delivered: _Delivered) -> _Step:
        """Say whether to restart what does not carry the content yet, or why not now."""
        if self._is_reverted(workload, delivered):
            return _Step(Progress(), reverted=True)
        if workload.leaving:
            return _Step(Progress(waiting="it is being deleted"))
        if workload.paused:
            return _Step(Progress(waiting=f"{workload.paused}; it is restarted after that"))
        fence = delivered.fence
        if fence and fence.leaves_gap(workload.pod_spec) and self.clock.now() < delivered.certain:
            waiting = "it mounts a folder that a node may fill from an older copy; it is restarted once that is over"
            return _Step(Progress(waiting=waiting), until=delivered.certain)
        met = self._not_taken.get(workload.uid)
        waiting = f"its restart was not taken, and is tried again: {met}" if met else "its restart has begun"
        return _Step(Progress(waiting=waiting), restart=True)

    def _is_reverted(self, workload: Workload, delivered: _Delivered) -> bool:
        """Whether it was restarted for this content, and somebody has taken the annotation off its template again."""
        return delivered.value in {self._restarted.get(workload.uid), workload.own_annotation(self.key)}

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
        return self.which.source is not None and workload.reloaded_by_others(self.which.source)

    def _check(self, workload: Workload, value: str) -> None:
        """Stop where a later run has restarted the workload already."""
        theirs, ours = _revision(workload.annotation(self.key)), _revision(value)
        if theirs > ours:
            raise Superseded(
                f"{workload.label} was restarted for revision {theirs}, we act on revision {ours}. If the rotation "
                f"was begun anew on purpose, remove the annotation {self.key} from its pod template"
            )

    def _restart(self, position: int, delivered: _Delivered) -> None:
        """Annotate the template at the resourceVersion that was read; the next look sees who won.

        The workload's own metadata carries the same: so it is seen later that somebody took the restart back.
        """
        workload, annotations = self._found[position], {self.key: delivered.value}
        version = workload.document["metadata"]["resourceVersion"]
        template: Json = {"metadata": {"annotations": annotations}}
        if delivered.fence and (parts := delivered.fence.put(workload.pod_spec)):
            template["spec"] = parts
        metadata = {"resourceVersion": version, "annotations": annotations}
        changes = {"metadata": metadata, "spec": {"template": template}}
        try:
            document = self.api.patch(workload.kind, workload.namespace, workload.name, changes)
        except (Conflict, Ambiguous) as error:
            self._not_taken[workload.uid] = str(error)
        except NotFound:
            self._looked = False
        else:
            self._not_taken.pop(workload.uid, None)
            self._restarted[workload.uid] = delivered.value
            self._found[position] = Workload(workload.kind, document)

    def _pods(
        self,
        seen: Sighting,
        workloads: Sequence[Workload],
        delivered: _Delivered,
        waiting: str,
        reverted: Sequence[Workload],
    ) -> Sighting:
        """Look at the pods: all new, ready, and for the soak.

        Only an old pod is a failure after the time-out: the next rollout of somebody else's is none, and a pod without
        a node holds nothing.
        """
        pods = self._sorted(workloads, delivered, reverted)
        if pods.taken_back:
            return replace(seen, confirmed=False, failed=self._taken_back(*pods.taken_back[0]))
        late = self._late(workloads, delivered)
        if pods.old:
            shown = f"pods that run the old version: {some(pods.old)}"
            waiting = f"{waiting}; {shown}" if waiting and late else waiting or shown
        elif pods.unready:
            waiting = waiting or f"pods that are not ready: {some(pods.unready)}"
        elif pods.nowhere and late:
            waiting = ""
        if pods.old and self.timeout and late:
            failed = f"not all has switched within {format_duration(self.timeout)}: {waiting}"
            failed = f"{self._with_reason(failed, workloads)}{self._left_to_others(workloads)}"
            return replace(seen, confirmed=False, failed=failed)
        if waiting:
            return replace(seen, confirmed=False, waiting=waiting, soon=True)
        until = max((since + self.soak for since in pods.ready), default=self.clock.now())
        if until > self.clock.now():
            waiting = f"all pods are ready, and have to stay so for {format_duration(self.soak)}"
            return replace(seen, confirmed=False, waiting=waiting, until=until, soon=True)
        return seen

    def _left_to_others(self, workloads: Sequence[Workload]) -> str:
        """Say which tool was to restart something, and what to look at where it has not."""
        left = [w.label for w in workloads if self._reloaded(w)]
        if not left:
            return ""
        return (
            f". The restart of {some(left)} is left to Stakater Reloader, which its annotations ask for. Check that Reloader runs, "
            "watches this namespace and may patch it; or remove the annotations, and rotator restarts it"
        )

    def _sorted(
        self, workloads: Sequence[Workload], delivered: _Delivered, reverted: Sequence[Workload]
    ) -> _Pods:
        pods = _Pods()
        for pod, owner in self._running(workloads):
            if has_no_node(pod):
                pods.nowhere = True
            elif not self._switched(pod, owner, delivered, reverted):
                pods.old.append(_named(pod))
                pods.taken_back += [(owner, pod)] if owner and owner in reverted else []
                self._looked = self._looked and (
                    owner is not None or controller(pod).get("kind") not in _RESTARTABLE
                )
            elif owner and not leaving(pod) and not delivered.precedes(owner.document):
                since = ready_since(pod)
                pods.ready += [since] if since else []
                pods.unready += [] if since else [_named(pod)]
        return pods

    def _taken_back(self, workload: Workload, pod: Json) -> str:
        owner = workload.owner or "somebody else: `kubectl get -o yaml --show-managed-fields` shows who"
        return (
            f"{workload.label}: its restart was taken back by {owner}, and {_named(pod)} runs the old version. rotator "
            "does not restart it again for this version. Restart it in the way of its owner: pods that are made from now on "
            f"count as switched. To have rotator restart it once more, remove the annotation {self.key} from its metadata, and "
            f"{DEEDS} from the rotation's Lease"
        )

    def _switched(
        self, pod: Json, owner: Workload | None, delivered: _Delivered, reverted: Sequence[Workload]
    ) -> bool:
        """Whether a pod started with what was delivered: it says so, or it was made after that.

        What Reloader has made is younger than the content that made it act; the pods that it replaces are gone by
        then, or about to go, so that the instant of writing is enough once the write must have landed.
        """
        if str((pod["metadata"].get("annotations") or {}).get(self.key, "")) == delivered.value:
            return delivered.is_fenced(pod) or delivered.precedes(pod)
        if owner and self._reloaded(owner):
            landed = self.clock.now() > delivered.landed
            return delivered.precedes(pod) or (
                landed and created(pod) >= delivered.since.replace(microsecond=0)
            )
        known_no_other = owner is None or owner in reverted or delivered.precedes(owner.document)
        return known_no_other and delivered.precedes(pod)

    def _running(self, workloads: Sequence[Workload]) -> Iterator[tuple[Json, Workload | None]]:
        """Yield the pods that use the target, page by page, and the workload of each."""
        source = self.which.source
        for pod in self.api.list(POD, self.which.namespace):
            if terminal(pod):
                continue
            owner = next((w for w in workloads if w.selects(pod)), None)
            if owner or (source and references(pod.get("spec") or {}, source)):
                yield pod, owner

    def _find(self, *, fresh: bool) -> list[Workload]:
        """Find the workloads once a run, then look only at those that were found; many, or one gone: find again."""
        if fresh and not self.which.named and len(self._found) > len(WORKLOADS):
            self._looked = False
        if self._looked and fresh:
            try:
                self._found = [
                    Workload(w.kind, self.api.get(w.kind, w.namespace, w.name)) for w in self._found
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
                found.append(Workload(lender[0], self.api.get(lender[0], workload.namespace, lender[1])))
            if self._concerns(workload) or lender in known:
                found.append(workload)
        return found

    def _concerns(self, workload: Workload) -> bool:
        source = self.which.source
        asked_for = bool(self.which.named or self.which.selector)
        return asked_for or (source is not None and workload.references(source))

    def _named(self) -> Iterator[Workload]:
        namespace = self.which.namespace
        for kind, name in self.which.named:
            try:
                yield Workload(kind, self.api.get(kind, namespace, name))
            except NotFound:
                raise Frozen(
                    f"{Address(kind, namespace, name).label} is to be restarted (restart.workloads), and does not exist. "
                    "Create it, or correct the name"
                ) from None

    def _listed(self) -> Iterator[Workload]:
        for kind in WORKLOADS:
            try:
                for document in self.api.list(kind, self.which.namespace, selector=self.which.selector):
                    yield Workload(kind, document)
            except NotFound:
                continue  # the kind is not installed (Argo Rollouts)


_RESTARTABLE = {"ReplicaSet", *(kind.name for kind in WORKLOADS)}
"""What makes pods that we can restart: one that was not there when we looked is looked for again."""


@dataclass(frozen=True, slots=True)
class _Step:
    progress: Progress
    restart: bool = False
    until: datetime | None = None
    """When the wait ends, where that is known."""
    reverted: bool = False
    """Whether its restart was taken back."""


@dataclass(slots=True)
class _Pods:
    """The pods that use the target, by what they say."""

    old: list[str] = field(default_factory=list)
    unready: list[str] = field(default_factory=list)
    ready: list[datetime] = field(default_factory=list)
    """Since when each is ready that has switched."""
    taken_back: list[tuple[Workload, Json]] = field(default_factory=list)
    """Old ones of a workload whose restart was taken back."""
    nowhere: bool = False
    """Whether one has no node."""


@dataclass(frozen=True, slots=True)
class _Delivered:
    """What was delivered, and when."""

    value: str
    since: datetime
    landed: datetime
    certain: datetime
    """From when on no node starts a pod with an older copy."""
    fence: Fence | None

    def precedes(self, document: Json) -> bool:
        """Whether an object was created when the content was there for certain, on every node."""
        return created(document) > self.certain

    def is_fenced(self, pod: Json) -> bool:
        """Whether a pod cannot have started with an older copy, as far as that can be made impossible."""
        return self.fence is None or self.fence.holds(pod.get("spec") or {})


def _named(pod: Json) -> str:
    """Name a pod, with what keeps it from being ready."""
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    reason = trouble(pod) if ready_since(pod) is None else ""
    return f"{name}: {reason}" if reason else name


def some(names: Sequence[str]) -> str:
    """Write a list of names down, no longer than a sentence bears."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _revision(value: str) -> int:
    return fitting(digits, value.partition(".")[0], 0)
