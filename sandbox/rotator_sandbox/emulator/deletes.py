"""DELETE of an object and of a collection: preconditions, grace, finalizers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from . import effects
from .options import DeleteOptions, delete_options
from .reads import find, read_page
from .state import timestamp
from .status import ApiError, conflict
from .target import Target
from .views import object_response
from .wire import Object, Response, json_response

if TYPE_CHECKING:
    from .resources import Kind
    from .state import Call
    from .store import Stored

_DEFAULT_GRACE = 30


def _check_preconditions(kind: Kind, stored: Stored, options: DeleteOptions) -> None:
    metadata = stored.object["metadata"]
    if options.uid and options.uid != metadata["uid"]:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({metadata['uid']}). The object might have been deleted and then recreated"
        )
        raise _conflict(kind, metadata["name"], why)
    if options.revision and options.revision != str(stored.revision):
        why = (
            f"the ResourceVersion in the precondition ({options.revision}) does not match the "
            f"ResourceVersion in record ({stored.revision}). The object might have been modified"
        )
        raise _conflict(kind, metadata["name"], why)


def _conflict(kind: Kind, name: str, why: str) -> ApiError:
    """Give the conflict of a precondition, which names the kind and not the plural."""
    error = conflict(kind, name, why)
    shown = f"{kind.name}.{kind.group}" if kind.group else kind.name
    error.message = error.message.replace(kind.qualified, shown, 1)
    error.details = {**(error.details or {}), "kind": kind.name}
    return error


def _grace(kind: Kind, obj: Object, options: DeleteOptions) -> int:
    """Give how long a deletion waits for the kubelet: only pods that run on a node have one."""
    if kind.name != "Pod":
        return 0
    spec, phase = obj.get("spec") or {}, (obj.get("status") or {}).get("phase")
    if not spec.get("nodeName") or phase in {"Succeeded", "Failed"}:
        return 0
    if options.grace is not None:
        return max(options.grace, 0)
    return int(spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE))


def _marked(call: Call, kind: Kind, obj: Object, grace: int) -> Object:
    """Give an object as it stands once its deletion is asked for."""
    metadata = dict(obj["metadata"])
    end = call.state.clock() + timedelta(seconds=grace)
    metadata["deletionTimestamp"] = timestamp(end)
    metadata["deletionGracePeriodSeconds"] = grace
    if metadata.get("generation") and not obj["metadata"].get("deletionTimestamp"):
        metadata["generation"] += 1
    marked = {**obj, "metadata": metadata}
    if kind.name == "Namespace":
        marked["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
        del metadata["deletionGracePeriodSeconds"]
    return marked


def _waits(kind: Kind, obj: Object, grace: int) -> bool:
    return bool(obj["metadata"].get("finalizers")) or grace > 0 or kind.name == "Namespace"


def remove_object(call: Call, target: Target, stored: Stored, options: DeleteOptions) -> tuple[Object, bool]:
    """Delete one object, or mark it; give the object and whether it is still there."""
    kind, obj = target.kind, stored.object
    effects.protect(kind, target.name)
    _check_preconditions(kind, stored, options)
    grace = _grace(kind, obj, options)
    waits = _waits(kind, obj, grace)
    if options.dry_run:
        marks = waits or kind.name == "Pod"
        return (_marked(call, kind, obj, grace) if marks else obj), waits
    if not waits:
        last = effects.remove(call.state, kind.storage, target.key, options.policy).object
        return (_marked(call, kind, last, 0) if kind.name == "Pod" else last), False
    if not obj["metadata"].get("deletionTimestamp"):
        marked = _marked(call, kind, obj, grace)
        obj = call.state.store.put(kind.storage, target.key, marked).object
    if kind.name == "Namespace":
        effects.empty_namespace(call.state, target.name)
    return obj, True


def delete(call: Call, target: Target) -> Response:
    """Answer a DELETE of an object."""
    options = delete_options(call)
    stored = find(call, target)
    obj, waits = remove_object(call, target, stored, options)
    if waits or target.kind.returns_deleted:
        return object_response(call, target.kind, obj)
    return json_response(200, _success(target.kind, obj))


def _success(kind: Kind, obj: Object) -> Object:
    details: Object = {"name": obj["metadata"]["name"]}
    if kind.group:
        details["group"] = kind.group
    details["kind"] = kind.plural
    details["uid"] = obj["metadata"]["uid"]
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def delete_collection(call: Call, target: Target) -> Response:
    """Answer a DELETE of the objects that selectors match; it gives the list it deleted."""
    options = delete_options(call)
    call.query.pop("limit", None)
    page = read_page(call, target)
    for stored in page.items:
        metadata = stored.object["metadata"]
        namespace = metadata.get("namespace", "")
        each = Target(target.kind, namespace, metadata["name"], "")
        if call.state.store.get(target.kind.storage, each.key) is not None:
            remove_object(call, each, stored, options)
    kind = target.kind
    body = {"kind": f"{kind.name}List", "apiVersion": kind.api_version}
    items = [stored.object for stored in page.items]
    return json_response(200, {**body, "metadata": page.metadata(), "items": items})
