"""Field managers: who owns which fields, after each update and each apply."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .fieldsets import (
    FieldSet,
    Path,
    applied_fields,
    children,
    compare,
    from_fields_v1,
    is_granular,
    is_keyed,
    shown,
    to_fields_v1,
)
from .status import ApiError
from .wire import Object, Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .layouts import Layout
    from .resources import Kind


@dataclass(frozen=True, slots=True)
class Manager:
    """Who writes: the identity of one entry of managedFields."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def shown(self) -> str:
        """Give the manager as conflict messages name it."""
        part = f' with subresource "{self.subresource}"' if self.subresource else ""
        using = f" using {self.api_version}" if self.operation == "Update" else ""
        return f'conflict with "{self.name}"{part}{using}'


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes now, when, and which fields the write leaves alone."""

    manager: Manager
    time: str
    reset: tuple[Path, ...] = ()


@dataclass(slots=True)
class Holding:
    """What one manager owns, and since when."""

    fields: FieldSet
    time: str


@dataclass(slots=True)
class Managers:
    """All the managers of one object."""

    held: dict[Manager, Holding] = field(default_factory=dict)

    @classmethod
    def read(cls, obj: Object) -> Managers:
        """Read the managers from an object's metadata."""
        held = {}
        for entry in obj["metadata"].get("managedFields") or []:
            manager = Manager(
                entry.get("manager", ""),
                entry.get("operation", ""),
                entry.get("apiVersion", ""),
                entry.get("subresource", ""),
            )
            fields = from_fields_v1(entry.get("fieldsV1") or {})
            held[manager] = Holding(fields, entry.get("time", ""))
        return cls(held)

    def entries(self) -> list[Object]:
        """Give the managedFields list: applies first, then by time, as the API server sorts."""
        ordered = sorted(
            self.held.items(),
            key=lambda item: (item[0].operation, item[1].time, *_identity(item[0])),
        )
        return [_entry(manager, holding) for manager, holding in ordered if holding.fields]

    def updated(self, author: Author, gained: FieldSet, lost: FieldSet) -> None:
        """Give changed fields to the one who updates, and take them from the others."""
        manager = author.manager
        for other, holding in self.held.items():
            if other == manager:
                holding.fields -= lost
            elif holding.fields:
                holding.fields -= gained | lost
        if not gained:
            return
        mine = self.held.get(manager)
        before = mine.fields if mine else frozenset()
        self.held[manager] = Holding(before | gained, author.time)

    def conflicts(self, manager: Manager, changed: FieldSet) -> list[tuple[Manager, Path]]:
        """Give the changed fields that others own."""
        return [
            (other, path)
            for other, holding in self.held.items()
            if other != manager
            for path in sorted(holding.fields & changed)
        ]


def _identity(manager: Manager) -> tuple[str, str, str]:
    return manager.name, manager.api_version, manager.subresource


def reset_fields(kind: Kind, subresource: str) -> tuple[Path, ...]:
    """Give the fields that a write leaves alone, and so does not come to own."""
    if subresource == "status":
        return (("f:spec",), ("f:metadata", "f:labels"))
    if kind.name == "Namespace":
        return (("f:status",), ("f:spec",))
    return (("f:status",),) if kind.has("status") else ()


def _without(fields: FieldSet, reset: tuple[Path, ...]) -> FieldSet:
    if not reset:
        return fields
    return frozenset(path for path in fields if not any(path[: len(each)] == each for each in reset))


def _entry(manager: Manager, holding: Holding) -> Object:
    entry: Object = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "time": holding.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_fields_v1(holding.fields),
    }
    if not holding.time:
        del entry["time"]
    if manager.subresource:
        entry["subresource"] = manager.subresource
    return entry


def record_update(old: Object, new: Object, layout: Layout, author: Author) -> None:
    """Put the managedFields that follow from an update into the new object."""
    gained, lost = compare(old, new, layout)
    gained = _without(gained, author.reset)
    previous = old["metadata"].get("managedFields") if "metadata" in old else None
    if not gained and not lost:
        entries = previous
    else:
        managers = Managers.read(old) if previous else Managers()
        managers.updated(author, gained, lost)
        entries = managers.entries()
    if entries:
        new["metadata"]["managedFields"] = entries
    else:
        new["metadata"].pop("managedFields", None)


def _merge(live: Value, applied: Value, layout: Layout) -> Value:
    if is_granular(applied, layout) and isinstance(live, dict):
        merged = dict(live)
        for name, value in applied.items():
            if name in live:
                merged[name] = _merge(live[name], value, layout.child(name))
            else:
                merged[name] = value
        return merged
    if is_keyed(applied, layout) and isinstance(live, list):
        return _merge_items(live, applied, layout)
    if applied == {} and isinstance(live, dict) and not layout.atomic_map():
        return live
    return applied


def _merge_items(live: list[Value], applied: list[Value], layout: Layout) -> list[Value]:
    mine = {key: item for key, item, _ in children(applied, layout)}
    merged = []
    for key, item, inner in children(live, layout):
        merged.append(_merge(item, mine.pop(key), inner) if key in mine else item)
    return merged + list(mine.values())


def _remove(value: Value, layout: Layout, path: Path) -> Value:
    head, rest = path[0], path[1:]
    if isinstance(value, dict) and head[2:] in value and head.startswith("f:"):
        name = head[2:]
        remaining = {key: item for key, item in value.items() if key != name}
        if rest:
            remaining[name] = _remove(value[name], layout.child(name), rest)
        return remaining
    if is_keyed(value, layout):
        kept = []
        for key, item, inner in children(value, layout):
            if key != head:
                kept.append(item)
            elif rest:
                kept.append(_remove(item, inner, rest))
        return kept
    return value


def _abandon(merged: Object, layout: Layout, dropped: Iterable[Path], owned: set[Path]) -> Object:
    """Remove the fields that the manager no longer states and nobody else owns."""
    for path in sorted(dropped, key=len):
        if any(other[: len(path)] == path for other in owned) or _is_item_key(path):
            continue
        merged = _remove(merged, layout, path)
    return merged


def _is_item_key(path: Path) -> bool:
    """Say whether a field is one that tells the items of its list apart."""
    item = path[-2] if len(path) > 1 else ""
    return item.startswith("k:") and path[-1][2:] in json.loads(item[2:])


def _conflict(found: list[tuple[Manager, Path]]) -> ApiError:
    by_manager: dict[str, list[str]] = {}
    for manager, path in found:
        by_manager.setdefault(manager.shown(), []).append(shown(path))
    texts = []
    for who, paths in by_manager.items():
        if len(paths) == 1:
            texts.append(f"{who}: {paths[0]}")
        else:
            listed = "".join(f"\n- {path}" for path in paths)
            texts.append(f"{who.replace('conflict', 'conflicts', 1)}:{listed}")
    count = f"{len(found)} conflict" + ("" if len(found) == 1 else "s")
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": manager.shown(),
            "field": shown(path),
        }
        for manager, path in found
    ]
    message = f"Apply failed with {count}: " + "\n".join(texts)
    return ApiError(409, "Conflict", message, {"causes": causes})


def apply_merge(
    live: Object, applied: Object, layout: Layout, author: Author, *, force: bool
) -> tuple[Object, Managers]:
    """Merge an applied configuration into the live object (server-side apply).

    Fields that the manager stated before and states no longer are removed, unless others own
    them; a changed field that another manager owns is a conflict, unless forced.
    """
    managers, manager = Managers.read(live), author.manager
    fields = _without(applied_fields(applied, layout), author.reset)
    merged: Object = _merge(live, applied, layout)
    changed, _ = compare(live, merged, layout)
    found = managers.conflicts(manager, changed)
    if found and not force:
        raise _conflict(found)
    for other, path in found:
        managers.held[other].fields -= {path}
    before = managers.held.get(manager)
    others = {path for other, holding in managers.held.items() if other != manager for path in holding.fields}
    if before is not None:
        merged = _abandon(merged, layout, before.fields - fields, others | set(fields))
    managers.held[manager] = Holding(fields, before.time if before else "")
    return merged, managers
