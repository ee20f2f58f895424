"""Strategic merge patch: lists merge by key, and directives replace, delete and order."""

from __future__ import annotations

import json

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
        merged[key] = _merge_list(
            current if isinstance(current, list) else [], change, key, _key_of(key, name)
        )
    else:
        merged[key] = change


def _key_of(list_name: str, parent: str) -> str | None:
    return ports_key(parent) if list_name == "ports" else MERGE_KEYS.get(list_name)


def _merge_list(current: list[Value], change: list[Value], name: str, key: str | None) -> list[Value]:
    if name in PRIMITIVE_MERGE:
        return current + [item for item in change if item not in current]
    if key is None or not all(isinstance(item, dict) for item in change):
        return change
    if any(item.get("$patch") == "replace" for item in change):
        return [item for item in change if "$patch" not in item]
    merged = list(current)
    for item in change:
        _merge_item(merged, item, name, key)
    wanted = [_identity(item, key) for item in change]
    return _interleave(merged, wanted, [_identity(item, key) for item in current], key)


def _merge_item(merged: list[Value], item: Object, name: str, key: str) -> None:
    if not isinstance(item.get(key), (str, int)):
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
    if isinstance(merged.get(name), list) and isinstance(dropped, list):
        merged[name] = [item for item in merged[name] if item not in dropped]


def _identity(item: Value, key: str | None) -> Value:
    identity = item.get(key) if isinstance(item, dict) and key else item
    return identity if isinstance(identity, (str, int)) else json.dumps(identity)


def _reorder(merged: Object, name: str, order: list[Value], parent: str) -> None:
    """Order a merged list as $setElementOrder says."""
    items = merged.get(name)
    if isinstance(items, list) and isinstance(order, list):
        key = _key_of(name, parent)
        wanted = [_identity(item, key) for item in order]
        merged[name] = _interleave(items, wanted, [_identity(item, key) for item in items], key)


def _interleave(items: list[Value], wanted: list[Value], live: list[Value], key: str | None) -> list[Value]:
    """Order the items a patch names as it does, and fit the others in by their live order."""
    by_identity = {_identity(item, key): item for item in items}
    named = [value for value in dict.fromkeys(wanted) if value in by_identity]
    rest = [value for value in by_identity if value not in set(named)]
    places = {value: place for place, value in enumerate(live)}
    ordered: list[Value] = []
    while rest and named:
        left, right = places.get(rest[0]), places.get(named[0])
        earlier = left is not None and right is not None and left < right
        ordered.append(rest.pop(0) if earlier else named.pop(0))
    return [by_identity[value] for value in ordered + named + rest]
