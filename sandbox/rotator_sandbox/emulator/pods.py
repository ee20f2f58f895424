"""Pods of workloads: how one is made from a template, and what its status says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .durations import parse_time
from .rollouts import Pod
from .state import timestamp
from .wire import Object, as_object

if TYPE_CHECKING:
    from datetime import datetime

    from .containers import HeldBackError

REVISION_LABELS = ("pod-template-hash", "rollouts-pod-template-hash", "controller-revision-hash")
ORDINAL_LABEL = "apps.kubernetes.io/pod-index"


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What all pods of one revision of a workload have in common."""

    namespace: str
    template: Object
    labels: dict[str, str]
    owner: Object


def owner_reference(owner: Object) -> Object:
    """Give the ownerReference of a controller to its dependents."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(obj: Object) -> str:
    """Give the uid of the controller that owns an object, or nothing."""
    for owner in obj["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            return str(owner["uid"])
    return ""


def build_pod(
    blueprint: Blueprint, name: str, node: str, more_labels: dict[str, str] | None = None
) -> Object:
    """Give the pod to create: the template's labels, annotations and spec, on a node."""
    meta = as_object(blueprint.template.get("metadata"))
    labels = {**as_object(meta.get("labels")), **blueprint.labels, **(more_labels or {})}
    metadata: Object = {
        "name": name,
        "namespace": blueprint.namespace,
        "labels": labels,
        "ownerReferences": [blueprint.owner],
    }
    if meta.get("annotations"):
        metadata["annotations"] = meta["annotations"]
    spec = {**as_object(blueprint.template.get("spec")), "nodeName": node}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _condition(name: str, now: str, *, met: bool) -> Object:
    return {"type": name, "status": "True" if met else "False", "lastTransitionTime": now}


def _container_status(container: Object, started: str, *, ready: bool) -> Object:
    return {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": "",
        "ready": ready,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": started}},
    }


def running_status(pod: Object, now: datetime, *, ready: bool) -> Object:
    """Give the status of a pod that runs, and is or is not ready, as the kubelet reports it."""
    moment = timestamp(now)
    before = as_object(pod.get("status"))
    started = before.get("startTime") or moment
    held = {each["type"]: each for each in before.get("conditions") or []}
    conditions = [
        held.get("PodScheduled") or _condition("PodScheduled", moment, met=True),
        held.get("Initialized") or _condition("Initialized", moment, met=True),
        _condition("ContainersReady", moment, met=ready),
        _condition("Ready", moment, met=ready),
    ]
    statuses = [
        _container_status(each, started, ready=ready)
        for each in as_object(pod.get("spec")).get("containers") or []
    ]
    return {
        "phase": "Running",
        "startTime": started,
        "conditions": conditions,
        "containerStatuses": statuses,
    }


def held_back_status(pod: Object, held: HeldBackError) -> Object:
    """Give the status of a pod whose containers cannot start yet, as the kubelet reports it."""
    waiting = {"waiting": {"reason": held.reason, "message": str(held)}}
    containers = as_object(pod.get("spec")).get("containers") or []
    statuses = [
        {
            "name": each["name"],
            "image": each.get("image", ""),
            "imageID": "",
            "ready": False,
            "started": False,
            "restartCount": 0,
            "state": waiting,
        }
        for each in containers
    ]
    return {"phase": "Pending", "containerStatuses": statuses}


def ready_since(pod: Object) -> datetime | None:
    """Give since when a pod is ready, or nothing."""
    for condition in as_object(pod.get("status")).get("conditions") or []:
        if condition.get("type") == "Ready" and condition.get("status") == "True":
            return parse_time(condition["lastTransitionTime"])
    return None


def revision_of(pod: Object) -> str:
    """Give the template revision that a pod was made from."""
    labels = as_object(pod["metadata"].get("labels"))
    for name in REVISION_LABELS:
        if name in labels:
            return str(labels[name])
    return ""


def view_pod(pod: Object, now: datetime, min_ready: int) -> Pod:
    """Give what a rollout needs to know about a pod."""
    since = ready_since(pod)
    available = since is not None and (now - since).total_seconds() >= min_ready
    metadata = pod["metadata"]
    ordinal = as_object(metadata.get("labels")).get(ORDINAL_LABEL)
    slot = str(ordinal or as_object(pod.get("spec")).get("nodeName", ""))
    return Pod(
        metadata["name"],
        revision_of(pod),
        ready=since is not None,
        available=available,
        terminating=bool(metadata.get("deletionTimestamp")),
        slot=slot,
    )
