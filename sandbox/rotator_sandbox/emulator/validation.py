"""What the API server refuses in objects of the built-in kinds."""

from __future__ import annotations

import base64
import json
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
    invalid_value,
    quoted,
    required,
    too_long,
    unsupported_value,
)
from .wire import Object, as_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .resources import Kind

_DATA_LIMIT = 1024 * 1024
_CRON_FIELDS = 5
_SUBJECTS = ("ServiceAccount", "User", "Group")
_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"})


def metadata_errors(kind: Kind, metadata: Object) -> list[FieldError]:
    """Check the metadata of any object."""
    return [
        *name_errors(kind.name, metadata.get("name", "")),
        *label_errors("metadata.labels", metadata.get("labels") or {}),
        *annotation_errors(metadata.get("annotations") or {}),
        *finalizer_errors(metadata.get("finalizers") or []),
        *owner_errors(metadata.get("ownerReferences") or []),
    ]


def _data_size(obj: Object) -> int:
    plain = sum(len(value.encode()) for value in as_object(obj.get("data")).values())
    return plain + sum(len(value) for value in as_object(obj.get("binaryData")).values()) * 3 // 4


def _secret(obj: Object) -> list[FieldError]:
    data = as_object(obj.get("data"))
    errors = data_key_errors("data", data)
    size = sum(len(base64.b64decode(value)) for value in data.values())
    if size > _DATA_LIMIT:
        errors.append(too_long("data", _DATA_LIMIT))
    return errors + list(_of_type(str(obj.get("type")), obj, data))


def _of_type(kind: str, obj: Object, data: Object) -> Iterator[FieldError]:
    """Check what the type of a Secret asks of its data: `ValidateSecret` of the core API's validation."""
    match kind.removeprefix("kubernetes.io/") if kind.startswith("kubernetes.io/") else "":
        case "tls":
            yield from (required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data)
        case "ssh-auth" if not data.get("ssh-privatekey"):
            yield required("data[ssh-privatekey]")
        case "basic-auth" if not data.keys() & {"username", "password"}:
            yield from (required(f"data[{key}]") for key in ("username", "password"))
        case "dockercfg" | "dockerconfigjson" as name:
            yield from _document(f".{name}", data)
        case "service-account-token":
            annotation = "kubernetes.io/service-account.name"
            metadata = as_object(obj.get("metadata"))
            if not as_object(metadata.get("annotations")).get(annotation):
                yield required(f"metadata.annotations[{annotation}]")


def _document(key: str, data: Object) -> Iterator[FieldError]:
    """Check that a data key holds a JSON object; the value itself is never shown."""
    if key not in data:
        yield required(f"data[{key}]")
        return
    try:
        found = json.loads(base64.b64decode(data[key]))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        yield invalid_value(f"data[{key}]", "<secret contents redacted>", "it is no JSON object")


def _config_map(obj: Object) -> list[FieldError]:
    errors = data_key_errors("data", as_object(obj.get("data")))
    errors += data_key_errors("binaryData", as_object(obj.get("binaryData")))
    for key in as_object(obj.get("binaryData")):
        if key in as_object(obj.get("data")):
            errors.append(invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData"))
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


def _volumes(spec: Object, path: str) -> list[FieldError]:
    errors = []
    for index, volume in enumerate(spec.get("volumes") or []):
        place = f"{path}.volumes[{index}]"
        if not volume.get("name"):
            errors.append(required(f"{place}.name"))
        if "secret" in volume and not volume["secret"].get("secretName"):
            errors.append(required(f"{place}.secret.secretName"))
        if "configMap" in volume and not volume["configMap"].get("name"):
            errors.append(required(f"{place}.configMap.name"))
    return errors


def _container(container: Object, place: str) -> list[FieldError]:
    errors = [] if container.get("image") else [required(f"{place}.image")]
    for index, port in enumerate(container.get("ports") or []):
        if not port.get("containerPort"):
            errors.append(required(f"{place}.ports[{index}].containerPort"))
    for index, variable in enumerate(container.get("env") or []):
        if not variable.get("name"):
            errors.append(required(f"{place}.env[{index}].name"))
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
        errors += _container(container, place)
    return _volumes(spec, path) + errors


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
    schedule = str(spec.get("schedule", ""))
    errors = [] if schedule else [required("spec.schedule")]
    fields = schedule.split()
    if schedule and not schedule.startswith("@") and len(fields) != _CRON_FIELDS:
        why = f"expected exactly {_CRON_FIELDS} fields, found {len(fields)}: [{' '.join(fields)}]"
        errors.append(invalid_value("spec.schedule", schedule, why))
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


def _role(obj: Object) -> list[FieldError]:
    errors = []
    for index, rule in enumerate(obj.get("rules") or []):
        place = f"rules[{index}]"
        if not rule.get("verbs"):
            errors.append(required(f"{place}.verbs", "verbs must contain at least one value"))
        if rule.get("nonResourceURLs"):
            continue
        if not rule.get("apiGroups"):
            why = "resource rules must supply at least one api group"
            errors.append(required(f"{place}.apiGroups", why))
        if not rule.get("resources"):
            why = "resource rules must supply at least one resource"
            errors.append(required(f"{place}.resources", why))
    return errors


def _binding(obj: Object) -> list[FieldError]:
    role = as_object(obj.get("roleRef"))
    errors = []
    for index, subject in enumerate(obj.get("subjects") or []):
        place, kind = f"subjects[{index}]", subject.get("kind", "")
        if kind not in _SUBJECTS:
            errors.append(unsupported_value(f"{place}.kind", kind, _SUBJECTS))
        elif not subject.get("name"):
            errors.append(required(f"{place}.name"))
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
    "Role": _role,
    "ClusterRole": _role,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    **dict.fromkeys(_WORKLOADS, _workload),
}


def object_errors(kind: Kind, obj: Object) -> list[FieldError]:
    """Check an object of a built-in kind by itself."""
    check = _CHECKS.get(kind.name)
    return check(obj) if check is not None else []
