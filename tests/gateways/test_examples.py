"""The examples of gateways: each rotation is one that rotator takes, and names what stands beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from rotator.policy.files import load
from rotator.policy.model import RotationPolicy
from rotator.systems.gateway import Gateway
from rotator.systems.istio import Istio
from rotator.systems.kong import Kong
from tests.gateways import istio, kong

FOLDER = Path(__file__).parents[2] / "examples" / "gateways"
FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))


def documents(name: str) -> list[Any]:
    """Return the documents of an example."""
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def rotation(name: str, folder: Path) -> RotationPolicy:
    """Return the rotation of an example."""
    (found,) = (each for each in documents(name) if each["kind"] == "Rotation")
    file = folder / name
    file.write_text(yaml.safe_dump(found))
    (policy,) = load([file])
    return policy


def test_each_is_in_the_table() -> None:
    """The README names every file, and no other."""
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [line.split("`")[1] for line in readme.splitlines() if line.startswith("| `")] == [
        "envoy-gateway.yaml", "istio.yaml", "kong.yaml", "jwks-route.yaml",
    ]  # fmt: skip
    assert FILES == ["envoy-gateway.yaml", "istio.yaml", "jwks-route.yaml", "kong.yaml"]


@pytest.mark.parametrize("name", ["envoy-gateway.yaml", "istio.yaml", "kong.yaml"])
def test_rotations_name_what_stands_beside_them(name: str, tmp_path: Path) -> None:
    """The consumer, the rule of the issuer, the address of the set."""
    policy = rotation(name, tmp_path)
    beside = {(d["kind"], d["metadata"]["name"]): d for d in documents(name)}
    for verifier in policy.spec.verifiers:
        match verifier.one:
            case Kong(consumer=consumer):
                assert kong.CLASS in beside["KongConsumer", consumer]["metadata"]["annotations"]
                assert beside["KongPlugin", "jwt"]["config"]["key_claim_name"] == "kid"
            case Istio(request_authentication=made, issuer=issuer):
                (rule,) = beside["RequestAuthentication", made]["spec"]["jwtRules"]
                assert rule["issuer"] == issuer
                schema = istio.DEFINITION["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
                assert (
                    rule.keys()
                    <= schema["properties"]["spec"]["properties"]["jwtRules"]["items"]["properties"].keys()
                )
            case Gateway(product="EnvoyGateway", issuer=issuer):
                (provider,) = beside["SecurityPolicy", "orders-jwt"]["spec"]["jwt"]["providers"]
                assert provider["issuer"] == issuer
                assert "localJWKS" not in provider


def test_the_routes_are_for_the_set_alone() -> None:
    """At the path at which rotator serves it, exactly."""
    ingress, route, mapping = documents("jwks-route.yaml")
    kubernetes_validate.validate(ingress, "1.33", strict=True)
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    (match,) = route["spec"]["rules"][0]["matches"]
    assert {path["path"], match["path"]["value"], mapping["spec"]["prefix"]} == {"/.well-known/jwks.json"}
    assert (path["pathType"], match["path"]["type"], mapping["spec"]["prefix_exact"]) == (
        "Exact",
        "Exact",
        True,
    )
    assert mapping["spec"]["bypass_auth"] is True
