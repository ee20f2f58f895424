"""Request bodies in protobuf, which kubectl sends for the kinds it has Go types of."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from .go_types import Field, by_number, is_known
from .status import bad_request
from .wire import Object, Value, as_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEDIA = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIGN, _WRAP = 1 << 63, 1 << 64

_OMIT_ZERO = frozenset(
    {
        "count",
        "failureThreshold",
        "generation",
        "healthCheckNodePort",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "hostPort",
        "initialDelaySeconds",
        "minReadySeconds",
        "nodePort",
        "paused",
        "periodSeconds",
        "publishNotReadyAddresses",
        "readOnly",
        "stdin",
        "stdinOnce",
        "successThreshold",
        "timeoutSeconds",
        "tty",
    }
)
"""Fields that are no pointers in Go and are left out of JSON when they are zero."""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004
            return value, at


def _parts(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Give the fields of a message on the wire: number and raw value."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        sizes = {_FIXED64: 8, _FIXED32: 4}
        if wire == _BYTES:
            size, at = _varint(data, at)
        else:
            size = sizes[wire]
        yield number, data[at : at + size]
        at += size


def _fields(data: bytes) -> dict[int, int | bytes]:
    return dict(_parts(data))


def _signed(value: int) -> int:
    return value - _WRAP if value >= _SIGN else value


def _instant(data: bytes, *, micro: bool) -> str | None:
    fields = _fields(data)
    seconds, nanos = fields.get(1), fields.get(2, 0)
    if not isinstance(seconds, int) or not isinstance(nanos, int):
        return None
    moment = _EPOCH + timedelta(seconds=_signed(seconds), microseconds=nanos // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def _int_or_string(data: bytes) -> int | str:
    fields = _fields(data)
    number, text = fields.get(2, 0), fields.get(3, b"")
    if fields.get(1) and isinstance(text, bytes):
        return text.decode()
    return _signed(number) if isinstance(number, int) else 0


_READERS: dict[str, Callable[[bytes], Value]] = {
    "string": lambda raw: raw.decode(),
    "bytes": lambda raw: base64.b64encode(raw).decode(),
    "Time": lambda raw: _instant(raw, micro=False),
    "MicroTime": lambda raw: _instant(raw, micro=True),
    "IntOrString": _int_or_string,
    "Quantity": lambda raw: _text(_fields(raw).get(1)),
    "ExtraValue": lambda raw: [_text(part) for _, part in _parts(raw)],
}
"""The types that JSON writes in a way of their own."""


def _special(type_: str, raw: bytes) -> Value:
    read = _READERS.get(type_)
    return _message(type_, raw) if read is None else read(raw)


def _value(type_: str, raw: int | bytes) -> Value:
    if isinstance(raw, bytes):
        return _special(type_, raw)
    return bool(raw) if type_ == "bool" else _signed(raw)


def _entry(field: Field, raw: bytes) -> Object:
    entry = _fields(raw)
    key = entry.get(1, b"")
    name = key.decode() if isinstance(key, bytes) else ""
    return {name: _value(field.type, entry.get(2, b""))}


def _message(name: str, data: bytes) -> Object:
    """Give a message as the JSON object that Go would write."""
    obj: Object = {}
    known = by_number(name)
    for number, raw in _parts(data):
        field = known.get(number)
        if field is None:
            continue
        if field.mark == "@" and isinstance(raw, bytes):
            obj.setdefault(field.name, {}).update(_entry(field, raw))
        elif field.mark == "*":
            obj.setdefault(field.name, []).append(_value(field.type, raw))
        else:
            _set(obj, field, _value(field.type, raw))
    return obj


def _set(obj: Object, field: Field, value: Value) -> None:
    if field.inline:
        obj.update(as_object(value))
    elif value in (None, "") or (field.name in _OMIT_ZERO and not value):
        return
    else:
        obj[field.name] = value


def _text(value: int | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else ""


def decode(body: bytes) -> Object:
    """Give the object in a protobuf body: the envelope runtime.Unknown and what it holds."""
    if not body.startswith(_MAGIC):
        message = "the body does not start with the protobuf magic number"
        raise bad_request(message)
    envelope = _fields(body[len(_MAGIC) :])
    type_meta, raw = envelope.get(1, b""), envelope.get(2, b"")
    if not isinstance(type_meta, bytes) or not isinstance(raw, bytes):
        message = "the body is no runtime.Unknown"
        raise bad_request(message)
    named = _fields(type_meta)
    api_version, kind = _text(named.get(1)), _text(named.get(2))
    if not is_known(kind):
        message = f"{kind} is not served in protobuf"
        raise bad_request(message)
    try:
        obj = _message(kind, raw)
    except (IndexError, KeyError, UnicodeDecodeError):
        message = f"the body is no {kind} in protobuf"
        raise bad_request(message) from None
    return {"kind": kind, "apiVersion": api_version, **obj}
