"""The life of a secret whose holders accept it, too: its pods sign tokens, and show them to one another."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rotator.policy.model import RotationPolicy
from tests.faults.environment import NAMESPACE, Bao, Environment, Scenario
from tests.faults.kinds_of_faults import Fault
from tests.faults.life import PICK_UP, TTL, Life, Verdict
from tests.faults.timeline import Timeline
from tests.faults.traffic import Traffic, text_of

OTHERS = "others"
"""The data key of what a pod accepts besides its own."""
RESTARTS = 3
"""Of each pod in a rotation: it accepts the next version, uses it, and forgets the one before."""


@dataclass
class PodTraffic(Traffic):
    """Tokens that are shown at every pod, by what it was started with."""

    readers: Callable[[], Iterable[str]] = tuple
    """What each pod accepts, as a JWK Set."""

    def _documents(self, now: datetime) -> Iterable[str]:
        del now
        return set(self.readers())


class AcceptingLife(Life):
    """A life with tokens that pods sign and verify."""

    def __init__(self, bao: Bao, scenario: Scenario, faults: Mapping[int, Fault], name: str) -> None:
        environment = Environment(Timeline(), reads=("jwk", OTHERS))
        super().__init__(bao, scenario, faults, name, environment)
        self._keys: dict[str, str] = {}
        self.traffic = PodTraffic(
            self.timeline,
            TTL,
            timedelta(),
            PICK_UP,
            pods=lambda: [given["jwk"] for given in environment.started()],
            readers=lambda: [_accepted(given) for given in environment.started()],
        )

    def live(self) -> Verdict:
        """Live it, and return what came of it."""
        verdict = super().live()
        verdict.violations += self.traffic.rejected
        return verdict

    def _declaration(self) -> RotationPolicy:
        restart = {"workloads": "auto", "timeout": "30m", "soak": "5s"}
        spec = {
            "credential": {"sharedSecret": {"algorithm": "HS256"}},
            "every": "6h",
            "overlap": {"tokenTTL": "15m", "clockSkew": "60s"},
            "store": {"kubernetes": {}},
            "verifiers": [{"holders": {}}],
            "holders": [
                {"secret": {"name": "key", "data": {"jwk": "jwk", OTHERS: "other.jwk"}}, "restart": restart}
            ],
        }
        metadata = {"name": "key", "namespace": NAMESPACE}
        return RotationPolicy.model_validate(
            {"apiVersion": "rotator.dev/v1alpha1", "kind": "Rotation", "metadata": metadata, "spec": spec}
        )

    def _observe(self) -> None:
        self._look_at_ring()
        document = self.environment.secret("key")
        self._fenced({"key": document})
        if given := _given(document):
            self.traffic.accepted.note(self.timeline.now, _accepted(given))
            for content in filter(None, given.values()):
                self._keys[json.loads(content)["kid"]] = content
            if self._keys.keys() - self._known:
                self._violate(f"I4: {self._keys.keys() - self._known} is out there and not in the ring")
        self.traffic.pulse()

    def _secrets(self) -> set[str]:
        return {json.loads(key)["k"] for key in self._keys.values()}

    def _figures(self) -> dict[str, int]:
        return {"signed": self.traffic.signed, "verified": self.traffic.verified}

    def _afterwards(self) -> None:
        """Prove that the old version is dead, and that nothing was restarted twice."""
        versions = self._ring["versions"]
        first = next(v["id"] for v in versions if v["number"] == 1)
        if not self.traffic.dead(self._keys[first]):
            self._violate("the destroyed version is still accepted")
        still = sum(v["state"] == "Retiring" and "withdrawn_at" not in v for v in versions)
        rotations = max(v["number"] for v in versions) - 1
        restarts = self.environment.deployment()["metadata"]["generation"] - 1
        if restarts != 1 + RESTARTS * rotations - still:
            self._violate(f"the Deployment was restarted {restarts} times for {rotations} rotations")


def _given(document: Any) -> dict[str, str]:
    """Return what the Secret holds; empty: it is not there."""
    found = {name: text_of(document, name, secret=True) for name in ("jwk", OTHERS)}
    return {name: text for name, text in found.items() if text is not None}


def _accepted(given: Mapping[str, str]) -> str:
    return json.dumps({"keys": [json.loads(given[name]) for name in ("jwk", OTHERS) if given.get(name)]})
