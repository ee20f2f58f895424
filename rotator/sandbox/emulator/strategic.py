"""Strategic merge patch: lists merge by key, and directives replace, delete and order."""

from __future__ import annotations

from .layouts import MERGE_KEYS, PRIMITIVE_MERGE, ports_key
from .status import bad_request
from .wire import Object, Value

_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"
_RETAIN = "$retainKeys"


def strategic_merge(target: Object, patch: Object, name: str = "") -> Object:
    """Merge a patch into an object without changing either."""
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        message = f"unknown patch type: {directive}"
        raise bad_request(message)
    merged = _retain(target, patch)
    for key, change in patch.items():
        if key.startswith(_DELETE):
            _drop_primitives(merged, key.removeprefix(_DELETE), change)
        elif not key.startswith("$"):
            _merge_field(merged, key, change, name)
    for key, order in patch.items():
        if key.startswith(_ORDER):
            _reorder(merged, key.removeprefix(_ORDER), order, name)
    return merged


def _retain(target: Object, patch: Object) -> Object:
    kept = patch.get(_RETAIN)
    if kept is None:
        return dict(target)
    return {key: value for key, value in target.items() if key in kept}


def _merge_field(merged: Object, key: str, change: Value, name: str) -> None:
    current = merged.get(key)
    if change is None:
        merged.pop(key, None)
    elif isinstance(change, dict):
        merged[key] = strategic_merge(current if isinstance(current, dict) else {}, change, key)
    elif isinstance(change, list):
        merged[key] = _merge_list(current or [], change, key, _key_of(key, name))
    else:
        merged[key] = change


def _key_of(list_name: str, parent: str) -> str | None:
    return ports_key(parent) if list_name == "ports" else MERGE_KEYS.get(list_name)


def _merge_list(
    current: list[Value], change: list[Value], name: str, key: str | None
) -> list[Value]:
    if name in PRIMITIVE_MERGE:
        return current + [item for item in change if item not in current]
    if key is None or not all(isinstance(item, dict) for item in change):
        return change
    if any(item.get("$patch") == "replace" for item in change):
        return [item for item in change if "$patch" not in item]
    merged = list(current)
    for item in change:
        _merge_item(merged, item, name, key)
    return merged


def _merge_item(merged: list[Value], item: Object, name: str, key: str) -> None:
    if key not in item:
        message = f"map: {item} does not contain declared merge key: {key}"
        raise bad_request(message)
    place = next((i for i, other in enumerate(merged) if other.get(key) == item[key]), None)
    if item.get("$patch") == "delete":
        if place is not None:
            del merged[place]
    elif place is None:
        merged.append(strategic_merge({}, item, name))
    else:
        merged[place] = strategic_merge(merged[place], item, name)


def _drop_primitives(merged: Object, name: str, dropped: list[Value]) -> None:
    if name in merged:
        merged[name] = [item for item in merged[name] if item not in dropped]


def _reorder(merged: Object, name: str, order: list[Value], parent: str) -> None:
    items = merged.get(name)
    if not isinstance(items, list):
        return
    key = _key_of(name, parent)
    wanted = [item.get(key) if isinstance(item, dict) else item for item in order]
    places = {value: place for place, value in enumerate(wanted)}

    def identity(item: Value) -> Value:
        return item.get(key) if isinstance(item, dict) else item

    listed = sorted(
        (item for item in items if identity(item) in places), key=lambda i: places[identity(i)]
    )
    remaining = iter(listed)
    merged[name] = [next(remaining) if identity(item) in places else item for item in items]
