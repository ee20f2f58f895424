"""Decoding what a client sent: into a Go type, or by the schema of a definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .conform import conform, conform_metadata
from .customs import custom_errors
from .definitions import DEFINITION_SCHEMA
from .go_types import is_known
from .status import ApiError, bad_request
from .wire import Object, Value, as_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .resources import Kind


_HEAD = frozenset({"kind", "apiVersion", "metadata"})


def _unknown_in(schema: Object, value: Value, path: str) -> Iterator[str]:
    properties = schema.get("properties")
    if isinstance(value, dict) and isinstance(properties, dict):
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            return
        for name, item in value.items():
            place = f"{path}.{name}".lstrip(".")
            if name in properties:
                yield from _unknown_in(properties[name], item, place)
            else:
                yield place
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown_in(as_object(schema.get("items")), item, f"{path}[{index}]")


def decode(kind: Kind, obj: Object, *, strict: bool, stated: bool = False) -> Object:
    """Give an object as the API server decodes it.

    `strict` refuses unknown fields (400); `stated` keeps what is empty.
    """
    if kind.custom is None and is_known(kind.name):
        return conform(kind, obj, strict=strict, stated=stated)
    schema = DEFINITION_SCHEMA if kind.custom is None else kind.custom.schema
    decoded = conform_metadata(kind, obj)
    rest = {name: value for name, value in decoded.items() if name not in _HEAD}
    unknown = list(_unknown_in(schema, rest, "")) if strict else []
    if unknown:
        listed = ", ".join(f'unknown field "{name}"' for name in unknown)
        raise _undecodable(kind, f"strict decoding error: {listed}")
    if kind.custom is None and (errors := custom_errors(schema, decoded)):
        raise _undecodable(kind, str(errors[0]))
    return decoded


def _undecodable(kind: Kind, why: str) -> ApiError:
    return bad_request(f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: {why}')
