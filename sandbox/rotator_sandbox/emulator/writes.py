"""Create, update and patch: preparation, checks, field managers, and the commit."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import effects
from .decoding import decode
from .layouts import layout_of
from .managed import Author, Manager, record_update, reset_fields
from .options import (
    WriteOptions,
    check_kind,
    check_media,
    check_named,
    check_place,
    decode_body,
    update_manager,
    write_options,
)
from .status import (
    already_exists,
    conflict,
    forbidden,
    internal_error,
    invalid,
    invalid_value,
    not_found,
)
from .store import Stored
from .strategy import check, normalise, prepare_create, prepare_update
from .views import in_version, stored_response
from .wire import Object, Response, as_object, encode

if TYPE_CHECKING:
    from .resources import Kind
    from .state import Call, State
    from .target import Target

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_NAMESPACES = ("", "namespaces")


@dataclass(frozen=True, slots=True)
class Draft:
    """A decoded object on its way to being stored, by whom, and whether it is to be stored at all.

    `managed` are managedFields already worked out.
    """

    object: Object
    manager: Manager
    dry_run: bool
    managed: list[Object] | None = None


def random_suffix(length: int = 5) -> str:
    """Give a suffix as generateName appends it."""
    return "".join(random.choices(_ALPHABET, k=length))  # noqa: S311


def _check_namespace(call: Call, target: Target, name: str) -> None:
    """Refuse to create in a namespace that does not exist or is going away."""
    if not target.kind.namespaced:
        return
    stored = call.state.store.get(_NAMESPACES, ("", target.namespace))
    if stored is None:
        raise not_found(call.state.registry.by_storage(_NAMESPACES), target.namespace)
    if stored.object["metadata"].get("deletionTimestamp"):
        why = f"unable to create new content in namespace {target.namespace} because it is being terminated"
        error = forbidden(target.kind, name, why)
        error.details = {
            **(error.details or {}),
            "causes": [
                {
                    "reason": "NamespaceTerminating",
                    "message": f"namespace {target.namespace} is being terminated",
                    "field": "metadata.namespace",
                }
            ],
        }
        raise error


def _fill_system_fields(call: Call, target: Target, obj: Object) -> None:
    metadata = obj["metadata"]
    for name in ("managedFields", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        metadata.pop(name, None)
    if target.kind.namespaced:
        metadata["namespace"] = target.namespace
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = metadata["generateName"] + random_suffix()
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = call.state.now()


def read_draft(call: Call, target: Target, options: WriteOptions) -> Draft:
    """Read the object in the body."""
    check_media(call)
    obj = decode_body(call.request.body, target.kind.name)
    check_kind(target.kind, obj)
    check_place(target, obj)
    manager = update_manager(options, target.kind, target.subresource)
    return Draft(decode(target.kind, obj, strict=options.strict), manager, options.dry_run)


def create(call: Call, target: Target) -> Response:
    """Answer a POST to a collection."""
    options = write_options(call, "CreateOptions")
    draft = read_draft(call, target, options)
    if as_object(draft.object.get("metadata")).get("resourceVersion") not in {None, "", "0"}:
        raise internal_error("resourceVersion should not be set on objects to be created")
    stored = insert(call, target, draft)
    return stored_response(call, target.kind, stored, 201)


def insert(call: Call, target: Target, draft: Draft) -> Stored:
    """Create an object, or only say what it would be."""
    kind, obj = target.kind, dict(draft.object)
    metadata = obj.get("metadata") or {}
    _check_namespace(call, target, metadata.get("name") or "")
    obj["metadata"] = {**metadata, "resourceVersion": ""}
    _fill_system_fields(call, target, obj)
    obj = normalise(kind, obj)
    prepare_create(kind, obj)
    check(kind, obj)
    effects.admit(call.state, kind, obj)
    name = obj["metadata"]["name"]
    if call.state.store.get(kind.storage, (target.namespace, name)) is not None:
        raise already_exists(kind, name)
    _record(call, target, {}, obj, draft)
    return commit(call.state, kind, (target.namespace, name), obj, dry_run=draft.dry_run)


def _record(call: Call, target: Target, old: Object, new: Object, draft: Draft) -> None:
    """Put the managedFields of the new version in."""
    if draft.managed is not None:
        new["metadata"]["managedFields"] = draft.managed
        return
    reset = reset_fields(target.kind, target.subresource)
    author = Author(draft.manager, call.state.now(), reset)
    record_update(old, new, layout_of(target.kind), author)


def commit(state: State, kind: Kind, key: tuple[str, str], obj: Object, *, dry_run: bool) -> Stored:
    """Keep an object, with what follows from it; a dry run only shows it."""
    if kind.custom is not None:
        obj["apiVersion"] = f"{kind.group}/{kind.custom.storage_version}"
    if dry_run:
        return Stored(obj, encode(obj), state.store.revision)
    stored = state.store.put(kind.storage, key, obj)
    return effects.after_write(state, kind, key, stored)


def update(call: Call, target: Target) -> Response:
    """Answer a PUT of an object."""
    options = write_options(call, "UpdateOptions")
    kind, draft = target.kind, read_draft(call, target, options)
    old = call.state.store.get(kind.storage, target.key)
    metadata = as_object(draft.object.get("metadata"))
    check_named(target, draft.object)
    if old is None:
        if not kind.create_on_update or target.subresource:
            raise not_found(kind, target.name)
        _check_uid(target, metadata.get("uid") or "", "")
        stored = insert(call, target, draft)
        return stored_response(call, kind, stored, 201)
    _check_uid(target, metadata.get("uid") or "", old.object["metadata"]["uid"])
    stored = replace(call, target, old, draft)
    return stored_response(call, kind, stored)


def _check_uid(target: Target, uid: str, have: str) -> None:
    """Refuse a PUT that names another incarnation of the object."""
    if not uid or uid == have:
        return
    place = "/".join(("/registry", target.kind.plural, *filter(None, target.key)))
    why = (
        f"StorageError: invalid object, Code: 4, Key: {place}, ResourceVersion: 0, "
        f"AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, "
        f"UID in object meta: {have}"
    )
    raise conflict(target.kind, target.name, why)


def _check_revision(kind: Kind, old: Stored, obj: Object) -> None:
    """Refuse a write against another version than the one stored (optimistic locking)."""
    version = str(obj["metadata"].get("resourceVersion") or "")
    name = old.object["metadata"]["name"]
    if version in {"", "0"}:
        if kind.unconditional_update:
            return
        why = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(kind, name, [why], shown=kind.plural)
    if not version.isdigit():
        raise internal_error(f'strconv.ParseUint: parsing "{version}": invalid syntax')
    if version != str(old.revision):
        raise conflict(kind, name)


def replace(call: Call, target: Target, old: Stored, draft: Draft) -> Stored:
    """Put a new version in the place of an old one, or only say what it would be."""
    kind, before = target.kind, in_version(target.kind, old)
    obj = normalise(kind, draft.object)
    obj["metadata"].setdefault("name", target.name)
    if kind.namespaced:
        obj["metadata"].setdefault("namespace", target.namespace)
    _check_revision(kind, old, obj)
    prepare_update(kind, before, obj, target.subresource)
    check(kind, obj, before)
    obj["metadata"]["resourceVersion"] = str(old.revision)
    _record(call, target, before, obj, draft)
    if obj == before:
        return old
    if _finished(kind, obj):
        return effects.finish(call.state, kind, target.key, obj, dry_run=draft.dry_run)
    return commit(call.state, kind, target.key, obj, dry_run=draft.dry_run)


def _finished(kind: Kind, obj: Object) -> bool:
    """Say whether an object that is being deleted has nothing left to wait for."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    return not metadata.get("deletionGracePeriodSeconds") and kind.name != "Namespace"
