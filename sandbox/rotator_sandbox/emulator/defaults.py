"""The defaults that the API server writes into objects of the built-in kinds."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from .wire import Object, as_object

if TYPE_CHECKING:
    from collections.abc import Callable

_CONTAINER: Object = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_POD: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
}
_PROBE: Object = {
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
}
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_MODES = ("secret", "configMap", "projected", "downwardAPI")


def _fill(target: Object, defaults: Object) -> None:
    for key, value in defaults.items():
        if target.get(key) is None:
            target[key] = value


def _container(container: Object) -> None:
    container.setdefault("resources", {})
    image = str(container.get("image", ""))
    tag = image.rpartition("/")[2].partition(":")[2]
    pull = "Always" if tag in {"", "latest"} and "@" not in image else "IfNotPresent"
    _fill(container, {**_CONTAINER, "imagePullPolicy": pull})
    for port in container.get("ports") or []:
        _fill(port, {"protocol": "TCP"})
    for variable in container.get("env") or []:
        reference = as_object(as_object(variable.get("valueFrom")).get("fieldRef"))
        if reference:
            _fill(reference, {"apiVersion": "v1"})
    for name in _PROBES:
        if probe := container.get(name):
            _fill(probe, _PROBE)
            if probe.get("httpGet"):
                _fill(probe["httpGet"], {"scheme": "HTTP", "path": "/"})


def _volume(volume: Object) -> None:
    for name in _MODES:
        if isinstance(volume.get(name), dict):
            _fill(volume[name], {"defaultMode": 420})
    for source in as_object(volume.get("projected")).get("sources") or []:
        if token := source.get("serviceAccountToken"):
            _fill(token, {"expirationSeconds": 3600})


def pod_spec(spec: Object) -> None:
    """Fill the defaults of a PodSpec."""
    _fill(spec, _POD)
    spec.setdefault("securityContext", {})
    for name in ("containers", "initContainers"):
        for container in spec.get(name) or []:
            _container(container)
    for volume in spec.get("volumes") or []:
        _volume(volume)
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account


def _template(spec: Object) -> None:
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    pod_spec(template.setdefault("spec", {}))


def _deployment(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    strategy = spec.setdefault("strategy", {})
    _fill(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        _fill(strategy.setdefault("rollingUpdate", {}), {"maxUnavailable": "25%"})
        _fill(strategy["rollingUpdate"], {"maxSurge": "25%"})
    _template(spec)


def _stateful_set(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, {"replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady"})
    strategy = spec.setdefault("updateStrategy", {})
    _fill(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        _fill(strategy.setdefault("rollingUpdate", {}), {"partition": 0})
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    _fill(retention, {"whenDeleted": "Retain", "whenScaled": "Retain"})
    spec.setdefault("serviceName", "")
    _template(spec)


def _daemon_set(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, {"revisionHistoryLimit": 10})
    strategy = spec.setdefault("updateStrategy", {})
    _fill(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        _fill(rolling, {"maxUnavailable": 1, "maxSurge": 0})
    _template(spec)


def _replica_set(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, {"replicas": 1})
    _template(spec)


def _job_spec(spec: Object) -> None:
    _fill(
        spec,
        {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 6,
            "completionMode": "NonIndexed",
            "suspend": False,
            "manualSelector": False,
            "podReplacementPolicy": "TerminatingOrFailed",
        },
    )
    _template(spec)


def _job(obj: Object) -> None:
    spec, meta = obj.setdefault("spec", {}), obj["metadata"]
    _job_spec(spec)
    labels = spec["template"]["metadata"].setdefault("labels", {})
    if not spec.get("manualSelector") and not spec.get("selector") and "uid" in meta:
        uid, name = meta["uid"], meta.get("name", "")
        for prefix in ("batch.kubernetes.io/", ""):
            labels[f"{prefix}controller-uid"] = uid
            labels[f"{prefix}job-name"] = name
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    if not meta.get("labels"):
        meta["labels"] = dict(labels)


def _cron_job(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(
        spec,
        {
            "concurrencyPolicy": "Allow",
            "suspend": False,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 1,
        },
    )
    template = spec.setdefault("jobTemplate", {})
    template.setdefault("metadata", {})
    _template(template.setdefault("spec", {}))


def _pod(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    pod_spec(spec)
    _fill(
        spec,
        {"enableServiceLinks": True, "priority": 0, "preemptionPolicy": "PreemptLowerPriority"},
    )
    tolerations = spec.setdefault("tolerations", [])
    known = {each.get("key") for each in tolerations}
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if key not in known:
            seconds = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            tolerations.append({"key": key, **seconds})


def _secret(obj: Object) -> None:
    strings = obj.pop("stringData", None)
    if strings:
        written = {key: base64.b64encode(str(text).encode()).decode() for key, text in strings.items()}
        obj["data"] = {**(obj.get("data") or {}), **written}
    _fill(obj, {"type": "Opaque"})


def _namespace(obj: Object) -> None:
    metadata = obj["metadata"]
    named = {"kubernetes.io/metadata.name": metadata.get("name", "")}
    metadata["labels"] = {**(metadata.get("labels") or {}), **named}
    obj["spec"] = {"finalizers": ["kubernetes"], **(obj.get("spec") or {})}


def _event(obj: Object) -> None:
    empty: Object = {"reportingComponent": "", "reportingInstance": "", "source": {}}
    for name in ("firstTimestamp", "lastTimestamp", "eventTime"):
        obj.setdefault(name, None)
    _fill(obj, empty)


def _service(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"})
    for port in spec.get("ports") or []:
        _fill(port, {"protocol": "TCP", "targetPort": port.get("port")})


_RBAC = "rbac.authorization.k8s.io"


def _binding(obj: Object) -> None:
    for subject in obj.get("subjects") or []:
        if subject.get("kind") != "ServiceAccount":
            _fill(subject, {"apiGroup": _RBAC})
    _fill(obj.setdefault("roleRef", {}), {"apiGroup": _RBAC})


def _definition(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = str(names.get("kind", ""))
    _fill(names, {"singular": kind.lower(), "listKind": f"{kind}List"})
    _fill(spec, {"conversion": {"strategy": "None"}})


_DEFAULTS: dict[str, Callable[[Object], None]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "ReplicaSet": _replica_set,
    "Job": _job,
    "CronJob": _cron_job,
    "Pod": _pod,
    "Secret": _secret,
    "Namespace": _namespace,
    "Service": _service,
    "Event": _event,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "CustomResourceDefinition": _definition,
}


def set_defaults(kind: str, obj: Object) -> None:
    """Fill the defaults of a built-in kind, in place."""
    fill = _DEFAULTS.get(kind)
    if fill is not None:
        fill(obj)
