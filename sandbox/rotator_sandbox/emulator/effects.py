"""What follows from a write: served kinds, namespaces that empty, dependents that are collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .definitions import definition_kinds
from .status import forbidden
from .store import Stored
from .wire import Object, encode

if TYPE_CHECKING:
    from .resources import Kind
    from .state import State
    from .store import Key, Storage

_NAMESPACES = ("", "namespaces")
_SERVICES_SUBNET = "10.96"
_LASTING = frozenset({"default", "kube-system", "kube-public"})


def admit(state: State, kind: Kind, obj: Object) -> None:
    """Fill what admission and allocation add to a new object."""
    if kind.name == "Service" and obj["spec"].get("type") != "ExternalName":
        number = state.store.revision % 65_000 + 1
        address = f"{_SERVICES_SUBNET}.{number // 256}.{number % 256}"
        spec = obj["spec"]
        spec.setdefault("clusterIP", address)
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")


def after_write(state: State, kind: Kind, key: Key, stored: Stored) -> Stored:
    """Serve what a definition defines, and give back what is stored in the end."""
    if kind.name != "CustomResourceDefinition":
        return stored
    kinds = definition_kinds(stored.object)
    state.registry.serve((stored.object["spec"]["group"], stored.object["spec"]["names"]["plural"]), kinds)
    status = _established(state, stored.object)
    if stored.object.get("status") == status:
        return stored
    return state.store.put(kind.storage, key, {**stored.object, "status": status})


def _established(state: State, definition: Object) -> Object:
    names = definition["spec"]["names"]
    conditions = (definition.get("status") or {}).get("conditions")
    if not conditions:
        texts = (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
        conditions = [
            {
                "type": name,
                "status": "True",
                "lastTransitionTime": state.now(),
                "reason": reason,
                "message": message,
            }
            for name, reason, message in texts
        ]
    versions = definition["spec"].get("versions") or []
    stored = [version["name"] for version in versions if version.get("storage")]
    return {"conditions": conditions, "acceptedNames": names, "storedVersions": stored}


def finish(state: State, kind: Kind, key: Key, obj: Object, *, dry_run: bool) -> Stored:
    """Remove an object whose last finalizer is gone."""
    if dry_run:
        return Stored(obj, encode(obj), state.store.revision)
    state.store.put(kind.storage, key, obj)
    return remove(state, kind.storage, key)


def remove(state: State, storage: Storage, key: Key, policy: str = "") -> Stored:
    """Remove an object, and with it what only existed because of it."""
    last = state.store.remove(storage, key)
    uid = last.object["metadata"]["uid"]
    if storage == ("apiextensions.k8s.io", "customresourcedefinitions"):
        _withdraw(state, last.object)
    collect(state, uid, policy)
    namespace = key[0]
    if namespace:
        finish_namespace(state, namespace)
    return last


def _withdraw(state: State, definition: Object) -> None:
    storage = (definition["spec"]["group"], definition["spec"]["names"]["plural"])
    for key, _ in state.store.select(storage):
        state.store.remove(storage, key)
    state.registry.withdraw(storage)


def collect(state: State, uid: str, policy: str) -> None:
    """Remove the dependents of an owner that is gone, or orphan them (the garbage collector)."""
    for storage, key, stored in state.store.everything():
        owners = stored.object["metadata"].get("ownerReferences")
        if not owners or all(owner.get("uid") != uid for owner in owners):
            continue
        kept = [owner for owner in owners if owner.get("uid") != uid]
        if kept or policy == "Orphan":
            _release(state, storage, key, stored, kept)
        elif state.store.get(storage, key) is not None:
            mark_or_remove(state, storage, key, stored)


def _release(state: State, storage: Storage, key: Key, stored: Stored, kept: list[Object]) -> None:
    metadata = {**stored.object["metadata"], "ownerReferences": kept}
    if not kept:
        del metadata["ownerReferences"]
    state.store.put(storage, key, {**stored.object, "metadata": metadata})


def mark_or_remove(state: State, storage: Storage, key: Key, stored: Stored) -> None:
    """Remove an object, or mark it deleted when finalizers hold it."""
    metadata = stored.object["metadata"]
    if not metadata.get("finalizers"):
        remove(state, storage, key)
    elif not metadata.get("deletionTimestamp"):
        marked = {**metadata, "deletionTimestamp": state.now(), "deletionGracePeriodSeconds": 0}
        state.store.put(storage, key, {**stored.object, "metadata": marked})


def protect(kind: Kind, name: str) -> None:
    """Refuse to delete the namespaces that every cluster has."""
    if kind.name == "Namespace" and name in _LASTING:
        raise forbidden(kind, name, "this namespace may not be deleted")


def empty_namespace(state: State, name: str) -> None:
    """Delete everything in a namespace that is going away."""
    for storage, key in state.store.namespace_contents(name):
        stored = state.store.get(storage, key)
        if stored is not None:
            mark_or_remove(state, storage, key, stored)
    finish_namespace(state, name)


def finish_namespace(state: State, name: str) -> None:
    """Remove a namespace that is going away once it is empty."""
    stored = state.store.get(_NAMESPACES, ("", name))
    if stored is None or not stored.object["metadata"].get("deletionTimestamp"):
        return
    if stored.object["metadata"].get("finalizers") or state.store.namespace_contents(name):
        return
    state.store.remove(_NAMESPACES, ("", name))
