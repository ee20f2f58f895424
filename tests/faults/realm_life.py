"""The life of a Keycloak realm's signing key: the realm itself signs, and everybody reads its JWK Set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from rotator.policy.model import RotationPolicy
from tests.faults.environment import NAMESPACE, Bao, Environment, Scenario
from tests.faults.kinds_of_faults import Fault
from tests.faults.life import PICK_UP, TTL, Life, Verdict
from tests.faults.timeline import Timeline
from tests.faults.traffic import Traffic
from tests.faults.transport import ProviderPool
from tests.faults.vendor import ADMIN, PROPAGATION
from tests.faults.vendors_oauth import KEYCLOAK, InProcess, keycloak_at, spare_rsa
from tests.providers.keycloak_server import Component

ALGORITHM = "ES256"
MAX_AGE = timedelta(minutes=5)


class RealmLife(Life):
    """A life with tokens that the realm signs."""

    def __init__(self, bao: Bao, scenario: Scenario, faults: Mapping[int, Fault], name: str) -> None:
        environment = Environment(Timeline())
        self._keycloak = keycloak_at(environment)
        self._realm = InProcess(self._keycloak).realm()
        spare_rsa(self._keycloak, self._realm.name)
        self._robot, secret = self._realm.robot("manage-realm", "view-realm")
        environment.keep(ADMIN, token=secret)
        super().__init__(bao, scenario, faults, name, environment)
        self.traffic = Traffic(
            self.timeline, TTL, MAX_AGE + PROPAGATION, PICK_UP, pods=lambda: [*self._signing()]
        )

    def live(self) -> Verdict:
        """Live it, and return what came of it."""
        verdict = super().live()
        verdict.violations += self.traffic.rejected
        return verdict

    def _declaration(self) -> RotationPolicy:
        access = {"clientId": self._robot, "secret": {"secret": {"name": ADMIN, "key": "token"}}}
        place = {"url": KEYCLOAK, "realm": self._realm.name, "auth": {"client": access}}
        spec = {
            "credential": {"keycloakRealmKey": {"algorithm": ALGORITHM}},
            "every": "8h",
            "overlap": {"tokenTTL": "15m", "clockSkew": "60s"},
            "store": {"kubernetes": {}},
            "verifiers": [{"keycloakRealmKeys": {**place, "maxAge": "5m", "propagation": "30s"}}],
            "holders": [{"keycloakRealm": {}}],
        }
        metadata = {"name": "key", "namespace": NAMESPACE}
        return RotationPolicy.model_validate(
            {"apiVersion": "rotator.dev/v1alpha1", "kind": "Rotation", "metadata": metadata, "spec": spec}
        )

    def _connections(self) -> Mapping[str, Any]:
        pool = ProviderPool("keycloak", self._keycloak, self._middle, lambda: self.timeline.now)
        return {"connect_http": lambda _: pool}

    # --- the realm --------------------------------------------------------------------------------------------

    @property
    def _keys(self) -> list[Component]:
        components = self._keycloak.realms[self._realm.name].components.values()
        return [c for c in components if c.algorithm == ALGORITHM]

    def _signing(self) -> list[str]:
        active = [c for c in self._keys if c.status == "ACTIVE"]
        best = max(active, key=lambda c: c.priority, default=None)
        return [json.dumps({**best.key.as_dict(private=True), "alg": ALGORITHM})] if best else []

    def _observe(self) -> None:
        self._look_at_ring()
        shown = [c.key.as_dict(private=False) for c in self._keys if c.status != "DISABLED"]
        self.traffic.accepted.note(self.timeline.now, json.dumps({"keys": shown}))
        self.traffic.pulse()
        states = [v["state"] for v in (self._ring or {}).get("versions", ())]
        if len(self._keys) > len([s for s in states if s != "Destroyed"]):
            self._violate("I4: the realm has a key that the ring does not know")

    def _secrets(self) -> set[str]:
        return {self._robot_secret()}

    def _robot_secret(self) -> str:
        found = self._keycloak.realms[self._realm.name].client(self._robot)
        assert found
        return str(found["secret"])

    def _figures(self) -> dict[str, int]:
        return {"signed": self.traffic.signed, "verified": self.traffic.verified}

    def _afterwards(self) -> None:
        """The realm has the keys that the ring accepts, and signs; the others are gone from the JWK Set."""
        live = [v for v in self._ring["versions"] if v["state"] != "Destroyed"]
        accepted = sum("withdrawn_at" not in v for v in live)  # what is withdrawn may be in caches still
        if not accepted <= len(self._keys) <= len(live) or not self._signing():
            self._violate(f"the realm has {len(self._keys)} keys, expected {accepted} to {len(live)}")
