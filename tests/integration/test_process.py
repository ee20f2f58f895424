"""The job as a process: what a CronJob starts, what a node drain stops, what a person sees."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rotator_sandbox.emulator import Cluster, EmulatorServer
from tests.faults.environment import TOKEN

DECLARATION = """
apiVersion: rotator.dev/v1alpha1
kind: Rotation
metadata: {name: key, namespace: default, labels: {team: payments}}
spec:
  credential: {jwtSigningKey: {algorithm: ES256}}
  every: 30d
  overlap: {tokenTTL: 15m}
  store: {kubernetes: {}}
  verifiers: [{jwks: {configMap: accepted, maxAge: 5m}}]
  holders:
    - secret: {name: key}
      restart: {workloads: [{name: api}], timeout: 1h, soak: 0s}
"""
WORKLOAD = {
    "metadata": {"name": "api"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "api"}},
        "template": {
            "metadata": {"labels": {"app": "api"}},
            "spec": {"containers": [{"name": "api", "image": "api"}]},
        },
    },
}

SERVER = """
import gc, json, signal, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from rotator.run.request import Declarations, Mode, RunRequest
from rotator.run.run import execute

declared = Declarations(paths=(Path(sys.argv[1]),))
runs = [
    (RunRequest(declarations=declared, mode=Mode.PLAN), lambda stop: None),
    (RunRequest(declarations=declared), lambda stop: stop("SIGTERM")),
    (RunRequest(declarations=declared, mode=Mode.STATUS), lambda stop: None),
]
state = lambda: [gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), signal.getsignal(signal.SIGTERM)]
before = state()
with ThreadPoolExecutor() as pool:
    reports = list(pool.map(lambda run: execute(run[0], begun=run[1]), runs))
assert state() == before
print(json.dumps([[r.exit_code, [[o.rotation, o.result, o.reason] for o in r.outcomes]] for r in reports]))
"""
"""A process that does several runs at a time, none of them in its main thread; one is asked to stop at once."""


DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/api"
NEVER = 300.0
"""Seconds after which what has not happened never will."""


def _seen(happened: Callable[[], bool]) -> None:
    give_up = time.monotonic() + NEVER
    while not happened():
        assert time.monotonic() < give_up, "it never happens"
        time.sleep(0.02)


class Job:
    """The command line on an emulated cluster whose one Deployment never gets ready, for nobody drives it."""

    def __init__(self, cluster: Cluster, env: dict[str, str]) -> None:
        self._cluster = cluster
        self._env = env

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the cluster as its admin."""
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        answer = self._cluster.handle(method, path, headers, json.dumps(body).encode() if body else b"")
        assert isinstance(answer.body, bytes)
        return json.loads(answer.body)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command line."""
        return subprocess.Popen(
            [sys.executable, "-m", "rotator", *arguments],
            env=self._env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=NEVER)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def serve(self) -> Any:
        """Do the runs of a server, and return exit code and outcomes of each report."""
        policies = self._env["ROTATOR_POLICIES"]
        done = subprocess.run(
            [sys.executable, "-c", SERVER, policies],
            env=self._env,
            text=True,
            check=True,
            stdout=subprocess.PIPE,
        )
        return json.loads(done.stdout)

    def run_until(self, happened: Callable[[], bool], *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run until something has happened, and ask the run to stop."""
        process = self.start(*arguments)
        _seen(happened)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=NEVER)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def restart(self) -> subprocess.CompletedProcess[str]:
        """Run until the Deployment is restarted: no run ends by itself there, for it never gets ready."""
        return self.run_until(self._restarted, "run", "-o", "json")

    def _restarted(self) -> bool:
        return "annotations" in self.ask("GET", DEPLOYMENT)["spec"]["template"]["metadata"]

    def held(self) -> bool:
        """Whether a run is at work."""
        return bool((self.lease().get("spec") or {}).get("holderIdentity"))

    def lease(self) -> Any:
        """Read the Lease of the rotation."""
        return self.ask("GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases/rotation-key")


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """A job's surroundings: a policy folder, a kubeconfig, and nothing else of this machine's environment."""
    cluster = Cluster(admin_token=TOKEN)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "key.yaml").write_text(DECLARATION)
    with EmulatorServer(cluster, admin_token=TOKEN) as server:
        server.kubeconfig(tmp_path / "kubeconfig")
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "KUBECONFIG": str(tmp_path / "kubeconfig"),
            "ROTATOR_POLICIES": str(tmp_path / "policies"),
        }
        made = Job(cluster, env)
        made.ask("POST", "/apis/apps/v1/namespaces/default/deployments", WORKLOAD)
        yield made


def test_a_run_that_is_asked_to_stop_gives_its_lease_back(job: Job) -> None:
    """SIGTERM, as from a node drain: the next run need not wait for the lease to expire."""
    done = job.run_until(job.held, "run", "-o", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)[0]["result"] == "Waiting"
    assert job.lease()["spec"].get("holderIdentity") is None
    assert "the run was asked to stop (SIGTERM)" in json.loads(done.stderr.splitlines()[-1])["reason"]
    memo = json.loads(job.lease()["metadata"]["annotations"]["rotator.dev/memo"])
    assert "asked to stop" not in memo["reason"]


def test_output_for_programs_is_json_and_logs_are_json_with_stable_keys(job: Job) -> None:
    """What a program reads comes alone on standard output; each log line is one object."""
    done = job.restart()
    row = json.loads(done.stdout)[0]
    assert (row["rotation"], row["phase"], row["result"]) == ("default/key", "Switching", "Waiting")
    records = [json.loads(line) for line in done.stderr.splitlines()]
    (record,) = (r for r in records if "rotation" in r)
    assert record.keys() >= {"time", "level", "message", "rotation", "result", "reason", "revision"}


def test_status_and_plan_read_only_and_name_who_is_waited_for(job: Job) -> None:
    """People see the workload that has not switched; nothing is written, not even a lease."""
    job.restart()
    before = job.lease()["metadata"]["resourceVersion"]
    for verb in ("status", "plan"):
        done = job.run(verb, "-o", "json")
        assert done.returncode == 0
        assert "deployment default/api" in json.loads(done.stdout)[0]["reason"]
    assert job.lease()["metadata"]["resourceVersion"] == before


def test_selection_by_label_kind_name_and_shard(job: Job) -> None:
    """What is not chosen is not touched."""
    for options in (["-l", "team=orders"], ["--type", "sharedSecret"]):
        assert json.loads(job.run("plan", "-o", "json", *options).stdout) == []
    for options in (["-l", "team=payments"], ["--type", "jwtSigningKey"], ["-n", "default/key"]):
        assert len(json.loads(job.run("plan", "-o", "json", *options).stdout)) == 1
    shards = [json.loads(job.run("plan", "-o", "json", "--shard", f"{i}/2").stdout) for i in range(2)]
    assert sorted(map(len, shards)) == [0, 1]


def test_what_could_not_begin_is_no_success(job: Job) -> None:
    """A Job that asked for a rotation while one is under way must not look as if it had begun one."""
    job.restart()
    done = job.run_until(job.held, "rotate", "default/key", "--reason", "INC-1")
    assert done.returncode == 3
    assert "not begun yet, ask again: default/key" in done.stderr


def test_an_empty_choice_is_said(job: Job) -> None:
    """Nothing to show is nothing to worry about, or a typo: a person is told."""
    done = job.run("status", "-l", "team=orders")
    assert done.returncode == 0
    assert "no rotation was chosen" in done.stderr


def test_a_missing_namespace_is_named(job: Job, tmp_path: Path) -> None:
    """Before anything else can be done there."""
    (tmp_path / "policies" / "key.yaml").write_text(
        DECLARATION.replace("namespace: default", "namespace: nowhere")
    )
    done = job.run("run", "-o", "json")
    assert done.returncode == 1
    assert "the namespace nowhere does not exist" in json.loads(done.stdout)[0]["reason"]


def test_a_process_may_do_many_runs_and_stays_its_own(job: Job) -> None:
    """A run takes no signal and tunes no garbage collector by itself, and one that is stopped stops no other."""
    plan, stopped, status = job.serve()
    said = "the run was asked to stop (SIGTERM); the next run carries on from what is recorded"
    assert stopped == [0, [["default/key", "Waiting", said]]]
    for code, ((rotation, result, reason),) in (plan, status):
        assert (code, rotation, result) == (0, "default/key", "Waiting")
        assert "asked to stop" not in reason
