"""Replica sets of Deployments and Rollouts: one for each revision of the pod template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .pods import owner_reference
from .wire import as_object

if TYPE_CHECKING:
    from .wire import Object

_HISTORY = 10
_REVISION = "deployment.kubernetes.io/revision"


def ordinal_of(sets: list[Object]) -> int:
    """Give the highest revision number among replica sets."""
    numbers = [as_object(each["metadata"].get("annotations")).get(_REVISION, "0") for each in sets]
    return max(map(int, numbers), default=0)


def newest(sets: list[Object]) -> Object | None:
    """Give the replica set of the latest revision."""
    return max(sets, key=lambda each: ordinal_of([each]), default=None)


def superseded(sets: list[Object], workload: Object) -> list[Object]:
    """Give the empty replica sets beyond the history that the workload keeps."""
    kept = int(workload["spec"].get("revisionHistoryLimit", _HISTORY))
    empty = [each for each in sets if not as_object(each.get("status")).get("replicas")]
    ranked = sorted(empty, key=lambda each: -ordinal_of([each]))
    return ranked[kept:]


def replica_set(workload: Object, name: str, revision: str, number: int) -> Object:
    """Give the replica set to create for a revision of a Deployment or a Rollout."""
    rollout = workload["kind"] == "Rollout"
    label = {("rollouts-" if rollout else "") + "pod-template-hash": revision}
    template = as_object(workload["spec"]["template"])
    meta = as_object(template.get("metadata"))
    labels = {**as_object(meta.get("labels")), **label}
    selector = as_object(workload["spec"].get("selector"))
    matched = {**as_object(selector.get("matchLabels")), **label}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": workload["metadata"]["namespace"],
            "labels": labels,
            "annotations": {_REVISION: str(number)},
            "ownerReferences": [owner_reference(workload)],
        },
        "spec": {
            "replicas": 0,
            "selector": {**selector, "matchLabels": matched},
            "template": {**template, "metadata": {**meta, "labels": labels}},
        },
    }
