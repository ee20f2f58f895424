"""What a pod's document says: pure functions over JSON, one question each.

API: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rotator.core.codec import parse_instant
from rotator.systems.kubernetes.api import Json

LONGEST_REASON = 64
"""Characters of a reason that are shown: whoever writes a pod's status may write anything there."""


def controller(pod: Json) -> Json:
    """Return the reference to what made a pod; empty for a bare one."""
    owners: list[Json] = pod["metadata"].get("ownerReferences") or []
    return next((o for o in owners if o.get("controller")), {})


def terminal(pod: Json) -> bool:
    """Whether a pod has ended, and so uses nothing any more."""
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def leaving(document: Json) -> bool:
    """Whether an object is being deleted. A pod signs until it is gone."""
    return bool(document["metadata"].get("deletionTimestamp"))


def created(document: Json) -> datetime:
    """Return when an object was created, in whole seconds."""
    return parse_instant(document["metadata"]["creationTimestamp"])


def ready_since(pod: Json) -> datetime | None:
    """Return since when a pod is ready; None where it is not."""
    for condition in _conditions(pod):
        if condition.get("type") == "Ready" and condition.get("status") == "True":
            stamp = condition.get("lastTransitionTime")
            return parse_instant(stamp) if stamp else created(pod)
    return None


def has_no_node(pod: Json) -> bool:
    """Whether a pod is bound to no node: no kubelet starts it, so it holds nothing, whatever its conditions say.

    API: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#nodename.
    """
    return not (pod.get("spec") or {}).get("nodeName")


def trouble(pod: Json) -> str:
    """Say in the kubelet's or the scheduler's own word why a pod is not ready; empty where none is given."""
    reasons = (str(reason)[:LONGEST_REASON] for reason in _reasons(pod) if reason)
    return next((r for r in reasons if r.isascii() and r.isprintable()), "")


def _reasons(pod: Json) -> Iterator[object]:
    status = pod.get("status") or {}
    for group in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(group) or ():
            state = container.get("state") or {}
            ended = (state.get("terminated") or {}) if not container.get("ready") else {}
            yield (state.get("waiting") or {}).get("reason")
            yield ended.get("reason") if ended.get("exitCode") else None
    yield status.get("reason")
    for condition in _conditions(pod):
        if condition.get("status") == "False" and condition.get("type") in {"PodScheduled", "Ready"}:
            yield condition.get("reason")


def _conditions(pod: Json) -> list[Json]:
    conditions: list[Json] = (pod.get("status") or {}).get("conditions") or []
    return conditions
