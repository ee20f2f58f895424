"""The life of a signing key or a shared secret: what verifiers and holders read are documents, the traffic is tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.faults.environment import OTHER, Bao, Scenario
from tests.faults.kinds_of_faults import Fault
from tests.faults.life import PICK_UP, STALE, TTL, Life, Verdict
from tests.faults.traffic import History, Traffic, text_of


class TokenLife(Life):
    """A life with tokens that are signed and verified."""

    def __init__(self, bao: Bao, scenario: Scenario, faults: Mapping[int, Fault], name: str) -> None:
        super().__init__(bao, scenario, faults, name)
        self._vault_holder: str | None = None
        self._keys: dict[str, str] = {}
        self.traffic = Traffic(
            self.timeline,
            TTL,
            STALE,
            PICK_UP,
            pods=lambda: [fields["jwk"] for fields in self.environment.started()],
        )
        self.traffic.held = [History(), History()]

    def live(self) -> Verdict:
        """Live it, and return what came of it."""
        verdict = super().live()
        verdict.violations += self.traffic.rejected
        return verdict

    def _delivered_to_vault(self, data: Mapping[str, str]) -> None:
        self._vault_holder = data["jwk"]

    def _observe(self) -> None:
        self._look_at_ring()
        document, accepted = self._accepted()
        first, second = self.environment.secret("key"), self.environment.secret("key", OTHER)
        held = [text_of(first, "jwk", secret=True), text_of(second, "jwk", secret=True) or self._vault_holder]
        self._fenced({"accepted": document, "key": first, "other": second})
        self.traffic.accepted.note(self.timeline.now, accepted)
        for content in (c for c in held if c):
            self._keys[json.loads(content)["kid"]] = content
        # The Deployment's pods read the Secret at their start; only the second holder reads it while running.
        self.traffic.held[1].note(self.timeline.now, held[1])
        self._recorded(accepted, held)
        self.traffic.pulse()

    def _accepted(self) -> tuple[dict[str, Any] | None, str | None]:
        """Return the document that verifiers read, and the JWK Set in it."""
        secret = self._scenario.kind == "hmac"
        document = self.environment.secret("accepted") if secret else self.environment.config_map("accepted")
        return document, text_of(document, "jwks.json", secret=secret)

    def _recorded(self, accepted: str | None, held: list[str | None]) -> None:
        """I4: nothing is anywhere that is not recorded in the ring."""
        ids = {k["kid"] for k in json.loads(accepted)["keys"]} if accepted else set()
        ids |= {json.loads(h)["kid"] for h in held if h}
        if ids - self._known:
            self._violate(f"I4: {ids - self._known} is out there and not in the ring")

    def _secrets(self) -> set[str]:
        private = [json.loads(key) for key in self._keys.values()]
        return {key[m] for key in private for m in ("d", "k") if m in key}

    def _figures(self) -> dict[str, int]:
        return {"signed": self.traffic.signed, "verified": self.traffic.verified}

    def _afterwards(self) -> None:
        """Prove that the old version is dead, and that nothing was restarted twice."""
        first = next(v["id"] for v in self._ring["versions"] if v["number"] == 1)
        if first in self._keys and not self.traffic.dead(self._keys[first]):
            self._violate("the destroyed version is still accepted")
        if self._scenario.store == "vault":
            private = json.loads(self._keys[first])
            secret = private.get("d") or private["k"]
            self._history(f"rotator/data/{self._name}", secret)
            self._history(f"secret/data/{self._name}/key", secret)
        self._restarts()
