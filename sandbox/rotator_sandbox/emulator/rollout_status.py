"""The status of workloads as the real controllers set it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .durations import parse_time
from .rollouts import surge_and_unavailable
from .state import timestamp
from .wire import Object, as_object

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from .rollouts import Pod

FAILURE = "sandbox.rotator.dev/rollout"
"""Annotation on a workload: `fail` or `stall` keeps its new pods from becoming ready."""

_DEADLINE = 600


@dataclass(frozen=True, slots=True)
class Counts:
    """How many pods of a workload are what."""

    total: int
    updated: int
    ready: int
    available: int
    updated_ready: int


def count(pods: Sequence[Pod], revision: str) -> Counts:
    """Count the pods that are not on their way out."""
    live = [pod for pod in pods if not pod.terminating]
    updated = [pod for pod in live if pod.revision == revision]
    return Counts(
        total=len(live),
        updated=len(updated),
        ready=sum(pod.ready for pod in live),
        available=sum(pod.available for pod in live),
        updated_ready=sum(pod.ready for pod in updated),
    )


def failure_mode(workload: Object) -> str:
    """Give how a workload is told to fail, or nothing."""
    return str(as_object(workload["metadata"].get("annotations")).get(FAILURE, ""))


def _condition_of(status: Object, name: str) -> Object:
    found: list[Object] = status.get("conditions") or []
    return next((each for each in found if each.get("type") == name), {})


@dataclass(frozen=True, slots=True)
class _Finding:
    """What a condition is to say."""

    type: str
    reason: str
    message: str
    met: bool


def _condition(before: Object, finding: _Finding, now: str, *, touched: bool = False) -> Object:
    """Give a condition: it transitions with its status, and is updated with all it says."""
    old, state = _condition_of(before, finding.type), "True" if finding.met else "False"
    said = {"status": state, "reason": finding.reason, "message": finding.message}
    fresh = touched or any(old.get(name) != value for name, value in said.items())
    return {
        "type": finding.type,
        "lastUpdateTime": now if fresh else old["lastUpdateTime"],
        "lastTransitionTime": now if old.get("status") != state else old["lastTransitionTime"],
        **said,
    }


def _available(workload: Object, counts: Counts, desired: int, now: str) -> Object:
    strategy = as_object(as_object(workload["spec"].get("strategy")).get("rollingUpdate"))
    _, unavailable = surge_and_unavailable(strategy, desired)
    met = counts.available >= desired - unavailable
    reason = f"MinimumReplicas{'Available' if met else 'Unavailable'}"
    message = f"Deployment {'has' if met else 'does not have'} minimum availability."
    finding = _Finding("Available", reason, message, met=met)
    return _condition(as_object(workload.get("status")), finding, now)


def is_complete(counts: Counts, desired: int) -> bool:
    """Say whether all pods are updated and available, and none is left of the old ones."""
    return counts.updated == counts.available == counts.total == desired


def _overdue(workload: Object, now: datetime) -> bool:
    held = _condition_of(as_object(workload.get("status")), "Progressing")
    if not held or failure_mode(workload) == "stall":
        return False
    limit = workload["spec"].get("progressDeadlineSeconds") or _DEADLINE
    return bool((now - parse_time(held["lastUpdateTime"])).total_seconds() > limit)


def _progressing(workload: Object, counts: Counts, desired: int, set_name: str, now: datetime) -> Object:
    before, moment = as_object(workload.get("status")), timestamp(now)
    held = _condition_of(before, "Progressing")
    about, progressed = f'ReplicaSet "{set_name}"', _progressed(before, counts)
    if is_complete(counts, desired):
        message = f"{about} has successfully progressed."
        return _condition(
            before, _Finding("Progressing", "NewReplicaSetAvailable", message, met=True), moment
        )
    same_set = about in str(held.get("message", ""))
    stuck = same_set and held.get("reason") != "NewReplicaSetAvailable" and not progressed
    if stuck and (held.get("status") == "False" or _overdue(workload, now)):
        message = f"{about} has timed out progressing."
        return _condition(
            before, _Finding("Progressing", "ProgressDeadlineExceeded", message, met=False), moment
        )
    finding = _Finding("Progressing", "ReplicaSetUpdated", f"{about} is progressing.", met=True)
    return _condition(before, finding, moment, touched=progressed)


def _progressed(before: Object, counts: Counts) -> bool:
    names = ("updatedReplicas", "readyReplicas", "availableReplicas")
    numbers = (counts.updated, counts.ready, counts.available)
    return any(int(before.get(name, 0)) < number for name, number in zip(names, numbers, strict=True))


def _numbers(counts: Counts) -> Object:
    return {
        "replicas": counts.total,
        "updatedReplicas": counts.updated,
        "readyReplicas": counts.ready,
        "availableReplicas": counts.available,
    }


def deployment_status(workload: Object, counts: Counts, set_name: str, now: datetime) -> Object:
    """Give the status of a Deployment."""
    desired, moment = workload["spec"].get("replicas", 1), timestamp(now)
    conditions = [_available(workload, counts, desired, moment)]
    if workload["spec"].get("paused"):
        held = _condition_of(as_object(workload.get("status")), "Progressing")
        conditions += [held] if held else []
    else:
        conditions.append(_progressing(workload, counts, desired, set_name, now))
    return {
        "observedGeneration": workload["metadata"]["generation"],
        **_numbers(counts),
        "unavailableReplicas": max(desired - counts.available, counts.total - counts.available, 0),
        "conditions": conditions,
    }


def rollout_status(workload: Object, counts: Counts, set_name: str, now: datetime) -> Object:
    """Give the status of an Argo Rollout; its observedGeneration is a string."""
    desired = workload["spec"].get("replicas", 1)
    revision = set_name.rpartition("-")[2]
    progressing = _progressing(workload, counts, desired, set_name, now)
    stable = as_object(workload.get("status")).get("stableRS", "")
    phase = "Progressing"
    if workload["spec"].get("paused"):
        phase = "Paused"
    elif progressing["status"] == "False":
        phase = "Degraded"
    elif is_complete(counts, desired):
        phase, stable = "Healthy", revision
    return {
        "observedGeneration": str(workload["metadata"]["generation"]),
        **_numbers(counts),
        "HPAReplicas": counts.total,
        "phase": phase,
        "currentPodHash": revision,
        "stableRS": stable,
        "conditions": [_available(workload, counts, desired, timestamp(now)), progressing],
    }


def stateful_set_status(workload: Object, counts: Counts, revision: str) -> Object:
    """Give the status of a StatefulSet; the current revision moves when all pods are updated."""
    before, desired = as_object(workload.get("status")), workload["spec"].get("replicas", 1)
    current = before.get("currentRevision") or revision
    if counts.updated == counts.ready == counts.total == desired:
        current = revision
    held = counts.total - counts.updated if current != revision else counts.updated
    return {
        "observedGeneration": workload["metadata"]["generation"],
        **_numbers(counts),
        "currentReplicas": held,
        "currentRevision": current,
        "updateRevision": revision,
        "collisionCount": 0,
    }


def daemon_set_status(workload: Object, counts: Counts, nodes: int) -> Object:
    """Give the status of a DaemonSet."""
    return {
        "observedGeneration": workload["metadata"]["generation"],
        "desiredNumberScheduled": nodes,
        "currentNumberScheduled": counts.total,
        "updatedNumberScheduled": counts.updated,
        "numberReady": counts.ready,
        "numberAvailable": counts.available,
        "numberUnavailable": max(nodes - counts.available, 0),
        "numberMisscheduled": 0,
    }
