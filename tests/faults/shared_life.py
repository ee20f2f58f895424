"""The life of a signing key in a JWK Set that another rotation and other people write too, right before our writes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from rotator.policy.model import RotationPolicy
from rotator.run import wiring
from tests.faults.environment import NAMESPACE, Bao, Scenario
from tests.faults.kinds_of_faults import Fault
from tests.faults.life import LEASE
from tests.faults.token_life import TokenLife
from tests.faults.traffic import text_of
from tests.faults.transport import Answer, Call, Perform

SET = f"/api/v1/namespaces/{NAMESPACE}/configmaps/accepted"
_X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"


def _theirs(number: int) -> str:
    """Return a key as others write it: with blanks of their own, and a member that nobody needs."""
    return f'{{ "kty":"OKP","crv":"Ed25519",\t"x":"{_X}", "kid":"theirs-{number}", "note":{number} }}'


class SharedLife(TokenLife):
    """A life beside a second rotation, and people who add keys of theirs."""

    def __init__(self, bao: Bao, scenario: Scenario, faults: Mapping[int, Fault], name: str) -> None:
        self._foreign: list[str] = []
        self._writes = 0
        super().__init__(bao, scenario, faults, name)
        self._neighbour = self._sharing("neighbour", every="5h")
        self._add_theirs()

    def _declaration(self) -> RotationPolicy:
        return self._sharing("key", every="6h")

    def _sharing(self, name: str, every: str) -> RotationPolicy:
        document = (
            Scenario("jwt", self._scenario.store)
            .declaration(self._name)
            .model_dump(mode="json", by_alias=True, exclude_unset=True)
        )
        document["metadata"] = {"name": name, "namespace": NAMESPACE}
        document["spec"]["every"] = every
        document["spec"]["verifiers"][0]["jwks"]["shared"] = True
        if name != "key":
            document["spec"]["holders"] = [{"secret": {"name": name, "data": {"jwk": "jwk"}}, "pickUp": "5m"}]
        return RotationPolicy.model_validate(document)

    # --- what others do -----------------------------------------------------------------------------------------

    def _performed(self, call: Call, body: bytes, perform: Perform) -> Answer:
        if call.changes and call.path == SET and not self._depth:
            self._writes += 1
            (self._add_theirs, self._let_neighbour_run, lambda: None)[self._writes % 3]()
        return super()._performed(call, body, perform)

    def _add_theirs(self) -> None:
        """Add a key by hand, as an editor would: whatever else stands there stays."""
        key = _theirs(len(self._foreign))
        text = text_of(self.environment.config_map("accepted"), "jwks.json", secret=False)
        self._foreign.append(key)
        if text is None:
            document = {"metadata": {"name": "accepted"}, "data": {"jwks.json": f'{{"keys":[{key}]}}'}}
            self.environment.ask("POST", SET.rpartition("/")[0], document)
        else:
            head, _, tail = text.rpartition("]")
            self.environment.ask("PATCH", SET, {"data": {"jwks.json": f"{head}, {key}]{tail}"}})

    def _let_neighbour_run(self) -> None:
        self._depth += 1
        try:
            world = self._world(type(LEASE)())
            wiring.fleet(world, act=True, concurrency=1, lease=LEASE).advance(
                [wiring.declared(world, self._neighbour)]
            )
            world.close()
        finally:
            self._depth -= 1

    def _ran(self, outcome: Any) -> None:
        super()._ran(outcome)
        self._let_neighbour_run()

    # --- watching -----------------------------------------------------------------------------------------------

    def _observe(self) -> None:
        super()._observe()
        text = text_of(self.environment.config_map("accepted"), "jwks.json", secret=False)
        if text is None:
            return
        places = [text.find(key) for key in self._foreign]
        if -1 in places or places != sorted(places):
            self._violate("I10: a key of others was changed, moved or lost")
        keys = json.loads(text)["keys"]
        kids = [key["kid"] for key in keys]
        if len(kids) != len(set(kids)):
            self._violate("a kid stands in the set twice")
        if missing := self._of_neighbour() - set(kids):
            self._violate(f"the neighbour's {missing} is not in the set, and is to be accepted")

    def _of_neighbour(self) -> set[str]:
        """Return the versions of the neighbour that its tokens may be signed with."""
        ring = self.environment.secret("rotation-neighbour")
        if ring is None:
            return set()
        versions = json.loads(base64.b64decode(ring["data"]["ring"]))["versions"]
        return {
            v["id"]
            for v in versions
            if v["state"] == "Active" or (v["state"] == "Retiring" and "withdrawn_at" not in v)
        }

    def _recorded(self, accepted: str | None, held: list[str | None]) -> None:
        others = {f"theirs-{number}" for number in range(len(self._foreign))}
        keys = json.loads(accepted)["keys"] if accepted else []
        ring = self.environment.secret("rotation-neighbour")
        versions = json.loads(base64.b64decode(ring["data"]["ring"]))["versions"] if ring else []
        others |= {v["id"] for v in versions}
        ours = json.dumps({"keys": [key for key in keys if key["kid"] not in others]})
        super()._recorded(ours, held)
