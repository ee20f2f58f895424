"""An HTTP server that gives the answers it is told to give, as a proxy or a server in trouble would."""

from __future__ import annotations

import http.server
import threading
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Self

Scripted = tuple[int, Mapping[str, str], bytes]
"""Status, headers, body; status 0 hangs up."""


class Troubled(http.server.ThreadingHTTPServer):
    """A server on loopback. It sends no `Date`, so that virtual time stays as it is."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.script: list[Scripted] = []
        self.asked: Counter[str] = Counter()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def says(self, *script: Scripted) -> None:
        """Answer so from now on, in this order; the last answer for ever."""
        self.script = list(script)
        self.asked.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Answers(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Troubled

    def do_GET(self) -> None:
        """Give the next answer."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked[self.command] += 1
        script = self.server.script
        status, headers, body = script.pop(0) if len(script) > 1 else script[0]
        if not status:
            self.close_connection = True
            return
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815 - the names are the library's

    def log_message(self, *_: object) -> None:
        """Say nothing."""
