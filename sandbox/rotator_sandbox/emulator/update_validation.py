"""What an update must leave alone in objects of the built-in kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .status import FieldError, forbidden_field, invalid_value, quoted
from .wire import Object, as_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from .resources import Kind

_IMMUTABLE = "field is immutable"
_POD_CHANGES = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be "
    "set to 1 if it was previously negative)"
)
_STATEFUL_SET_FIELDS = frozenset(
    {
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    }
)
_STATEFUL_SET_CHANGES = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
    "'minReadySeconds' are forbidden"
)


def metadata_update_errors(old: Object, new: Object) -> list[FieldError]:
    """Check what an update must leave alone in the metadata."""
    errors = [
        invalid_value(f"metadata.{name}", new.get(name), _IMMUTABLE)
        for name in ("uid", "creationTimestamp")
        if new.get(name) != old.get(name)
    ]
    added = set(new.get("finalizers") or []) - set(old.get("finalizers") or [])
    if old.get("deletionTimestamp") and added:
        listed = ", ".join(quoted(name) for name in sorted(added))
        why = (
            "no new finalizers can be added if the object is being deleted, found new finalizers "
            f"[]string{{{listed}}}"
        )
        errors.append(forbidden_field("metadata.finalizers", why))
    return errors


def _changed(old: Object, new: Object, *names: str) -> list[str]:
    return [name for name in names if old.get(name) != new.get(name)]


def _data_update(old: Object, new: Object) -> list[FieldError]:
    errors = []
    if old.get("immutable"):
        why = "field is immutable when `immutable` is set"
        changed = _changed(old, new, "immutable", "data", "binaryData")
        errors += [forbidden_field(name, why) for name in changed]
    if old.get("type") != new.get("type"):
        errors.append(invalid_value("type", new.get("type"), _IMMUTABLE))
    return errors


def _selector_update(old: Object, new: Object) -> list[FieldError]:
    before, after = as_object(old.get("spec")), as_object(new.get("spec"))
    if before.get("selector") == after.get("selector"):
        return []
    return [invalid_value("spec.selector", after.get("selector"), _IMMUTABLE)]


def _stateful_set_update(old: Object, new: Object) -> list[FieldError]:
    before, after = as_object(old.get("spec")), as_object(new.get("spec"))
    names = (before.keys() | after.keys()) - _STATEFUL_SET_FIELDS
    changed = _changed(before, after, *sorted(names))
    return [forbidden_field("spec", _STATEFUL_SET_CHANGES)] if changed else []


def _job_update(old: Object, new: Object) -> list[FieldError]:
    before, after = as_object(old.get("spec")), as_object(new.get("spec"))
    changed = _changed(before, after, "selector", "completions", "template", "completionMode")
    return [
        invalid_value(f"spec.{name}", after.get(name), _IMMUTABLE)
        for name in changed
        if name != "template" or not before.get("suspend")
    ]


def _fixed_pod_spec(obj: Object) -> Object:
    spec = dict(as_object(obj.get("spec")))
    for name in ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"):
        spec.pop(name, None)
    for name in ("containers", "initContainers"):
        spec[name] = [{**each, "image": ""} for each in spec.get(name) or []]
    return spec


def _pod_update(old: Object, new: Object) -> list[FieldError]:
    if old.get("spec") == new.get("spec") or _fixed_pod_spec(old) == _fixed_pod_spec(new):
        return []
    return [forbidden_field("spec", _POD_CHANGES)]


def _binding_update(old: Object, new: Object) -> list[FieldError]:
    if old.get("roleRef") == new.get("roleRef"):
        return []
    return [invalid_value("roleRef", new.get("roleRef"), "cannot change roleRef")]


_UPDATE_CHECKS: dict[str, Callable[[Object, Object], list[FieldError]]] = {
    "Secret": _data_update,
    "ConfigMap": _data_update,
    "Deployment": _selector_update,
    "DaemonSet": _selector_update,
    "ReplicaSet": _selector_update,
    "StatefulSet": _stateful_set_update,
    "Job": _job_update,
    "Pod": _pod_update,
    "RoleBinding": _binding_update,
    "ClusterRoleBinding": _binding_update,
}


def update_errors(kind: Kind, old: Object, new: Object) -> list[FieldError]:
    """Check what an update of a built-in kind must leave alone."""
    check = _UPDATE_CHECKS.get(kind.name)
    return check(old, new) if check is not None else []
