"""Failures as the API server words them: a Status object with code, reason, message, details."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .wire import Object, Response, Value, json_response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .resources import Kind

STALE = "the object has been modified; please apply your changes to the latest version and try again"


class ApiError(Exception):
    """A refusal, with everything its Status object says."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        """Keep the parts of the Status object."""
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.metadata: Object = {}

    def status(self) -> Object:
        """Give the Status object (metav1.Status)."""
        status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status

    def response(self) -> Response:
        """Give the HTTP answer that carries the Status object."""
        return json_response(self.code, self.status())


@dataclass(frozen=True, slots=True)
class FieldError:
    """One complaint about one field, as apimachinery's field.Error words it."""

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        """Give the complaint as it stands in the message of the Status."""
        return f"{self.field}: {self.message}"

    def cause(self) -> Object:
        """Give the complaint as it stands in details.causes."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


def quoted(value: Value) -> str:
    """Show a value as the API server's messages do."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def invalid_value(path: str, value: Value, why: str) -> FieldError:
    """Say that a field's value is not allowed."""
    return FieldError("FieldValueInvalid", path, f"Invalid value: {quoted(value)}: {why}")


def required(path: str, why: str = "") -> FieldError:
    """Say that a field is missing."""
    return FieldError("FieldValueRequired", path, f"Required value: {why}".removesuffix(": "))


def forbidden_field(path: str, why: str) -> FieldError:
    """Say that a field must not be set or changed."""
    return FieldError("FieldValueForbidden", path, f"Forbidden: {why}")


def unsupported_value(path: str, value: Value, allowed: Sequence[str]) -> FieldError:
    """Say that a field's value is not one of the allowed ones."""
    shown = ", ".join(quoted(item) for item in allowed)
    message = f"Unsupported value: {quoted(value)}: supported values: {shown}"
    return FieldError("FieldValueNotSupported", path, message)


def too_long(path: str, limit: int) -> FieldError:
    """Say that a field is longer than its limit in bytes."""
    return FieldError("FieldValueTooLong", path, f"Too long: may not be more than {limit} bytes")


def _object_details(kind: Kind, name: str) -> Object:
    details: Object = {"name": name} if name else {}
    if kind.group:
        details["group"] = kind.group
    details["kind"] = kind.plural
    return details


def not_found(kind: Kind, name: str) -> ApiError:
    """Say that the object does not exist (404 NotFound)."""
    return ApiError(404, "NotFound", f'{kind.qualified} "{name}" not found', _object_details(kind, name))


def no_such_resource() -> ApiError:
    """Say that nothing is served at the path (404 NotFound)."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(kind: Kind, name: str) -> ApiError:
    """Say that the name is taken (409 AlreadyExists)."""
    message = f'{kind.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _object_details(kind, name))


def conflict(kind: Kind, name: str, why: str = STALE) -> ApiError:
    """Say that the write is against another version of the object (409 Conflict)."""
    message = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, _object_details(kind, name))


def invalid(kind: Kind, name: str, errors: Sequence[FieldError], shown: str = "") -> ApiError:
    """Say that validation failed (422 Invalid), with one cause per field."""
    texts = list(dict.fromkeys(str(error) for error in errors))
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    shown = shown or kind.name
    label = f"{shown}.{kind.group}" if kind.group else shown
    details: Object = {"name": name} if name else {}
    if kind.group:
        details["group"] = kind.group
    details["kind"] = shown
    details["causes"] = [error.cause() for error in errors]
    return ApiError(422, "Invalid", f'{label} "{name}" is invalid: {listed}', details)


def forbidden(kind: Kind, name: str, why: str) -> ApiError:
    """Say that the request is understood and refused (403 Forbidden)."""
    shown = f'{kind.qualified} "{name}"' if name else kind.qualified
    message = f"{shown} is forbidden: {why}"
    return ApiError(403, "Forbidden", message, _object_details(kind, name))


def forbidden_path(path: str, why: str) -> ApiError:
    """Say that a path which is no resource is refused (403 Forbidden)."""
    return ApiError(403, "Forbidden", f'forbidden: {why} path "{path}"', {})


def bad_request(message: str) -> ApiError:
    """Say that the request cannot be read (400 BadRequest)."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """Say that the credentials are not accepted (401 Unauthorized)."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def internal_error(message: str) -> ApiError:
    """Say that the server failed on what it was given (500, without a reason)."""
    return ApiError(500, "", message)


def expired(message: str) -> ApiError:
    """Say that the history asked for has been compacted (410 Expired)."""
    return ApiError(410, "Expired", message)


def method_not_allowed() -> ApiError:
    """Say that the resource does not have this verb (405 MethodNotAllowed)."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def unsupported_media(accepted: Sequence[str]) -> ApiError:
    """Say that the body's format is not understood (415 UnsupportedMediaType)."""
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(
        accepted
    )
    return ApiError(415, "UnsupportedMediaType", message)


def unsupported_patch(accepted: Sequence[str], media: str) -> ApiError:
    """Say that a patch format is not understood (415 UnsupportedMediaType)."""
    error = unsupported_media(accepted)
    if media == "application/json":
        error = ApiError(415, error.reason, "415: Unsupported Media Type", {})
    return error


def too_large(message: str) -> ApiError:
    """Say that the body is over the limit (413 RequestEntityTooLarge)."""
    return ApiError(413, "RequestEntityTooLarge", message)
