"""Custom resources: what a structural schema prunes, fills and refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .status import FieldError, invalid_value, quoted, required
from .wire import Object, Value, as_object

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


def prune(schema: Object, obj: Object) -> Object:
    """Drop the fields that a structural schema does not name, and fill its defaults."""
    top = {"kind", "apiVersion", "metadata"}
    rest = {name: value for name, value in obj.items() if name not in top}
    pruned: Object = {name: obj[name] for name in obj if name in top}
    pruned.update(_prune(schema, rest))
    return pruned


def _prune(schema: Object, value: Value) -> Value:
    if isinstance(value, dict):
        return _prune_map(schema, value)
    if isinstance(value, list):
        items = as_object(schema.get("items"))
        keep = schema.get(_PRESERVE) and not items
        return value if keep else [_prune(items, item) for item in value]
    return value


def _prune_map(schema: Object, value: Object) -> Object:
    properties = as_object(schema.get("properties"))
    extra, preserve = schema.get("additionalProperties"), bool(schema.get(_PRESERVE))
    if schema.get("x-kubernetes-embedded-resource"):
        preserve = True
    pruned = {}
    for name, item in value.items():
        if name in properties:
            if item is not None or properties[name].get("nullable"):
                pruned[name] = _prune(properties[name], item)
        elif isinstance(extra, dict):
            pruned[name] = _prune(extra, item)
        elif preserve or extra is True:
            pruned[name] = item
    for name, inner in properties.items():
        if name not in pruned and "default" in inner:
            pruned[name] = _prune(inner, inner["default"])
    return pruned


def custom_errors(schema: Object, obj: Object) -> list[FieldError]:
    """Check a custom resource against its structural schema."""
    rest = {name: value for name, value in obj.items() if name not in {"kind", "apiVersion", "metadata"}}
    return list(_errors(schema, rest, ""))


def _matches_type(schema: Object, value: Value) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, (int, str)) and not isinstance(value, bool)
    wanted: str | None = schema.get("type")
    if wanted is None:
        return True
    if isinstance(value, bool):
        return wanted == "boolean"
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[wanted])


def _json_type(value: Value) -> str:
    for name, types in _TYPES.items():
        if isinstance(value, types):
            return name
    return "null"


def _errors(schema: Object, value: Value, path: str) -> Iterator[FieldError]:
    if value is None and schema.get("nullable"):
        return
    if not _matches_type(schema, value):
        wanted = schema.get("type", "integer,string")
        shown = f'{path} in body must be of type {wanted}: "{_json_type(value)}"'
        message = f"Invalid value: {quoted(_json_type(value))}: {shown}"
        yield FieldError("FieldValueTypeInvalid", path, message)
        return
    yield from _value_errors(schema, value, path)
    if isinstance(value, dict):
        yield from _map_errors(schema, value, path)
    elif isinstance(value, list):
        yield from _duplicates(schema, value, path)
        for index, item in enumerate(value):
            yield from _errors(as_object(schema.get("items")), item, f"{path}[{index}]")


def _duplicates(schema: Object, items: list[Value], path: str) -> Iterator[FieldError]:
    keys = schema.get("x-kubernetes-list-map-keys") or []
    if schema.get("x-kubernetes-list-type") not in {"map", "set"}:
        return
    seen: list[Value] = []
    for index, item in enumerate(items):
        identity = {key: item.get(key) for key in keys} if isinstance(item, dict) else item
        if identity in seen:
            message = f"Duplicate value: {quoted(identity)}"
            yield FieldError("FieldValueDuplicate", f"{path}[{index}]", message)
        seen.append(identity)


def _map_errors(schema: Object, value: Object, path: str) -> Iterator[FieldError]:
    for name in schema.get("required") or []:
        if name not in value and not (path == "" and name in {"kind", "apiVersion", "metadata"}):
            yield required(f"{path}.{name}".lstrip("."))
    properties = as_object(schema.get("properties"))
    extra = as_object(schema.get("additionalProperties"))
    for name, item in value.items():
        inner = properties.get(name, extra)
        yield from _errors(inner, item, f"{path}.{name}".lstrip("."))


def _value_errors(schema: Object, value: Value, path: str) -> Iterator[FieldError]:
    if "enum" in schema and value not in schema["enum"]:
        shown = ", ".join(quoted(item) for item in schema["enum"])
        message = f"Unsupported value: {quoted(value)}: supported values: {shown}"
        yield FieldError("FieldValueNotSupported", path, message)
    if isinstance(value, str):
        yield from _string_errors(schema, value, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number_errors(schema, value, path)


def _string_errors(schema: Object, value: str, path: str) -> Iterator[FieldError]:
    pattern = schema.get("pattern")
    if pattern and not re.search(pattern, value):
        yield invalid_value(path, value, f"{path} in body should match '{pattern}'")
    if len(value) < schema.get("minLength", 0):
        why = f"{path} in body should be at least {schema['minLength']} chars long"
        yield invalid_value(path, value, why)
    if len(value) > schema.get("maxLength", len(value)):
        message = f"Too long: may not be more than {schema['maxLength']} bytes"
        yield FieldError("FieldValueTooLong", path, message)


def _number_errors(schema: Object, value: float, path: str) -> Iterator[FieldError]:
    if value < schema.get("minimum", value):
        why = f"{path} in body should be greater than or equal to {schema['minimum']}"
        yield invalid_value(path, value, why)
    if value > schema.get("maximum", value):
        why = f"{path} in body should be less than or equal to {schema['maximum']}"
        yield invalid_value(path, value, why)
