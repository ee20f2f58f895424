"""A real kube-apiserver with its etcd on loopback, found by the envtest convention."""

from __future__ import annotations

import os
import secrets
import ssl
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rotator_sandbox.certificates import issue
from rotator_sandbox.emulator.server import write_kubeconfig
from rotator_sandbox.processes import ServerProcess, free_port

if TYPE_CHECKING:
    from types import TracebackType

USUAL_FOLDER = Path("/usr/local/kubebuilder/bin")
ISSUER = "https://kubernetes.default.svc.cluster.local"


class BinariesNotFoundError(LookupError):
    """There is no kube-apiserver or no etcd where the envtest convention looks for them."""


@dataclass(frozen=True)
class Binaries:
    """The programs of a control plane."""

    kube_apiserver: Path
    etcd: Path


def find_binaries() -> Binaries:
    """Find the programs: in KUBEBUILDER_ASSETS if that is set, else in the usual folder."""
    folder = Path(os.environ.get("KUBEBUILDER_ASSETS") or USUAL_FOLDER)
    found = Binaries(folder / "kube-apiserver", folder / "etcd")
    for program in (found.kube_apiserver, found.etcd):
        if not os.access(program, os.X_OK):
            raise BinariesNotFoundError(f"no {program.name} in {folder} (set KUBEBUILDER_ASSETS)")
    return found


def _answers(url: str, ca_file: Path | None = None, token: str = "") -> bool:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    context = ssl.create_default_context(cafile=ca_file) if ca_file else None
    try:
        with urllib.request.urlopen(request, timeout=2, context=context) as response:
            return bool(response.status == HTTPStatus.OK)
    except (OSError, urllib.error.URLError):
        return False


class ControlPlane:
    """A kube-apiserver with RBAC and no controllers, for as long as the context lasts.

    Nothing but the API server runs: namespaces that are deleted stay Terminating, dependents are not
    collected, and workloads progress only where a WorkloadController drives them.
    """

    def __init__(self, binaries: Binaries | None = None) -> None:
        self._binaries = binaries or find_binaries()
        self._folder = tempfile.TemporaryDirectory(prefix="envtest-", ignore_cleanup_errors=True)
        self._path = Path(self._folder.name)
        self._ports = free_port(), free_port(), free_port()
        self._running: list[ServerProcess] = []
        self.admin_token = secrets.token_urlsafe(24)
        self.ca_file = self._path / "ca.crt"

    def __repr__(self) -> str:
        return f"ControlPlane(url={self.url!r})"

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return f"https://127.0.0.1:{self._ports[0]}"

    @property
    def _etcd_url(self) -> str:
        return f"http://127.0.0.1:{self._ports[1]}"

    def start(self) -> Self:
        """Start etcd, then the API server, and wait until both answer."""
        try:
            self._start_etcd()
            self._start_apiserver()
        except BaseException:
            self.stop()
            raise
        return self

    def _run(self, name: str, arguments: list[str]) -> ServerProcess:
        process = ServerProcess(arguments, self._path / f"{name}.log")
        self._running.append(process)
        return process

    def _start_etcd(self) -> None:
        peers = f"http://127.0.0.1:{self._ports[2]}"
        arguments = [
            str(self._binaries.etcd),
            f"--data-dir={self._path / 'etcd'}",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            f"--listen-peer-urls={peers}",
            "--unsafe-no-fsync=true",
        ]
        self._run("etcd", arguments).wait_until(lambda: _answers(f"{self._etcd_url}/health"))

    def _start_apiserver(self) -> None:
        files = issue(self._path)
        tokens = self._path / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f'{self.admin_token},admin,admin,"system:masters"\n')
        arguments = [
            str(self._binaries.kube_apiserver),
            f"--etcd-servers={self._etcd_url}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self._ports[0]}",
            f"--cert-dir={self._path / 'certs'}",
            f"--tls-cert-file={files.certificate}",
            f"--tls-private-key-file={files.key}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--disable-admission-plugins=ServiceAccount",
            "--allow-privileged=true",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={files.certificate}",
            f"--service-account-signing-key-file={files.key}",
        ]
        ready = f"{self.url}/readyz"
        process = self._run("kube-apiserver", arguments)
        process.wait_until(lambda: _answers(ready, self.ca_file, self.admin_token))

    def stop(self) -> None:
        """End both, and remove what they wrote."""
        while self._running:
            self._running.pop().stop()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def kubeconfig(self, path: Path, token: str = "") -> Path:
        """Write a kubeconfig that verifies the server by its CA."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        return write_kubeconfig(path, cluster, token or self.admin_token)
