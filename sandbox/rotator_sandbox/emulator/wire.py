"""What crosses the edge of the cluster: one request in, one response out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote

Object: TypeAlias = dict[str, Any]
"""A JSON object, such as a Kubernetes resource."""

Value: TypeAlias = Any
"""Any JSON value."""


@dataclass(slots=True)
class Request:
    """One decoded HTTP request: header names are in lower case, the query keeps the last value."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(slots=True)
class Response:
    """One HTTP response; the body of a watch is an iterator of chunks."""

    status: int
    headers: dict[str, str]
    body: bytes | Iterator[bytes] = field(repr=False)


def parse_request(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
    """Split a request target into path and query, and fold header names to lower case."""
    path, _, raw_query = target.partition("?")
    query = dict(parse_qsl(raw_query, keep_blank_values=True)) if raw_query else {}
    folded = {name.lower(): value for name, value in headers.items()}
    return Request(method, unquote(path) if "%" in path else path, query, folded, body)


def encode(value: Value) -> bytes:
    """Give the compact JSON text of a value."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def json_response(status: int, value: Value) -> Response:
    """Answer with a JSON document."""
    return raw_response(status, encode(value))


def raw_response(status: int, raw: bytes) -> Response:
    """Answer with JSON text that is already encoded."""
    return Response(status, {"Content-Type": "application/json"}, raw)


def as_object(value: Value) -> Object:
    """Give the value when it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def is_true(text: str | None) -> bool:
    """Read a boolean query parameter as the API server does: absent, 0 and false are no."""
    return text is not None and text not in {"0", "false", "False"}


def copy_json(value: Value) -> Value:
    """Give an independent copy of a JSON value."""
    if isinstance(value, dict):
        return {key: copy_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy_json(item) for item in value]
    return value
