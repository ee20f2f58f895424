"""Metrics for a scrape: /metrics, collected anew each time, and /healthz."""

from __future__ import annotations

import gzip
import signal
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder, gzip_accepted

from rotator.errors import RotatorError, SettingsError

AT_MOST_EVERY = 1.0
"""Seconds between two collections: scrapes that come closer together share one."""
IDLE_TIMEOUT = 15.0
"""Seconds after which a connection that says nothing is closed."""

Collect = Callable[[], CollectorRegistry]


class CollectError(RotatorError):
    """The figures cannot be had now; the message says why."""


class Latest:
    """The registry of the last collection, shared by scrapes that come close together."""

    def __init__(self, collect: Collect, steady: Callable[[], float] = time.monotonic) -> None:
        self._collect = collect
        self._steady = steady
        self._lock = threading.Lock()
        self._at: float | None = None
        self._registry: CollectorRegistry | None = None
        self._failure = ""

    @property
    def failure(self) -> str:
        """Why the last collection failed, or empty."""
        return self._failure

    def get(self) -> CollectorRegistry:
        """Collect, unless that was done a moment ago. Raises CollectError."""
        with self._lock:
            if self._at is None or self._steady() - self._at >= AT_MOST_EVERY:
                self._registry, self._failure = self._attempt()
                self._at = self._steady()
            if self._registry is None:
                raise CollectError(self._failure)
            return self._registry

    def _attempt(self) -> tuple[CollectorRegistry | None, str]:
        try:
            return self._collect(), ""
        except RotatorError as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001 - a scrape must not end the server, and a text may hold too much
            return None, f"unexpected {type(error).__name__}: a defect of rotator"


class MetricsServer:
    """An HTTP server for /metrics and /healthz. It answers from when it is made until it is closed."""

    def __init__(self, address: str, port: int, latest: Latest) -> None:
        """Listen on `address` (IPv4, IPv6, a name, or empty for all) and `port` (0: any free one).

        Raises SettingsError where that cannot be had.
        """
        handler = type("Handler", (_Handler,), {"latest": latest})
        try:
            self._http = _Http.at(address, port, handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SettingsError(f"cannot listen on {address or '*'}:{port}: {reason}") from None
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._http.server_address[1])

    def close(self) -> None:
        """Take no more requests, and end."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def serve(address: str, port: int, collect: Collect) -> None:
    """Serve what `collect` returns until SIGTERM or SIGINT, then return. For the main thread only.

    `collect` is called on a scrape, by one thread at a time, at most once a second. Raises SettingsError where it
    cannot listen.
    """
    ended = threading.Event()
    handlers = {s: signal.signal(s, lambda *_: ended.set()) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        server = MetricsServer(address, port, Latest(collect))
        try:
            ended.wait()
        finally:
            server.close()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    @classmethod
    def at(cls, address: str, port: int, handler: type[BaseHTTPRequestHandler]) -> _Http:
        """Bind to the first address that `address` stands for."""
        found = socket.getaddrinfo(
            address or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
        family, _, _, _, where = found[0]
        bound = type("BoundHttp", (cls,), {"address_family": family})
        server: _Http = bound((where[0], port), handler)
        return server

    def server_bind(self) -> None:
        """Bind without a look-up of our own name, which may take long."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]


class _Handler(BaseHTTPRequestHandler):
    latest: Latest
    timeout = IDLE_TIMEOUT
    server_version = "rotator"
    sys_version = ""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer /metrics and /healthz; 404 for the rest."""
        path = urlsplit(self.path).path
        if path == "/metrics":
            self._metrics()
        elif path == "/healthz":
            failure = self.latest.failure
            status = HTTPStatus.SERVICE_UNAVAILABLE if failure else HTTPStatus.OK
            self._answer(status, failure or "ok")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "expected /metrics or /healthz")

    def do_HEAD(self) -> None:
        """Answer as to GET, without the body."""
        self.do_GET()

    def _metrics(self) -> None:
        try:
            registry = self.latest.get()
        except CollectError as error:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            return
        encode, content_type = choose_encoder(self.headers.get("Accept", ""))
        body, headers = encode(registry), {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if gzip_accepted(self.headers.get("Accept-Encoding", "")):
            body, headers["Content-Encoding"] = gzip.compress(body, compresslevel=1), "gzip"
        self._send(HTTPStatus.OK, headers, body)

    def _answer(self, status: HTTPStatus, sentence: str) -> None:
        self._send(status, {"Content-Type": "text/plain; charset=utf-8"}, f"{sentence}\n".encode())

    def _send(self, status: HTTPStatus, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Log nothing: a scrape is no news."""
