"""The scale subresource: autoscaling/v1 Scale over spec.replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .options import decode_body, update_manager, write_options
from .patching import patched
from .reads import find
from .status import bad_request, conflict
from .target import Target
from .wire import Object, Response, Value, as_object, copy_json, json_response
from .writes import Draft, replace

if TYPE_CHECKING:
    from .resources import Kind
    from .state import Call
    from .store import Stored

_PATHS: Object = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
}


def _paths(kind: Kind) -> Object:
    custom = kind.custom.scale if kind.custom is not None else None
    return custom or _PATHS


def _at(obj: Object, path: str) -> Value:
    value: Value = obj
    for name in path.strip(".").split("."):
        value = as_object(value).get(name)
    return value


def _selector_text(kind: Kind, obj: Object) -> str:
    if kind.custom is not None:
        path = _paths(kind).get("labelSelectorPath")
        return str(_at(obj, path) or "") if path else ""
    labels = as_object(as_object(obj["spec"].get("selector")).get("matchLabels"))
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _scale_of(kind: Kind, obj: Object) -> Object:
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    paths = _paths(kind)
    status = {"replicas": _at(obj, paths["statusReplicasPath"]) or 0}
    selector = _selector_text(kind, obj)
    if selector:
        status["selector"] = selector
    replicas = _at(obj, paths["specReplicasPath"]) or 0
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: obj["metadata"][name] for name in kept if name in obj["metadata"]},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def read_scale(call: Call, target: Target) -> Response:
    """Answer a GET of the scale."""
    return json_response(200, _scale_of(target.kind, find(call, target).object))


def write_scale(call: Call, target: Target) -> Response:
    """Answer a PUT or PATCH of the scale."""
    old, options = find(call, target), write_options(call)
    asked = decode_body(call.request.body)
    if call.request.method == "PATCH":
        media = call.request.headers.get("content-type", "").partition(";")[0].strip()
        asked = patched(media, _scale_of(target.kind, old.object), asked)
    replicas = as_object(asked.get("spec")).get("replicas", 0)
    version = as_object(asked.get("metadata")).get("resourceVersion")
    if version and version != str(old.revision):
        raise conflict(target.kind, target.name)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        message = "spec.replicas: not an integer"
        raise bad_request(message)
    obj = _with_replicas(target.kind, old, replicas)
    manager = update_manager(options, target.kind, "scale")
    plain = Target(target.kind, target.namespace, target.name, "")
    stored = replace(call, plain, old, Draft(obj, manager, options.dry_run))
    return json_response(200, _scale_of(target.kind, stored.object))


def _with_replicas(kind: Kind, old: Stored, replicas: int) -> Object:
    obj: Object = copy_json(old.object)
    *parents, last = _paths(kind)["specReplicasPath"].strip(".").split(".")
    node = obj
    for name in parents:
        node = node.setdefault(name, {})
    node[last] = replicas
    return obj
