"""What a workload's and a pod's document says: pure functions over JSON, one question each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rotator.core.codec import parse_instant
from rotator.kinds import DAEMON_SET, PREFIX, ROLLOUT, SECRET, STATEFUL_SET, Kind

Json = dict[str, Any]
LONGEST_NAME = 63
"""The name part of an annotation key has at most 63 characters (Kubernetes: annotations, syntax)."""
RELOADER = "reloader.stakater.com/"


def annotation_key(rotation: str, role: str) -> str:
    """Return the key of the pod-template annotation that carries the version a pod runs."""
    name = rotation.replace("/", ".")
    tail = f".{role}"
    return f"{PREFIX}/{name[: LONGEST_NAME - len(tail)].rstrip('.-')}{tail}"


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload as it was read."""

    kind: Kind
    document: Json

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.document["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.document["metadata"]["name"])

    @property
    def label(self) -> str:
        """`deployment payments/api`."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def paused(self) -> bool:
        """Whether its owner has paused rollouts."""
        return bool(self.document["spec"].get("paused"))

    @property
    def reloaded_by_others(self) -> bool:
        """Whether Stakater Reloader restarts it: then we wait for it instead of fighting it."""
        keys = self.document["metadata"].get("annotations") or {}
        return any(k.startswith(RELOADER) or f".{RELOADER}" in f".{k}" for k in keys)

    def annotation(self, key: str) -> str:
        """Return an annotation of the pod template, or an empty text."""
        metadata = self.document["spec"]["template"].get("metadata") or {}
        return str((metadata.get("annotations") or {}).get(key, ""))

    def references(self, kind: Kind, name: str) -> bool:
        """Whether its pods read the Secret or ConfigMap `name`."""
        return references(self.document["spec"]["template"].get("spec") or {}, kind, name)

    def selects(self, pod: Json) -> bool:
        """Whether `pod` is one of its pods (equality selectors, which all workload kinds have)."""
        wanted = self.document["spec"]["selector"].get("matchLabels") or {}
        labels = pod["metadata"].get("labels") or {}
        return bool(wanted) and wanted.items() <= labels.items()


def references(pod_spec: Json, kind: Kind, name: str) -> bool:
    """Whether a pod spec reads the Secret or ConfigMap `name` by env, envFrom, volumes or projected volumes."""
    return name in (_secret_names(pod_spec) if kind is SECRET else _config_map_names(pod_spec))


def _containers(pod_spec: Json) -> Iterator[Json]:
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod_spec.get(group) or ()


def _secret_names(spec: Json) -> Iterator[str]:
    for container in _containers(spec):
        for env in container.get("env") or ():
            yield ((env.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name", "")
        for env in container.get("envFrom") or ():
            yield (env.get("secretRef") or {}).get("name", "")
    for volume in spec.get("volumes") or ():
        yield (volume.get("secret") or {}).get("secretName", "")
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield (source.get("secret") or {}).get("name", "")


def _config_map_names(spec: Json) -> Iterator[str]:
    for container in _containers(spec):
        for env in container.get("env") or ():
            yield ((env.get("valueFrom") or {}).get("configMapKeyRef") or {}).get("name", "")
        for env in container.get("envFrom") or ():
            yield (env.get("configMapRef") or {}).get("name", "")
    for volume in spec.get("volumes") or ():
        yield (volume.get("configMap") or {}).get("name", "")
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield (source.get("configMap") or {}).get("name", "")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rollout is."""

    waiting: str = ""
    """What is missing; empty when it is complete."""
    failed: str = ""
    """Why it will not complete by waiting."""


def progress(workload: Workload) -> Progress:
    """Read a rollout's progress from the status, as `kubectl rollout status` does."""
    status = workload.document.get("status") or {}
    generation = workload.document["metadata"].get("generation", 0)
    if int(status.get("observedGeneration") or 0) < generation:
        return Progress(waiting="its controller has not seen the change yet")
    if workload.kind is DAEMON_SET:
        return _daemon_set(workload.document["spec"], status)
    if workload.kind is STATEFUL_SET and (blocked := _blocked(workload.document["spec"])):
        return Progress(failed=blocked)
    return _replicated(workload, status)


def _daemon_set(spec: Json, status: Json) -> Progress:
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return Progress(waiting="its update strategy is OnDelete: delete its pods to go on")
    wanted = status.get("desiredNumberScheduled", 0)
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    if updated < wanted or available < wanted:
        return Progress(waiting=f"{updated} of {wanted} pods updated, {available} available")
    return Progress()


def _blocked(spec: Json) -> str:
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return "its update strategy is OnDelete: delete its pods, or use RollingUpdate"
    if (strategy.get("rollingUpdate") or {}).get("partition"):
        return "its rolling update has a partition: pods below it keep the old version"
    return ""


def _replicated(workload: Workload, status: Json) -> Progress:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return Progress(
                failed="its rollout has exceeded its progress deadline (ProgressDeadlineExceeded)"
            )
    if workload.kind is ROLLOUT and status.get("phase") == "Degraded":
        return Progress(failed="the Rollout is Degraded")
    wanted = workload.document["spec"].get("replicas", 1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    if updated < wanted or total > updated or available < wanted:
        old = max(0, total - updated)
        return Progress(waiting=f"{updated} of {wanted} replicas updated, {available} available, {old} old")
    return Progress()


def terminal(pod: Json) -> bool:
    """Whether a pod has ended, and so uses nothing any more."""
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def created(pod: Json) -> datetime:
    """Return when a pod was created."""
    return parse_instant(pod["metadata"]["creationTimestamp"])


def ready_since(pod: Json) -> datetime | None:
    """Return since when a pod is ready; None where it is not."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready" and condition.get("status") == "True":
            stamp = condition.get("lastTransitionTime")
            return parse_instant(stamp) if stamp else created(pod)
    return None
