"""A trial for tests of the engine: emulated cluster, real OpenBao, virtual time, and a record of every request."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from kubernetes import client

from rotator.core.request import Request
from rotator.core.sensitive import Sensitive
from rotator.engine.fleet import Report
from rotator.engine.outcome import Outcome
from rotator.policy.model import RotationPolicy
from rotator.run import wiring
from rotator.systems.kubernetes.client import Kubernetes
from rotator.systems.vault.client import Vault
from rotator.systems.vault.settings import VaultSettings
from rotator.systems.world import World, ends_after
from tests.faults.environment import NAMESPACE, TOKEN, Bao, Environment
from tests.faults.timeline import TICK, Timeline
from tests.faults.traffic import text_of
from tests.faults.transport import Answer, Call, Perform, ProviderPool, VaultPool, api_client
from tests.providers.served import Api

_names = itertools.count()


class Trial:
    """Runs declared rotations as jobs would, one run after the other."""

    def __init__(self, bao: Bao, reads: Sequence[str] = ()) -> None:
        """`reads`: the data keys of the holder's Secret that its pods read as variables; none: they mount all of them."""
        self.bao = bao
        self.life = f"trial/{next(_names)}"
        """A path of this trial's own in Vault."""
        self.timeline = Timeline()
        self.environment = Environment(self.timeline, reads=reads)
        self.timeline.moved.append(self.environment.step)
        self.calls: list[Call] = []
        self.answers: dict[tuple[str, str], Answer] = {}
        """Answers to give instead of the system's own, by method and end of the path."""
        self.apis: dict[str, Api] = {}
        """Providers' contract servers in this process, by the host of their addresses."""
        self._runs = itertools.count()

    # --- declaring ------------------------------------------------------------------------------------------

    def policy(self, name: str = "key", **spec: Any) -> RotationPolicy:
        """Return a declaration: an EdDSA key in Vault for one ConfigMap and one Secret, changed by `spec`."""
        whole = {
            "credential": {"jwtSigningKey": {"algorithm": "EdDSA"}},
            "every": "30d",
            "overlap": {"tokenTTL": "15m"},
            "store": {"vault": {"mount": "rotator", "path": f"{self.life}/{name}"}},
            "verifiers": [{"jwks": {"configMap": f"{name}-accepted", "maxAge": "5m"}}],
            "holders": [{"secret": {"name": name, "data": {"key": "private_key", "kid": "kid"}}}],
            **spec,
        }
        return RotationPolicy.model_validate(
            {
                "apiVersion": "rotator.dev/v1alpha1",
                "kind": "Rotation",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": whole,
            }
        )

    # --- running --------------------------------------------------------------------------------------------

    def run(self, *policies: RotationPolicy, **how: Any) -> Outcome:
        """Do one run over `policies`, and return the first outcome."""
        return self.fleet(*policies, **how).outcomes[0]

    def fleet(
        self,
        *policies: RotationPolicy,
        act: bool = True,
        skew: timedelta = timedelta(),
        request: str | None = None,
        deadline: timedelta = timedelta(minutes=10),
        concurrency: int = 1,
        **how: Any,
    ) -> Report:
        """Do one run over `policies`. `calls` holds its requests afterwards."""
        self.calls = []
        world = self.world(skew, deadline)
        try:
            fleet = wiring.fleet(world, act=act, concurrency=concurrency, **how)
            asked = Request(reason=request) if request else None
            return fleet.advance([wiring.declared(world, p, request=asked) for p in policies])
        finally:
            world.close()

    def until_stable(self, policy: RotationPolicy) -> Outcome:
        """Run, and let time pass as each outcome asks, until the rotation is stable."""
        for _ in range(30):
            outcome = self.run(policy)
            if outcome.reason.startswith("the next rotation"):
                return outcome
            self.wait(outcome)
        raise AssertionError(f"not stable: {outcome}")

    def wait(self, outcome: Outcome) -> None:
        """Let time pass until the next run is of use."""
        until = outcome.until or self.timeline.now + timedelta(minutes=1)
        self.timeline.pass_by(max(until - self.timeline.now, timedelta()) + timedelta(seconds=1))

    def world(self, skew: timedelta = timedelta(), deadline: timedelta = timedelta(minutes=10)) -> World:
        """Return the world of one run, on a node whose clock is off by `skew`."""
        clock = self.timeline.run_clock(skew)
        settings = VaultSettings(
            address=self.bao.server.address,
            method="approle",
            role=self.bao.role,
            auth_mount="approle",
            ca=self.bao.server.ca_file,
            credential=Sensitive(self.bao.secret),
        )
        pool: Any = VaultPool(self.bao.pool, self._middle, lambda: self.timeline.now)
        return World(
            clock=clock,
            deadline=ends_after(clock, deadline),
            connect_kubernetes=lambda retry, meter: Kubernetes(self._api(), retry, meter),
            connect_vault=lambda retry, meter: Vault(settings, retry, meter, pool),
            identity=f"run-{next(self._runs)}",
            connect_http=(lambda _: cast("Any", self)) if self.apis else None,
        )

    def clear(self) -> None:
        """Close what was never opened."""

    def request(self, method: str, url: str, **given: Any) -> Any:
        """Stand for the connections to providers."""
        host = urlsplit(url).netloc
        pool = ProviderPool("provider", self.apis[host], self._middle, lambda: self.timeline.now)
        return pool.request(method, url, **given)

    def _api(self) -> client.ApiClient:
        return api_client(self.environment.cluster, TOKEN, self._middle, lambda: self.timeline.now)

    def _middle(self, call: Call, body: bytes, perform: Perform) -> Answer:
        self.calls.append(replace(call, method="CREATE") if _creates(body) else call)
        self.timeline.now += TICK
        for (method, tail), answer in self.answers.items():
            if call.method == method and call.path.endswith(tail):
                return answer
        return perform()

    def counted(self) -> dict[str, int]:
        """Return how many requests of each kind the last run made: `kubernetes PATCH leases`, `vault POST data`."""
        return dict(sorted(Counter(_named(c) for c in self.calls).items()))

    # --- looking --------------------------------------------------------------------------------------------

    def accepted(self, name: str = "key") -> list[str]:
        """Return the key ids that the published JWK Set shows."""
        text = text_of(self.environment.config_map(f"{name}-accepted"), "jwks.json", secret=False)
        return [k["kid"] for k in json.loads(text or '{"keys": []}')["keys"]]

    def held(self, name: str = "key") -> str | None:
        """Return the key id in the holder's Secret."""
        return text_of(self.environment.secret(name), "kid", secret=True)

    def vault(self, path: str) -> Mapping[str, Any]:
        """Read a document as root: `data` and `metadata`."""
        document: Mapping[str, Any] = self.bao.server.call("GET", path)["data"]
        return document

    def lease(self, name: str = "key") -> Any:
        """Read the Lease of a rotation."""
        return self.environment.ask(
            "GET", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rotation-{name}"
        )


_KINDS = (
    "rotations",
    "events",
    "leases",
    "configmaps",
    "secrets",
    "deployments",
    "statefulsets",
    "daemonsets",
    "rollouts",
    "pods",
)


def _creates(body: bytes) -> bool:
    """Whether a write is a server-side apply at the version that no object has."""
    return b'"resourceVersion": "1"' in body


def _named(call: Call) -> str:
    parts = call.path.strip("/").split("/")
    if call.system == "provider":
        return f"provider {call.method} {parts[-1]}"
    if call.system == "vault":
        return f"vault {call.method} {parts[2] if parts[1] != 'auth' else parts[-1]}"
    kind = next(k for k in _KINDS if k in parts)
    return f"kubernetes {call.method} {kind}{'/NAME' if parts[-1] != kind else ''}"
