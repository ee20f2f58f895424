"""The proof at the end: whatever was destroyed is tried again, everywhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rotator.core.ring import State
from rotator_sandbox.demo.api import Api
from rotator_sandbox.demo.scenarios import STALEST, Scenario
from rotator_sandbox.demo.tokens import Key, RefusedError
from rotator_sandbox.demo.traffic import Traffic
from rotator_sandbox.demo.vault import Reader
from rotator_sandbox.demo.verifiers import UnreachableError, Verifier
from rotator_sandbox.demo.watch import Watch

ATTEMPTS = 10
NAP = 0.2


@dataclass
class Dead:
    """What was tried, and what still worked."""

    tried: int = 0
    accepted: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    """What could not be tried, because a system did not answer or what is alive did not work either."""


@dataclass
class Proof:
    """Tries every dead credential, once all caches have run out."""

    traffic: Traffic
    watch: Watch
    api: Api
    root: Reader
    scenarios: Sequence[Scenario]
    dead: Dead = field(default_factory=Dead)

    def prove(self) -> Dead:
        """Try everything."""
        self._wait_for_caches()
        dead, alive = self._keys()
        for key in alive:
            self._each(key, self._must_work)
        for key in dead:
            self._each(key, self._must_fail)
        self._search(dead)
        for scenario in self.scenarios:
            if scenario.ring:
                self._history("rotator", scenario.ring)
            if scenario.consumers:
                self._history("secret", scenario.consumers)
        return self.dead

    def _wait_for_caches(self) -> None:
        instants = [v.withdrawn_at for r in self.watch.rings.values() for v in r.versions if v.withdrawn_at]
        if instants:
            passed = (datetime.now(UTC) - max(instants)).total_seconds()
            time.sleep(max(0.0, STALEST + NAP - passed))

    def _keys(self) -> tuple[list[Key], list[Key]]:
        """Return the keys that the traffic met: those of destroyed versions, and the others."""
        gone = {
            (name, v.id)
            for name, ring in self.watch.rings.items()
            for v in ring.versions
            if v.state is State.DESTROYED
        }
        dead = [key for place, key in self.traffic.ledger.keys.items() if place in gone]
        missed = len(gone) - len(dead)
        if missed:
            self.dead.unproven.append(f"{missed} destroyed versions never met by the traffic")
        return dead, [key for place, key in self.traffic.ledger.keys.items() if place not in gone]

    def _each(self, key: Key, judge: Callable[[Key, Verifier, bool], None]) -> None:
        for verifier in self.traffic.verifiers[key.scenario]:
            if (works := self._works(key, verifier)) is None:
                self.dead.unproven.append(f"{verifier.name} could not be asked about {key.kid}")
            else:
                judge(key, verifier, works)

    def _works(self, key: Key, verifier: Verifier) -> bool | None:
        """Sign a new token and present it, or log in; None where the verifier cannot work at all."""
        for _ in range(ATTEMPTS):
            try:
                verifier.check(key.sign("proof").text)
            except UnreachableError:
                time.sleep(NAP)
            except RefusedError:
                return False
            else:
                return True
        return None

    def _must_work(self, key: Key, verifier: Verifier, works: bool) -> None:  # noqa: FBT001 - the outcome of a try
        """Hold the proof to this: a refusal proves something only where a living key is accepted."""
        if not works:
            self.dead.unproven.append(f"{verifier.name} does not accept the living {key.kid}")

    def _must_fail(self, key: Key, verifier: Verifier, works: bool) -> None:  # noqa: FBT001 - as above
        self.dead.tried += 1
        if works:
            self.dead.accepted.append(f"{verifier.name} accepts {key.scenario} {key.kid}")

    def _search(self, dead: Sequence[Key]) -> None:
        """Look for the material itself in everything that is stored now."""
        documents = [*self.api.everything(), *self._documents()]
        texts = "\n".join(text for document in documents for text in document.values())
        for key in dead:
            self.dead.tried += 1
            if any(trace in texts for trace in key.traces()):
                self.dead.accepted.append(f"the material of {key.scenario} {key.kid} is still stored")

    def _documents(self) -> list[dict[str, str]]:
        rings = [self.root.document("rotator", s.ring) for s in self.scenarios if s.ring]
        delivered = [self.root.document("secret", s.consumers) for s in self.scenarios if s.consumers]
        return [document for document in (*rings, *delivered) if document]

    def _history(self, mount: str, path: str) -> None:
        """Read every earlier version of a document in Vault."""
        current = self.root.current(mount, path)
        if not self.root.document(mount, path):
            self.dead.unproven.append(f"vault {mount}/{path} cannot be read at all")
        for number in range(1, current):
            self.dead.tried += 1
            if self.root.document(mount, path, number) is not None:
                self.dead.accepted.append(f"vault {mount}/{path} still shows its version {number}")
