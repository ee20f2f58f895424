"""PATCH: the four formats, and server-side apply."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .authz import authorise_creation
from .decoding import decode
from .layouts import layout_of
from .managed import Author, Manager, apply_merge, reset_fields
from .options import (
    WriteOptions,
    check_kind,
    check_named,
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
from .status import (
    ApiError,
    bad_request,
    conflict,
    forbidden_field,
    internal_error,
    invalid_value,
    required,
    unsupported_patch,
)
from .strategic import strategic_merge
from .strategy import normalise, prepare_update
from .views import in_version, stored_response
from .wire import Object, Response, Value, as_object
from .writes import Draft, insert, replace

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
    obj = _decoded(target.kind, obj, strict=options.strict)
    check_kind(target.kind, obj)
    check_place(target, obj)
    check_named(target, obj)
    manager = update_manager(options, target.kind, target.subresource)
    stored = replace(call, target, old, Draft(obj, manager, options.dry_run))
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
    check_place(target, applied)
    applied = _typed(target.kind, applied)
    if (applied.get("metadata") or {}).get("managedFields"):
        message = "metadata.managedFields must be nil"
        raise bad_request(message)
    old = call.state.store.get(target.kind.storage, target.key)
    if old is None:
        authorise_creation(call, target)
        _check_incarnation(target, as_object(applied.get("metadata")).get("uid"))
        manager = apply_manager(options, target)
        stored = _apply_new(call, target, applied, manager, dry_run=options.dry_run)
        return stored_response(call, target.kind, stored, 201)
    stored = _apply_over(call, target, old, applied, options)
    return stored_response(call, target.kind, stored)


def _typed(kind: Kind, applied: Object) -> Object:
    """Decode an applied configuration; fields that the type has not are an internal error (500)."""
    try:
        return decode(kind, applied, strict=True, stated=True)
    except ApiError as error:
        metadata = as_object(applied.get("metadata"))
        place = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
        message = (
            f"failed to create typed patch object ({place}; {kind.group}/{kind.version}, Kind={kind.name})"
        )
        raise internal_error(f"{message}: {error.message}: field not declared in schema") from None


def _decoded(kind: Kind, obj: Object, *, strict: bool) -> Object:
    """Decode what a patch made; what does not decode is an invalid patch (422)."""
    try:
        return decode(kind, obj, strict=strict)
    except ApiError as error:
        if strict:
            raise
        cause = invalid_value("patch", "...", error.message)
        message = f' "" is invalid: {cause}'
        raise ApiError(422, "Invalid", message, {"causes": [cause.cause()]}) from None


def _check_incarnation(target: Target, uid: str | None) -> None:
    """Refuse to create what the client took for an object that exists."""
    if uid:
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise conflict(target.kind, target.name, why)


def _apply_new(call: Call, target: Target, applied: Object, manager: Manager, *, dry_run: bool) -> Stored:
    applied = {**applied, "metadata": {"name": target.name, **(applied.get("metadata") or {})}}
    empty: Object = {"metadata": {}}
    author = Author(manager, call.state.now(), reset_fields(target.kind, ""))
    _, managers = apply_merge(empty, applied, layout_of(target.kind), author, force=True)
    managers.held[manager].time = author.time
    draft = Draft(decode(target.kind, applied, strict=False), manager, dry_run, managers.entries())
    return insert(call, target, draft)


def _apply_over(call: Call, target: Target, old: Stored, applied: Object, options: WriteOptions) -> Stored:
    kind, before = target.kind, in_version(target.kind, old)
    manager = apply_manager(options, target)
    author = Author(manager, call.state.now(), reset_fields(kind, target.subresource))
    merged, managers = apply_merge(before, applied, layout_of(kind), author, force=options.force)
    merged = decode(kind, merged, strict=False)
    result = normalise(kind, merged)
    prepare_update(kind, before, result, target.subresource)
    if not _same(before, result):
        managers.held[manager].time = author.time
    draft = Draft(merged, manager, options.dry_run, managed=managers.entries())
    return replace(call, target, old, draft)


def apply_manager(options: WriteOptions, target: Target) -> Manager:
    """Give the field manager of an apply."""
    return Manager(options.manager, "Apply", target.kind.api_version, target.subresource)


def _same(before: Object, after: Object) -> bool:
    ignored = {"managedFields", "resourceVersion"}

    def content(obj: Object) -> Object:
        kept = {name: value for name, value in obj["metadata"].items() if name not in ignored}
        return {**obj, "metadata": kept}

    return content(before) == content(after)
