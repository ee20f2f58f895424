"""Answers that are lost on the wire: the request was taken, and what comes back over real TLS is no answer.

The life's servers are in this process, without sockets. So the product's own connections are sent to a server that
does nothing but damage, and raise what they raise there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

from rotator.clients.connections import Connections, verified
from tests.transport.servers import Act, OverTls


class DamagedAnswerError(Exception):
    """The request was taken; `act` is done to the connection in place of the answer."""

    def __init__(self, act: Act) -> None:
        super().__init__()
        self.act = act

    def to_pool(self, method: str, url: str, **given: Any) -> urllib3.BaseHTTPResponse:
        """Ask as `urllib3.PoolManager.request`."""
        with self._server() as server:
            pool = Connections(verified(str(server.files.ca)))
            return pool.request(method, _at(server, url), **given)

    @contextmanager
    def _server(self) -> Iterator[OverTls]:
        with tempfile.TemporaryDirectory() as folder, OverTls(Path(folder), self.act) as server:
            yield server


def _at(server: OverTls, url: str) -> str:
    return f"{server.url}{urlsplit(url).path}"
