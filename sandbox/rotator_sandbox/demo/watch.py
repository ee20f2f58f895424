"""What can be seen from outside of where the rotations stand: their rings, and the restarts of their workloads."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rotator.core.codec import from_document
from rotator.core.reading import Unreadable
from rotator.core.ring import Ring, State
from rotator_sandbox.demo.api import Api, ApiUnavailableError
from rotator_sandbox.demo.scenarios import Scenario

WANTED = 2
"""How many versions of each rotation have to be replaced and destroyed."""

ReadRing = Callable[[str], dict[str, str] | None]
"""Reads a document of Vault's `rotator` mount by its path."""


@dataclass
class Watch:
    """Reads the rings where they are stored, and counts changes of pod templates."""

    api: Api
    scenarios: Sequence[Scenario]
    read_vault: ReadRing
    rings: dict[str, Ring] = field(default_factory=dict)
    """By the rotation's name."""
    restarts: int = 0
    """How many times a pod template was changed: each change is one more generation of its Deployment."""

    def look(self) -> None:
        """Look once."""
        for scenario in self.scenarios:
            if ring := self._ring(scenario):
                self.rings[scenario.name] = ring
        try:
            self.restarts = sum(d["metadata"]["generation"] - 1 for d in self.api.deployments())
        except ApiUnavailableError:
            return

    def in_order(self) -> dict[str, Ring]:
        """Return the rings in the order of their declarations."""
        return {s.name: self.rings[s.name] for s in self.scenarios if s.name in self.rings}

    def unfinished(self, kind: str = "") -> list[str]:
        """Return the rotations, of one credential kind or all, that have not gone far enough, as NAMESPACE/NAME."""
        names = [
            s.name for s in self.scenarios if s.kind.startswith(kind) and self.destroyed(s.name) < WANTED
        ]
        return [f"{self.api.namespace}/{name}" for name in names]

    def destroyed(self, name: str) -> int:
        """Return how many versions of a rotation are destroyed."""
        ring = self.rings.get(name)
        return sum(v.state is State.DESTROYED for v in ring.versions) if ring else 0

    @property
    def expected_restarts(self) -> int:
        """One a workload and activation."""
        return sum(len(s.workloads) * self._activations(s.name) for s in self.scenarios)

    def _activations(self, name: str) -> int:
        ring = self.rings.get(name)
        return sum(v.activated_at is not None for v in ring.versions) if ring else 0

    def _ring(self, scenario: Scenario) -> Ring | None:
        try:
            stored = (
                self.read_vault(scenario.ring)
                if scenario.ring
                else self.api.values("Secret", f"rotation-{scenario.name}")
            )
            return from_document(json.loads(stored["ring"])) if stored else None
        except (ApiUnavailableError, Unreadable):
            return None
