"""Two replicas as processes, with exactly the rendered Role, on the emulator and on a real kube-apiserver.

While a key is rotated, whatever signs with the key that the holder has is accepted by whoever asks either replica.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotator.policy.model import RotationPolicy
from rotator.policy.permissions import Extent, manifests
from rotator_sandbox.emulator.server import write_kubeconfig
from rotator_sandbox.processes import free_port
from tests.clusters import Served

pytest_plugins = ["tests.apis"]
NEVER = 240.0
"""Seconds after which what has not come true never will."""
NAMES = ("one", "two")


@pytest.fixture(params=["emulator_server", "kube_apiserver"])
def api(request: pytest.FixtureRequest) -> Served:
    """Each server in turn."""
    served: Served = request.getfixturevalue(request.param)
    return served


def declaration(namespace: str) -> dict[str, Any]:
    """Return a rotation that is over soon after it was asked for."""
    jwks = {"configMap": "accepted", "maxAge": "1s", "propagation": "0s", "served": {"path": "/keys"}}
    return {
        "apiVersion": "rotator.dev/v1alpha1",
        "kind": "Rotation",
        "metadata": {"name": "key", "namespace": namespace},
        "spec": {
            "credential": {"jwtSigningKey": {"algorithm": "EdDSA"}},
            "every": "30d",
            "overlap": {"tokenTTL": "1s", "clockSkew": "1s"},
            "store": {"kubernetes": {}},
            "verifiers": [{"jwks": jwks}],
            "holders": [
                {"secret": {"name": "key", "data": {"kid": "kid", "key": "private_key"}}, "pickUp": "1s"}
            ],
        },
    }


class Pair:
    """Two replicas, and whoever signs and verifies."""

    def __init__(self, api: Served, folder: Path) -> None:
        self.api, self.namespace = api, api.namespace()
        policy = declaration(self.namespace)
        (folder / "key.yaml").write_text(yaml.safe_dump(policy))
        made = manifests(
            [RotationPolicy.model_validate(policy)], Extent(events=False), account=f"{self.namespace}/a"
        )
        (rules,) = (m["rules"] for m in made if m["kind"] == "Role")
        token = api.token(self.namespace, api.account(self.namespace, *rules))
        settings = api.official(token).configuration
        cluster = {
            "server": settings.host,
            **({"certificate-authority": settings.ssl_ca_cert} if settings.ssl_ca_cert else {}),
        }
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "KUBECONFIG": str(write_kubeconfig(folder / "kubeconfig", cluster, token)),
            "ROTATOR_POLICIES": str(folder / "key.yaml"),
            "ROTATOR_LIST": "configmaps",
            "ROTATOR_EVERY": "1s",
            "ROTATOR_REFRESH": "200ms",
            "ROTATOR_DRAIN": "200ms",
        }
        self.ports = {name: free_port() for name in NAMES}
        self.processes = {name: self._start(name) for name in NAMES}

    def _start(self, name: str) -> subprocess.Popen[str]:
        listen = {"ROTATOR_LISTEN": f"127.0.0.1:{self.ports[name]}", "ROTATOR_LISTEN_OPERATOR": "127.0.0.1:0"}
        return subprocess.Popen(
            [sys.executable, "-m", "rotator", "serve"],
            env={**self.env, **listen, "POD_NAME": name}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def accepted(self, name: str) -> list[str]:
        """Return the ids of the keys that a replica answers with; none where it answers otherwise."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/keys", timeout=10) as answer:
                return [key["kid"] for key in json.load(answer)["keys"]]
        except OSError:
            return []

    def held(self) -> str:
        """Return the id of the key that the holder signs with; empty where it has none."""
        secret = self.api.ask("GET", f"/api/v1/namespaces/{self.namespace}/secrets/key")
        return base64.b64decode(secret["data"]["kid"]).decode() if secret else ""

    def says(self) -> dict[str, Any]:
        """Return what the replicas say on the Lease."""
        lease = self.api.ask(
            "GET", f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/serving-key"
        )
        return (lease or {"metadata": {}})["metadata"].get("annotations") or {}

    def rotate(self) -> None:
        """Ask for a rotation, as a Job does; another run may be at work, then it is asked for again."""
        command = [sys.executable, "-m", "rotator", "rotate", f"{self.namespace}/key", "--reason", "INC-1"]
        give_up = time.monotonic() + NEVER
        while subprocess.run(
            command, env=self.env, capture_output=True, check=False, timeout=NEVER
        ).returncode:
            assert time.monotonic() < give_up

    def end(self) -> list[tuple[int, str]]:
        """End both as a node drain does; return exit codes and logs."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        return [
            (p.returncode, err) for p in self.processes.values() for _, err in [p.communicate(timeout=NEVER)]
        ]


@pytest.fixture
def pair(api: Served, tmp_path: Path) -> Iterator[Pair]:
    """Two replicas that are started."""
    made = Pair(api, tmp_path)
    yield made
    for process in made.processes.values():
        if process.poll() is None:
            process.kill()
            process.communicate()


def until(pair: Pair, happened: Any) -> None:
    """Wait until something has happened."""
    give_up = time.monotonic() + NEVER
    while not happened():
        assert time.monotonic() < give_up, [p.poll() for p in pair.processes.values()]
        time.sleep(0.05)


def test_two_replicas_rotate_a_key_and_whoever_asks_either_accepts_what_is_signed(pair: Pair) -> None:
    """With exactly the Role that is rendered; both end in order and nobody waits for them afterwards."""
    until(pair, lambda: pair.held() and all(pair.accepted(name) == [pair.held()] for name in NAMES))
    old, looks, rejected, over = pair.held(), 0, list[str](), threading.Event()

    def verify() -> None:
        nonlocal looks
        while not over.is_set():
            kid = pair.held()
            rejected.extend(f"{kid} at {name}" for name in NAMES if kid not in pair.accepted(name))
            looks += 1

    verifying = threading.Thread(target=verify)
    verifying.start()
    pair.rotate()
    until(pair, lambda: pair.held() != old and all(pair.accepted(name) == [pair.held()] for name in NAMES))
    over.set()
    verifying.join()
    assert rejected == []
    assert looks > 10
    assert len(pair.says()) == len(NAMES)
    for code, log in pair.end():
        assert code == 0, log
        assert '"ERROR"' not in log, log
    assert pair.says() == {}
