"""The definition of Argo Rollouts, as far as a client that restarts workloads needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .wire import Object

_OPEN: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_NUMBER: Object = {"type": "integer", "format": "int32"}
_SPEC: Object = {
    **_OPEN,
    "properties": {
        "replicas": _NUMBER,
        "paused": {"type": "boolean"},
        "minReadySeconds": _NUMBER,
        "progressDeadlineSeconds": _NUMBER,
        "selector": _OPEN,
        "template": _OPEN,
        "strategy": _OPEN,
    },
}
_SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.HPAReplicas",
    "labelSelectorPath": ".status.selector",
}
_COLUMNS = (
    ("Desired", "integer", ".spec.replicas"),
    ("Current", "integer", ".status.replicas"),
    ("Up-to-date", "integer", ".status.updatedReplicas"),
    ("Available", "integer", ".status.availableReplicas"),
    ("Age", "date", ".metadata.creationTimestamp"),
)
_NAMES: Object = {
    "plural": "rollouts",
    "singular": "rollout",
    "kind": "Rollout",
    "listKind": "RolloutList",
    "shortNames": ["ro"],
}


def _version() -> Object:
    properties = {"spec": _SPEC, "status": _OPEN}
    return {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": properties}},
        "subresources": {"status": {}, "scale": _SCALE},
        "additionalPrinterColumns": [
            {"name": name, "type": type_, "jsonPath": path} for name, type_, path in _COLUMNS
        ],
    }


def rollout_definition() -> Object:
    """Give the CustomResourceDefinition of argoproj.io/v1alpha1 Rollouts."""
    spec = {"group": "argoproj.io", "scope": "Namespaced", "names": _NAMES, "versions": [_version()]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rollouts.argoproj.io"},
        "spec": spec,
    }
