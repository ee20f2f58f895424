"""Every pod passes the `restricted` standard: by its rules, and by the API server that enforces them.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.charts import Json, containers, of_kind, pod, pods, render
from tests.chart.conftest import APPS, BATCH, Cluster
from tests.chart.variants import VARIANTS, Values

SAFE_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
PATHS = {"CronJob": (BATCH, "cronjobs"), "Deployment": (APPS, "deployments")}
STANDARD = "pod-security.kubernetes.io"


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_every_pod_keeps_the_rules(values: Values) -> None:
    """And two that the standard does not ask for: nothing can be written but /tmp, and nobody is root by number."""
    for of in pods(render(values)):
        spec, security = of["spec"], of["spec"]["securityContext"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert (security["runAsNonRoot"], security["runAsUser"]) == (True, 65532)
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        for volume in spec["volumes"]:
            assert volume.keys() - {"name"} <= SAFE_VOLUMES
        for container in containers(of):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert own["readOnlyRootFilesystem"] is True
            assert not {"privileged", "procMount", "runAsUser"} & own.keys()
            assert not any("hostPort" in port for port in container.get("ports", ()))
            assert container["resources"]["requests"]
            assert container["resources"]["limits"]["memory"]


@pytest.fixture(scope="module")
def restricted(cluster: Cluster) -> str:
    """A namespace that refuses every other pod, and warns of what would make one."""
    assert (
        cluster.api.post(
            "/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": "high"}, "value": 1}
        ).status
        == 201
    )
    labels = {f"{STANDARD}/enforce": "restricted", f"{STANDARD}/warn": "restricted"}
    return cluster.namespace("restricted", **labels)


def _sent(cluster: Cluster, namespace: str, document: Json) -> Iterator[Any]:
    """Send a workload and its pod to be checked, not kept, and yield the answers."""
    template = pod(document)
    assert template
    bare = {"metadata": {"name": "pod", "labels": template["metadata"]["labels"]}, "spec": template["spec"]}
    yield cluster.api.post(f"/api/v1/namespaces/{namespace}/pods", bare, dryRun="All")
    if document["kind"] in PATHS:
        group, plural = PATHS[document["kind"]]
        moved = {**document, "metadata": {**document["metadata"], "namespace": namespace}}
        yield cluster.api.post(f"{group}/namespaces/{namespace}/{plural}", moved, dryRun="All")


@pytest.mark.parametrize("name", ["example", "vault", "vault by approle", "sharded", "everything"])
def test_the_api_server_takes_every_pod_and_warns_of_nothing(
    cluster: Cluster, restricted: str, name: str
) -> None:
    """A pod that breaks the standard is refused; a CronJob that would make one is only warned of."""
    for document in of_kind(render(VARIANTS[name]), "CronJob", "Deployment", "Pod"):
        for answer in _sent(cluster, restricted, document):
            assert answer.status == 201, answer.body
            assert "Warning" not in answer.headers


@pytest.mark.parametrize("field", ["seccompProfile", "runAsNonRoot"])
def test_the_api_server_would_say_so(cluster: Cluster, restricted: str, field: str) -> None:
    """Were one field missing, both answers would differ."""
    (document, *_) = of_kind(copy.deepcopy(render(VARIANTS["example"])), "CronJob")
    template = pod(document)
    assert template
    del template["spec"]["securityContext"][field]
    refused, warned = _sent(cluster, restricted, document)
    assert refused.status == 403
    assert field in refused.body["message"]
    assert (warned.status, field in warned.headers["Warning"]) == (201, True)
