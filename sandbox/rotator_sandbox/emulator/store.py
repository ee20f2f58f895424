"""The objects, the resource version, and the history that watches and pages read."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import TypeAlias

from .wire import Object, encode

Storage: TypeAlias = tuple[str, str]
"""Group and plural: where the objects of a kind are kept, whatever the version."""

Key: TypeAlias = tuple[str, str]
"""Namespace (empty for cluster scope) and name."""

HISTORY = 20_000


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one object, with its JSON text; neither is ever changed."""

    object: Object = field(repr=False)
    raw: bytes = field(repr=False)
    revision: int


@dataclass(frozen=True, slots=True)
class Change:
    """One write: what was there before, and what is there now (or was there last)."""

    revision: int
    storage: Storage
    key: Key
    old: Stored | None
    new: Stored | None
    last: Stored


class Store:
    """An etcd in miniature: each write has the next revision, and old ones can be read."""

    def __init__(self, history: int = HISTORY) -> None:
        """Start empty, keeping at least `history` changes for watches and pages."""
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.revision = 1
        self.compacted = 1
        self.touched: dict[Storage, int] = {}
        self._history = history
        self._changes: list[Change] = []
        self._objects: dict[Storage, dict[Key, Stored]] = {}
        self._keys: dict[Storage, list[Key]] = {}

    def get(self, storage: Storage, key: Key) -> Stored | None:
        """Give the object at a key, or nothing."""
        objects = self._objects.get(storage)
        return None if objects is None else objects.get(key)

    def put(self, storage: Storage, key: Key, obj: Object) -> Stored:
        """Keep an object at the next revision, which becomes its resourceVersion."""
        objects = self._objects.setdefault(storage, {})
        old = objects.get(key)
        stored = self._stamp(obj)
        objects[key] = stored
        if old is None:
            insort(self._keys.setdefault(storage, []), key)
        self._record(Change(self.revision, storage, key, old, stored, stored))
        return stored

    def remove(self, storage: Storage, key: Key) -> Stored:
        """Forget an object; what is returned carries the revision of its removal."""
        old = self._objects[storage].pop(key)
        keys = self._keys[storage]
        del keys[bisect_left(keys, key)]
        last = self._stamp(dict(old.object))
        self._record(Change(self.revision, storage, key, old, None, last))
        return last

    def _stamp(self, obj: Object) -> Stored:
        self.revision += 1
        obj["metadata"] = {**obj["metadata"], "resourceVersion": str(self.revision)}
        return Stored(obj, encode(obj), self.revision)

    def _record(self, change: Change) -> None:
        self.touched[change.storage] = change.revision
        self._changes.append(change)
        if len(self._changes) > 2 * self._history:
            self.compact(self.revision - self._history)
        self.changed.notify_all()

    def compact(self, revision: int | None = None) -> None:
        """Forget the history up to a revision (now, when none is given), as etcd does."""
        revision = self.revision if revision is None else revision
        self._changes = [change for change in self._changes if change.revision > revision]
        self.compacted = max(self.compacted, revision)

    def since(self, revision: int) -> list[Change]:
        """Give the changes after a revision; the caller has checked `compacted`."""
        return self._changes[revision - self.compacted :] if self._changes else []

    def select(self, storage: Storage, namespace: str = "") -> list[tuple[Key, Stored]]:
        """Give the objects of one namespace, or of all, in the order of their keys."""
        keys, objects = self._keys.get(storage, []), self._objects.get(storage, {})
        if namespace:
            low, high = bisect_left(keys, (namespace, "")), bisect_left(keys, (namespace + "\0",))
            keys = keys[low:high]
        return [(key, objects[key]) for key in keys]

    def select_at(self, storage: Storage, namespace: str, revision: int) -> list[tuple[Key, Stored]]:
        """Give the objects as they were at a revision that is not compacted."""
        past = dict(self.select(storage, namespace))
        for change in reversed(self.since(revision)):
            if change.storage != storage or (namespace and change.key[0] != namespace):
                continue
            if change.old is None:
                past.pop(change.key, None)
            else:
                past[change.key] = change.old
        return sorted(past.items(), key=lambda item: item[0])

    def namespace_contents(self, namespace: str) -> list[tuple[Storage, Key]]:
        """Give where every object of a namespace is kept."""
        return [(storage, key) for storage in self._objects for key, _ in self.select(storage, namespace)]

    def everything(self) -> list[tuple[Storage, Key, Stored]]:
        """Give every object of every kind."""
        return [
            (storage, key, stored)
            for storage, objects in self._objects.items()
            for key, stored in objects.items()
        ]
