"""Istio's and Kong's objects on an API server with access rules: a whole life with exactly the rendered Role."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from rotator.engine.outcome import Result
from tests.gateways import istio, kong
from tests.integration.test_resources_on_a_cluster import CRDS, Team, _wait, defined

pytest_plugins = ["tests.apis"]
ISSUER = "https://api.example.com"


@pytest.fixture(params=["emulator_server", "kube_apiserver"])
def team(request: pytest.FixtureRequest) -> Team:
    """A team's namespace, where a mesh and Kong are defined, on each server in turn."""
    api = defined(request.getfixturevalue(request.param))
    for definition in (istio.DEFINITION, kong.DEFINITION):
        if api.ask("GET", f"{CRDS}/{definition['metadata']['name']}") is None:
            api.ask("POST", CRDS, definition)
    made = Team(api)
    rules = ({"issuer": "https://other.example", "jwksUri": "https://other.example/keys"}, {"issuer": ISSUER})
    for group, plural, body in (
        (istio.GROUP, "requestauthentications", istio.authentication(made.namespace, "api", *rules)),
        (kong.GROUP, "kongconsumers", kong.consumer(made.namespace, "api")),
    ):
        path = f"/apis/{group}/v1/namespaces/{made.namespace}/{plural}"
        _wait(lambda path=path: api.ask("GET", path) is not None)  # it is served a moment after it is defined
        api.ask("POST", path, body)
    return made


def test_a_whole_life_at_istio_and_kong(team: Team) -> None:
    """Written, listed, seen to be applied, withdrawn and deleted."""
    team.declare(
        credential={"jwtSigningKey": {"algorithm": "ES256"}},
        verifiers=[
            {"istio": {"requestAuthentication": "api", "issuer": ISSUER, "propagation": "0s"}},
            {"kong": {"consumer": "api", "propagation": "0s"}},
        ],
    )
    controller = kong.Kong(
        ask=team.api.ask, now=lambda: datetime.now(UTC), namespace=team.namespace, name="api"
    )

    def lived(*states: str) -> bool:
        (outcome,) = team.run().outcomes
        assert outcome.result in {Result.WAITING, Result.IDLE}, outcome.reason
        controller.step()
        status = team.rotation()["status"]
        return status["phase"] == "Stable" and [v["state"] for v in status["versions"]] == [*states]

    _wait(lambda: lived("Active"))
    old = held(team)
    asked = {"metadata": {"annotations": {"rotator.dev/rotate": "inc-4711"}}}
    team.api.ask("PATCH", f"{team.path}/key", asked)
    _wait(lambda: lived("Destroyed", "Active"))
    new = held(team)
    assert new != old
    assert keys_at_istio(team) == [new]
    assert credentials_at_kong(team) == {new}
    assert (controller.removed, controller.dangling) == (0, 0)


def held(team: Team) -> str:
    """Return the kid that the holder has."""
    found = team.api.ask("GET", f"/api/v1/namespaces/{team.namespace}/secrets/key")
    return base64.b64decode(found["data"]["kid"]).decode()


def keys_at_istio(team: Team) -> list[str]:
    """Return the keys of our issuer; the rule of the other one is as it was."""
    at = f"/apis/{istio.GROUP}/v1/namespaces/{team.namespace}/requestauthentications/api"
    other, ours = team.api.ask("GET", at)["spec"]["jwtRules"]
    assert other == {"issuer": "https://other.example", "jwksUri": "https://other.example/keys"}
    return [key["kid"] for key in json.loads(ours["jwks"])["keys"]]


def credentials_at_kong(team: Team) -> set[str]:
    """Return the keys of the credentials that there are, each of which the consumer lists."""
    found: Any = team.api.ask("GET", f"/apis/{kong.GROUP}/v1/namespaces/{team.namespace}/kongconsumers/api")
    secrets = team.api.ask("GET", f"/api/v1/namespaces/{team.namespace}/secrets")["items"]
    ours = [s for s in secrets if s["metadata"]["name"].startswith("kong-key-")]
    assert [s["metadata"]["name"] for s in ours] == found["credentials"]
    return {base64.b64decode(s["data"]["key"]).decode() for s in ours}
