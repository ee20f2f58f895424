"""When runs begin, and the whole process: on an emulated cluster, started, asked, and ended as a node drain ends it."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from zoneinfo import ZoneInfo

import pytest

from rotator.errors import SettingsError
from rotator.run.request import Declarations, RunRequest, Serving
from rotator.run.serve import Service, trigger
from rotator.systems.world import World
from rotator_sandbox.emulator import Cluster, EmulatorServer
from rotator_sandbox.emulator.server import write_kubeconfig
from rotator_sandbox.processes import free_port
from tests.faults.environment import TOKEN

BERLIN = ZoneInfo("Europe/Berlin")
NEVER = 60.0
"""Seconds after which what has not happened never will."""

# --- when runs begin --------------------------------------------------------------------------------------------------


def fires(serving: Serving, start: datetime, count: int = 4) -> list[datetime]:
    """Return the next instants at which runs begin."""
    made, before, now, found = trigger(serving), None, start, []
    for _ in range(count):
        at = made.get_next_fire_time(before, now)
        found.append(at.astimezone(UTC))
        before, now = at, at.astimezone(UTC) + timedelta(milliseconds=5)
    return found


def days(found: list[datetime]) -> list[str]:
    """Return weekday and time of instants, as in Berlin."""
    return [f"{at.astimezone(BERLIN):%a %H:%M}" for at in found]


MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "zone", "first"),
    [
        ("0 2 * * sun", "UTC", "Sun 03:00"),
        ("0 2 * * sun", "Europe/Berlin", "Sun 02:00"),
        ("30 8-9 * * mon-fri", "Europe/Berlin", "Mon 08:30"),
        ("*/30 * * * *", "UTC", "Mon 01:00"),
        ("0 0 15 * *", "UTC", "Sun 01:00"),
    ],
)
def test_a_schedule_is_read_as_cron_reads_it(schedule: str, zone: str, first: str) -> None:
    """In the time zone that is named, and with weekdays that mean the same everywhere."""
    found = fires(Serving(schedule=schedule, time_zone=zone), MONDAY, 1)
    assert days(found) == [first]


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2026-03-29", ["01:30", "03:30"]),  # 02:30 is skipped that night
        ("2026-10-25", ["01:30", "02:30", "02:30", "03:30"]),  # and there twice
    ],
)
def test_clocks_that_are_set_lose_no_run(day: str, hours: list[str]) -> None:
    """Each hour has its run, an hour that comes twice has two, and one that is not there has none."""
    start = datetime.fromisoformat(f"{day}T01:00:00").replace(tzinfo=BERLIN).astimezone(UTC)
    found = fires(Serving(schedule="30 * * * *", time_zone="Europe/Berlin"), start, len(hours))
    assert [f"{at.astimezone(BERLIN):%H:%M}" for at in found] == hours
    assert all(later - earlier == timedelta(hours=1) for earlier, later in itertools.pairwise(found))


def test_an_interval_goes_on_evenly_and_jitter_moves_each_run_by_itself() -> None:
    """Never to before its instant, and never by more than was allowed."""
    even = fires(Serving(every=timedelta(seconds=90)), MONDAY, 5)
    assert {b - a for a, b in itertools.pairwise(even)} == {timedelta(seconds=90)}
    jitter = timedelta(seconds=20)
    moved = trigger(Serving(every=timedelta(minutes=1), jitter=jitter))
    late = [moved.get_next_fire_time(MONDAY, MONDAY) - MONDAY - timedelta(minutes=1) for _ in range(50)]
    assert all(timedelta() <= by <= jitter for by in late)
    assert len(set(late)) > 10


@pytest.mark.parametrize(
    ("serving", "said"),
    [
        (Serving(schedule="0 0 * * 0"), "expected names of weekdays, as sun or mon-fri: what 0 and 1 mean is not the same everywhere"),
        (Serving(schedule="0 0 * * 1-5"), "expected names of weekdays"),
        (Serving(schedule="0 0 1 * mon"), r"expected \* as day or as weekday"),
        (Serving(schedule="0 0 * *"), "expected minute, hour, day, month and weekday"),
        (Serving(schedule="@daily"), "expected minute, hour, day, month and weekday"),
        (Serving(schedule="61 * * * *"), "--schedule 61"),
        (Serving(schedule="x * * * *"), "--schedule x"),
        (Serving(schedule=""), "expected minute, hour"),
        (Serving(schedule="* * * * *", time_zone="Mars/Olympus"), "--time-zone Mars/Olympus: expected a name as Europe/Berlin"),
        (Serving(schedule="* * * * *", time_zone="../etc/passwd"), "--time-zone"),
        (Serving(schedule="* * * * *", time_zone=""), "--time-zone"),
    ],
    ids=lambda value: f"{value.schedule} {value.time_zone}" if isinstance(value, Serving) else "",
)  # fmt: skip
def test_what_others_would_read_otherwise_is_refused(serving: Serving, said: str) -> None:
    """A schedule that means Monday here and Sunday elsewhere is worse than none."""
    with pytest.raises(SettingsError, match=said):
        trigger(serving)


# --- the process ------------------------------------------------------------------------------------------------------

DECLARATION = """
apiVersion: rotator.dev/v1alpha1
kind: Rotation
metadata: {name: key, namespace: default}
spec:
  credential: {jwtSigningKey: {algorithm: ES256}}
  every: 30d
  overlap: {tokenTTL: 15m}
  store: {kubernetes: {}}
  verifiers: [{jwks: {configMap: accepted, maxAge: 5m, served: {issuer: "https://api.example.com"}}}]
  holders: [{secret: {name: key}}]
"""
REPLICA = "replica.rotator.dev/rotator-serve-one"


def until(happened: Callable[[], Any]) -> Any:
    """Wait until something has happened, and return it."""
    give_up = time.monotonic() + NEVER
    while not (found := happened()):
        assert time.monotonic() < give_up, "it never happens"
        time.sleep(0.02)
    return found


class Process:
    """`rotator serve` on an emulated cluster."""

    def __init__(self, folder: Path, cluster: Cluster, kubeconfig: Path) -> None:
        self.cluster = cluster
        self.public, self.operator = free_port(), free_port()
        (folder / "key.yaml").write_text(DECLARATION)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "KUBECONFIG": str(kubeconfig),
            "POD_NAME": "rotator-serve-one",
            "ROTATOR_POLICIES": str(folder / "key.yaml"),
            "ROTATOR_LISTEN": f"127.0.0.1:{self.public}",
            "ROTATOR_LISTEN_OPERATOR": f"127.0.0.1:{self.operator}",
            "ROTATOR_EVERY": "1s",
            "ROTATOR_REFRESH": "100ms",
            "ROTATOR_DRAIN": "500ms",
        }
        self.process: subprocess.Popen[str] | None = None

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start it."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rotator", "serve", *arguments],
            env={**self.env, **env}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        return self.process

    def get(self, port: int, path: str) -> tuple[int, Message, bytes]:
        """Ask it; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.status, answer.headers, answer.read()
        except HTTPError as error:
            with error:
                return error.code, error.headers, error.read()
        except OSError:
            return 0, Message(), b""

    def ready(self) -> bool:
        """Whether it serves keys."""
        return (
            self.get(self.operator, "/readyz")[0] == self.get(self.public, "/.well-known/jwks.json")[0] == 200
        )

    def end(self) -> tuple[int, float, list[Any]]:
        """End it as a node drain does; return its exit code, how long that took, and its log."""
        assert self.process
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=NEVER)
        return (
            self.process.returncode,
            time.monotonic() - began,
            [json.loads(line) for line in err.splitlines()],
        )

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the cluster as its admin."""
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        answer = self.cluster.handle(method, path, headers, json.dumps(body).encode() if body else b"")
        assert isinstance(answer.body, bytes)
        return json.loads(answer.body)

    def lease(self, name: str) -> Any:
        """Read a Lease."""
        return self.ask("GET", f"/apis/coordination.k8s.io/v1/namespaces/default/leases/{name}")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Process]:
    """A process that is not started yet."""
    cluster = Cluster(admin_token=TOKEN)
    with EmulatorServer(cluster, admin_token=TOKEN) as server:
        made = Process(tmp_path, cluster, server.kubeconfig(tmp_path / "kubeconfig"))
        yield made
        if made.process and made.process.poll() is None:
            made.process.kill()
            made.process.communicate()


def test_one_process_rotates_serves_and_ends_in_order(served: Process) -> None:
    """What a run made is served; on SIGTERM it is answered until the drain is over, and nobody waits for the replica."""
    served.start()
    until(served.ready)
    status, headers, body = served.get(served.public, "/.well-known/jwks.json")
    made = served.ask("GET", "/api/v1/namespaces/default/configmaps/accepted")
    assert (status, body.decode()) == (200, made["data"]["jwks.json"])
    assert headers["Content-Type"] == "application/jwk-set+json"
    assert headers["Date"]
    assert served.get(served.public, "/.well-known/openid-configuration")[0] == 200
    assert REPLICA in served.lease("serving-key")["metadata"]["annotations"]
    for path in ("/", "/metrics", "/livez", "/readyz?verbose"):
        assert served.get(served.public, path)[0] == 404, "what operators see is not for everybody"
    until(
        lambda: (
            b"Stable" in served.get(served.operator, "/")[2]
            or b"Switching" in served.get(served.operator, "/")[2]
        )
    )
    answered = threading.Event()

    def drained() -> None:
        while served.get(served.operator, "/readyz")[0] != 503:
            time.sleep(0.01)
        if served.get(served.public, "/.well-known/jwks.json")[0] == 200:
            answered.set()

    asking = threading.Thread(target=drained)
    asking.start()
    code, took, log = served.end()
    asking.join()
    assert code == 0
    assert answered.is_set(), "while requests are still sent here they are answered"
    assert took < 15
    assert "annotations" not in served.lease("serving-key")["metadata"]
    assert not (served.lease("rotation-key").get("spec") or {}).get("holderIdentity")
    assert {line["message"] for line in log if line["level"] != "INFO"} <= {"stopped"}, (
        "unless a run was under way"
    )


def test_nothing_that_hangs_keeps_the_process_beyond_its_grace(served: Process, tmp_path: Path) -> None:
    """An API server that takes requests and never answers: the node would kill the process in the middle of something."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        kubeconfig = write_kubeconfig(tmp_path / "silent", {"server": address}, TOKEN)
        served.start("--grace", "3s", KUBECONFIG=str(kubeconfig))
        until(lambda: served.get(served.operator, "/livez")[0] == 200)
        connection, _ = silent.accept()  # something is asked for
        _, took, _ = served.end()
        connection.close()
    assert took < 5


class Blocked:
    """Where each run waits until it may go on, and when it came there."""

    def __init__(self) -> None:
        self.began: list[float] = []
        self.free = threading.Event()

    def __call__(self, *_: object) -> World:
        """Wait; then there is nothing to connect to."""
        self.began.append(time.monotonic())
        self.free.wait(NEVER)
        raise SettingsError("nothing is here")


@pytest.fixture
def blocked() -> Iterator[tuple[Service, Blocked]]:
    """A process of which each run is held up, and is due every two seconds."""
    gate, soon = Blocked(), timedelta(milliseconds=1)
    local = Serving(
        every=timedelta(seconds=2),
        public="127.0.0.1:0",
        operator="127.0.0.1:0",
        drain=soon,
        grace=timedelta(seconds=2),
    )
    request = RunRequest(declarations=Declarations(namespaces=("none",)))
    service = Service(request, local, connect=gate, connect_beside=gate, policies=tuple)
    service.start()
    yield service, gate
    gate.free.set()
    until(lambda: not service.view().running)
    if not service.view().ending:
        assert service.end("SIGTERM")


def test_a_run_that_was_due_while_another_was_under_way_begins_right_after_it(
    blocked: tuple[Service, Blocked],
) -> None:
    """No tick is dropped, and several are made up for by one: no two runs are under way at a time."""
    service, gate = blocked
    until(lambda: gate.began)
    time.sleep(4.3)  # two are due meanwhile, and the next one in 1.7 seconds
    assert len(gate.began) == 1
    assert service.view().running
    freed = time.monotonic()
    gate.free.set()
    until(lambda: len(gate.began) > 2)
    at_once, later = gate.began[1:3]
    assert at_once - freed < 1.2, "it does not wait for the next instant"
    assert later - freed > 1.2, "there was one more, not one for each"
    until(lambda: service.last is not None)
    assert service.last is not None
    assert (service.last.exit_code, service.last.error) == (2, "nothing is here")


def test_a_run_that_does_not_end_is_left_when_the_grace_is_over(blocked: tuple[Service, Blocked]) -> None:
    """The process ends then, with exit code 1, before the node kills it; its Lease expires, and the next run carries on."""
    service, gate = blocked
    until(lambda: gate.began)
    began = time.monotonic()
    assert not service.end("SIGTERM")
    assert time.monotonic() - began < 8
    assert not any(listener.is_alive for listener in service.listeners)


def test_a_run_that_waits_ends_at_a_safe_point_when_the_process_is_asked_to_end(served: Process) -> None:
    """Its lease is given back, so that the other replica need not wait for it to expire."""
    served.start("--refresh", "1h")  # the set is not read after the first time, so that the run waits for it
    until(lambda: (served.lease("rotation-key").get("spec") or {}).get("holderIdentity"))
    code, took, _ = served.end()
    assert (code, took < 20) == (0, True)
    assert not (served.lease("rotation-key").get("spec") or {}).get("holderIdentity")


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (["--schedule", "0 0 * * 0"], {}, "expected names of weekdays"),
        (["--listen", "nowhere"], {}, "the public listener: nowhere: expected ADDRESS:PORT"),
        (["--listen-operator", "256.0.0.1:1"], {}, "the operator listener: cannot listen on 256.0.0.1:1"),
        (["-f", "/nowhere.yaml"], {}, "/nowhere.yaml: no such file"),
    ],
)
def test_what_is_wrong_from_the_beginning_is_said(
    served: Process, arguments: list[str], env: dict[str, str], said: str
) -> None:
    """In one sentence, with the exit code of a usage error, before anything is served."""
    process = served.start(*arguments, **env)
    _, err = process.communicate(timeout=NEVER)
    assert process.returncode == 2
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err


def test_a_policy_that_breaks_later_is_told_and_the_keys_go_on(served: Process, tmp_path: Path) -> None:
    """Nobody who verifies tokens notices."""
    served.start()
    until(served.ready)
    (tmp_path / "key.yaml").write_text("kind: [")
    until(lambda: b"not YAML" in served.get(served.operator, "/readyz?verbose")[2])
    until(lambda: b"rotator_run_exit_code 2.0" in served.get(served.operator, "/metrics")[2])
    assert b"not YAML" in served.get(served.operator, "/")[2]
    assert served.ready()
    (tmp_path / "key.yaml").write_text(DECLARATION)
    until(lambda: b"rotator_run_exit_code 0.0" in served.get(served.operator, "/metrics")[2])
