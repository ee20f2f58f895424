"""The life of a signing key whose tokens a mesh or Kong checks, where other teams write the same objects right before our writes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from rotator.policy.model import RotationPolicy
from tests.faults.environment import NAMESPACE, Bao, Scenario
from tests.faults.kinds_of_faults import Fault
from tests.faults.token_life import TokenLife
from tests.faults.transport import Answer, Call, Perform
from tests.gateways import istio, kong

ISSUER = "https://api.example.com"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
PUSHED = timedelta(seconds=55)
"""istiod's longest pause, and the drain of a proxy."""
Document = tuple[dict[str, Any] | None, str | None]


class GatewayLife(TokenLife):
    """A life at a gateway; subclasses say which."""

    definition: Mapping[str, Any]
    at: str
    """The path of the object that others write, too."""
    verifier: Mapping[str, Any]
    lags: timedelta
    """For so long the gateway may go by what was there before."""

    def __init__(self, bao: Bao, scenario: Scenario, faults: Mapping[int, Fault], name: str) -> None:
        self._writes = 0
        super().__init__(bao, scenario, faults, name)
        self.traffic.stale = self.lags
        self.environment.ask("POST", DEFINITIONS, self.definition)
        self._begin()

    def _declaration(self) -> RotationPolicy:
        document = (
            Scenario("jwt", self._scenario.store)
            .declaration(self._name)
            .model_dump(mode="json", by_alias=True, exclude_unset=True)
        )
        document["spec"]["verifiers"] = [self.verifier]
        return RotationPolicy.model_validate(document)

    def _begin(self) -> None:
        """Make what others have made."""
        raise NotImplementedError

    def _write_too(self) -> None:
        """Write the same object, as another team does."""
        raise NotImplementedError

    def _accepted(self) -> Document:
        raise NotImplementedError

    def _performed(self, call: Call, body: bytes, perform: Perform) -> Answer:
        if call.changes and call.path == self.at and not self._depth:
            self._writes += 1
            if self._writes % 2:
                self._write_too()
        return super()._performed(call, body, perform)


class MeshLife(GatewayLife):
    """The rule of one issuer in a RequestAuthentication, among rules of others."""

    definition = istio.DEFINITION
    at = f"/apis/{istio.GROUP}/v1/namespaces/{NAMESPACE}/requestauthentications/api"
    verifier: Mapping[str, Any] = {"istio": {"requestAuthentication": "api", "issuer": ISSUER}}
    lags = PUSHED

    def _begin(self) -> None:
        self._foreign = [{"issuer": "https://first.example", "jwksUri": "https://first.example/keys"}]
        ours = {"issuer": ISSUER, "audiences": ["api"]}
        document = istio.authentication(NAMESPACE, "api", *self._foreign, ours)
        self.environment.ask("POST", self.at.rpartition("/")[0], document)

    def _rules(self) -> list[dict[str, Any]]:
        found = self.environment.ask("GET", self.at)
        return [*found["spec"]["jwtRules"]] if found else []

    def _write_too(self) -> None:
        rule = {"issuer": f"https://{self._writes}.example", "jwksUri": "https://a.example/keys"}
        self._foreign.append(rule)
        self.environment.ask("PATCH", self.at, {"spec": {"jwtRules": [*self._rules(), rule]}})

    def _accepted(self) -> Document:
        rules = self._rules()
        others = [rule for rule in rules if rule["issuer"] != ISSUER]
        if rules and others != self._foreign:
            self._violate("I10: a rule of others was changed, moved or lost")
        ours = next((rule for rule in rules if rule["issuer"] == ISSUER), {})
        if rules and ours.get("audiences") != ["api"]:
            self._violate("I10: what the owner of our rule has set was changed")
        return None, ours.get("jwks")


class KongLife(GatewayLife):
    """The credentials of a KongConsumer, among credentials of others, with the controller at work."""

    definition = kong.DEFINITION
    at = f"/apis/{kong.GROUP}/v1/namespaces/{NAMESPACE}/kongconsumers/api"
    verifier: Mapping[str, Any] = {"kong": {"consumer": "api", "oldest": "3.7"}}
    lags = timedelta()

    def _begin(self) -> None:
        self._foreign: list[str] = []
        self.kong = kong.Kong(
            ask=self.environment.ask, now=lambda: self.timeline.now, namespace=NAMESPACE, name="api"
        )
        self.environment.ask("POST", self.at.rpartition("/")[0], kong.consumer(NAMESPACE, "api"))
        self._write_too()
        self.timeline.moved.insert(0, self.kong.step)

    def _write_too(self) -> None:
        name = f"theirs-{self._writes}"
        data = {"key": name, "algorithm": "RS256", "rsa_public_key": "PEM"}
        encoded = {n: base64.b64encode(v.encode()).decode() for n, v in data.items()}
        metadata = {"name": name, "labels": {"konghq.com/credential": "jwt"}}
        self.environment.ask("POST", SECRETS, {"metadata": metadata, "data": encoded})
        self._foreign.append(name)
        found = self.environment.ask("GET", self.at)
        self.environment.ask("PATCH", self.at, {"credentials": [*found["credentials"], name]})

    def _accepted(self) -> Document:
        if self.kong.removed or self.kong.dangling:
            self._violate("Kong removed the consumer, or found a name that leads nowhere")
        listed = (self.environment.ask("GET", self.at) or {}).get("credentials", self._foreign)
        if [name for name in listed if name in self._foreign] != self._foreign:
            self._violate("I10: a credential of others was taken off, or moved")
        ours = {kid: pem for kid, pem in self.kong.accepted.items() if kid not in self._foreign}
        return None, json.dumps({"keys": [_jwk(kid, pem) for kid, pem in ours.items()]}) if ours else None


def _jwk(kid: str, pem: str) -> dict[str, Any]:
    key: Any = load_pem_public_key(pem.encode())
    return {**json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(key)), "kid": kid, "alg": "EdDSA"}
