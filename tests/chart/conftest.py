"""Fixtures: a real API server, an administrator on it, and the jobs as it would start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest

from rotator_sandbox.emulator import HttpCaller, WorkloadController
from rotator_sandbox.envtest import ControlPlane
from tests.chart.charts import ROOT, Json, containers
from tests.contract.kubernetes_servers import Api, workload

STEP = 0.2
"""Seconds between two passes of the controller that lets workloads roll out."""
IMAGE_JOBS = "/jobs/"
APPS, BATCH = "/apis/apps/v1", "/apis/batch/v1"


@dataclass
class Cluster:
    """A real API server, as its administrator meets it."""

    plane: ControlPlane
    api: Api
    folder: Path

    def namespace(self, name: str, **labels: str) -> str:
        """Create a namespace."""
        made = self.api.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        assert made.status == 201, made.body
        return name

    def get(self, path: str) -> Json:
        """Read what must be there."""
        answer = self.api.get(path)
        assert answer.status == 200, f"{path}: {answer.status}"
        document: Json = answer.body
        return document

    def token(self, namespace: str, account: str) -> str:
        """Return a token of a service account, as the kubelet would ask for it."""
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        made = self.api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", request)
        assert made.status == 201, made.body
        token: str = made.body["status"]["token"]
        return token

    def deployment(self, namespace: str, name: str, **pod_spec: Any) -> None:
        """Create a Deployment of two pods."""
        document = workload("Deployment", name)
        document["spec"]["template"]["spec"]["containers"][0].update(pod_spec)
        made = self.api.post(f"{APPS}/namespaces/{namespace}/deployments", document)
        assert made.status == 201, made.body

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.plane.kubeconfig(self.folder / "admin")

    def environment(self, **more: str) -> dict[str, str]:
        """Return what a person's shell has: our programs, the administrator's kubeconfig, and no more."""
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {"PATH": programs, "HOME": str(self.folder), "KUBECONFIG": str(self.kubeconfig), **more}

    def shell(self, command: str, *, fails: bool = False) -> str:
        """Run a command as a person would copy it, and return what it says."""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            env=self.environment(), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert (done.returncode != 0) == fails, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The real kube-apiserver, with RBAC and Pod Security."""
    plane = control_plane
    with closing(Api(plane.url, plane.admin_token, plane.ca_file)) as api:
        yield Cluster(plane, api, tmp_path_factory.mktemp("cluster"))


def _ended(*, well: bool) -> Json:
    """Return the status of a Job that has ended (https://kubernetes.io/docs/concepts/workloads/controllers/job/)."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    types = ("SuccessCriteriaMet", "Complete") if well else ("FailureTarget", "Failed")
    conditions = [
        {"type": t, "status": "True", "reason": "Test", "lastTransitionTime": now, "lastProbeTime": now}
        for t in types
    ]
    counted: Json = {"succeeded": 1, "completionTime": now} if well else {"failed": 1}
    return {"startTime": now, "conditions": conditions, **counted}


@dataclass
class Jobs:
    """Runs of the CronJobs that are on the server: their command, their environment, their account's token."""

    cluster: Cluster
    namespace: str
    folder: Path

    def __post_init__(self) -> None:
        """Have a controller at hand that lets workloads roll out, as none does on a bare API server."""
        plane = self.cluster.plane
        self._caller = HttpCaller(plane.url, plane.admin_token, plane.ca_file)
        self._controller = WorkloadController(self._caller, seconds_to_ready=0.1, terminating_seconds=0.1)

    def settle(self) -> None:
        """Let what was created roll out."""
        for _ in range(10):
            self._controller.step()

    def run(self, name: str, *options: str, **environment: str) -> list[Json]:
        """Start the job of a CronJob, let workloads roll out meanwhile, and return what it reports."""
        cronjob = self.cluster.get(f"{BATCH}/namespaces/{self.namespace}/cronjobs/{name}")
        spec = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        with subprocess.Popen(
            [*self._command(container), "--output=json", *options],
            env=self._environment(spec, container, environment),
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            out, errors = self._watched(process)
        assert process.returncode == 0, f"{name} exits with {process.returncode}: {out}{errors}"
        rows: list[Json] = json.loads(out)
        return rows

    def _watched(self, process: subprocess.Popen[str]) -> tuple[str, str]:
        """Let workloads roll out until a run has ended; end it where that fails."""
        try:
            while True:
                self._controller.step()
                with suppress(subprocess.TimeoutExpired):
                    return process.communicate(timeout=STEP)
        except BaseException:
            process.kill()
            raise

    def said_by(self, spec: Json) -> list[str]:
        """Start the containers of a pod in their order, and return what each says."""
        said = []
        for container in containers({"spec": spec}):
            done = subprocess.run(
                self._command(container), env=self._environment(spec, container, {}),
                capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{container['name']}: {done.stdout}{done.stderr}"
            said.append(done.stdout)
        return said

    @contextmanager
    def hooks(self) -> Iterator[list[str]]:
        """Run the Jobs that Helm makes meanwhile, as the job controller and a kubelet do; give what they say."""
        stop, said = threading.Event(), list[str]()
        thread = threading.Thread(target=self._run_hooks, args=(stop, said))
        thread.start()
        try:
            yield said
        finally:
            stop.set()
            thread.join()

    def _run_hooks(self, stop: threading.Event, said: list[str]) -> None:
        plane = self.cluster.plane
        with closing(Api(plane.url, plane.admin_token, plane.ca_file)) as api:
            while not stop.wait(STEP):
                for job in api.get(f"{BATCH}/namespaces/{self.namespace}/jobs").body["items"]:
                    if not (job.get("status") or {}).get("conditions"):
                        self._run_hook(api, job, said)

    def _run_hook(self, api: Api, job: Json, said: list[str]) -> None:
        spec = job["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        done = subprocess.run(
            self._command(container), env=self._environment(spec, container, {}),
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        said.append(done.stdout + done.stderr)
        path = f"{BATCH}/namespaces/{self.namespace}/jobs/{job['metadata']['name']}/status"
        assert api.patch(path, {"status": _ended(well=done.returncode == 0)}).status == 200

    def _command(self, container: Json) -> Sequence[str]:
        """Return the command line, with the places in the image where they are in this repository."""
        whole: list[str] = [*container["command"], *container.get("args", ())]
        python, rest = whole[0], whole[1:]
        assert python == "python3"
        jobs = f"{ROOT / 'cronjobs'}/"
        return [
            sys.executable,
            *(r.replace(IMAGE_JOBS, jobs) if r.startswith(IMAGE_JOBS) else r for r in rest),
        ]

    def _environment(self, spec: Json, container: Json, more: Mapping[str, str]) -> dict[str, str]:
        """Return the container's environment, its policies and its account's token, and no more."""
        config = Path("/nonexistent")
        if spec["automountServiceAccountToken"]:
            token = self.cluster.token(self.namespace, spec["serviceAccountName"])
            config = self.cluster.plane.kubeconfig(self.folder / "kubeconfig", token)
        plain = {e["name"]: e["value"] for e in container["env"] if "value" in e}
        if policies := plain.get("ROTATOR_POLICIES"):
            plain["ROTATOR_POLICIES"] = ":".join(self._mounted(policies, spec, container))
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "KUBECONFIG": str(config),
            **plain,
            **more,
        }

    def _mounted(self, policies: str, spec: Json, container: Json) -> Iterator[str]:
        """Write the ConfigMaps that are mounted to folders, in the order of `policies`."""
        maps = {v["name"]: v["configMap"]["name"] for v in spec["volumes"] if "configMap" in v}
        mounts = {m["mountPath"]: maps[m["name"]] for m in container["volumeMounts"] if m["name"] in maps}
        for path in policies.split(":"):
            folder = self.folder / mounts[path]
            folder.mkdir(exist_ok=True)
            document = self.cluster.get(f"/api/v1/namespaces/{self.namespace}/configmaps/{mounts[path]}")
            for file, text in document["data"].items():
                (folder / file).write_text(text, encoding="utf-8")
            yield str(folder)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let the controller's connection go."""
        self._caller.close()
