"""What a collector of metrics or traces does costs a run its limit and a warning, and no collector gets more than it was sent.

The servers here never stop: a test ends because the client does.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest
from prometheus_client import CollectorRegistry

from rotator.errors import RotatorError
from rotator.telemetry import metrics_out, traces_out
from rotator_sandbox.processes import free_port
from tests.transport.servers import Act, OverTls, answer, drip, drip_beneath, flood, silence
from tests.transport.test_limits import CHUNKED, HEAD, LONG, RECORD, SLOW_BEFORE

SECONDS = 1.0
"""The limit, where it is all that ends a request."""
PLENTY = 10.0
"""The limit elsewhere."""


class Tell(Protocol):
    """Tells a collector at a URL that is verified by a CA; returns the warning, empty where there was none."""

    def __call__(self, url: str, ca: str | None, seconds: float = PLENTY) -> str:
        """`seconds`: the limit."""
        ...


def _metrics(url: str, ca: str | None, seconds: float = PLENTY) -> str:
    try:
        metrics_out.push(url, "rotator", {}, CollectorRegistry(), seconds, ca_file=ca)
    except RotatorError as error:
        return str(error)
    return ""


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Tell:
    """Traces are told at the end of a run."""

    def tell(url: str, ca: str | None, seconds: float = PLENTY) -> str:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", f"{seconds}")
        if ca:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", ca)
        with traces_out.tracer(seconds) as tracer, tracer.start_as_current_span("run"):
            pass
        warnings = [record for record in caplog.records if record.name == "rotator"]
        assert len(warnings) <= 1
        return "".join(record.__dict__["reason"] for record in warnings)

    return tell


@pytest.fixture(params=["metrics", "traces"])
def tell(request: pytest.FixtureRequest, traces: Tell) -> Tell:
    """Both."""
    return _metrics if request.param == "metrics" else traces


SILENT = r"no answer from 127.0.0.1:\d+ \(out of time\)$"
UNREACHED = r"127.0.0.1:\d+ was not reached \(out of time\)$"
REDIRECTED = r"127.0.0.1:\d+ redirects to evil.example:8443. Nothing was sent there"
ACTS: Mapping[str, tuple[Act, str]] = {
    "takes it": (answer(200), ""),
    "takes it, and drips": (drip(b" ", LONG), ""),
    "takes it, and says too much": (flood(b" " * 65536, LONG), ""),
    "takes it, and says chunks without end": (flood(b"10000\r\n" + b" " * 65536 + b"\r\n", CHUNKED), ""),
    "says nothing": (silence, SILENT),
    "drips the status": (drip(b"0", b"HTTP/1.1 200 OK"), SILENT),
    "drips a header": (drip(b"x", HEAD + b"X: "), SILENT),
    "drips interim answers": (drip(b"HTTP/1.1 100 Continue\r\n\r\n"), SILENT),
    "drips a record of TLS": (drip_beneath(b"\x00", RECORD), SILENT),
    "sends headers without end": (flood(b"X: " + b"x" * 60000 + b"\r\n", HEAD), "no answer from"),
    "sends no HTTP": (flood(b"\x00" * 65536), "no answer from"),
    "drips a refusal": (drip(b" ", LONG.replace(b"200 OK", b"400 No")), "HTTP 400$"),
    "refuses it": (answer(403), "HTTP 403$"),
    "is broken": (answer(500), "HTTP 500$"),
    "is busy for a day": (answer(503, retry_after="86400"), "HTTP 503$"),
    "is busy": (answer(429, retry_after="0"), "HTTP 429$"),
    **{
        f"redirects with {code}": (answer(code, Location="https://evil.example:8443/"), REDIRECTED)
        for code in (301, 302, 303, 307, 308)
    },
    "has moved, and drips": (
        drip(b" ", LONG.replace(b"200 OK", b"307 No\r\nLocation: https://evil.example:8443/")),
        REDIRECTED,
    ),
    "has not changed": (answer(304), "HTTP 304 from"),
}
"""What a collector does once it has what it is told, and the warning (empty: it was told)."""


@pytest.mark.parametrize("does", ACTS)
def test_a_collector_holds_nobody(tmp_path: Path, tell: Tell, does: str) -> None:
    """It is told, or a sentence says why not."""
    act, expected = ACTS[does]
    with OverTls(tmp_path, act) as server:
        warning = tell(server.url, str(server.files.ca), SECONDS if expected == SILENT else PLENTY)
        assert server.taken
    if expected:
        assert re.search(expected, warning)
    else:
        assert not warning


@pytest.mark.parametrize("slow", SLOW_BEFORE)
def test_a_handshake_holds_nobody(tmp_path: Path, tell: Tell, slow: str) -> None:
    """Nothing was sent."""
    with OverTls(tmp_path, silence, greet=SLOW_BEFORE[slow]) as server:
        assert re.search(UNREACHED, tell(server.url, str(server.files.ca), SECONDS))
        assert not server.taken


def test_a_name_that_nobody_resolves_holds_nobody(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's resolver cannot be told to end."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait() and [])
    assert tell("http://collector.example", None, SECONDS).endswith(
        "collector.example:80 was not reached (out of time)"
    )
    over.set()


def test_nobody_listens(tell: Tell) -> None:
    """A sentence says where."""
    place = f"127.0.0.1:{free_port()}"
    assert tell(f"http://{place}", None, SECONDS).endswith(f"{place} was not reached (Connection refused)")


def test_a_certificate_of_somebody_else_is_told(tmp_path: Path, tell: Tell) -> None:
    """Nothing was sent."""
    with OverTls(tmp_path, answer(200)) as server:
        assert "its certificate is not valid here" in tell(server.url, None)
        assert not server.taken


@pytest.mark.parametrize("holds", [None, "nothing"])
def test_a_bundle_that_cannot_be_used_is_named(tmp_path: Path, tell: Tell, holds: str | None) -> None:
    """Missing, or no certificate."""
    bundle = tmp_path / "bundle"
    if holds:
        bundle.write_text(holds)
    assert re.search(f"{bundle}: .*; expected a PEM bundle", tell("https://127.0.0.1:1", str(bundle)))


@pytest.mark.parametrize("endpoint", ["collector:4317", "collector", "ftp://collector"])
def test_an_endpoint_that_cannot_be_used_is_told(traces: Tell, endpoint: str) -> None:
    """As the one of gRPC, which has no scheme."""
    assert traces(endpoint, None).endswith("expected http://HOST:PORT or https://HOST:PORT")


def test_what_is_not_taken_at_first_is_told_again(tmp_path: Path, traces: Tell) -> None:
    """Within the same limit; the collector may be on its way."""
    answers = iter([answer(503, retry_after="0"), answer(200)])

    def act(connection: ssl.SSLSocket) -> None:
        next(answers)(connection)

    with OverTls(tmp_path, act) as server:
        assert not traces(server.url, str(server.files.ca))
        assert len(server.taken) == 2
