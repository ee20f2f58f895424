"""The definition of Argo Rollouts, as far as a client that restarts workloads needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .wire import Object

_OPEN: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def rollout_definition() -> Object:
    """Give the CustomResourceDefinition of argoproj.io/v1alpha1 Rollouts."""
    spec = {
        **_OPEN,
        "properties": {
            "replicas": {"type": "integer", "format": "int32"},
            "paused": {"type": "boolean"},
            "minReadySeconds": {"type": "integer", "format": "int32"},
            "progressDeadlineSeconds": {"type": "integer", "format": "int32"},
            "selector": _OPEN,
            "template": _OPEN,
            "strategy": _OPEN,
        },
    }
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "required": ["spec"],
                "properties": {"spec": spec, "status": _OPEN},
            }
        },
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.HPAReplicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": "Desired", "type": "integer", "jsonPath": ".spec.replicas"},
            {"name": "Current", "type": "integer", "jsonPath": ".status.replicas"},
            {"name": "Up-to-date", "type": "integer", "jsonPath": ".status.updatedReplicas"},
            {"name": "Available", "type": "integer", "jsonPath": ".status.availableReplicas"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rollouts.argoproj.io"},
        "spec": {
            "group": "argoproj.io",
            "scope": "Namespaced",
            "names": {
                "plural": "rollouts",
                "singular": "rollout",
                "kind": "Rollout",
                "listKind": "RolloutList",
                "shortNames": ["ro"],
            },
            "versions": [version],
        },
    }
