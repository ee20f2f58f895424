"""What a job publishes: read back from a real Pushgateway, from a text file, and from the exporter."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rotator_sandbox.emulator import Cluster, EmulatorServer
from rotator_sandbox.processes import free_port
from tests.observability.servers import Pushgateway, get
from tests.transport.servers import Greet, OverTls, drip, read_request, silence

TOKEN = "sandbox-admin"
DECLARATION = """
apiVersion: rotator.dev/v1alpha1
kind: Rotation
metadata: {name: key, namespace: default}
spec:
  credential: {jwtSigningKey: {algorithm: EdDSA}}
  every: 30d
  overlap: {tokenTTL: 15m}
  store: {kubernetes: {}}
  verifiers: [{jwks: {configMap: accepted, maxAge: 5m}}]
  holders: [{secret: {name: key}}]
"""
Values = Mapping[str, dict[tuple[tuple[str, str], ...], float]]


def values(text: str) -> Values:
    """Return the value of each series by its name and labels; gaps are left out."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.value == sample.value:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


class Site:
    """A cluster, a folder of policies, and the command line on them."""

    def __init__(self, folder: Path, server: EmulatorServer) -> None:
        self.policies = folder / "policies"
        self.policies.mkdir()
        (self.policies / "key.yaml").write_text(DECLARATION)
        server.kubeconfig(folder / "kubeconfig")
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "KUBECONFIG": str(folder / "kubeconfig"),
            "ROTATOR_POLICIES": str(self.policies),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command line."""
        return subprocess.Popen(
            [sys.executable, "-m", "rotator", *arguments],
            env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run it; return its exit code and what it printed."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err
        return process.returncode, out


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with one rotation."""
    with EmulatorServer(Cluster(admin_token=TOKEN), admin_token=TOKEN) as server:
        yield Site(tmp_path, server)


def test_a_run_pushes_where_rotations_stand_and_what_it_did(site: Site, gateway: Pushgateway) -> None:
    """Under its job; a failing run leaves the rotations and the last success, and tells its exit code."""
    site.env |= {"ROTATOR_METRICS_PUSH": gateway.url, "ROTATOR_METRICS_JOB": "nightly"}
    began = datetime.now(UTC).timestamp()
    assert site.run("run")[0] == 0
    seen = values(gateway.shown())
    (phases,) = [
        dict(labels)["phase"] for labels, value in seen["rotator_rotation_phase"].items() if value == 1
    ]
    assert phases == "Switching"
    (labels,) = seen["rotator_rotation_revision"]
    expected = {"namespace": "default", "rotation": "key", "type": "jwtSigningKey", "job": "nightly"}
    assert expected.items() <= dict(labels).items()
    assert list(seen["rotator_run_exit_code"].values()) == [0]
    assert list(seen["rotator_rotation_period_seconds"].values()) == [30 * 86400]
    (success,) = seen["rotator_run_success_timestamp_seconds"].values()
    assert success >= began
    asked = {dict(labels)["method"]: value for labels, value in seen["rotator_run_requests"].items()}
    assert asked["PATCH"] > 0

    (site.policies / "key.yaml").write_text("kind: Rotation")
    assert site.run("run")[0] == 2
    later = values(gateway.shown())
    assert list(later["rotator_run_exit_code"].values()) == [2]
    assert list(later["rotator_run_success_timestamp_seconds"].values()) == [success]
    assert later["rotator_rotation_revision"] == seen["rotator_rotation_revision"]


def test_what_is_asked_for_by_hand_says_nothing_of_the_schedule(site: Site, gateway: Pushgateway) -> None:
    """`rotate`, with the environment of the CronJob: no exit code and no time of a run that did not run."""
    site.env |= {"ROTATOR_METRICS_PUSH": gateway.url}
    assert site.run("rotate", "default/key", "--reason", "INC-1")[0] == 0
    assert "rotator_run_exit_code" not in values(gateway.shown())


def _refusing(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")


COLLECTORS: dict[str, Greet] = {
    "drips": drip(b"x", b"HTTP/1.1 200 OK\r\nX: "),
    "refuses": _refusing,
}


@pytest.mark.parametrize("collector", COLLECTORS)
def test_no_collector_fails_or_holds_a_run(site: Site, tmp_path: Path, collector: str) -> None:
    """A job's exit code is about credentials: metrics and traces that could not be told are a warning each."""
    with OverTls(tmp_path, silence, greet=COLLECTORS[collector]) as server:
        place = server.place
        site.env |= {
            "ROTATOR_METRICS_PUSH": f"http://{place}",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{place}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "2",
        }
        process = site.start("run")
        _, err = process.communicate(timeout=120)
    lines = [json.loads(line) for line in err.splitlines()]
    warnings = {line["message"]: line["reason"] for line in lines if line["level"] == "WARNING"}
    assert process.returncode == 0
    assert set(warnings) == {"metrics could not be told", "traces could not be told"}
    assert all(place in reason for reason in warnings.values())


def test_a_text_file_is_whole_or_old(site: Site, tmp_path: Path) -> None:
    """A run that fails leaves the file of the last: its time of success grows old, and the rotations stay."""
    file = tmp_path / "rotator.prom"
    assert site.run("run", "--metrics-file", str(file))[0] == 0
    written = file.read_text()
    assert values(written)["rotator_rotation_accepted_versions"]
    (site.policies / "key.yaml").write_text("kind: Rotation")
    assert site.run("run", "--metrics-file", str(file))[0] == 2
    assert file.read_text() == written


def test_the_exporter_tells_from_the_leases_alone(site: Site) -> None:
    """Once on standard output, also of a rotation that no run has looked at; and again after a run."""
    code, before = site.run("metrics")
    assert code == 0
    assert "rotator_rotation_period_seconds" in values(before)
    assert "rotator_rotation_next_timestamp_seconds" not in values(before)
    site.run("run")
    after = values(site.run("metrics")[1])
    row = json.loads(site.run("status", "-o", "json")[1])[0]
    (due,) = after["rotator_rotation_next_timestamp_seconds"].values()
    assert due == pytest.approx(datetime.fromisoformat(row["next"]).timestamp(), abs=1)
    assert list(after["rotator_rotation_accepted_versions"].values()) == [1]


def test_the_exporter_is_scraped_until_it_is_told_to_end(site: Site) -> None:
    """On /metrics, with /healthz beside it; SIGTERM ends it with 0."""
    site.run("run")
    port = free_port()
    process = site.start("metrics", "--listen", f"127.0.0.1:{port}")
    try:
        end = time.monotonic() + 30
        while True:
            try:
                with get(f"http://127.0.0.1:{port}/metrics") as answer:
                    shown = values(answer.read().decode())
                break
            except OSError:
                assert time.monotonic() < end, "it never listened"
                time.sleep(0.1)
        assert shown["rotator_rotation_revision"]
        with get(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize("listen", ["9464", "here:there", "127.0.0.1:", ":x"])
def test_an_address_that_is_none_is_a_usage_error(site: Site, listen: str) -> None:
    """Said in a sentence, with an example."""
    assert site.run("metrics", "--listen", listen)[0] == 2
