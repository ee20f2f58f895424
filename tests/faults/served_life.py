"""The life of a signing key whose set two replicas of `rotator serve` answer with: cut off for a while, and started again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from rotator.policy.model import RotationPolicy
from rotator.serving.answers import Asked
from rotator.serving.refresher import Refresher
from rotator.systems.kubernetes.client import Kubernetes
from rotator.systems.kubernetes.replicas import Replica
from rotator.systems.world import World, ends_after
from tests.faults.environment import TOKEN, Bao, Scenario
from tests.faults.kinds_of_faults import Fault
from tests.faults.life import TTL
from tests.faults.token_life import TokenLife
from tests.faults.traffic import History
from tests.faults.transport import api_client

MAX_AGE = timedelta(minutes=5)
PATH = "/.well-known/jwks.json"
CUT_OFF, STARTED = 0.25, 0.05
"""How likely a replica sees nothing, or is started again, whenever time has passed."""


class ServedLife(TokenLife):
    """A life with two replicas, which nobody's fault strikes but their own."""

    def __init__(self, bao: Bao, scenario: Scenario, faults: Mapping[int, Fault], name: str) -> None:
        self._luck = random.Random(f"{name} replicas")  # noqa: S311 - it has to repeat
        super().__init__(bao, scenario, faults, name)
        self._replicas = [self._started(name) for name in ("one", "two")]
        self.traffic.stale = MAX_AGE
        self.traffic.beside = [History()]
        self.timeline.moved.insert(0, self._look)

    def _declaration(self) -> RotationPolicy:
        document = (
            Scenario("jwt", self._scenario.store)
            .declaration(self._name)
            .model_dump(mode="json", by_alias=True, exclude_unset=True)
        )
        jwks = {"configMap": "accepted", "maxAge": "5m", "propagation": "0s", "served": {}}
        document["spec"]["verifiers"] = [{"jwks": jwks}]
        return RotationPolicy.model_validate(document)

    def _started(self, name: str) -> Refresher:
        return Refresher(
            policies=lambda: [self._policy],
            connect=self._beside,
            replica=Replica(name=name),
            steady=self.timeline.seconds,
        )

    def _beside(self) -> World:
        """Return the systems as a replica reaches them."""
        clock = self.timeline.run_clock(timedelta())
        api = api_client(
            self.environment.cluster,
            TOKEN,
            lambda _call, _body, perform: perform(),
            lambda: self.timeline.now,
        )
        return World(
            clock=clock,
            deadline=ends_after(clock, TTL),
            connect_kubernetes=lambda retry, meter: Kubernetes(api, retry, meter),
            connect_vault=_no_vault,
            identity="serve",
        )

    def _look(self) -> None:
        """Let each replica look, unless it is cut off; one that is started again has forgotten everything."""
        for position, replica in enumerate(self._replicas):
            if self._luck.random() < STARTED:
                self._replicas[position] = self._started(replica.replica.name)
            if self._luck.random() >= CUT_OFF:
                self._replicas[position].refresh()

    def _accepted(self) -> tuple[dict[str, Any] | None, str | None]:
        """Return what the first one answers with; what the second one does is noted beside it."""
        first, second = (replica.answer(Asked(method="GET", path=PATH)) for replica in self._replicas)
        self.traffic.beside[0].note(self.timeline.now, second.body.decode() if second.status == 200 else None)
        return self.environment.config_map("accepted"), first.body.decode() if first.status == 200 else None


def _no_vault(*_: object) -> Any:
    raise AssertionError("a replica asks no Vault here")
