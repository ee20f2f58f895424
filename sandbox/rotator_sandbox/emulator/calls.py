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
_TIMEOUT = 30.0


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

    def call(method: str, path: str, query: Mapping[str, str], body: Object | None) -> tuple[int, Object]:
        raw = b"" if body is None else encode(body)
        response = cluster.handle(method, _target(path, query), _headers(method, token), raw)
        answer = response.body if isinstance(response.body, bytes) else b"".join(response.body)
        return response.status, json.loads(answer)

    return call


class HttpCaller:
    """The callable that reaches an API server over one kept-alive HTTP connection."""

    def __init__(self, url: str, token: str, ca_file: Path | None = None) -> None:
        """Speak to a server as the owner of a token; TLS is verified by the CA."""
        parts = urlsplit(url)
        self._token = token
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=ca_file)
            self._connection = http.client.HTTPSConnection(parts.netloc, context=context, timeout=_TIMEOUT)
        else:
            self._connection = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT)

    def _send(self, method: str, target: str, raw: bytes | None) -> tuple[int, bytes]:
        headers = _headers(method, self._token)
        self._connection.request(method, target, body=raw, headers=headers)
        response = self._connection.getresponse()
        return response.status, response.read()

    def __call__(
        self, method: str, path: str, query: Mapping[str, str], body: Object | None
    ) -> tuple[int, Object]:
        """Send one request, again when an idle connection was dropped."""
        raw = None if body is None else encode(body)
        try:
            status, answer = self._send(method, _target(path, query), raw)
        except (http.client.HTTPException, ConnectionError):
            self._connection.close()
            status, answer = self._send(method, _target(path, query), raw)
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, {"message": answer.decode(errors="replace")}

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()
