"""The printer columns of the built-in kinds: names, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from .durations import age, human_duration, parse_time
from .resources import Column
from .wire import Object, Value, as_object

if TYPE_CHECKING:
    from datetime import datetime

Cells: TypeAlias = Callable[[Object, "datetime"], list[Value]]

NAME = Column("Name", "string", "")
AGE = Column("Age", "string", "")


def _texts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "string", "") for name in names)


def _numbers(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "integer", "") for name in names)


def _wide(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "string", "", 1) for name in names)


def _name(obj: Object) -> str:
    return str(obj["metadata"].get("name", ""))


def age_of(obj: Object, now: datetime) -> str:
    """Give the age of an object."""
    return age(obj["metadata"].get("creationTimestamp"), now)


def _part(obj: Object, name: str) -> Object:
    return as_object(obj.get(name))


def _pod_spec(obj: Object) -> Object:
    return _part(_part(_part(obj, "spec"), "template"), "spec")


def _images(pod: Object) -> list[str]:
    containers = pod.get("containers") or []
    names = ",".join(str(each.get("name", "")) for each in containers)
    return [names, ",".join(str(each.get("image", "")) for each in containers)]


def selector_text(selector: Object) -> str:
    """Give a LabelSelector's labels as kubectl shows them."""
    labels = _part(selector, "matchLabels") or {
        key: value for key, value in selector.items() if isinstance(value, str)
    }
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>"


def _data(obj: Object) -> int:
    return len(obj.get("data") or {}) + len(obj.get("binaryData") or {})


def _secret(obj: Object, now: datetime) -> list[Value]:
    return [_name(obj), obj.get("type", ""), _data(obj), age_of(obj, now)]


def _config_map(obj: Object, now: datetime) -> list[Value]:
    return [_name(obj), _data(obj), age_of(obj, now)]


def _account(obj: Object, now: datetime) -> list[Value]:
    return [_name(obj), age_of(obj, now)]


def _namespace(obj: Object, now: datetime) -> list[Value]:
    return [_name(obj), _part(obj, "status").get("phase", ""), age_of(obj, now)]


def _ready(status: Object) -> int:
    return sum(1 for each in status.get("containerStatuses") or [] if each.get("ready"))


def _pod(obj: Object, now: datetime) -> list[Value]:
    spec, status = _part(obj, "spec"), _part(obj, "status")
    phase = "Terminating" if obj["metadata"].get("deletionTimestamp") else status.get("phase", "")
    ready = f"{_ready(status)}/{len(spec.get('containers') or [])}"
    restarts = sum(each.get("restartCount", 0) for each in status.get("containerStatuses") or [])
    wide = [status.get("podIP") or "<none>", spec.get("nodeName") or "<none>", "<none>", "<none>"]
    return [_name(obj), ready, phase, str(restarts), age_of(obj, now), *wide]


def _event(obj: Object, now: datetime) -> list[Value]:
    involved = _part(obj, "involvedObject")
    about = f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"
    seen = obj.get("lastTimestamp") or obj.get("eventTime")
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    source = _part(obj, "source").get("component") or obj.get("reportingComponent") or ""
    return [
        age(seen, now),
        obj.get("type", ""),
        obj.get("reason", ""),
        about,
        involved.get("fieldPath", ""),
        source,
        str(obj.get("message", "")).strip(),
        age(first, now),
        obj.get("count", 1),
        _name(obj),
    ]


def _service(obj: Object, now: datetime) -> list[Value]:
    spec = _part(obj, "spec")
    ports = ",".join(f"{port.get('port')}/{port.get('protocol')}" for port in spec.get("ports") or [])
    selector = selector_text(_part(spec, "selector"))
    address = spec.get("clusterIP") or "None"
    start = [_name(obj), spec.get("type", ""), address, "<none>", ports or "<none>"]
    return [*start, age_of(obj, now), selector]


def _lease(obj: Object, now: datetime) -> list[Value]:
    return [_name(obj), _part(obj, "spec").get("holderIdentity", ""), age_of(obj, now)]


def _deployment(obj: Object, now: datetime) -> list[Value]:
    spec, status = _part(obj, "spec"), _part(obj, "status")
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    counts = [status.get("updatedReplicas", 0), status.get("availableReplicas", 0)]
    selector = selector_text(_part(spec, "selector"))
    return [_name(obj), ready, *counts, age_of(obj, now), *_images(_pod_spec(obj)), selector]


def _stateful_set(obj: Object, now: datetime) -> list[Value]:
    ready = f"{_part(obj, 'status').get('readyReplicas', 0)}/{_part(obj, 'spec').get('replicas')}"
    return [_name(obj), ready, age_of(obj, now), *_images(_pod_spec(obj))]


def _daemon_set(obj: Object, now: datetime) -> list[Value]:
    status, spec = _part(obj, "status"), _part(obj, "spec")
    names = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    counts = [status.get(name, 0) for name in names]
    nodes = selector_text(_part(_pod_spec(obj), "nodeSelector"))
    selector = selector_text(_part(spec, "selector"))
    wide = [*_images(_pod_spec(obj)), selector]
    return [_name(obj), *counts, nodes, age_of(obj, now), *wide]


def _replica_set(obj: Object, now: datetime) -> list[Value]:
    spec, status = _part(obj, "spec"), _part(obj, "status")
    counts = [spec.get("replicas", 0), status.get("replicas", 0), status.get("readyReplicas", 0)]
    selector = selector_text(_part(spec, "selector"))
    return [_name(obj), *counts, age_of(obj, now), *_images(_pod_spec(obj)), selector]


def _job_state(obj: Object) -> str:
    for condition in _part(obj, "status").get("conditions") or []:
        if condition.get("status") == "True":
            return str(condition.get("type"))
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return "Suspended" if _part(obj, "spec").get("suspend") else "Running"


def _job_duration(obj: Object, now: datetime) -> str:
    status = _part(obj, "status")
    if not status.get("startTime"):
        return ""
    end = parse_time(status["completionTime"]) if status.get("completionTime") else now
    return human_duration(int((end - parse_time(status["startTime"])).total_seconds()))


def _job(obj: Object, now: datetime) -> list[Value]:
    spec, status = _part(obj, "spec"), _part(obj, "status")
    done = f"{status.get('succeeded', 0)}/{spec.get('completions', 1)}"
    start = [_name(obj), _job_state(obj), done, _job_duration(obj, now), age_of(obj, now)]
    return [*start, *_images(_pod_spec(obj)), selector_text(_part(spec, "selector"))]


def _cron_job(obj: Object, now: datetime) -> list[Value]:
    spec, status = _part(obj, "spec"), _part(obj, "status")
    last = age(status["lastScheduleTime"], now) if status.get("lastScheduleTime") else "<none>"
    job = _part(spec, "jobTemplate")
    return [
        _name(obj),
        spec.get("schedule", ""),
        spec.get("timeZone") or "<none>",
        str(bool(spec.get("suspend"))),
        len(status.get("active") or []),
        last,
        age_of(obj, now),
        *_images(_pod_spec(job)),
        "<none>",
    ]


def _created(obj: Object, now: datetime) -> list[Value]:
    del now
    return [_name(obj), obj["metadata"].get("creationTimestamp", "")]


def _binding(obj: Object, now: datetime) -> list[Value]:
    role = _part(obj, "roleRef")
    subjects = obj.get("subjects") or []

    def names(kind: str) -> str:
        return ", ".join(str(each.get("name")) for each in subjects if each.get("kind") == kind)

    accounts = ", ".join(
        f"{each.get('namespace')}/{each.get('name')}"
        for each in subjects
        if each.get("kind") == "ServiceAccount"
    )
    shown = f"{role.get('kind')}/{role.get('name')}"
    return [_name(obj), shown, age_of(obj, now), names("User"), names("Group"), accounts]


_POD_WIDE = _wide("Containers", "Images")
_BINDING = (NAME, *_texts("Role"), AGE, *_wide("Users", "Groups", "ServiceAccounts"))

BUILTIN_COLUMNS: dict[str, tuple[tuple[Column, ...], Cells]] = {
    "Secret": ((NAME, *_texts("Type", "Data"), AGE), _secret),
    "ConfigMap": ((NAME, *_texts("Data"), AGE), _config_map),
    "ServiceAccount": ((NAME, AGE), _account),
    "Namespace": ((NAME, *_texts("Status"), AGE), _namespace),
    "Pod": (
        (
            NAME,
            *_texts("Ready", "Status", "Restarts"),
            AGE,
            *_wide("IP", "Node", "Nominated Node", "Readiness Gates"),
        ),
        _pod,
    ),
    "Event": (
        (
            *_texts("Last Seen", "Type", "Reason", "Object"),
            *_wide("Subobject", "Source"),
            *_texts("Message"),
            *_wide("First Seen", "Count", "Name"),
        ),
        _event,
    ),
    "Service": (
        (NAME, *_texts("Type", "Cluster-IP", "External-IP", "Port(s)"), AGE, *_wide("Selector")),
        _service,
    ),
    "Lease": ((NAME, *_texts("Holder"), AGE), _lease),
    "Deployment": (
        (
            NAME,
            *_texts("Ready", "Up-to-date", "Available"),
            AGE,
            *_POD_WIDE,
            *_wide("Selector"),
        ),
        _deployment,
    ),
    "StatefulSet": ((NAME, *_texts("Ready"), AGE, *_POD_WIDE), _stateful_set),
    "DaemonSet": (
        (
            NAME,
            *_numbers("Desired", "Current", "Ready", "Up-to-date", "Available"),
            *_texts("Node Selector"),
            AGE,
            *_POD_WIDE,
            *_wide("Selector"),
        ),
        _daemon_set,
    ),
    "ReplicaSet": (
        (NAME, *_numbers("Desired", "Current", "Ready"), AGE, *_POD_WIDE, *_wide("Selector")),
        _replica_set,
    ),
    "Job": (
        (
            NAME,
            *_texts("Status", "Completions", "Duration"),
            AGE,
            *_POD_WIDE,
            *_wide("Selector"),
        ),
        _job,
    ),
    "CronJob": (
        (
            NAME,
            *_texts("Schedule", "Timezone"),
            Column("Suspend", "boolean", ""),
            *_numbers("Active"),
            *_texts("Last Schedule"),
            AGE,
            *_POD_WIDE,
            *_wide("Selector"),
        ),
        _cron_job,
    ),
    "Role": ((NAME, Column("Created At", "date", "")), _created),
    "ClusterRole": ((NAME, Column("Created At", "date", "")), _created),
    "RoleBinding": (_BINDING, _binding),
    "ClusterRoleBinding": (_BINDING, _binding),
    "CustomResourceDefinition": ((NAME, Column("Created At", "date", "")), _created),
}
