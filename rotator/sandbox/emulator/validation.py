"""What the API server refuses in objects of the built-in kinds."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from .names import (
    annotation_errors,
    data_key_errors,
    finalizer_errors,
    label_errors,
    name_errors,
    owner_errors,
)
from .selectors import match_labels
from .status import (
    FieldError,
    bad_request,
    forbidden_field,
    invalid_value,
    quoted,
    required,
    too_long,
    unsupported_value,
)
from .wire import Object, Value, as_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from .resources import Kind

_DATA_LIMIT = 1024 * 1024
_IMMUTABLE = "field is immutable"
_BYTES = {"Secret": ("data",), "ConfigMap": ("binaryData",)}
_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"})
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


def _go_type(value: Value) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _undecodable(kind: Kind, got: Value, place: str, want: str) -> None:
    message = (
        f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: json: '
        f"cannot unmarshal {_go_type(got)} into Go struct field {place} of type {want}"
    )
    raise bad_request(message)


def _check_strings(kind: Kind, holder: Object, name: str, place: str, element: str = "string") -> None:
    values = holder.get(name)
    if values is None:
        return
    if not isinstance(values, dict):
        _undecodable(kind, values, place, f"map[string]{element}")
    for value in values.values():
        if not isinstance(value, str):
            _undecodable(kind, value, place, element)


def _check_base64(kind: Kind, data: Object) -> None:
    for value in data.values():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            message = (
                f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: '
                "illegal base64 data at input byte 0"
            )
            raise bad_request(message) from None


def check_types(kind: Kind, obj: Object) -> None:
    """Refuse values that do not decode into the Go types (400 BadRequest)."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        _undecodable(kind, metadata, f"{kind.name}.metadata", "v1.ObjectMeta")
    for name in ("labels", "annotations"):
        _check_strings(kind, as_object(metadata), name, f"ObjectMeta.metadata.{name}")
    if kind.name in {"Secret", "ConfigMap"}:
        for name in ("data", "stringData", "binaryData"):
            element = "[]uint8" if name in _BYTES.get(kind.name, ()) else "string"
            _check_strings(kind, obj, name, f"{kind.name}.{name}", element)
    if kind.name == "Secret":
        _check_base64(kind, obj.get("data") or {})
    for name in ("spec", "status"):
        if name in kind.fields and not isinstance(obj.get(name, {}), dict):
            want = f"v1.{kind.name}{name.title()}"
            _undecodable(kind, obj[name], f"{kind.name}.{name}", want)


def metadata_errors(kind: Kind, metadata: Object) -> list[FieldError]:
    """Check the metadata of any object."""
    return [
        *name_errors(kind.name, metadata.get("name", "")),
        *label_errors("metadata.labels", metadata.get("labels") or {}),
        *annotation_errors(metadata.get("annotations") or {}),
        *finalizer_errors(metadata.get("finalizers") or []),
        *owner_errors(metadata.get("ownerReferences") or []),
    ]


def metadata_update_errors(old: Object, new: Object) -> list[FieldError]:
    """Check what an update must leave alone in the metadata."""
    errors = []
    for name in ("uid", "creationTimestamp"):
        if new.get(name) != old.get(name):
            errors.append(invalid_value(f"metadata.{name}", new.get(name), _IMMUTABLE))
    added = set(new.get("finalizers") or []) - set(old.get("finalizers") or [])
    if old.get("deletionTimestamp") and added:
        listed = ", ".join(quoted(name) for name in sorted(added))
        why = (
            "no new finalizers can be added if the object is being deleted, found new finalizers "
            f"[]string{{{listed}}}"
        )
        errors.append(forbidden_field("metadata.finalizers", why))
    return errors


def _data_size(obj: Object) -> int:
    plain = sum(len(value.encode()) for value in as_object(obj.get("data")).values())
    return plain + sum(len(value) for value in as_object(obj.get("binaryData")).values()) * 3 // 4


def _secret(obj: Object) -> list[FieldError]:
    data = as_object(obj.get("data"))
    errors = data_key_errors("data", data)
    size = sum(len(base64.b64decode(value)) for value in data.values())
    if size > _DATA_LIMIT:
        errors.append(too_long("data", _DATA_LIMIT))
    wanted = {
        "kubernetes.io/tls": ("tls.crt", "tls.key"),
        "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
        "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    }
    for key in wanted.get(str(obj.get("type")), ()):
        if key not in data:
            errors.append(required(f"data[{key}]"))
    return errors


def _config_map(obj: Object) -> list[FieldError]:
    errors = data_key_errors("data", as_object(obj.get("data")))
    errors += data_key_errors("binaryData", as_object(obj.get("binaryData")))
    if _data_size(obj) > _DATA_LIMIT:
        errors.append(too_long("[]", _DATA_LIMIT))
    return errors


def _lease(obj: Object) -> list[FieldError]:
    spec, errors = as_object(obj.get("spec")), []
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if isinstance(duration, int) and duration <= 0:
        errors.append(invalid_value("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    if isinstance(transitions, int) and transitions < 0:
        why = "must be greater than or equal to 0"
        errors.append(invalid_value("spec.leaseTransitions", transitions, why))
    return errors


def _pod_spec(spec: Object, path: str) -> list[FieldError]:
    containers = spec.get("containers") or []
    errors = [] if containers else [required(f"{path}.containers")]
    seen: set[str] = set()
    for index, container in enumerate(containers):
        place, name = f"{path}.containers[{index}]", container.get("name")
        if not name:
            errors.append(required(f"{place}.name"))
        elif name in seen:
            message = f"Duplicate value: {quoted(name)}"
            errors.append(FieldError("FieldValueDuplicate", f"{place}.name", message))
        seen.add(name)
        if not container.get("image"):
            errors.append(required(f"{place}.image"))
    return errors


def _workload(obj: Object) -> list[FieldError]:
    spec, errors = as_object(obj.get("spec")), []
    selector = as_object(spec.get("selector"))
    template = as_object(spec.get("template"))
    labels = as_object(as_object(template.get("metadata")).get("labels"))
    if not selector:
        errors.append(required("spec.selector"))
    if not selector or not match_labels(selector, labels):
        why = "`selector` does not match template `labels`"
        errors.append(invalid_value("spec.template.metadata.labels", labels, why))
    replicas = spec.get("replicas", 0)
    if isinstance(replicas, int) and replicas < 0:
        why = "must be greater than or equal to 0"
        errors.append(invalid_value("spec.replicas", replicas, why))
    pod = as_object(template.get("spec"))
    errors += _pod_spec(pod, "spec.template.spec")
    if pod.get("restartPolicy") != "Always":
        path = "spec.template.spec.restartPolicy"
        errors.append(unsupported_value(path, pod.get("restartPolicy"), ["Always"]))
    return errors


def _job_template(spec: Object, path: str) -> list[FieldError]:
    pod = as_object(as_object(spec.get("template")).get("spec"))
    errors = _pod_spec(pod, f"{path}.template.spec")
    if pod.get("restartPolicy") not in {"Never", "OnFailure"}:
        place = f"{path}.template.spec.restartPolicy"
        if pod.get("restartPolicy") == "Always":
            message = 'Required value: valid values: "OnFailure", "Never"'
            errors.append(FieldError("FieldValueRequired", place, message))
        else:
            errors.append(unsupported_value(place, pod.get("restartPolicy"), ["OnFailure", "Never"]))
    return errors


def _job(obj: Object) -> list[FieldError]:
    return _job_template(as_object(obj.get("spec")), "spec")


def _cron_job(obj: Object) -> list[FieldError]:
    spec = as_object(obj.get("spec"))
    errors = [] if spec.get("schedule") else [required("spec.schedule")]
    policy = spec.get("concurrencyPolicy")
    if policy not in {"Allow", "Forbid", "Replace"}:
        allowed = ["Allow", "Forbid", "Replace"]
        errors.append(unsupported_value("spec.concurrencyPolicy", policy, allowed))
    job = as_object(as_object(spec.get("jobTemplate")).get("spec"))
    return errors + _job_template(job, "spec.jobTemplate.spec")


def _pod(obj: Object) -> list[FieldError]:
    return _pod_spec(as_object(obj.get("spec")), "spec")


def _event(obj: Object) -> list[FieldError]:
    involved = as_object(obj.get("involvedObject"))
    namespace = involved.get("namespace") or "default"
    if obj["metadata"].get("namespace") == namespace:
        return []
    why = "does not match event.namespace"
    return [invalid_value("involvedObject.namespace", involved.get("namespace", ""), why)]


def _binding(obj: Object) -> list[FieldError]:
    role = as_object(obj.get("roleRef"))
    errors = []
    if role.get("kind") not in {"Role", "ClusterRole"}:
        allowed = ["Role", "ClusterRole"]
        errors.append(unsupported_value("roleRef.kind", role.get("kind", ""), allowed))
    if not role.get("name"):
        errors.append(required("roleRef.name"))
    return errors


def _definition(obj: Object) -> list[FieldError]:
    spec = as_object(obj.get("spec"))
    names, name = as_object(spec.get("names")), obj["metadata"].get("name", "")
    errors = []
    if name != f"{names.get('plural')}.{spec.get('group')}":
        why = 'must be spec.names.plural+"."+spec.group'
        errors.append(invalid_value("metadata.name", name, why))
    versions = spec.get("versions") or []
    if sum(1 for version in versions if version.get("storage")) != 1:
        why = "must have exactly one version marked as storage version"
        errors.append(invalid_value("spec.versions", versions, why))
    return errors


_CHECKS: dict[str, Callable[[Object], list[FieldError]]] = {
    "Secret": _secret,
    "ConfigMap": _config_map,
    "Lease": _lease,
    "Pod": _pod,
    "Event": _event,
    "Job": _job,
    "CronJob": _cron_job,
    "CustomResourceDefinition": _definition,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    **dict.fromkeys(_WORKLOADS, _workload),
}


def object_errors(kind: Kind, obj: Object) -> list[FieldError]:
    """Check an object of a built-in kind by itself."""
    check = _CHECKS.get(kind.name)
    return check(obj) if check is not None else []


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
