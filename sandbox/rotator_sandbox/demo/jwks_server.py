"""The demo's JWKS endpoint: serves the ConfigMap as it is, with the cache lifetime that the policy declares."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rotator_sandbox.demo.scenarios import JWKS_PATH, MAX_AGE

Fetch = Callable[[], str | None]


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        document = self.server.fetch() if self.path == JWKS_PATH else None
        body = (document or "{}").encode()
        self.send_response(200 if document else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", f"public, max-age={MAX_AGE:g}" if document else "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of the base class
        """Say nothing."""


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    fetch: Fetch

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that are killed in the middle of a request belong to the demo."""


class JwksServer:
    """Listens on loopback; `fetch` is set once there is something to serve."""

    def __init__(self) -> None:
        self._listener = _Listener(("127.0.0.1", 0), _Handler)
        self._listener.fetch = lambda: None
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}{JWKS_PATH}"

    def serve(self, fetch: Fetch) -> None:
        """Answer until stopped."""
        self._listener.fetch = fetch
        self._listener.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """Stop, and let the port go."""
        self._listener.shutdown()
        self._listener.server_close()
