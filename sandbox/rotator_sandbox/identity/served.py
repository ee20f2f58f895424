"""A provider's API on loopback, for contract servers: routes to plain functions, state in this process, troubles on demand."""

from __future__ import annotations

import http.server
import json
import re
import ssl
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as a route sees it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    parts: tuple[str, ...] = ()
    """What the groups of the route's pattern matched."""

    @property
    def document(self) -> Any:
        """The JSON body; None where there is none."""
        return json.loads(self.body) if self.body else None

    @property
    def form(self) -> Mapping[str, str]:
        """The form in the body."""
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class HangUp(Exception):
    """The connection ends without an answer."""


Route = Callable[[Asked], Said]
Middle = Callable[[Asked, Callable[[], Said]], Said]
"""Stands between the client and the routes; may raise HangUp before or after it let the request through."""


def straight(asked: Asked, perform: Callable[[], Said]) -> Said:
    """Let every request through."""
    del asked
    return perform()


class Api:
    """The routes of one provider: subclasses fill `routes` and keep the state.

    `handle` answers in this process; `Served` puts it behind a port.
    """

    def __init__(self) -> None:
        self.routes: list[tuple[str, re.Pattern[str], Route]] = []
        self.middle: Middle = straight
        self.journal: list[tuple[str, str, int]] = []
        """Method, path and status of every request; status 0: hung up."""
        self._lock = threading.RLock()

    def route(self, method: str, pattern: str, answer: Route) -> None:
        """Answer `method` on paths that match `pattern` whole."""
        self.routes.append((method, re.compile(pattern), answer))

    def handle(self, asked: Asked) -> Said:
        """Answer one request; one at a time."""
        with self._lock:
            try:
                said = self.middle(asked, lambda: self._perform(asked))
            except HangUp:
                self.journal.append((asked.method, asked.path, 0))
                raise
            self.journal.append((asked.method, asked.path, said.status))
            return said

    def _perform(self, asked: Asked) -> Said:
        for method, pattern, answer in self.routes:
            found = pattern.fullmatch(asked.path)
            if method == asked.method and found:
                return answer(
                    Asked(
                        asked.method,
                        asked.path,
                        asked.query,
                        asked.headers,
                        asked.body,
                        tuple(found.groups()),
                    )
                )
        return Said(404, {"error": "not_found"})


class Served(http.server.ThreadingHTTPServer):
    """An API behind a port on loopback. It sends no `Date`, so that virtual time stays as it is."""

    daemon_threads = True

    def __init__(self, api: Api, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.api = api
        self._scheme = "https" if tls else "http"
        if tls:  # each connection shakes hands in its own thread: a client that never does holds up nobody
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self._scheme}://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away, or that does not trust us; show any other failure."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Connection(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    """Header and body leave in one write: in two, Nagle's algorithm holds the second back for 40 ms."""
    server: Served

    def do_GET(self) -> None:
        """Ask the API."""
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            said = self.server.api.handle(Asked(self.command, parts.path, query, headers, body))
        except HangUp:
            self.close_connection = True
            return
        octets = b"" if said.document is None else json.dumps(said.document).encode()
        self.send_response_only(said.status)
        for name, value in {
            "Content-Type": "application/json",
            **said.headers,
            "Content-Length": str(len(octets)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(octets)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names are the library's

    def log_message(self, *_: object) -> None:
        """Say nothing."""
