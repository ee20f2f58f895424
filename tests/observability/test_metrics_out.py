"""Metrics leave for a real Pushgateway and for a file; what goes wrong is one sentence without a secret."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rotator.errors import ClientError, RotatorError, SettingsError
from rotator.telemetry.figures import RotationFigures
from rotator.telemetry.metrics import registry_of
from rotator.telemetry.metrics_out import push, write_file
from rotator_sandbox.processes import free_port
from tests.observability.figures import HOUR, NOW, rotation, run
from tests.observability.servers import PASSWORD, Prometheus, Pushgateway

LATER = NOW + HOUR
Sample = dict[str, str]


def _shown(gateway: Pushgateway) -> dict[str, list[tuple[Sample, float]]]:
    found: dict[str, list[tuple[Sample, float]]] = {}
    for family in text_string_to_metric_families(gateway.shown()):
        for sample in family.samples:
            if sample.name.startswith("rotator_"):
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def _value(gateway: Pushgateway, name: str) -> float:
    ((_, value),) = _shown(gateway)[name]
    return value


# --- a real Pushgateway ------------------------------------------------------------------------------------------


def test_the_last_success_survives_a_failed_run(gateway: Pushgateway) -> None:
    """Everything else is of the last run."""
    push(gateway.url, "rotator", {}, registry_of(rotations=[rotation()], run=run()), 5)
    push(gateway.url, "rotator", {}, registry_of(run=run(ended=LATER, exit_code=2)), 5)
    assert _value(gateway, "rotator_run_success_timestamp_seconds") == NOW.timestamp()
    assert _value(gateway, "rotator_run_timestamp_seconds") == LATER.timestamp()
    assert _value(gateway, "rotator_run_exit_code") == 2
    assert _value(gateway, "rotator_rotation_revision") == 10, "a run that saw no rotation leaves them"


def test_a_rotation_that_is_gone_is_shown_no_more(gateway: Pushgateway) -> None:
    """A name that is pushed replaces all its series."""
    push(gateway.url, "rotator", {}, registry_of(rotations=[rotation("a"), rotation("b")]), 5)
    push(gateway.url, "rotator", {}, registry_of(rotations=[rotation("b")]), 5)
    shown = _shown(gateway)
    for name in ("rotator_rotation_revision", "rotator_rotation_phase", "rotator_rotation_frozen"):
        assert {labels["rotation"] for labels, _ in shown[name]} == {"b"}


@pytest.mark.parametrize("after", [[rotation()], []], ids=["the rotation stays", "no rotation is left"])
def test_a_name_without_samples_does_not_keep_its_last_value(
    gateway: Pushgateway, after: list[RotationFigures]
) -> None:
    """The gateway ignores a name without samples; not-a-number takes the place of what is true no more."""
    overlap = rotation(retire_at=NOW, lease_held=True, lease_acquired=NOW, frozen=True)
    push(gateway.url, "rotator", {}, registry_of(rotations=[overlap], run=run()), 5)
    push(gateway.url, "rotator", {}, registry_of(rotations=after, run=run(skew={}, requests={})), 5)
    shown = _shown(gateway)
    gone = [
        "rotator_rotation_retire_timestamp_seconds",
        "rotator_rotation_lease_acquired_timestamp_seconds",
        "rotator_clock_skew_seconds",
        "rotator_run_requests",
        *([] if after else ["rotator_rotation_frozen", "rotator_rotation_phase", "rotator_rotations"]),
    ]
    for name in gone:
        ((labels, value),) = shown[name]
        assert math.isnan(value)
        assert labels == {"job": "rotator", "instance": ""}


def test_shards_do_not_touch_each_other(gateway: Pushgateway) -> None:
    """Each has its own group, whatever characters its name has."""
    push(gateway.url, "rotator", {"shard": "0/2"}, registry_of(rotations=[rotation("a")], run=run()), 5)
    push(gateway.url, "rotator", {"shard": "1/2"}, registry_of(rotations=[rotation("b")], run=run()), 5)
    push(gateway.url, "rotator", {"shard": "1/2"}, registry_of(rotations=[rotation("c")], run=run()), 5)
    shown = _shown(gateway)["rotator_rotation_revision"]
    assert {(labels["shard"], labels["rotation"]) for labels, _ in shown} == {("0/2", "a"), ("1/2", "c")}


def test_prometheus_sees_what_was_pushed(gateway: Pushgateway, tmp_path: Path) -> None:
    """The values arrive as they were, and the pushed namespace is not that of the gateway."""
    push(gateway.url, "rotator", {}, registry_of(rotations=[rotation(frozen=True)], run=run()), 5)
    prometheus = Prometheus(tmp_path, {"pushgateway": gateway.port})
    try:
        (found,) = prometheus.wait_for("rotator_rotation_frozen == 1")
        assert found["metric"]["namespace"] == "payments"
        assert found["metric"]["job"] == "rotator"
        assert prometheus.value("rotator_run_timestamp_seconds") == NOW.timestamp()
        assert prometheus.value('rotator_rotation_phase{phase="Stable"}') == 1
        assert prometheus.query("rotator_rotation_retire_timestamp_seconds > 0") == []
    finally:
        prometheus.stop()


def test_tls_is_verified_and_the_password_is_sent(tmp_path: Path) -> None:
    """With the right CA and password it arrives; with either missing, a sentence says which, and shows no password."""
    server = Pushgateway(tmp_path, tls=True)
    assert server.files
    ca_file, registry = str(server.files.ca), registry_of(run=run())
    with_password = f"https://ops:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}"
    try:
        push(with_password, "rotator", {}, registry, 5, ca_file=ca_file)
        assert "its certificate is not valid here" in _refused(
            lambda: push(with_password, "rotator", {}, registry, 5)
        )
        wrong = f"https://ops:wrong-{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}"
        assert "HTTP 401" in _refused(lambda: push(wrong, "rotator", {}, registry, 5, ca_file=ca_file))
        assert "HTTP 401" in _refused(lambda: push(server.url, "rotator", {}, registry, 5, ca_file=ca_file))
    finally:
        server.stop()


def _refused(call: Callable[[], None]) -> str:
    """Return the sentence of the error that `call` raises, which holds no part of user, password and path."""
    with pytest.raises(RotatorError) as caught:
        call()
    said = str(caught.value)
    chain: BaseException | None = caught.value
    while chain:
        assert not any(
            secret in str(chain) for secret in (PASSWORD, quote(PASSWORD, safe=""), "ops", "hidden")
        )
        chain = None if chain.__suppress_context__ else chain.__context__
    assert "\n" not in said
    return said


# --- what goes wrong ---------------------------------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    code = 200
    seen: list[str]

    def _answer(self) -> None:
        self.seen.append(self.command)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.code)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"hidden")

    do_GET = do_POST = _answer  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def answering() -> Iterator[Callable[[int], tuple[str, list[str]]]]:
    """Servers that answer everything with one status; each comes with the methods that it was asked by."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def serve(code: int) -> tuple[str, list[str]]:
        seen: list[str] = []
        server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"code": code, "seen": seen})
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return f"http://ops:{quote(PASSWORD, safe='')}@127.0.0.1:{server.server_port}/hidden", seen

    yield serve
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("code", [301, 302, 307, 400, 403, 404, 500, 503])
def test_an_answer_that_is_no_success_is_a_sentence(
    answering: Callable[[int], tuple[str, list[str]]], code: int
) -> None:
    """A redirect is none either: followed, it would lose the metrics and look like a success."""
    url, seen = answering(code)
    said = _refused(lambda: push(url, "rotator", {}, registry_of(run=run()), 5))
    assert said.startswith("push of the metrics to the Pushgateway http://127.0.0.1:")
    assert f": HTTP {code}" in said
    assert seen == ["POST"]


def test_no_server_is_a_sentence() -> None:
    """Nobody listens there."""
    url = f"http://ops:{quote(PASSWORD, safe='')}@127.0.0.1:{free_port()}/hidden"
    with pytest.raises(ClientError):
        push(url, "rotator", {}, registry_of(run=run()), 5)
    assert "refused" in _refused(lambda: push(url, "rotator", {}, registry_of(run=run()), 5))


@pytest.mark.parametrize(
    "url",
    [
        "ops:hidden@gateway:9091",
        "gateway",
        "ftp://ops:hidden@gateway",
        "file:///hidden",
        "http://ops:hidden@gateway:port",
        "http://gateway/?token=hidden",
        "http://gateway/#hidden",
        "http://",
        "http://[hidden",
        "",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_and_not_shown(url: str) -> None:
    """It may hold a password in any part."""
    with pytest.raises(SettingsError):
        push(url, "rotator", {}, registry_of(run=run()), 1)
    assert "expected http://HOST:PORT" in _refused(
        lambda: push(url, "rotator", {}, registry_of(run=run()), 1)
    )


def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """Missing, or no certificate."""
    (tmp_path / "empty").write_text("nothing")
    for name in ("missing", "empty"):
        path = str(tmp_path / name)
        with pytest.raises(SettingsError, match=name):
            push("https://gateway", "rotator", {}, registry_of(run=run()), 1, ca_file=path)


# --- a text file -------------------------------------------------------------------------------------------------


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """Whoever has the old one open reads it to its end, and nothing else is left in the folder."""
    path = tmp_path / "rotator.prom"
    write_file(str(path), registry_of(rotations=[rotation("a")], run=run()))
    with path.open() as before:
        first = path.read_text()
        write_file(str(path), registry_of(rotations=[rotation("b")], run=run()))
        assert before.read() == first
    families = {f.name: f for f in text_string_to_metric_families(path.read_text())}
    assert [s.labels["rotation"] for s in families["rotator_rotation_revision"].samples] == ["b"]
    assert os.listdir(tmp_path) == ["rotator.prom"]  # noqa: PTH208 - names are what is asked for


def test_a_file_that_cannot_be_written_is_a_sentence_and_the_old_one_stays(tmp_path: Path) -> None:
    """A folder that is not there, and one that stands where the file should be."""
    for path in (tmp_path / "none" / "rotator.prom", tmp_path):
        with pytest.raises(
            SettingsError, match=r"the metrics file .* cannot be written: .*; expected"
        ) as caught:
            write_file(str(path), registry_of(run=run()))
        assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - as above
