"""Decoding into the Go types: wrong types are refused, unknown fields and nulls are dropped."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from .go_types import Field, by_name, is_known
from .status import bad_request
from .wire import Object, Value

if TYPE_CHECKING:
    from .resources import Kind

_INT_TYPES = frozenset({"int32", "int64", "uint32", "uint64"})
_KEPT_EMPTY = frozenset({"containers", "rules"})
_TEXTS = frozenset({"string", "Time", "MicroTime"})
_OPAQUE = frozenset({"FieldsV1", "ExtraValue"})
_SHOWN = {"bytes": "[]uint8", "Time": "v1.Time", "MicroTime": "v1.MicroTime", "Quantity": "resource.Quantity"}
_ZERO: dict[str, Value] = {"string": "", "bytes": "", "bool": False, "int32": 0, "int64": 0}


def _go_type(value: Value) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _shown(type_: str, mark: str = "") -> str:
    shown = _SHOWN.get(type_) or (f"v1.{type_}" if is_known(type_) else type_)
    return {"*": f"[]{shown}", "@": f"map[string]{shown}"}.get(mark, shown)


@dataclass(slots=True)
class _Decoding:
    """One object on its way into a Go type."""

    kind: str
    version: str
    stated: bool = False
    unknown: list[str] = field(default_factory=list)

    def refuse(self, what: str) -> NoReturn:
        """Say that the object does not decode (400 BadRequest)."""
        message = f'{self.kind} in version "{self.version}" cannot be handled as a {self.kind}: {what}'
        raise bad_request(message)

    def mismatch(self, got: Value, struct: str, path: str, want: str) -> NoReturn:
        """Say that a value has the wrong type."""
        self.refuse(
            f"json: cannot unmarshal {_go_type(got)} into Go struct field {struct}.{path} of type {want}"
        )

    def struct(self, type_: str, value: Object, path: str) -> Object:
        """Decode a struct, in the order in which its fields came."""
        fields, decoded = by_name(type_), {}
        for name, item in value.items():
            place = f"{path}.{name}" if path else name
            known = fields.get(name)
            if known is None:
                if path or name not in {"kind", "apiVersion"}:
                    self.unknown.append(place)
                else:
                    decoded[name] = item
            elif item is not None:
                value = self.field(known, item, type_, place)
                if value or not known.mark or self.stated or name in _KEPT_EMPTY:
                    decoded[name] = value
        return decoded

    def field(self, known: Field, value: Value, struct: str, path: str) -> Value:
        """Decode a field, item by item where it is a list or a map."""
        if not known.mark:
            return self.value(known, value, struct, path)
        wanted = list if known.mark == "*" else dict
        if not isinstance(value, wanted):
            self.mismatch(value, struct, path, _shown(known.type, known.mark))
        if isinstance(value, dict):
            return {key: self.value(known, item, struct, path) for key, item in value.items()}
        return [
            self.value(known, item, struct, f"{path}[{index}]" if is_known(known.type) else path)
            for index, item in enumerate(value)
        ]

    def value(self, known: Field, value: Value, struct: str, path: str) -> Value:
        """Decode one value."""
        type_ = known.type
        if type_ in _OPAQUE:
            return value
        if value is None:
            return _ZERO.get(type_, {})
        if is_known(type_):
            if not isinstance(value, dict):
                self.mismatch(value, struct, path, _shown(type_))
            return self.struct(type_, value, path)
        if not _fits(type_, value):
            self.mismatch(value, struct, path, _shown(type_))
        if type_ == "bytes":
            self._check_base64(value)
        return value

    def _check_base64(self, value: str) -> None:
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            self.refuse("illegal base64 data at input byte 0")


def _fits(type_: str, value: Value) -> bool:
    if type_ in _TEXTS or type_ == "bytes":
        return isinstance(value, str)
    if type_ == "bool":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if type_ in _INT_TYPES:
        return isinstance(value, int)
    return isinstance(value, (int, str) if type_ == "IntOrString" else (int, float, str))


def conform(kind: Kind, obj: Object, *, strict: bool = False, stated: bool = False) -> Object:
    """Give an object as decoding into its Go type leaves it.

    `strict` refuses unknown fields; `stated` keeps empty lists and maps, which an applied configuration
    owns because it states them.
    """
    decoding = _Decoding(kind.name, kind.version, stated)
    decoded = decoding.struct(kind.name, obj, "")
    if strict and decoding.unknown:
        listed = ", ".join(f'unknown field "{name}"' for name in decoding.unknown)
        decoding.refuse(f"strict decoding error: {listed}")
    return decoded


def conform_metadata(kind: Kind, obj: Object) -> Object:
    """Give an object of which only the metadata has a Go type."""
    metadata = obj.get("metadata")
    if metadata is None:
        return obj
    decoding = _Decoding(kind.name, kind.version)
    known = Field("metadata", "ObjectMeta", "")
    return {**obj, "metadata": decoding.value(known, metadata, kind.name, "metadata")}
