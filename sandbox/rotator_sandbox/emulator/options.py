"""The options of a write: dry run, field manager, force, field validation, preconditions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import protobuf
from .conform import conform
from .managed import Manager
from .resources import Kind
from .status import (
    ApiError,
    FieldError,
    bad_request,
    invalid,
    invalid_value,
    too_large,
    unsupported_media,
    unsupported_value,
)
from .wire import Object, as_object, is_true

if TYPE_CHECKING:
    from .state import Call
    from .target import Target

_BODY_LIMIT = 3 * 1024 * 1024
_POLICIES = ("Foreground", "Background", "Orphan")
_DELETE_OPTIONS = Kind("", "v1", "deleteoptions", "DeleteOptions")
_JSON_MEDIA = ("application/json", "application/yaml")
_MEDIA = (*_JSON_MEDIA, protobuf.MEDIA)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What a create, update, patch or delete asks for besides its object."""

    dry_run: bool
    manager: str
    force: bool
    strict: bool


def option_error(kind: str, error: FieldError) -> ApiError:
    """Say that an option of a request is not valid (422 Invalid)."""
    message = f'{kind}.meta.k8s.io "" is invalid: {error}'
    details = {"group": "meta.k8s.io", "kind": kind, "causes": [error.cause()]}
    return ApiError(422, "Invalid", message, details)


def _dry_run(value: str | None, kind: str) -> bool:
    if value in {None, ""}:
        return False
    if value != "All":
        raise option_error(kind, unsupported_value("dryRun", [value], ["All"]))
    return True


def _manager_of(query: dict[str, str], headers: dict[str, str]) -> str:
    if query.get("fieldManager"):
        return query["fieldManager"]
    agent = headers.get("user-agent", "").partition("/")[0]
    return "".join(each for each in agent if each.isprintable())[:128] or "unknown"


def write_options(call: Call, kind: str = "PatchOptions") -> WriteOptions:
    """Read the options of a write from the query."""
    query = call.query
    return WriteOptions(
        dry_run=_dry_run(query.get("dryRun"), kind),
        manager=_manager_of(query, call.request.headers),
        force=is_true(query.get("force")),
        strict=query.get("fieldValidation") == "Strict",
    )


def update_manager(options: WriteOptions, kind: Kind, subresource: str) -> Manager:
    """Give the field manager of a write that is not an apply."""
    return Manager(options.manager, "Update", kind.api_version, subresource)


def check_media(call: Call) -> None:
    """Refuse a body whose media type is not JSON (415 UnsupportedMediaType)."""
    media = call.request.headers.get("content-type", "").partition(";")[0].strip()
    if media and media not in _JSON_MEDIA:
        raise unsupported_media(_MEDIA)


def decode_body(body: bytes, kind: str = "") -> Object:
    """Read the JSON object in a body (400 when it is none, 413 when it is too large)."""
    if len(body) > _BODY_LIMIT:
        message = f"Request entity too large: limit is {_BODY_LIMIT}"
        raise too_large(message)
    try:
        value = json.loads(body)
    except ValueError as error:
        message = f"{_unrecognised(kind)}{error}"
        raise bad_request(message) from None
    if not isinstance(value, dict):
        message = f"{_unrecognised(kind)}json: cannot unmarshal array into Go value of type struct"
        raise bad_request(message)
    return value


def _unrecognised(kind: str) -> str:
    return (
        f"the object provided is unrecognized (must be of type {kind}): couldn't get "
        "version/kind; json parse error: "
    )


def check_kind(kind: Kind, obj: Object) -> None:
    """Refuse a body of another kind or version than its path (400 BadRequest)."""
    name, version = obj.get("kind") or "", obj.get("apiVersion") or ""
    if not isinstance(name, str) or not isinstance(version, str):
        raise bad_request(f"{_unrecognised(kind.name)}kind and apiVersion must be strings")
    if kind.custom is not None and not (name and version):
        missing = "Kind" if not name else "apiVersion"
        message = (
            f"the object provided is unrecognized (must be of type {kind.name}): "
            f"Object '{missing}' is missing"
        )
        raise bad_request(message)
    if kind.custom is not None:
        _check_custom_kind(kind, obj, name, version)
    if (name or kind.name) != kind.name or (version or kind.api_version) != kind.api_version:
        message = (
            f'{name} in version "{version}" cannot be handled as a {kind.name}: '
            f"the API version in the data ({version}, Kind={name}) does not match the expected "
            f"API version ({kind.api_version}, Kind={kind.name})"
        )
        raise bad_request(message)


def _check_custom_kind(kind: Kind, obj: Object, name: str, version: str) -> None:
    if version != kind.api_version:
        message = (
            f"the API version in the data ({version}) does not match the expected API version "
            f"({kind.api_version})"
        )
        raise bad_request(message)
    if name != kind.name:
        error = invalid_value("kind", name, f"must be {kind.name}")
        shown = as_object(obj.get("metadata")).get("name") or ""
        raise invalid(kind, shown, [error], shown=name)


def check_place(target: Target, obj: Object) -> None:
    """Refuse a body whose namespace or name is not that of its path (400 BadRequest)."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        return
    namespace, name = metadata.get("namespace") or "", metadata.get("name") or ""
    if not isinstance(namespace, str) or not isinstance(name, str):
        return
    if namespace and namespace != target.namespace:
        message = "the namespace of the provided object does not match the namespace sent on the request"
        raise bad_request(message)
    if target.name and name and name != target.name:
        message = f"the name of the object ({name}) does not match the name on the URL ({target.name})"
        raise bad_request(message)


def check_named(target: Target, obj: Object) -> None:
    """Refuse an update whose object has no name (400 BadRequest)."""
    if not as_object(obj.get("metadata")).get("name"):
        message = (
            f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided"
        )
        raise bad_request(message)


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """metav1.DeleteOptions: preconditions, grace, what happens to dependents."""

    dry_run: bool
    uid: str
    revision: str
    grace: int | None
    policy: str


def delete_options(call: Call) -> DeleteOptions:
    """Read DeleteOptions from the body and the query."""
    body = decode_body(call.request.body) if call.request.body else {}
    body = conform(_DELETE_OPTIONS, body)
    preconditions = body.get("preconditions") or {}
    dry_runs = body.get("dryRun") or [call.query.get("dryRun")]
    policy = body.get("propagationPolicy") or call.query.get("propagationPolicy") or ""
    if not policy and body.get("orphanDependents"):
        policy = "Orphan"
    if policy and policy not in _POLICIES:
        error = unsupported_value("propagationPolicy", policy, [*_POLICIES, "nil"])
        raise option_error("DeleteOptions", error)
    grace = body.get("gracePeriodSeconds", call.query.get("gracePeriodSeconds"))
    return DeleteOptions(
        dry_run=_dry_run(dry_runs[0], "DeleteOptions"),
        uid=preconditions.get("uid") or "",
        revision=preconditions.get("resourceVersion") or "",
        grace=None if grace is None else int(grace),
        policy=policy,
    )
