"""The forms in which an object is served: itself, its metadata only, or a row of a table."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from .tables import table
from .wire import Object, Response, encode, raw_response

if TYPE_CHECKING:
    from .resources import Kind
    from .state import Call
    from .store import Stored


class View(Enum):
    """A representation that the Accept header can ask for."""

    OBJECT = "object"
    METADATA = "PartialObjectMetadata"
    TABLE = "Table"


def view_of(accept: str) -> View:
    """Read the first representation of an Accept header that can be served."""
    if "as=" not in accept:
        return View.OBJECT
    for media in accept.split(","):
        parts = [part.strip() for part in media.split(";")]
        if parts[0] not in {"application/json", "*/*", "application/*"}:
            continue
        if "as=Table" in parts:
            return View.TABLE
        if "as=PartialObjectMetadata" in parts or "as=PartialObjectMetadataList" in parts:
            return View.METADATA
        return View.OBJECT
    return View.OBJECT


def call_view(call: Call) -> View:
    """Give the representation that a call asks for."""
    return view_of(call.request.headers.get("accept", ""))


def in_version(kind: Kind, stored: Stored) -> Object:
    """Give an object in the version asked for (conversion strategy None)."""
    obj = stored.object
    if obj["apiVersion"] == kind.api_version:
        return obj
    return {**obj, "apiVersion": kind.api_version}


def raw_in_version(kind: Kind, stored: Stored) -> bytes:
    """Give the JSON text of an object in the version asked for."""
    if kind.custom is None or stored.object["apiVersion"] == kind.api_version:
        return stored.raw
    return encode(in_version(kind, stored))


def partial(obj: Object) -> Object:
    """Give the metadata of an object as PartialObjectMetadata."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }


def show_object(call: Call, kind: Kind, obj: Object, view: View) -> Object:
    """Give one object in a representation other than itself."""
    if view is View.METADATA:
        return partial(obj)
    moment = call.state.clock()
    meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
    return table(kind, [obj], meta, call.query.get("includeObject", "Metadata"), moment)


def object_response(call: Call, kind: Kind, obj: Object, status: int = 200) -> Response:
    """Answer with one object, in the representation that the call asks for."""
    view = call_view(call)
    if view is View.OBJECT:
        return raw_response(status, encode(obj))
    return raw_response(status, encode(show_object(call, kind, obj, view)))


def stored_response(call: Call, kind: Kind, stored: Stored, status: int = 200) -> Response:
    """Answer with a stored object, whose JSON text is at hand."""
    if call_view(call) is View.OBJECT:
        return raw_response(status, raw_in_version(kind, stored))
    return object_response(call, kind, in_version(kind, stored), status)
