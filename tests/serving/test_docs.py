"""The page about `rotator serve`: its manifests are what Kubernetes takes, and its declaration is what rotator takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from rotator.cli.verbs import cli
from rotator.policy.model import RotationPolicy
from rotator.run.request import Serving
from rotator.serving.listener import HEADERS, Bounded

PAGE = (Path(__file__).parents[2] / "docs/operate/serve.md").read_text(encoding="utf-8")
BLOCKS = [list(yaml.safe_load_all(text)) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
FILES = sorted((Path(__file__).parents[2] / "cronjobs/serve").glob("*.yaml"))
MANIFESTS = [
    document
    for file in FILES
    for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
    if document["kind"] not in {"Kustomization", "HTTPRoute"}
]
VERSION = "1.33"


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["kind"])
def test_the_manifests_are_what_kubernetes_takes(manifest: Any) -> None:
    """Strictly: a field that it does not know is a typo."""
    kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_the_container_starts_with_options_that_there_are() -> None:
    """And its probes ask what is answered, at ports that are listened on."""
    (deployment,) = (m for m in MANIFESTS if m["kind"] == "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    verb, *arguments = container["args"]
    cli.commands[verb].make_context(verb, arguments)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    listened = {"public": Serving().public, "operator": Serving().operator}
    assert {name: f"0.0.0.0:{port}" for name, port in ports.items()} == listened
    assert spec["terminationGracePeriodSeconds"] > Serving().grace.total_seconds()


@pytest.mark.parametrize(
    "verifiers",
    [block[0]["verifiers"] for block in BLOCKS if "verifiers" in block[0]],
    ids=["set", "readers"],
)
def test_the_declarations_are_such(verifiers: Any) -> None:
    """In place of the verifiers of a whole one."""
    whole = {
        "credential": {"jwtSigningKey": {"algorithm": "EdDSA"}}, "every": "30d", "overlap": {"tokenTTL": "15m"},
        "store": {"kubernetes": {}}, "verifiers": verifiers, "holders": [{"secret": {"name": "key"}}],
    }  # fmt: skip
    metadata = {"name": "key", "namespace": "payments"}
    RotationPolicy.model_validate(
        {"apiVersion": "rotator.dev/v1alpha1", "kind": "Rotation", "metadata": metadata, "spec": whole}
    )


def test_the_bounds_are_those_of_the_listener() -> None:
    """Each number is decided once."""
    assert f"there are {Bounded.at_once} at a time, and a request has {HEADERS >> 10} KiB of headers" in PAGE
    assert Bounded.life == 60
