"""Metrics for a scrape: /metrics, collected anew each time, and /healthz.

What /metrics says, in which format and packed how, is prometheus_client's WSGI application. What carries it is
http.server, not prometheus_client's `start_wsgi_server` (which is wsgiref's): that one waits for a silent client for
ever, takes any number of connections, closes each after one answer, knows no HEAD, and looks its own name up.

The bounds on a request line (64 KiB), on a header (64 KiB) and on their number (100) are http.server's own.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from prometheus_client import CollectorRegistry, make_wsgi_app

from rotator.errors import RotatorError, SettingsError

log = logging.getLogger("rotator")
AT_MOST_EVERY = 1.0
"""Seconds between two collections: scrapes that come closer together share one."""
IDLE_TIMEOUT = 15.0
"""Seconds after which a connection that says nothing, or takes nothing, is closed."""
AT_ONCE = 16
"""Connections that are open at a time; one more is closed without an answer. A Prometheus keeps one or two."""

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

    def __init__(self, address: str, port: int, latest: Latest, idle: float = IDLE_TIMEOUT) -> None:
        """Listen on `address` (IPv4, IPv6, a name, or empty for all) and `port` (0: any free one).

        `idle` is in seconds, see IDLE_TIMEOUT. Raises SettingsError where the address cannot be had.
        """
        try:
            self._http = _Http(address, port, latest, idle)
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
    """A thread a connection, at most AT_ONCE of them."""

    def __init__(self, address: str, port: int, latest: Latest, idle: float) -> None:
        """Bind to the first address that `address` stands for."""
        found = socket.getaddrinfo(
            address or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
        self.address_family, _, _, _, where = found[0]
        self.latest = latest
        self._idle = idle
        self._open: set[Any] = set()
        super().__init__((str(where[0]), port), _Handler)

    def server_bind(self) -> None:
        """Bind without a look-up of our own name, which may take long."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        TCPServer.server_bind(self)

    def verify_request(self, request: Any, *_: object) -> bool:
        """Say whether there is a place for one more; a connection that gets none is closed."""
        if len(self._open) >= AT_ONCE:
            return False
        self._open.add(request)
        request.settimeout(self._idle)
        return True

    def shutdown_request(self, request: Any) -> None:
        """Close a connection: its place is free."""
        super().shutdown_request(request)
        self._open.discard(request)

    def handle_error(self, *_: object) -> None:
        """Log a defect by its name, for its text may hold too much. A client that went away is no news."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.error("a defect of rotator ended an answer", extra={"reason": type(error).__name__})


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    server_version, sys_version = "rotator", ""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer /metrics and /healthz; 404 for the rest."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._metrics()
        elif path == "/healthz":
            failure = self.server.latest.failure
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE if failure else HTTPStatus.OK, failure or "ok")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "expected /metrics or /healthz")

    def do_HEAD(self) -> None:
        """Answer as to GET, without the body."""
        self.do_GET()

    def _metrics(self) -> None:
        try:
            app = make_wsgi_app(self.server.latest.get())
        except CollectError as error:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            return
        headers: dict[str, str] = {"Vary": "Accept, Accept-Encoding"}
        asked = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/metrics",
            "HTTP_ACCEPT": self.headers.get("Accept"),
            "HTTP_ACCEPT_ENCODING": self.headers.get("Accept-Encoding"),
        }
        self._send(HTTPStatus.OK, headers, b"".join(app(asked, lambda _, said: headers.update(said))))

    def _answer(self, status: HTTPStatus, sentence: str) -> None:
        self._send(status, {"Content-Type": "text/plain; charset=utf-8"}, f"{sentence}\n".encode())

    def _send(self, status: HTTPStatus, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: a scrape is no news."""
