"""Where a life takes place: the declaration, an emulated cluster with workloads, and a share of a real OpenBao."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from rotator.clients.connections import Connections, verified
from rotator.policy.model import RotationPolicy
from rotator_sandbox.emulator import Cluster, WorkloadController
from rotator_sandbox.emulator.nodes import Nodes
from rotator_sandbox.openbao import OpenBao
from tests.faults.timeline import Timeline
from tests.faults.vault import KeptPool, KeptVault

NAMESPACE = "payments"
OTHER = "reports"
TOKEN = "sandbox-admin"
RING_SECRET = "rotation-key"

_CREDENTIALS: dict[str, Any] = {
    "jwt": {"jwtSigningKey": {"algorithm": "EdDSA"}},
    "hmac": {"sharedSecret": {"algorithm": "HS256"}},
}
_VERIFIERS = {"jwt": {"configMap": "accepted"}, "hmac": {"secret": "accepted"}}
_MAPPING = {"jwk": "jwk", "kid": "kid"}


@dataclass(frozen=True)
class Scenario:
    """What lives: a credential kind and a store."""

    kind: str
    store: str

    def declaration(self, life: str) -> RotationPolicy:
        """Return the declaration; with Vault the holders are a Secret and a Vault path, without it two Secrets."""
        vault = self.store == "vault"
        second: dict[str, Any] = (
            {"vault": {"mount": "secret", "path": f"{life}/key"}, "pickUp": "5m"}
            if vault
            else {"secret": {"name": "key", "namespaces": [OTHER], "data": _MAPPING}, "pickUp": "5m"}
        )
        restart = {"workloads": "auto", "timeout": "30m", "soak": "5s"}
        holder = {"secret": {"name": "key", "data": _MAPPING}, "restart": restart}
        place = {"maxAge": "5m", "propagation": "90s", **_VERIFIERS[self.kind]}
        spec = {
            "credential": _CREDENTIALS[self.kind],
            "every": "6h",
            "overlap": {"tokenTTL": "15m", "clockSkew": "60s"},
            "store": {"vault": {"mount": "rotator", "path": life}} if vault else {"kubernetes": {}},
            "verifiers": [{"jwks": place}],
            "holders": [holder, second],
        }
        metadata = {"name": "key", "namespace": NAMESPACE}
        return RotationPolicy.model_validate(
            {"apiVersion": "rotator.dev/v1alpha1", "kind": "Rotation", "metadata": metadata, "spec": spec}
        )


@dataclass(frozen=True)
class Bao:
    """The part of a Vault that lives need: of a running OpenBao, or of one in this process."""

    server: OpenBao
    role: str
    secret: str
    pool: Connections

    @classmethod
    def of(cls, server: OpenBao) -> Bao:
        """Prepare a role with exactly the shipped policy."""
        role, secret = server.app_role()
        return cls(server, role, secret, Connections(verified(server.ca_file), maxsize=10))

    @classmethod
    def kept(cls, ca_file: str) -> Bao:
        """Begin an empty one in this process: a fork has it as it was."""
        server = KeptVault(ca_file)
        role, secret = server.app_role()
        return cls(cast("OpenBao", server), role, secret, cast("Connections", KeptPool(server)))

    def drop_connections(self) -> None:
        """Close all connections: two processes must not share one."""
        self.pool.clear()
        self.server.drop_connections()


class Environment:
    """The emulated cluster of one life, with one Deployment that reads the holder's Secret.

    It reads the data keys `reads` at its start, as variables of the same names; without any it mounts all of them.
    """

    def __init__(self, timeline: Timeline, reads: Sequence[str] = ("jwk",)) -> None:
        self._variables = tuple(reads)
        self.timeline = timeline
        self._read_at = 0
        self._reads: dict[str, tuple[int, Any]] = {}
        self.cluster = Cluster(clock=lambda: timeline.now, admin_token=TOKEN)
        for namespace in (NAMESPACE, OTHER):
            self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        self.ask("POST", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", _deployment(reads))
        self._controller = WorkloadController(
            self._caller, clock=lambda: timeline.now, seconds_to_ready=1.0, terminating_seconds=1.0
        )

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask as the cluster's admin, beside the product; None for 404."""
        status, answer = self._caller(method, path, {}, body)
        return None if status == 404 else answer

    @property
    def nodes(self) -> Nodes:
        """What starts the containers of pods."""
        return self._controller.nodes

    def step(self) -> None:
        """Let the workload controllers work."""
        self._controller.step()

    def secret(self, name: str, namespace: str = NAMESPACE) -> Any:
        """Read a Secret."""
        return self.ask("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")

    def keep(self, name: str, **fields: str) -> None:
        """Put a Secret there that is none of the product's."""
        data = {field: base64.b64encode(value.encode()).decode() for field, value in fields.items()}
        path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
        self.ask("POST", path, {"metadata": {"name": name}, "data": data})

    def config_map(self, name: str) -> Any:
        """Read a ConfigMap."""
        return self.ask("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps/{name}")

    def pods(self) -> list[Any]:
        """List the pods."""
        found: list[Any] = self.ask("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
        return found

    def started(self) -> Iterator[dict[str, str]]:
        """Yield what each pod that runs was started with, by the data key."""
        for pod in self.pods():
            for held in self.nodes.started(pod).values():
                yield {name: held.env[name].decode() for name in self._variables}

    def deployment(self) -> Any:
        """Read the Deployment."""
        return self.ask("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/api")

    def _caller(self, method: str, path: str, query: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """Ask, or answer a read as it was answered at the same revision. Nobody changes an answer."""
        if method != "GET":
            return self._asked(method, path, query, body)
        if self._read_at != self.cluster.revision:
            self._read_at = self.cluster.revision
            self._reads.clear()
        if path not in self._reads:
            self._reads[path] = self._asked(method, path, query, body)
        return self._reads[path]

    def _asked(self, method: str, path: str, query: Mapping[str, str], body: Any) -> tuple[int, Any]:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": kind, "accept": "application/json"}
        tail = "&".join(f"{k}={v}" for k, v in query.items())
        octets = json.dumps(body).encode() if body is not None else b""
        answer = self.cluster.handle(method, f"{path}?{tail}" if tail else path, headers, octets)
        assert isinstance(answer.body, bytes)
        return answer.status, json.loads(answer.body) if answer.body.startswith(b"{") else {}


def _deployment(reads: Sequence[str]) -> Any:
    labels = {"app": "api"}
    container: dict[str, Any] = {"name": "api", "image": "api"}
    spec: dict[str, Any] = {"containers": [container]}
    if reads:
        refs = {name: {"secretKeyRef": {"name": "key", "key": name}} for name in reads}
        container["env"] = [{"name": name, "valueFrom": ref} for name, ref in refs.items()]
    else:
        container["volumeMounts"] = [{"name": "key", "mountPath": "/etc/key"}]
        spec["volumes"] = [{"name": "key", "secret": {"secretName": "key"}}]
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }
