"""How each kind prepares an object for being created or updated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .customs import custom_errors, prune
from .defaults import set_defaults
from .status import FieldError, invalid
from .update_validation import metadata_update_errors, update_errors
from .validation import (
    metadata_errors,
    object_errors,
)
from .wire import Object

if TYPE_CHECKING:
    from .resources import Kind

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
    """Order an object as the Go types do, and leave empty metadata out."""
    metadata = obj.get("metadata") or {}
    kept = {name: value for name, value in metadata.items() if value not in (None, "", {}, [])}
    head: Object = {"kind": kind.name, "apiVersion": kind.api_version, "metadata": kept}
    return {**head, **{name: value for name, value in obj.items() if name not in head}}


def normalise(kind: Kind, obj: Object) -> Object:
    """Bring a decoded object into the form that is stored: defaults filled, fields pruned."""
    obj = tidy(kind, obj)
    if kind.custom is not None:
        return prune(kind.custom.schema, obj)
    set_defaults(kind.name, obj)
    return obj


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
