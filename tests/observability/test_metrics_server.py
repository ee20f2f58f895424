"""Metrics are served for a scrape: parsed by clients, scraped by a real Prometheus, ended by SIGTERM."""

from __future__ import annotations

import gzip
import http.client
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from rotator.errors import RotatorError, SettingsError
from rotator.telemetry.metrics import registry_of
from rotator.telemetry.metrics_server import AT_ONCE, CollectError, Latest, MetricsServer
from rotator_sandbox.processes import free_port
from tests.observability.figures import rotation
from tests.observability.servers import Prometheus, get

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Figures:
    """What is collected: it can fail, and it counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.failure: Exception | None = None

    def collect(self) -> CollectorRegistry:
        """Return one rotation, whose revision says how often this was called."""
        self.asked += 1
        if self.failure:
            raise self.failure
        return registry_of(rotations=[rotation(revision=self.asked)])


class Steady:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


@pytest.fixture
def steady() -> Steady:
    """The server's clock."""
    return Steady()


@pytest.fixture
def figures() -> Figures:
    """What the server collects."""
    return Figures()


@pytest.fixture
def server(figures: Figures, steady: Steady) -> Iterator[MetricsServer]:
    """A server on any free port."""
    running = MetricsServer("127.0.0.1", 0, Latest(figures.collect, steady))
    yield running
    running.close()


class Answer:
    """One answer, read to its end."""

    def __init__(
        self, server: MetricsServer, path: str, method: str = "GET", headers: dict[str, str] | None = None
    ) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            self.status, self.headers, self.body = answer.status, answer.headers, answer.read()


def _revision(text: str, parse: Callable[..., object] = parse_text) -> float:
    families = {f.name: f for f in parse(text)}  # type: ignore[attr-defined]
    return float(families["rotator_rotation_revision"].samples[0].value)


def test_metrics_in_both_formats(server: MetricsServer) -> None:
    """The reader's Accept decides."""
    plain = Answer(server, "/metrics")
    assert plain.status == 200
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert _revision(plain.body.decode()) == 1
    modern = Answer(server, "/metrics?x=y", headers={"Accept": OPENMETRICS})
    assert modern.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert _revision(modern.body.decode(), parse_openmetrics) == 1
    small = Answer(server, "/metrics", headers={"Accept-Encoding": "gzip"})
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.body) == plain.body


def test_each_scrape_collects_anew_but_not_twice_in_a_second(
    server: MetricsServer, figures: Figures, steady: Steady
) -> None:
    """Two Prometheus servers, or a person with curl, cost no more requests than one."""
    assert figures.asked == 0, "nothing is collected before somebody asks"
    for seconds, revision in ((0.0, 1), (0.99, 1), (0.01, 2), (0.5, 2), (60.0, 3)):
        steady.now += seconds
        assert _revision(Answer(server, "/metrics").body.decode()) == revision
    assert figures.asked == 3


def test_scrapes_at_the_same_time_share_one_collection(steady: Steady) -> None:
    """While one collects, the others wait for what it finds."""
    begun, go, calls = threading.Event(), threading.Event(), []

    def slow() -> CollectorRegistry:
        calls.append(1)
        begun.set()
        assert go.wait(10)
        return registry_of(rotations=[])

    latest = Latest(slow, steady)
    found: list[CollectorRegistry] = []
    threads = [threading.Thread(target=lambda: found.append(latest.get())) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    go.set()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert len(set(map(id, found))) == 1
    assert len(found) == 8


def test_health_is_that_of_the_last_collection(
    server: MetricsServer, figures: Figures, steady: Steady
) -> None:
    """None yet is well; a failure is told with its reason, on both paths, until one works again."""
    assert Answer(server, "/healthz").status == 200
    figures.failure = RotatorError("the API server cannot be reached")
    for path in ("/metrics", "/healthz"):
        answer = Answer(server, path)
        assert answer.status == 503
        assert answer.body == b"the API server cannot be reached\n"
    steady.now += 1
    figures.failure = None
    assert Answer(server, "/healthz").status == 503, "a look at the health collects nothing"
    assert Answer(server, "/metrics").status == 200
    assert Answer(server, "/healthz").status == 200


def test_a_defect_is_told_without_its_text(server: MetricsServer, figures: Figures) -> None:
    """The text of an unexpected exception may hold what nobody must see."""
    figures.failure = KeyError("s3cret")
    answer = Answer(server, "/metrics")
    assert answer.status == 503
    assert answer.body == b"unexpected KeyError: a defect of rotator\n"


def test_a_failure_is_shared_for_a_second_as_well(steady: Steady, figures: Figures) -> None:
    """A system that is down is not asked more often for it."""
    figures.failure = RotatorError("down")
    latest = Latest(figures.collect, steady)
    for _ in range(3):
        with pytest.raises(CollectError, match="down"):
            latest.get()
    assert figures.asked == 1


def test_other_paths_and_methods(server: MetricsServer, figures: Figures) -> None:
    """HEAD has headers only; what is not there is 404; nothing can be sent."""
    head = Answer(server, "/metrics", "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(Answer(server, "/metrics").body)
    for path in ("/", "/metrics/x", "/healthz/", "/../metrics"):
        assert Answer(server, path).status == 404
    assert Answer(server, "/metrics", "POST").status == 501
    assert "Python" not in head.headers["Server"]
    assert figures.asked == 1


def test_one_connection_serves_many_requests(server: MetricsServer) -> None:
    """Prometheus keeps its connection; what follows a HEAD is not the body that it must not have."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        for method, path, status in (
            ("GET", "/metrics", 200),
            ("HEAD", "/metrics", 200),
            ("GET", "/healthz", 200),
            ("GET", "/none", 404),
            ("GET", "/metrics", 200),
        ):
            connection.request(method, path)
            answer = connection.getresponse()
            answer.read()
            assert (answer.status, answer.will_close) == (status, False)


def _raw(port: int) -> socket.socket:
    """Connect, and say nothing yet."""
    return socket.create_connection(("127.0.0.1", port), timeout=60)


@pytest.mark.parametrize("said", [b"", b"GET /metrics HT", b"GET /metrics HTTP/1.1\r\nAccept: a"])
def test_who_falls_silent_is_closed(figures: Figures, said: bytes) -> None:
    """Without an answer, and nothing was collected for it."""
    server = MetricsServer("127.0.0.1", 0, Latest(figures.collect), idle=0.2)
    try:
        with _raw(server.port) as connection:
            connection.sendall(said)
            assert connection.recv(100) == b""
    finally:
        server.close()
    assert figures.asked == 0


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        pytest.param(b"GET /" + b"x" * 66_000, b"", 414, id="a long line"),
        pytest.param(b"GET /metrics", b"X: " + b"x" * 66_000 + b"\r\n", 431, id="a long header"),
        pytest.param(b"GET /metrics", b"X: x\r\n" * 101, 431, id="many headers"),
    ],
)
def test_what_is_asked_has_a_bound(
    server: MetricsServer, figures: Figures, line: bytes, headers: bytes, status: int
) -> None:
    """Nobody fills the memory with one request."""
    with _raw(server.port) as connection:
        connection.sendall(line + b" HTTP/1.1\r\n" + headers + b"\r\n")
        assert connection.recv(12) == b"HTTP/1.1 %d" % status
    assert figures.asked == 0


def test_the_number_of_connections_has_a_bound(server: MetricsServer) -> None:
    """One too many is closed; its place is free again when another ends."""
    with ExitStack() as kept:
        connections = [kept.enter_context(_raw(server.port)) for _ in range(AT_ONCE)]
        for connection in connections:
            assert _is_answered(connection)
        with _raw(server.port) as one_more:
            assert not _is_answered(one_more)
        connections[0].close()
        while True:
            with _raw(server.port) as again:
                if _is_answered(again):
                    break


def _is_answered(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        return bool(connection.recv(100))
    except (BrokenPipeError, ConnectionResetError):
        return False


def test_a_client_that_goes_away_is_no_news(
    steady: Steady, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """An answer that nobody takes any more leaves no trace in the log; a defect leaves its name, not its text."""
    begun, gone = threading.Event(), threading.Event()

    def slow() -> CollectorRegistry:
        begun.set()
        assert gone.wait(60)
        return registry_of(rotations=[])

    others = set(threading.enumerate())
    server = MetricsServer("127.0.0.1", 0, Latest(slow, steady))
    try:
        with _raw(server.port) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert begun.wait(60)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.set()
        for thread in set(threading.enumerate()) - others:
            if "process_request_thread" in thread.name:
                thread.join()
    finally:
        server.close()
    assert capsys.readouterr().err == ""
    assert not caplog.records


def test_a_defect_in_an_answer_is_logged_by_its_name(
    steady: Steady, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be written as text ends the connection, and its text, which may hold too much, is not shown."""

    class Broken(CollectorRegistry):
        def collect(self) -> Iterator[Metric]:
            raise KeyError("s3cret")

    server = MetricsServer("127.0.0.1", 0, Latest(Broken, steady))
    try:
        with pytest.raises(http.client.RemoteDisconnected):
            Answer(server, "/metrics")
    finally:
        server.close()
    assert [record.__dict__["reason"] for record in caplog.records] == ["KeyError"]
    assert "s3cret" not in caplog.text + capsys.readouterr().err


def test_ipv6(figures: Figures) -> None:
    """An address with colons."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("NO IPV6: loopback has no ::1 here")
    server = MetricsServer("::1", 0, Latest(figures.collect))
    try:
        with get(f"http://[::1]:{server.port}/metrics") as answer:
            assert answer.status == 200
    finally:
        server.close()


def test_a_port_that_is_taken_is_a_sentence(server: MetricsServer, figures: Figures) -> None:
    """As is a port that does not exist."""
    for address, port in (("127.0.0.1", server.port), ("127.0.0.1", 70_000), ("no such host", 0)):
        with pytest.raises(SettingsError, match="cannot listen on"):
            MetricsServer(address, port, Latest(figures.collect))


def test_prometheus_scrapes_it(server: MetricsServer, tmp_path: Path) -> None:
    """The real one, in the format that it asks for."""
    prometheus = Prometheus(tmp_path, {"scrape": server.port})
    try:
        (found,) = prometheus.wait_for("rotator_rotation_revision")
        assert found["metric"]["namespace"] == "payments"
        assert found["metric"]["job"] == "scrape"
        assert prometheus.value("up") == 1
    finally:
        prometheus.stop()


PROGRAM = """
import sys
from rotator.telemetry.metrics import registry_of
from rotator.telemetry.metrics_server import serve

serve("127.0.0.1", int(sys.argv[1]), lambda: registry_of(rotations=[]))
print("ended")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_asked(number: signal.Signals) -> None:
    """As Kubernetes asks, and as a person does; with a connection open."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(port)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        connection = _connected(port, process)
        with closing(connection):
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
            process.send_signal(number)
            out, _ = process.communicate(timeout=10)
        assert (process.returncode, out) == (0, "ended\n")
    finally:
        process.kill()
        process.wait()


def _connected(port: int, process: subprocess.Popen[str]) -> http.client.HTTPConnection:
    while process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.connect()
        except ConnectionRefusedError:
            continue
        return connection
    raise AssertionError("the server did not come up")
