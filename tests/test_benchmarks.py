"""The sums of the benchmark: ratios, kinds of requests, the shape of what is printed. No time limits."""

from __future__ import annotations

import http.server
import json
import os
import sys
import threading
import urllib.request
from typing import TYPE_CHECKING

import pytest

from benchmarks.counting import Counter
from benchmarks.figures import Due, Figures, Idle, Served, Step
from benchmarks.policies import CHANGED, FIRST, Group
from benchmarks.processes import measure
from benchmarks.scenarios import Bench, Effort
from benchmarks.systems import started
from benchmarks.traffic import Request, Traffic, share, summarize, writes
from rotator.policy.files import load

if TYPE_CHECKING:
    from pathlib import Path

TRAFFIC = (
    Traffic("vault POST auth", 1, 90),
    Traffic("kubernetes GET secrets", 10, 0),
    Traffic("kubernetes PATCH leases", 20, 300),
    Traffic("vault POST data", 30, 900),
)


def due(rotations: int = 10) -> Due:
    """Return figures of a small fleet."""
    return Due(  # noqa: S604 - no process
        rotations=rotations,
        scripted=5,
        concurrency=4,
        rotator=[2.0, 1.0, 9.0],
        shell=[10.0, 8.0, 11.0],
        raw=[1.0, 1.5, 1.2],
        raw_loop=[0.5, 0.4, 0.6],
        traffic=TRAFFIC,
    )


def figures() -> Figures:
    """Return figures that are easy to sum."""
    return Figures(
        servers={"kubernetes": "emulator", "vault": "OpenBao 2.7.2"},
        step=Step(  # noqa: S604 - no process
            rotator=[0.4, 0.6, 0.5], shell=[1.0, 0.9, 1.1], traffic=TRAFFIC
        ),
        due=due(),
        idle=Idle(seconds=[0.3], peak_mb=[50.0], traffic=TRAFFIC),
        served=Served(requests=100, rotator=[0.2, 0.4], static=[0.1, 0.3]),
    )


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/v1/auth/approle/login", "vault POST auth"),
        ("POST", "/v1/auth/token/revoke-self", "vault POST auth"),
        ("POST", "/v1/rotator/data/bench/r0001", "vault POST data"),
        ("GET", "/v1/rotator/metadata/bench/r0001", "vault GET metadata"),
        ("GET", "/api/v1/namespaces/bench/secrets/r0001?x=/y/z", "kubernetes GET secrets"),
        (
            "CREATE",
            "/api/v1/namespaces/bench/configmaps/a?fieldManager=rotator",
            "kubernetes CREATE configmaps",
        ),
        ("PATCH", "/apis/coordination.k8s.io/v1/namespaces/b/leases/r1", "kubernetes PATCH leases"),
        ("GET", "/apis/coordination.k8s.io/v1/leases", "kubernetes GET leases"),
    ],
)
def test_a_request_has_a_kind(method: str, path: str, kind: str) -> None:
    """System, method and resource."""
    assert Request(method, path, 0).kind == kind


def test_requests_are_summed_by_kind_in_the_order_they_began() -> None:
    """Count and average size."""
    sent = [
        Request("POST", "/v1/kv/data/a", 10),
        Request("GET", "/v1/kv/data/a", 0),
        Request("POST", "/v1/kv/data/b", 30),
    ]
    assert summarize(sent) == [Traffic("vault POST data", 2, 20), Traffic("vault GET data", 1, 0)]


def test_logins_and_reads_are_no_writes() -> None:
    """Only what a system keeps counts."""
    assert [t.kind for t in writes(TRAFFIC)] == ["kubernetes PATCH leases", "vault POST data"]


@pytest.mark.parametrize(("count", "parts"), [(7, 3), (600, 200), (601, 200), (2, 5)])
def test_shares_add_up(count: int, parts: int) -> None:
    """Nothing is lost where a count does not divide."""
    assert sum(share(count, parts, i) for i in range(parts)) == count


def test_ratios_are_medians_of_rounds() -> None:
    """One odd sample changes nothing."""
    assert figures().step.vs_shell == pytest.approx(0.5 / 1.1)
    assert due().vs_shell == pytest.approx(10.0 / 2.0 / 5 * 10)
    assert due().vs_raw == pytest.approx(1.0 / 2.0)
    assert due().vs_raw_loop == pytest.approx(0.5 / 2.0)


def test_what_is_printed() -> None:
    """The last line of stdout is this object."""
    printed = json.loads(json.dumps(figures().to_json()))
    ratios = [
        "step_vs_shell",
        "due200_vs_shell",
        "due200_vs_raw",
        "idle_seconds",
        "idle_peak_mb",
        "jwks_vs_static",
    ]
    assert list(printed) == [*ratios, "servers", "notes", "details"]
    assert all(isinstance(printed[name], float) for name in ratios)
    assert printed["details"]["due"]["writes"] == 50
    assert printed["jwks_vs_static"] == pytest.approx(0.625)
    assert printed["details"]["due"]["requests_per_rotation"]["all"] == pytest.approx(6.1)
    assert any("10 rotations stand for 200" in note for note in printed["notes"])


def test_policies_are_good(tmp_path: Path) -> None:
    """The engine reads them, and an edit makes another digest."""
    group = Group("bench", tmp_path / "policies", 3)
    digests = []
    for algorithm in (FIRST, CHANGED):
        group.write(algorithm)
        policies = load([group.folder])
        assert [p.ref for p in policies] == [f"bench/{name}" for name in group.names]
        digests.append(policies[0].digest)
    assert digests[0] != digests[1]


def test_a_process_is_measured() -> None:
    """Its own memory counts, ours does not."""
    done = measure([sys.executable, "-c", "print(bytearray(50_000_000)[-1])"], os.environ)
    assert done.output == "0\n"
    assert done.seconds > 0
    assert 50 < done.peak_mb < 200


def test_a_process_that_fails_is_not_measured() -> None:
    """A failure is no figure."""
    with pytest.raises(RuntimeError, match="ended with 3:\n\nwhy"):
        measure([sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(3)"], os.environ)


class Silent(http.server.BaseHTTPRequestHandler):
    """Answers PUT with nothing."""

    def do_PUT(self) -> None:
        """Take the body."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Say nothing."""
        del format, args


def test_requests_are_counted_below_the_libraries() -> None:
    """Whatever library sends them."""
    counter = Counter()
    with http.server.HTTPServer(("127.0.0.1", 0), Silent) as server, counter.installed():
        threading.Thread(target=server.handle_request).start()
        url = f"http://127.0.0.1:{server.server_port}/v1/kv/data/a"
        urllib.request.urlopen(urllib.request.Request(url, data=b"12345", method="PUT")).close()
    assert counter.requests == [Request("PUT", "/v1/kv/data/a", 5)]


def test_every_scenario_runs_to_its_end(tmp_path: Path) -> None:
    """With as little as there can be, on real processes: rotator, the script and the bare client."""
    told: list[str] = []
    effort = Effort(pairs=1, rounds=1, due=2, scripted=1, idle=1, concurrency=2, timeout=1)
    with started(tmp_path, emulator=True) as systems:
        bench = Bench(systems, effort, told.append)
        measured = Figures(
            servers=systems.names,
            step=bench.step(),
            due=bench.due(),
            idle=bench.idle(),
            served=bench.served(),
        )
    found = measured.to_json()
    assert all(found[name] > 0 for name in ("step_vs_shell", "due200_vs_shell", "due200_vs_raw"))
    assert found["idle_seconds"] > 0
    assert found["jwks_vs_static"] > 0
    assert [line.partition(":")[0] for line in told] == ["step 1", "due 1", "idle", "served"]
