"""The Prometheus gate against a real HTTP server that answers as Prometheus' API describes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from rotator.clients.clock import RunClock
from rotator.clients.http import Http
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.ports import Deadline
from rotator.systems.prometheus import Query


class _Server(ThreadingHTTPServer):
    answer: bytes = b""
    asked: str = ""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Answer an instant query."""
        parts = urlsplit(self.path)
        self.server.asked = parse_qs(parts.query).get("query", [""])[0]
        self.send_response(200 if parts.path == "/api/v1/query" else 404)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[_Server]:
    """A server on loopback."""
    httpd = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def _gate(server: _Server) -> Query:
    clock = RunClock()
    retry = Retry(clock, Deadline(clock.now() + timedelta(seconds=20)))
    http = Http(retry, Meter(clock))
    return Query(http, f"http://127.0.0.1:{server.server_port}", 'rate(x{kid="$version"}[5m])', below=1)


def _vector(*values: str) -> Any:
    result = [{"metric": {}, "value": [1767225600, v]} for v in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


@pytest.mark.parametrize(
    ("document", "opens", "why"),
    [
        pytest.param(_vector("0"), True, "", id="zero"),
        pytest.param(_vector("0", "0.5"), True, "", id="all below"),
        pytest.param(_vector("0", "1"), False, "returns 1, expected below 1", id="one at the bound"),
        pytest.param(_vector("0", "NaN"), False, "returns nan", id="one is not a number"),
        pytest.param(_vector("NaN"), False, "returns nan", id="not a number is not below"),
        pytest.param(_vector(), False, "no data", id="no data is no answer"),
        pytest.param({"data": {"resultType": "scalar", "result": [1, "0"]}}, True, "", id="a scalar"),
        pytest.param(
            {"data": {"resultType": "scalar", "result": [1, 10**400]}}, False, "none of a", id="too large"
        ),
        pytest.param({"status": "error"}, False, "none of a Prometheus", id="an error"),
        pytest.param([], False, "none of a Prometheus", id="something else"),
    ],
)
def test_the_gate_opens_only_for_values_below_the_bound(
    server: _Server, document: Any, opens: bool, why: str
) -> None:
    """Whatever is not clearly below keeps it closed, and says why."""
    server.answer = json.dumps(document).encode()
    sighting = _gate(server).check("kid-1")
    assert sighting.confirmed is opens
    assert why in sighting.waiting
    assert server.asked == 'rate(x{kid="kid-1"}[5m])'


def test_a_server_that_is_not_there_keeps_the_gate_closed(server: _Server) -> None:
    """A gate that cannot be asked is closed, not open."""
    gate = _gate(server)
    closed = Query(gate.http, f"{gate.url}/nowhere", gate.query, gate.below)
    assert "404" in closed.check("kid-1").waiting
