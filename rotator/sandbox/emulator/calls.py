"""How a controller talks to an API server: one callable, in process or over HTTP."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlencode, urlsplit

from .patches import MERGE_PATCH
from .wire import Object, encode

if TYPE_CHECKING:
    from pathlib import Path

    from .cluster import Cluster

Caller: TypeAlias = Callable[[str, str, Mapping[str, str], Object | None], tuple[int, Object]]
"""Method, path, query, body -> status, answer; a PATCH is a merge patch."""

_AGENT = "sandbox-controller/1"


def _headers(method: str, token: str) -> dict[str, str]:
    media = MERGE_PATCH if method == "PATCH" else "application/json"
    return {
        "Authorization": f"Bearer {token}",
        "Content-Type": media,
        "Accept": "application/json",
        "User-Agent": _AGENT,
    }


def _target(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def cluster_call(cluster: Cluster, token: str) -> Caller:
    """Give the callable that reaches an emulated cluster in this process."""

    def call(
        method: str, path: str, query: Mapping[str, str], body: Object | None
    ) -> tuple[int, Object]:
        raw = b"" if body is None else encode(body)
        response = cluster.handle(method, _target(path, query), _headers(method, token), raw)
        answer = response.body if isinstance(response.body, bytes) else b"".join(response.body)
        return response.status, json.loads(answer)

    return call


def http_call(url: str, token: str, ca_file: Path | None = None) -> Caller:
    """Give the callable that reaches an API server over one kept-alive HTTP connection."""
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=ca_file)
        connection = http.client.HTTPSConnection(parts.netloc, context=context, timeout=30)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)

    def send(method: str, target: str, raw: bytes | None) -> tuple[int, bytes]:
        connection.request(method, target, body=raw, headers=_headers(method, token))
        response = connection.getresponse()
        return response.status, response.read()

    def call(
        method: str, path: str, query: Mapping[str, str], body: Object | None
    ) -> tuple[int, Object]:
        raw = None if body is None else encode(body)
        try:
            status, answer = send(method, _target(path, query), raw)
        except (http.client.HTTPException, ConnectionError):
            connection.close()
            status, answer = send(method, _target(path, query), raw)
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, {"message": answer.decode(errors="replace")}

    return call
