"""Field validation: unknown top-level fields of built-in kinds, when a client asks to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .status import bad_request
from .wire import Object, Value, as_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .resources import Kind


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


def _unknown(kind: Kind, obj: Object) -> list[str]:
    rest = {name: value for name, value in obj.items() if name not in {"kind", "apiVersion", "metadata"}}
    if kind.custom is not None:
        return list(_unknown_in(kind.custom.schema, rest, ""))
    return [name for name in rest if name not in kind.known_fields]


def check_fields(kind: Kind, obj: Object, *, strict: bool) -> None:
    """Refuse unknown fields under fieldValidation=Strict (400 BadRequest)."""
    if not strict:
        return
    unknown = _unknown(kind, obj)
    if not unknown:
        return
    listed = ", ".join(f'unknown field "{name}"' for name in unknown)
    message = (
        f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: '
        f"strict decoding error: {listed}"
    )
    raise bad_request(message)
