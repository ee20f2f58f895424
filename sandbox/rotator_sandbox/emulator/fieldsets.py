"""Sets of fields, as managedFields keeps them (FieldsV1 of structured-merge-diff)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from .layouts import STRUCTS, Layout
from .wire import Object, Value, as_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Path: TypeAlias = tuple[str, ...]
"""A field, as the chain of FieldsV1 keys that lead to it."""

FieldSet: TypeAlias = frozenset[Path]

_UNTRACKED = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "generation",
            "managedFields",
            "resourceVersion",
        )
    }
)


def item_key(item: Value, layout: Layout) -> str:
    """Give the FieldsV1 key of a list item: by its keys, or by its value."""
    keys = layout.keys()
    if not keys:
        return "v:" + json.dumps(item, separators=(",", ":"))
    defaults = layout.key_defaults()
    named = {key: as_object(item).get(key, defaults.get(key)) for key in sorted(keys)}
    return "k:" + json.dumps(named, separators=(",", ":"))


def is_keyed(value: Value, layout: Layout) -> bool:
    """Say whether a list has items with owners of their own."""
    return isinstance(value, list) and bool(layout.keys() or layout.is_set())


def is_granular(value: Value, layout: Layout) -> bool:
    """Say whether a map has fields with owners of their own."""
    return isinstance(value, dict) and bool(value) and not layout.atomic_map()


def children(value: Value, layout: Layout) -> Iterator[tuple[str, Value, Layout]]:
    """Give the owned parts of a value: FieldsV1 key, value, layout."""
    if is_granular(value, layout):
        for name, item in value.items():
            yield f"f:{name}", item, layout.child(name)
    elif is_keyed(value, layout):
        for item in value:
            yield item_key(item, layout), item, layout.item()


def fields_of(value: Value, layout: Layout, path: Path, *, written: bool) -> Iterator[Path]:
    """Give the fields of a value; `written` adds the maps themselves, as an update records."""
    nested = is_granular(value, layout) or is_keyed(value, layout)
    in_list = bool(path) and path[-1][0] != "f"
    whole = written and (layout.custom or path[-1][2:] not in STRUCTS)
    if path and (not nested or in_list or whole):
        yield path
    if in_list and not isinstance(value, dict):
        return
    if nested:
        for key, item, inner in children(value, layout):
            yield from fields_of(item, inner, (*path, key), written=written)


def applied_fields(obj: Object, layout: Layout) -> FieldSet:
    """Give the fields that an applied configuration states."""
    return frozenset(fields_of(obj, layout, (), written=False)) - _UNTRACKED


@dataclass(slots=True)
class _Difference:
    """What was added or changed between two objects, and what was removed."""

    gained: list[Path] = field(default_factory=list)
    lost: list[Path] = field(default_factory=list)

    def find(self, old: Value, new: Value, layout: Layout, path: Path) -> None:
        """Compare two values that differ."""
        granular = is_granular(old, layout) and is_granular(new, layout)
        if granular or (is_keyed(old, layout) and is_keyed(new, layout)):
            self._find_inside(old, new, layout, path)
            return
        before = set(fields_of(old, layout, path, written=True))
        after = set(fields_of(new, layout, path, written=True))
        self.gained.extend(after)
        self.lost.extend(before - after)

    def _find_inside(self, old: Value, new: Value, layout: Layout, path: Path) -> None:
        before = {key: (item, inner) for key, item, inner in children(old, layout)}
        after = {key: (item, inner) for key, item, inner in children(new, layout)}
        for key, (item, inner) in after.items():
            if key not in before:
                self.gained.extend(fields_of(item, inner, (*path, key), written=True))
            elif before[key][0] != item:
                self.find(before[key][0], item, inner, (*path, key))
        for key, (item, inner) in before.items():
            if key not in after:
                self.lost.extend(fields_of(item, inner, (*path, key), written=True))


def compare(old: Object, new: Object, layout: Layout) -> tuple[FieldSet, FieldSet]:
    """Give the fields that were added or changed, and the ones that were removed."""
    found = _Difference()
    for name in new.keys() | old.keys():
        before, after = old.get(name), new.get(name)
        if before == after or name in {"apiVersion", "kind"}:
            continue
        path, inner = (f"f:{name}",), layout.child(name)
        if name not in new:
            found.lost.extend(fields_of(before, inner, path, written=True))
        elif name not in old:
            found.gained.extend(fields_of(after, inner, path, written=True))
        else:
            found.find(before, after, inner, path)
    return _tracked(found.gained), _tracked(found.lost)


def _tracked(paths: Iterable[Path]) -> FieldSet:
    return frozenset(
        path for path in paths if path not in _UNTRACKED and path[:2] != ("f:metadata", "f:managedFields")
    )


def to_fields_v1(fields: Iterable[Path]) -> Object:
    """Give a set of fields as FieldsV1 writes it."""
    root: Object = {}
    for path in sorted(fields):
        node = root
        for key in path:
            node = node.setdefault(key, {})
        node["."] = {}
    return _without_lone_dots(root)


def _without_lone_dots(node: Object) -> Object:
    if node.keys() == {"."}:
        return {}
    return {key: _without_lone_dots(child) for key, child in node.items()}


def from_fields_v1(node: Object, path: Path = ()) -> FieldSet:
    """Read a set of fields from FieldsV1."""
    found: list[Path] = []
    _read_fields(node, path, found)
    return frozenset(found)


def _read_fields(node: Object, path: Path, found: list[Path]) -> None:
    if path and (not node or "." in node):
        found.append(path)
    for key, child in node.items():
        if key != ".":
            _read_fields(child, (*path, key), found)


def shown(path: Path) -> str:
    """Give a field as conflict messages write it."""
    parts = []
    for key in path:
        if key.startswith("f:"):
            parts.append(f".{key[2:]}")
        elif key.startswith("k:"):
            named = json.loads(key[2:])
            inner = ",".join(f"{name}={json.dumps(value)}" for name, value in named.items())
            parts.append(f"[{inner}]")
        else:
            parts.append(f"[={key[2:]}]")
    return "".join(parts)
