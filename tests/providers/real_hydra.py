"""A real Ory Hydra, where one is installed: named by HYDRA_BIN, in `build/providers/hydra`, or on the PATH."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

INSTALLED = Path(__file__).parents[2] / "build" / "providers" / "hydra" / "hydra"
STARTS_WITHIN = 60.0
"""Seconds."""


@dataclass(frozen=True)
class RealHydra:
    """A running server."""

    admin: str
    public: str

    def new_client(self) -> tuple[str, str]:
        """Make a client; return its id and its secret."""
        document = {
            "client_id": f"c-{secrets.token_hex(4)}",
            "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "client_secret_basic",
        }
        request = urllib.request.Request(
            f"{self.admin}/admin/clients",
            data=json.dumps(document).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            made = json.load(answer)
        return made["client_id"], made["client_secret"]

    def rotates(self, client: str) -> bool:
        """Whether this Hydra is new enough (January 2026) to rotate secrets."""
        request = urllib.request.Request(f"{self.admin}/admin/clients/{client}/secrets/rotate", method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return False


@pytest.fixture(scope="session")
def real_hydra() -> Iterator[RealHydra]:
    """Start it on loopback, with its data in memory."""
    binary = os.environ.get("HYDRA_BIN") or (str(INSTALLED) if INSTALLED.exists() else shutil.which("hydra"))
    if not binary:
        pytest.skip("NO HYDRA: set HYDRA_BIN to one of January 2026 or later; no package registry has it")
    public, admin = _free_port(), _free_port()
    settings = {
        "DSN": "memory",
        "SECRETS_SYSTEM": secrets.token_hex(16),
        "URLS_SELF_ISSUER": f"http://127.0.0.1:{public}/",
        "SERVE_PUBLIC_HOST": "127.0.0.1",
        "SERVE_PUBLIC_PORT": str(public),
        "SERVE_ADMIN_HOST": "127.0.0.1",
        "SERVE_ADMIN_PORT": str(admin),
        "SQA_OPT_OUT": "true",
    }
    process = subprocess.Popen(
        [binary, "serve", "all", "--dev"],
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(process, f"http://127.0.0.1:{admin}/health/ready")
        yield RealHydra(f"http://127.0.0.1:{admin}", f"http://127.0.0.1:{public}")
    finally:
        process.terminate()
        process.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_for(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("hydra did not become ready: run it by hand to see why")
