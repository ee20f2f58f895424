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


def _condition(
    before: Object, name: str, reason: str, message: str, now: str, *, met: bool, touched: bool
) -> Object:
    """Give a condition: its transition time changes with its status, its update time when touched."""
    old, state = _condition_of(before, name), "True" if met else "False"
    changed = old.get("status") != state or old.get("reason") != reason
    fresh = changed or touched or old.get("message") != message
    return {
        "type": name,
        "status": state,
        "lastUpdateTime": now if fresh else old["lastUpdateTime"],
        "lastTransitionTime": now if old.get("status") != state else old["lastTransitionTime"],
        "reason": reason,
        "message": message,
    }


def _available(workload: Object, counts: Counts, desired: int, now: str) -> Object:
    strategy = as_object(as_object(workload["spec"].get("strategy")).get("rollingUpdate"))
    _, unavailable = surge_and_unavailable(strategy, desired)
    met = counts.available >= desired - unavailable
    reason = f"MinimumReplicas{'Available' if met else 'Unavailable'}"
    message = f"Deployment {'has' if met else 'does not have'} minimum availability."
    before = as_object(workload.get("status"))
    return _condition(before, "Available", reason, message, now, met=met, touched=False)


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
        reason = "NewReplicaSetAvailable"
        return _condition(before, "Progressing", reason, message, moment, met=True, touched=False)
    same_set = about in str(held.get("message", ""))
    started = held.get("reason") != "NewReplicaSetAvailable"
    if same_set and started and not progressed:
        if held.get("status") == "False" or _overdue(workload, now):
            message = f"{about} has timed out progressing."
            reason = "ProgressDeadlineExceeded"
            return _condition(before, "Progressing", reason, message, moment, met=False, touched=False)
    message, reason = f"{about} is progressing.", "ReplicaSetUpdated"
    return _condition(before, "Progressing", reason, message, moment, met=True, touched=progressed)


def _progressed(before: Object, counts: Counts) -> bool:
    return (
        counts.updated > before.get("updatedReplicas", 0)
        or counts.ready > before.get("readyReplicas", 0)
        or counts.available > before.get("availableReplicas", 0)
    )


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
