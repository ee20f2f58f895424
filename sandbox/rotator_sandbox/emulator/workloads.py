"""The controller that makes workloads progress, on the emulator or on a bare API server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from . import rollout_status as statuses
from .cluster import utc_now
from .nodes import NODES, Nodes
from .pod_lives import PodLives, Timing
from .pods import (
    ORDINAL_LABEL,
    Blueprint,
    build_pod,
    controller_of,
    owner_reference,
    view_pod,
)
from .replica_sets import newest, ordinal_of, replica_set, superseded
from .rollouts import Moves, Pod, ordered, per_node, recreate, resize, rolling, template_hash
from .wire import Object, as_object
from .writes import random_suffix

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from .calls import Caller

_TOLERATED = frozenset({403, 404, 409, 429})
_SERVER_ERRORS = 500
_OK_LIMIT = 300


class _Place(NamedTuple):
    """Where a kind of workload is served."""

    prefix: str
    plural: str
    kind: str

    def collection(self, namespace: str = "") -> str:
        """Give the path of its objects."""
        return f"{self.prefix}/{_scope(namespace)}{self.plural}"

    def path(self, obj: Object) -> str:
        """Give the path of one object."""
        meta = obj["metadata"]
        return f"{self.collection(meta['namespace'])}/{meta['name']}"


def _scope(namespace: str) -> str:
    return f"namespaces/{namespace}/" if namespace else ""


_PODS = _Place("/api/v1", "pods", "Pod")
_SETS = _Place("/apis/apps/v1", "replicasets", "ReplicaSet")
_WORKLOADS = (
    _Place("/apis/apps/v1", "deployments", "Deployment"),
    _Place("/apis/apps/v1", "statefulsets", "StatefulSet"),
    _Place("/apis/apps/v1", "daemonsets", "DaemonSet"),
    _Place("/apis/argoproj.io/v1alpha1", "rollouts", "Rollout"),
)


@dataclass
class _World:
    """What one pass sees: pods and replica sets by the uid of their controller."""

    now: datetime
    pods: dict[str, list[Object]] = field(default_factory=dict)
    sets: dict[str, list[Object]] = field(default_factory=dict)
    owners: set[str] = field(default_factory=set)


class WorkloadController:
    """Makes Deployments, StatefulSets, DaemonSets and Argo Rollouts roll out.

    `step` is one deterministic pass at the clock's now; `run` repeats it.
    """

    def __init__(
        self,
        call: Caller,
        *,
        clock: Callable[[], datetime] = utc_now,
        seconds_to_ready: float = 1.0,
        terminating_seconds: float = 1.0,
        namespace: str = "",
    ) -> None:
        """Drive the workloads of one namespace, or of all, on the API server behind `call`."""
        self._call = call
        self._clock = clock
        self._namespace = namespace
        self.nodes = Nodes(call)
        self._lives = PodLives(self._write, Timing(seconds_to_ready, terminating_seconds), self.nodes)

    def run(self, stop: threading.Event, interval: float = 0.2) -> None:
        """Repeat the pass until told to stop."""
        while not stop.wait(interval):
            self.step()

    def step(self) -> None:
        """Do one pass over all workloads."""
        world = _World(self._clock())
        pods = self._list(_PODS)
        self._lives.forget_all_but(pods)
        sets = self._list(_SETS)
        for pod in pods:
            world.pods.setdefault(controller_of(pod), []).append(pod)
        for each in sets:
            world.sets.setdefault(controller_of(each), []).append(each)
        stalled: set[str] = set()
        for place in _WORKLOADS:
            for workload in self._list(place):
                workload.update(kind=place.kind, apiVersion=_version(place))
                stalled |= self._reconcile(place, workload, world)
        self._lives.advance(pods, stalled, world.now)
        self._collect(pods, sets, world)

    def _list(self, place: _Place) -> list[Object]:
        status, answer = self._call("GET", place.collection(self._namespace), {}, None)
        return list(answer.get("items") or []) if status < _OK_LIMIT else []

    def _write(self, method: str, path: str, query: dict[str, str], body: Object | None) -> Object:
        """Write, and leave to the next pass what is refused for now."""
        status, answer = self._call(method, path, query, body)
        if status < _OK_LIMIT:
            return answer
        if status in _TOLERATED or status >= _SERVER_ERRORS:
            return {}
        message = f"{method} {path}: {status} {answer.get('message')}"
        raise RuntimeError(message)

    def _reconcile(self, place: _Place, workload: Object, world: _World) -> set[str]:
        """Move one workload on; give the uids of the pods that are not to become ready."""
        world.owners.add(workload["metadata"]["uid"])
        template = workload["spec"].get("template")
        if workload["metadata"].get("deletionTimestamp") or not template:
            return set()
        revision = template_hash(template)
        if place.kind == "StatefulSet":
            revision = f"{workload['metadata']['name']}-{revision}"
        if place.kind in {"Deployment", "Rollout"}:
            pods = self._with_sets(place, workload, world, revision)
        else:
            pods = self._with_slots(place, workload, world, revision)
        if statuses.failure_mode(workload) not in {"fail", "stall"}:
            return set()
        views = ((pod, view_pod(pod, world.now, 0)) for pod in pods)
        return {pod["metadata"]["uid"] for pod, view in views if view.revision == revision}

    def _views(self, workload: Object, pods: list[Object], now: datetime) -> list[Pod]:
        soak = int(workload["spec"].get("minReadySeconds") or 0)
        return [view_pod(pod, now, soak) for pod in pods]

    def _with_sets(self, place: _Place, workload: Object, world: _World, revision: str) -> list[Object]:
        """Move a Deployment or a Rollout, whose pods belong to replica sets."""
        spec, meta = workload["spec"], workload["metadata"]
        sets = world.sets.get(meta["uid"], [])
        world.owners.update(each["metadata"]["uid"] for each in sets)
        pods = [pod for each in sets for pod in world.pods.get(each["metadata"]["uid"], [])]
        views, name = self._views(workload, pods, world.now), f"{meta['name']}-{revision}"
        desired = int(spec.get("replicas", 1))
        if spec.get("paused"):
            moves, current = resize(views, desired), newest(sets)
        else:
            moves = _set_moves(spec, views, desired, revision)
            current = self._own_set(workload, sets, revision)
        if current is not None:
            self._make_from_set(workload, current, moves.create)
        self._delete(meta["namespace"], moves.delete)
        self._write_status(place, workload, _status(place, workload, views, name, world.now))
        self._write_sets(sets, world, views_by=self._views)
        return pods

    def _own_set(self, workload: Object, sets: list[Object], revision: str) -> Object | None:
        name = f"{workload['metadata']['name']}-{revision}"
        found = next((each for each in sets if each["metadata"]["name"] == name), None)
        if found is not None:
            return found
        body = replica_set(workload, name, revision, ordinal_of(sets) + 1)
        namespace = workload["metadata"]["namespace"]
        made = self._write("POST", _SETS.collection(namespace), {}, body)
        for old in superseded(sets, workload):
            self._write("DELETE", _SETS.path(old), {}, None)
        return made or None

    def _make_from_set(self, workload: Object, owner: Object, number: int) -> None:
        owner = {**owner, "kind": "ReplicaSet", "apiVersion": "apps/v1"}
        labels = as_object(owner["spec"]["selector"].get("matchLabels"))
        blueprint = Blueprint(
            workload["metadata"]["namespace"],
            owner["spec"]["template"],
            {key: value for key, value in labels.items() if "template-hash" in key},
            owner_reference(owner),
        )
        for index in range(number):
            name = f"{owner['metadata']['name']}-{random_suffix()}"
            node = NODES[index % len(NODES)]
            self._create_pod(build_pod(blueprint, name, node))

    def _create_pod(self, pod: Object) -> None:
        path = _PODS.collection(pod["metadata"]["namespace"])
        made = self._write("POST", path, {}, pod)
        if made:
            self._lives.born(made, self._clock())

    def _delete(self, namespace: str, names: tuple[str, ...]) -> None:
        for name in names:
            path = f"{_PODS.collection(namespace)}/{name}"
            self._lives.ask_to_leave(path, self._clock())

    def _write_status(self, place: _Place, workload: Object, status: Object) -> None:
        before = as_object(workload.get("status"))
        if any(before.get(name) != value for name, value in status.items()):
            self._write("PATCH", f"{place.path(workload)}/status", {}, {"status": status})

    def _write_sets(
        self,
        sets: list[Object],
        world: _World,
        views_by: Callable[[Object, list[Object], datetime], list[Pod]],
    ) -> None:
        for each in sets:
            pods = views_by(each, world.pods.get(each["metadata"]["uid"], []), world.now)
            live = [pod for pod in pods if not pod.terminating]
            if each["spec"].get("replicas") != len(live):
                self._write("PATCH", _SETS.path(each), {}, {"spec": {"replicas": len(live)}})
            status = {
                "replicas": len(live),
                "readyReplicas": sum(pod.ready for pod in live),
                "availableReplicas": sum(pod.available for pod in live),
            }
            self._write_status(_SETS, each, status)

    def _with_slots(self, place: _Place, workload: Object, world: _World, revision: str) -> list[Object]:
        """Move a StatefulSet or a DaemonSet, which own their pods."""
        spec, meta = workload["spec"], workload["metadata"]
        pods = world.pods.get(meta["uid"], [])
        views = self._views(workload, pods, world.now)
        numbers = statuses.count(views, revision)
        if place.kind == "StatefulSet":
            moves = ordered(views, spec, revision)
            status = statuses.stateful_set_status(workload, numbers, revision)
        else:
            strategy = as_object(spec.get("updateStrategy"))
            moves = per_node(views, NODES, strategy, revision)
            status = statuses.daemon_set_status(workload, numbers, len(NODES))
        for slot in moves.slots:
            self._create_pod(self._slot_pod(workload, revision, slot))
        self._delete(meta["namespace"], moves.delete)
        self._write_status(place, workload, status)
        return pods

    def _slot_pod(self, workload: Object, revision: str, slot: str) -> Object:
        meta, stateful = workload["metadata"], workload["kind"] == "StatefulSet"
        blueprint = Blueprint(
            meta["namespace"],
            workload["spec"]["template"],
            {"controller-revision-hash": revision},
            owner_reference(workload),
        )
        if not stateful:
            return build_pod(blueprint, f"{meta['name']}-{random_suffix()}", slot)
        name = f"{meta['name']}-{slot}"
        more = {"statefulset.kubernetes.io/pod-name": name, ORDINAL_LABEL: slot}
        return build_pod(blueprint, name, NODES[int(slot) % len(NODES)], more)

    def _collect(self, pods: list[Object], sets: list[Object], world: _World) -> None:
        """Delete what belongs to workloads that are gone, as the garbage collector does."""
        for orphan in _orphans(sets, world.owners):
            self._write("DELETE", _SETS.path(orphan), {}, None)
        for orphan in _orphans(pods, world.owners):
            if not orphan["metadata"].get("deletionTimestamp"):
                self._lives.ask_to_leave(_PODS.path(orphan), self._clock())


def _orphans(objects: list[Object], owners: set[str]) -> Iterator[Object]:
    ours = {"ReplicaSet", *(place.kind for place in _WORKLOADS)}
    for obj in objects:
        for owner in obj["metadata"].get("ownerReferences") or []:
            if owner.get("controller") and owner["kind"] in ours and owner["uid"] not in owners:
                yield obj


def _version(place: _Place) -> str:
    return place.prefix.removeprefix("/apis/")


def _set_moves(spec: Object, views: list[Pod], desired: int, revision: str) -> Moves:
    strategy = as_object(spec.get("strategy"))
    if strategy.get("type") == "Recreate":
        return recreate(views, desired, revision)
    parameters = strategy.get("rollingUpdate") or strategy.get("canary") or {}
    return rolling(views, desired, revision, as_object(parameters))


def _status(place: _Place, workload: Object, views: list[Pod], set_name: str, now: datetime) -> Object:
    numbers = statuses.count(views, set_name.rpartition("-")[2])
    if place.kind == "Rollout":
        return statuses.rollout_status(workload, numbers, set_name, now)
    return statuses.deployment_status(workload, numbers, set_name, now)
