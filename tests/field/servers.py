"""The servers that cases run on: an OpenBao for all, the emulator, and a real kube-apiserver where there is one."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rotator_sandbox.certificates import issue
from rotator_sandbox.emulator import EmulatorServer, HttpCaller, WorkloadController, rollout_definition
from rotator_sandbox.envtest import BinariesNotFoundError, ControlPlane, find_binaries
from rotator_sandbox.openbao import OpenBao
from tests.contract.kubernetes_servers import Api
from tests.field.place import Place, environment

PASS = 0.2
"""Seconds between two passes of the controllers that let workloads roll out."""


@dataclass(frozen=True)
class Server:
    """A Kubernetes API with workload controllers, and an OpenBao."""

    name: str
    url: str
    token: str
    ca_file: Path | None
    kubeconfig: Path
    bao: OpenBao

    def place(self, name: str, folder: Path) -> Place:
        """Return a case's part of it."""
        namespace = f"{self.name[0]}-{name}"  # one Vault serves all
        (folder / ".kube").mkdir(parents=True)
        shutil.copy(self.kubeconfig, folder / ".kube" / "config")
        with closing(self.connect()) as api:
            made = api.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
            assert made.status == 201, made.body
        return Place(namespace, folder, self.connect, self.bao, environment(folder, self.bao))

    def connect(self) -> Api:
        """Open a connection of the administrator's."""
        return Api(self.url, self.token, self.ca_file)


@contextmanager
def servers(folder: Path) -> Iterator[list[Server]]:
    """Start all that there are, and end them."""
    with ExitStack() as stack:
        bao_folder = folder / "bao"
        bao_folder.mkdir()
        bao = OpenBao(bao_folder)
        stack.callback(bao.stop)
        found = [stack.enter_context(_emulator(folder / "emulator", bao))]
        try:
            plane = stack.enter_context(ControlPlane(find_binaries()))
        except BinariesNotFoundError:
            yield found
            return
        found.append(stack.enter_context(_real(plane, folder / "real", bao)))
        yield found


@contextmanager
def _emulator(folder: Path, bao: OpenBao) -> Iterator[Server]:
    folder.mkdir()
    with EmulatorServer(tls=issue(folder)) as server:
        config = server.kubeconfig(folder / "kubeconfig")
        with _controlled(server.url, server.admin_token, server.ca_file):
            yield Server("emulator", server.url, server.admin_token, server.ca_file, config, bao)


@contextmanager
def _real(plane: ControlPlane, folder: Path, bao: OpenBao) -> Iterator[Server]:
    folder.mkdir()
    config = plane.kubeconfig(folder / "kubeconfig")
    with _controlled(plane.url, plane.admin_token, plane.ca_file):
        yield Server("kube-apiserver", plane.url, plane.admin_token, plane.ca_file, config, bao)


@contextmanager
def _controlled(url: str, token: str, ca_file: Path | None) -> Iterator[None]:
    """Let workloads roll out, and define Argo's Rollout."""
    with closing(HttpCaller(url, token, ca_file)) as caller:
        definition: Mapping[str, Any] = rollout_definition()
        caller("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {}, dict(definition))
        controller = WorkloadController(caller, seconds_to_ready=0.5, terminating_seconds=0.5)
        stop = threading.Event()
        thread = threading.Thread(target=controller.run, args=(stop, PASS), name="workloads")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
