"""PATCH: the four formats, and server-side apply."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .fields import check_fields
from .layouts import layout_of
from .managed import Manager, Managers, apply_merge, reset_fields
from .options import (
    WriteOptions,
    check_kind,
    check_place,
    decode_body,
    option_error,
    update_manager,
    write_options,
)
from .patches import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    json_patch,
    merge_patch,
)
from .reads import find
from .status import bad_request, conflict, forbidden_field, required, unsupported_patch
from .strategic import strategic_merge
from .strategy import normalise, prepare_update
from .views import in_version, stored_response
from .wire import Object, Response, Value, as_object
from .writes import insert, replace

if TYPE_CHECKING:
    from .resources import Kind
    from .state import Call
    from .store import Stored
    from .target import Target


def accepted_formats(kind: Kind) -> list[str]:
    """Give the patch formats of a kind; strategic merge needs Go types."""
    formats = [JSON_PATCH, MERGE_PATCH]
    if kind.custom is None:
        formats.append(STRATEGIC_PATCH)
    return [*formats, APPLY_PATCH]


def _decode(body: bytes) -> Value:
    try:
        return json.loads(body)
    except ValueError as error:
        message = f"error decoding patch: {error}"
        raise bad_request(message) from None


def patched(media: str, current: Object, patch: Value) -> Object:
    """Give an object after a patch in one of the formats that change what is there."""
    if media == JSON_PATCH:
        return json_patch(current, patch)
    if not isinstance(patch, dict):
        message = (
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        )
        raise bad_request(message)
    if media == MERGE_PATCH:
        merged: Object = merge_patch(current, patch)
        return merged
    return strategic_merge(current, patch)


def patch(call: Call, target: Target) -> Response:
    """Answer a PATCH of an object."""
    media = call.request.headers.get("content-type", "").partition(";")[0].strip()
    if media not in accepted_formats(target.kind):
        raise unsupported_patch(accepted_formats(target.kind), media)
    options = write_options(call)
    _check_options(call, apply=media == APPLY_PATCH)
    if media == APPLY_PATCH:
        return _apply(call, target, options)
    old = find(call, target)
    decoded = _decode(call.request.body)
    current = in_version(target.kind, old)
    obj = patched(media, current, decoded)
    check_kind(target.kind, obj)
    check_fields(target.kind, obj, strict=options.strict)
    check_place(target, obj)
    nulls = b"null" in call.request.body
    manager = update_manager(options, target.kind, target.subresource)
    stored = replace(call, target, old, obj, manager, dry_run=options.dry_run, nulls=nulls)
    return stored_response(call, target.kind, stored)


def _check_options(call: Call, *, apply: bool) -> None:
    """Refuse options that only apply has, and an apply without a manager."""
    if apply and not call.query.get("fieldManager"):
        raise option_error("PatchOptions", required("fieldManager", "is required for apply patch"))
    if not apply and "force" in call.query:
        why = "may not be specified for non-apply patch"
        raise option_error("PatchOptions", forbidden_field("force", why))


def _apply(call: Call, target: Target, options: WriteOptions) -> Response:
    """Answer a server-side apply: create what is missing, else merge by ownership."""
    applied = decode_body(call.request.body)
    if not applied.get("kind") or not applied.get("apiVersion"):
        raise bad_request(f"invalid object type: /, Kind={applied.get('kind', '')}")
    check_kind(target.kind, applied)
    check_fields(target.kind, applied, strict=options.strict)
    check_place(target, applied)
    if (applied.get("metadata") or {}).get("managedFields"):
        message = "metadata.managedFields must be nil"
        raise bad_request(message)
    manager = Manager(options.manager, "Apply", target.kind.api_version, target.subresource)
    old = call.state.store.get(target.kind.storage, target.key)
    if old is None:
        _check_incarnation(target, as_object(applied.get("metadata")).get("uid"))
        stored = _apply_new(call, target, applied, manager, dry_run=options.dry_run)
        return stored_response(call, target.kind, stored, 201)
    stored = _apply_over(call, target, old, applied, manager, options)
    return stored_response(call, target.kind, stored)


def _check_incarnation(target: Target, uid: str | None) -> None:
    """Refuse to create what the client took for an object that exists."""
    if uid:
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise conflict(target.kind, target.name, why)


def _apply_new(call: Call, target: Target, applied: Object, manager: Manager, *, dry_run: bool) -> Stored:
    applied = {**applied, "metadata": {"name": target.name, **(applied.get("metadata") or {})}}
    empty: Object = {"metadata": {}}
    reset = reset_fields(target.kind, "")
    _, managers = apply_merge(empty, applied, layout_of(target.kind), manager, force=True, reset=reset)
    managers.held[manager].time = call.state.now()
    entries = managers.entries()
    return insert(call, target, applied, manager, dry_run=dry_run, managed=entries)


def _apply_over(
    call: Call,
    target: Target,
    old: Stored,
    applied: Object,
    manager: Manager,
    options: WriteOptions,
) -> Stored:
    kind, before = target.kind, in_version(target.kind, old)
    layout, reset = layout_of(kind), reset_fields(kind, target.subresource)
    merged, managers = apply_merge(before, applied, layout, manager, force=options.force, reset=reset)
    result = normalise(kind, {**merged, "metadata": dict(merged["metadata"])}, nulls=True)
    prepare_update(kind, before, result, target.subresource)
    if not _same(before, result):
        managers.held[manager].time = call.state.now()
    entries = managers.entries()
    return replace(call, target, old, merged, manager, dry_run=options.dry_run, managed=entries)


def _same(before: Object, after: Object) -> bool:
    ignored = {"managedFields", "resourceVersion"}

    def content(obj: Object) -> Object:
        kept = {name: value for name, value in obj["metadata"].items() if name not in ignored}
        return {**obj, "metadata": kept}

    return content(before) == content(after)
