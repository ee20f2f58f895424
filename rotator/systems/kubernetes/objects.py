"""What objects of the Kubernetes API look like, as far as we read them.

One shape a kind, looked at once, when an object arrives: what reads objects later need not doubt it. Fields of the API that
are not named here are nobody's business, and pass.
API: https://kubernetes.io/docs/reference/kubernetes-api/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rotator import kinds
from rotator.core.shapes import (
    TEXTS,
    Shape,
    anything,
    as_written,
    count,
    filled,
    flag,
    lenient,
    listed,
    mapping,
    moment,
    record,
    text,
)
from rotator.kinds import Kind

ANY = mapping(anything)
"""An object of which nothing is known."""
_INSTANT = as_written(moment)

_OWNER = record({}, {"kind": text, "name": text, "apiVersion": text, "uid": text, "controller": flag})
_MANAGER = record({}, {"manager": text, "time": text, "fieldsV1": record({}, {"f:spec": ANY})})
_IDENTITY = {"name": text, "namespace": text, "resourceVersion": text}
_MORE = {
    "uid": text,
    "generation": count,
    "labels": TEXTS,
    "annotations": TEXTS,
    "creationTimestamp": _INSTANT,
    "deletionTimestamp": _INSTANT,
    "finalizers": listed(text),
    "ownerReferences": listed(_OWNER),
    "managedFields": listed(_MANAGER),
}
_METADATA = record(_IDENTITY, _MORE)
_DATED = record({**_IDENTITY, "creationTimestamp": _INSTANT}, _MORE)

_KEY = record({}, {"name": text, "key": text, "optional": flag})
_NAMED = record({}, {"name": text})
_ITEMS = {"optional": flag, "items": listed(record({}, {"key": text, "path": text}))}
_SECRET = record({}, {"secretName": text, "name": text, **_ITEMS})
_CONFIG_MAP = record({}, {"name": text, **_ITEMS})
_FROM = {"secret": _SECRET, "configMap": _CONFIG_MAP}
_WITH_LOGIN = ("cephfs", "cinder", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos")
_VOLUME = record(
    {},
    {
        "name": text,
        **_FROM,
        "projected": record({}, {"sources": listed(record({}, _FROM))}),
        "csi": record({}, {"nodePublishSecretRef": _NAMED}),
        "azureFile": record({}, {"secretName": text}),
        **dict.fromkeys(_WITH_LOGIN, record({}, {"secretRef": _NAMED})),
    },
)
_ENV = record({}, {"name": text, "valueFrom": record({}, {"secretKeyRef": _KEY, "configMapKeyRef": _KEY})})
_CONTAINER = record(
    {},
    {
        "name": text,
        "restartPolicy": text,
        "env": listed(_ENV),
        "envFrom": listed(record({}, {"secretRef": _NAMED, "configMapRef": _NAMED})),
        "volumeMounts": listed(record({}, {"name": text, "subPath": text, "subPathExpr": text})),
    },
)
_GROUPS = ("initContainers", "containers", "ephemeralContainers")
_POD_SPEC = record(
    {}, {"nodeName": text, "volumes": listed(_VOLUME), **dict.fromkeys(_GROUPS, listed(_CONTAINER))}
)
_CONDITIONS = listed(
    record(
        {}, {"type": text, "status": text, "reason": text, "message": text, "lastTransitionTime": _INSTANT}
    )
)
_STATE = record(
    {},
    {
        "running": record({}, {"startedAt": _INSTANT}),
        "waiting": record({}, {"reason": text}),
        "terminated": record({}, {"startedAt": _INSTANT, "reason": text}),
    },
)
_STATUSES = listed(record({}, {"name": text, "ready": flag, "state": _STATE}))
_CONDITION = record(
    {}, {"type": text, "status": text, "reason": text, "message": text, "observedGeneration": count}
)
_JWT_RULE = record({}, {"issuer": text, "jwks": text, "jwksUri": text})
_ENDPOINT = record(
    {"addresses": listed(filled)},
    {"conditions": record({}, {"ready": flag, "serving": flag, "terminating": flag})},
)
_ENDPOINT_SLICE = {"addressType": text, "endpoints": listed(_ENDPOINT)}
_POD = {
    "spec": _POD_SPEC,
    "status": record(
        {},
        {
            "phase": text,
            "reason": text,
            "conditions": _CONDITIONS,
            "initContainerStatuses": _STATUSES,
            "containerStatuses": _STATUSES,
            "ephemeralContainerStatuses": _STATUSES,
        },
    ),
}

_RULE = record({"key": text, "operator": text}, {"values": listed(text)})
_WORKLOAD = {
    "spec": record(
        {},
        {
            "replicas": count,
            "paused": flag,
            "selector": record({}, {"matchLabels": TEXTS, "matchExpressions": listed(_RULE)}),
            "workloadRef": record({}, {"kind": text, "name": text}),
            "template": record(
                {}, {"metadata": record({}, {"labels": TEXTS, "annotations": TEXTS}), "spec": _POD_SPEC}
            ),
            "updateStrategy": record({}, {"type": text, "rollingUpdate": record({}, {"partition": count})}),
        },
    ),
    "status": record(
        {},
        {
            **dict.fromkeys(
                (
                    "replicas",
                    "updatedReplicas",
                    "readyReplicas",
                    "availableReplicas",
                    "desiredNumberScheduled",
                    "currentNumberScheduled",
                    "updatedNumberScheduled",
                    "numberAvailable",
                ),
                count,
            ),
            "conditions": _CONDITIONS,
            "phase": text,
            "message": text,
            "stableRS": text,
            "currentPodHash": text,
            "controllerPause": flag,
            "pauseConditions": listed(record({}, {"reason": text})),
            "workloadObservedGeneration": text,
        },
    ),
}

_DATA = {"data": TEXTS, "binaryData": TEXTS, "immutable": flag, "type": text}
_ROTATION = {
    "spec": record({}, {"credential": ANY}),
    "status": lenient(
        record(
            {},
            {
                "revision": count,
                "observedGeneration": count,
                "conditions": listed(record({"type": text}, {"status": text, "lastTransitionTime": text})),
            },
        ),
        {},
    ),
}
_PARTS: Mapping[Kind, Mapping[str, Shape[Any]]] = {
    kinds.SECRET: _DATA,
    kinds.CONFIG_MAP: _DATA,
    kinds.POD: _POD,
    kinds.ROTATION: _ROTATION,
    kinds.ENDPOINT_SLICE: _ENDPOINT_SLICE,
    kinds.KONG_CONSUMER: {
        "credentials": listed(text),
        "status": record({}, {"conditions": listed(_CONDITION)}),
    },
    kinds.REQUEST_AUTHENTICATION: {"spec": record({}, {"jwtRules": listed(as_written(_JWT_RULE))})},
    **dict.fromkeys(kinds.WORKLOADS, _WORKLOAD),
}
_DATED_KINDS = {kinds.POD, *kinds.WORKLOADS}
"""Of these it counts when they were made."""
METADATA = record({"metadata": _METADATA})
"""What every object has, and all that a list of metadata shows."""
SHAPES: Mapping[Kind, Shape[dict[str, Any]]] = {
    kind: record({"metadata": _DATED if kind in _DATED_KINDS else _METADATA}, parts)
    for kind, parts in _PARTS.items()
}
"""What is known of the kinds whose contents are read. A Lease is no barrier, so what is odd on one holds nothing."""
NAMESPACE = record({"metadata": record({"name": text}, {"deletionTimestamp": _INSTANT})}, {})
PAGE = record({"items": listed(anything), "metadata": record({}, {"continue": text})})
"""A page of a list (ListMeta)."""
