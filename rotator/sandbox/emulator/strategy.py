"""How each kind prepares an object for being created or updated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .customs import custom_errors, prune
from .defaults import set_defaults, without_nulls
from .status import FieldError, invalid
from .validation import (
    check_types,
    metadata_errors,
    metadata_update_errors,
    object_errors,
    update_errors,
)
from .wire import Object

if TYPE_CHECKING:
    from .resources import Kind

_METADATA = frozenset(
    {
        "name",
        "generateName",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "managedFields",
    }
)
_TEMPLATES = "deprecated.daemonset.template.generation"
_INITIAL_STATUS: dict[str, Object] = {
    "Namespace": {"phase": "Active"},
    "Pod": {"phase": "Pending", "qosClass": "BestEffort"},
    "Service": {"loadBalancer": {}},
    "StatefulSet": {"replicas": 0, "availableReplicas": 0},
    "ReplicaSet": {"replicas": 0},
    "DaemonSet": {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    },
}


def tidy(kind: Kind, obj: Object) -> Object:
    """Keep the fields that the kind has, in the order of the Go types, with tidy metadata."""
    metadata = obj.get("metadata")
    tidied: Object = {"kind": kind.name, "apiVersion": kind.api_version, "metadata": {}}
    if isinstance(metadata, dict):
        tidied["metadata"] = {
            name: value
            for name, value in metadata.items()
            if name in _METADATA and value not in (None, "", {}, [])
        }
    elif metadata is not None:
        check_types(kind, obj)
    for name, value in obj.items():
        if name in tidied or (kind.custom is None and name not in kind.known_fields):
            continue
        tidied[name] = value
    return tidied


def normalise(kind: Kind, obj: Object, *, nulls: bool) -> Object:
    """Bring an object that a client wrote into the form that is stored."""
    obj = tidy(kind, without_nulls(obj) if nulls else obj)
    if kind.custom is None:
        check_types(kind, obj)
        set_defaults(kind.name, obj)
        return obj
    return prune(kind.custom.schema, obj)


def prepare_create(kind: Kind, obj: Object) -> None:
    """Set what a new object starts with: its generation, and the status of its kind."""
    if kind.has("status"):
        obj.pop("status", None)
        if kind.custom is None:
            obj["status"] = dict(_INITIAL_STATUS.get(kind.name, {}))
    if kind.name == "DaemonSet" and kind.custom is None:
        _count_templates(None, obj)
    if kind.generation:
        obj["metadata"]["generation"] = 1
    else:
        obj["metadata"].pop("generation", None)


def prepare_update(kind: Kind, old: Object, new: Object, subresource: str) -> None:
    """Keep what this write may not change, and count the generation."""
    if subresource == "status":
        _keep_all_but_status(kind, old, new)
    elif kind.has("status"):
        _carry(old, new, "status")
    before, after = old["metadata"], new["metadata"]
    for name in ("uid", "creationTimestamp"):
        if name not in after and name in before:
            after[name] = before[name]
    for name in ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        _carry(before, after, name)
    _carry(before, after, "generation")
    if kind.generation and subresource != "status" and _spec_changed(kind, old, new):
        after["generation"] = before.get("generation", 0) + 1
    if kind.name == "DaemonSet" and kind.custom is None:
        _count_templates(old, new)


def _count_templates(old: Object | None, new: Object) -> None:
    """Number the templates of a DaemonSet, in the annotation that still stands for it."""
    annotations = new["metadata"].get("annotations") or {}
    number = 1
    if old is not None:
        before = (old["metadata"].get("annotations") or {}).get(_TEMPLATES, "1")
        changed = old["spec"].get("template") != new["spec"].get("template")
        number = int(before) + changed
    new["metadata"]["annotations"] = {**annotations, _TEMPLATES: str(number)}


def _carry(old: Object, new: Object, name: str) -> None:
    if name in old:
        new[name] = old[name]
    else:
        new.pop(name, None)


def _keep_all_but_status(kind: Kind, old: Object, new: Object) -> None:
    for name in list(new.keys() | old.keys()):
        if name not in {"status", "metadata"}:
            _carry(old, new, name)
    if kind.custom is not None:
        version = new["metadata"].get("resourceVersion")
        new["metadata"] = {**old["metadata"], "resourceVersion": version}
    else:
        _carry(old["metadata"], new["metadata"], "labels")


def _spec_changed(kind: Kind, old: Object, new: Object) -> bool:
    if kind.custom is not None:
        ignored = {"metadata", "status"} if kind.has("status") else {"metadata"}
        names = (old.keys() | new.keys()) - ignored
        return any(old.get(name) != new.get(name) for name in names)
    if old.get("spec") != new.get("spec"):
        return True
    before, after = old["metadata"].get("annotations"), new["metadata"].get("annotations")
    return kind.name == "Deployment" and before != after


def check(kind: Kind, obj: Object, old: Object | None = None) -> None:
    """Refuse an object that is not valid, by itself or as the successor of another."""
    errors: list[FieldError] = metadata_errors(kind, obj["metadata"])
    if old is not None:
        errors += metadata_update_errors(old["metadata"], obj["metadata"])
    if kind.custom is not None:
        errors += custom_errors(kind.custom.schema, obj)
    else:
        errors += object_errors(kind, obj)
        if old is not None:
            errors += update_errors(kind, old, obj)
    if errors:
        raise invalid(kind, obj["metadata"].get("name", ""), errors)
