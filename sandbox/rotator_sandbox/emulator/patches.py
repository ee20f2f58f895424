"""JSON patch (RFC 6902) and merge patch (RFC 7386)."""

from __future__ import annotations

from typing import NoReturn

from .status import ApiError, bad_request
from .wire import Object, Value, copy_json

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


def merge_patch(target: Value, patch: Value) -> Value:
    """Merge a patch into a value without changing either (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, change in patch.items():
        if change is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), change)
    return merged


def _refuse(why: str) -> NoReturn:
    """Say that a well-formed patch does not fit the object (422 Invalid)."""
    message = "the server rejected our request due to an error in our request"
    raise ApiError(422, "Invalid", message, {}) from ValueError(why)


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        _refuse(f"{text} is not a JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _index(parent: list[Value], step: str, *, insert: bool = False) -> int:
    if step == "-" and insert:
        return len(parent)
    if not step.lstrip("-").isdigit():
        _refuse(f"{step} is not an index")
    position = int(step)
    limit = len(parent) + (1 if insert else 0)
    if not 0 <= position < limit:
        _refuse(f"index {step} is out of range")
    return position


def _child(parent: Value, step: str) -> Value:
    if isinstance(parent, dict) and step in parent:
        return parent[step]
    if isinstance(parent, list):
        return parent[_index(parent, step)]
    return _refuse(f"nothing at {step}")


def _parent(document: Value, path: list[str]) -> Value:
    for step in path[:-1]:
        document = _child(document, step)
    return document


def _read(document: Value, path: list[str]) -> Value:
    return _child(_parent(document, path), path[-1]) if path else document


def _add(document: Value, path: list[str], value: Value) -> None:
    parent = _parent(document, path)
    if isinstance(parent, list):
        parent.insert(_index(parent, path[-1], insert=True), value)
    elif isinstance(parent, dict):
        parent[path[-1]] = value
    else:
        _refuse(f"nothing can be added at {path[-1]}")


def _remove(document: Value, path: list[str]) -> Value:
    value = _read(document, path)
    parent = _parent(document, path)
    if isinstance(parent, list):
        del parent[_index(parent, path[-1])]
    else:
        del parent[path[-1]]
    return value


def _replace(document: Value, path: list[str], value: Value) -> None:
    _read(document, path)
    parent = _parent(document, path)
    if isinstance(parent, list):
        parent[_index(parent, path[-1])] = value
    else:
        parent[path[-1]] = value


def _operate(document: Object, operation: Object) -> None:
    kind, path = operation.get("op"), _pointer(str(operation.get("path", "")))
    if not path:
        _refuse("the whole document cannot be replaced")
    value = copy_json(operation.get("value"))
    source = _pointer(str(operation.get("from", "")))
    match kind:
        case "add":
            _add(document, path, value)
        case "remove":
            _remove(document, path)
        case "replace":
            _replace(document, path, value)
        case "copy":
            _add(document, path, copy_json(_read(document, source)))
        case "move":
            _add(document, path, _remove(document, source))
        case "test":
            if _read(document, path) != value:
                _refuse(f"testing value {operation['path']} failed")
        case _:
            _refuse(f"unexpected kind of operation: {kind}")


def json_patch(target: Object, operations: Value) -> Object:
    """Give the object after a list of operations, all or nothing (RFC 6902)."""
    if not isinstance(operations, list):
        message = (
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        )
        raise bad_request(message)
    document: Object = copy_json(target)
    for operation in operations:
        if not isinstance(operation, dict):
            _refuse("an operation is an object")
        _operate(document, operation)
    return document
