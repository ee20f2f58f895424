"""Workloads that progress: the controller is the same on the emulator and on a bare API server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator_sandbox.emulator import HttpCaller, WorkloadController, rollout_definition
from tests.contract.kubernetes_servers import Api, KubernetesServer, eventually, workload

KINDS = {
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "rollouts": "Rollout",
}
FAILURE = "sandbox.rotator.dev/rollout"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass
class Environment:
    """A namespace in which time passes by steps."""

    api: Api
    namespace: str
    controller: WorkloadController
    clock: list[datetime] = field(default_factory=list)

    def path(self, plural: str, name: str = "web") -> str:
        """Give the path of a workload."""
        group = "argoproj.io/v1alpha1" if plural == "rollouts" else "apps/v1"
        return f"/apis/{group}/namespaces/{self.namespace}/{plural}/{name}"

    def create(self, plural: str, **spec: object) -> None:
        """Create a workload and let it settle."""
        body = workload(KINDS[plural], "web", **spec)
        assert self.api.post(self.path(plural, ""), body).status == 201
        self.pass_seconds(7)

    def pass_seconds(self, seconds: int) -> None:
        """Take a step a second."""
        for _ in range(seconds):
            self.controller.step()
            self.clock[0] += timedelta(seconds=1)

    def restart(self, plural: str, version: str) -> None:
        """Annotate the pod template, as a restart does."""
        change = {"spec": {"template": {"metadata": {"annotations": {"version": version}}}}}
        assert self.api.patch(self.path(plural), change).status == 200

    def status(self, plural: str) -> dict[str, Any]:
        """Give the status of the workload."""
        status: dict[str, Any] = self.api.get(self.path(plural)).body["status"]
        return status

    def pods(self) -> list[dict[str, Any]]:
        """Give the pods of the namespace."""
        items: list[dict[str, Any]] = self.api.get(f"/api/v1/namespaces/{self.namespace}/pods").body["items"]
        return items

    def versions(self) -> list[str]:
        """Give the version annotation of each pod that is not on its way out."""
        live = [pod["metadata"] for pod in self.pods() if "deletionTimestamp" not in pod["metadata"]]
        return sorted(meta.get("annotations", {}).get("version", "none") for meta in live)


@pytest.fixture(scope="module")
def _rollouts(api: Api) -> Iterator[None]:
    """Argo Rollouts are served."""
    api.post(DEFINITIONS, rollout_definition())
    eventually(lambda: api.get("/apis/argoproj.io/v1alpha1/rollouts").status == 200, "no Rollouts")
    yield
    api.delete(f"{DEFINITIONS}/rollouts.argoproj.io")
    eventually(lambda: api.get("/apis/argoproj.io/v1alpha1/rollouts").status == 404, "still Rollouts")


@pytest.fixture
def environment(
    kubernetes: KubernetesServer, api: Api, namespace: str, _rollouts: None
) -> Iterator[Environment]:
    """A controller that takes one second to make a pod ready and one to end it."""
    clock = [datetime.now(UTC)]
    call = HttpCaller(kubernetes.url, kubernetes.admin_token, kubernetes.ca_file)
    controller = WorkloadController(
        call, clock=lambda: clock[0], seconds_to_ready=1, terminating_seconds=1, namespace=namespace
    )
    made = Environment(api, namespace, controller, clock)
    yield made
    for plural in KINDS:
        api.delete(made.path(plural))
    made.pass_seconds(3)
    call.close()


@pytest.mark.parametrize("plural", KINDS)
def test_a_workload_comes_up(environment: Environment, plural: str) -> None:
    """Pods are made from the template, run, and are ready; the status says so."""
    environment.create(plural)
    status = environment.status(plural)
    generation = environment.api.get(environment.path(plural)).metadata["generation"]
    assert status["observedGeneration"] == (str(generation) if plural == "rollouts" else generation)
    names = {
        "daemonsets": ("numberReady", "numberAvailable", "updatedNumberScheduled", "desiredNumberScheduled")
    }
    counted = names.get(plural, ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"))
    assert [status[name] for name in counted] == [2, 2, 2, 2]
    for pod in environment.pods():
        ready = next(each for each in pod["status"]["conditions"] if each["type"] == "Ready")
        assert (pod["status"]["phase"], ready["status"], pod["metadata"]["labels"]["app"]) == (
            "Running",
            "True",
            "web",
        )
        assert pod["status"]["startTime"]
        assert pod["metadata"]["ownerReferences"][0]["controller"] is True


@pytest.mark.parametrize("plural", KINDS)
def test_a_restart_replaces_every_pod(environment: Environment, plural: str) -> None:
    """Old pods terminate and vanish; the new ones carry the annotation; no more than allowed are away."""
    environment.create(plural)
    environment.restart(plural, "2")
    assert environment.versions() == ["none", "none"]
    terminating = set()
    for _ in range(14):
        environment.pass_seconds(1)
        terminating |= {
            pod["metadata"]["name"] for pod in environment.pods() if "deletionTimestamp" in pod["metadata"]
        }
        status = environment.status(plural)
        ready = status["numberReady"] if plural == "daemonsets" else status["readyReplicas"]
        assert ready >= (2 if plural in {"deployments", "rollouts"} else 1)
    assert environment.versions() == ["2", "2"]
    assert len(terminating) == len(environment.pods()) == 2


def test_a_deployment_says_how_it_gets_on(environment: Environment) -> None:
    """Conditions Progressing and Available, with their reasons."""
    environment.create("deployments")
    assert conditions(environment) == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    environment.restart("deployments", "2")
    environment.pass_seconds(2)
    assert conditions(environment)["Progressing"] == ("True", "ReplicaSetUpdated")


def conditions(environment: Environment) -> dict[str, tuple[str, str]]:
    """Give the status and reason of each condition of the Deployment."""
    found = environment.status("deployments")["conditions"]
    return {each["type"]: (each["status"], each["reason"]) for each in found}


def test_a_stateful_set_moves_its_revision_last(environment: Environment) -> None:
    """The updateRevision changes at once, currentRevision when all pods have."""
    environment.create("statefulsets")
    first = environment.status("statefulsets")["currentRevision"]
    environment.restart("statefulsets", "2")
    environment.pass_seconds(2)
    during = environment.status("statefulsets")
    assert (during["currentRevision"], during["updateRevision"] != first) == (first, True)
    environment.pass_seconds(12)
    after = environment.status("statefulsets")
    assert after["currentRevision"] == after["updateRevision"] == during["updateRevision"]
    assert [pod["metadata"]["name"] for pod in environment.pods()] == ["web-0", "web-1"]


def test_a_paused_deployment_waits(environment: Environment) -> None:
    """The template's change is seen and not rolled out until it is resumed."""
    environment.create("deployments")
    environment.api.patch(environment.path("deployments"), {"spec": {"paused": True}})
    environment.restart("deployments", "2")
    environment.pass_seconds(4)
    status = environment.status("deployments")
    assert (environment.versions(), status.get("updatedReplicas", 0)) == (
        ["none", "none"],
        0,
    )
    assert (
        status["observedGeneration"]
        == environment.api.get(environment.path("deployments")).metadata["generation"]
    )
    environment.api.patch(environment.path("deployments"), {"spec": {"paused": None}})
    environment.pass_seconds(10)
    assert environment.versions() == ["2", "2"]


@pytest.mark.parametrize(
    ("mode", "reason"), [("fail", "ProgressDeadlineExceeded"), ("stall", "ReplicaSetUpdated")]
)
def test_a_rollout_fails_when_told_to(environment: Environment, mode: str, reason: str) -> None:
    """The new pods never become ready; the old ones stay; only a failure passes its deadline."""
    environment.create("deployments", progressDeadlineSeconds=4)
    environment.api.patch(environment.path("deployments"), {"metadata": {"annotations": {FAILURE: mode}}})
    environment.restart("deployments", "2")
    environment.pass_seconds(10)
    assert conditions(environment)["Progressing"][1] == reason
    assert environment.status("deployments")["availableReplicas"] == 2
    assert environment.versions() == ["2", "none", "none"]
    environment.api.patch(environment.path("deployments"), {"metadata": {"annotations": {FAILURE: None}}})
    environment.pass_seconds(10)
    assert environment.versions() == ["2", "2"]
    assert conditions(environment)["Progressing"] == ("True", "NewReplicaSetAvailable")


@pytest.mark.parametrize("plural", KINDS)
def test_deleting_a_workload_deletes_its_pods(environment: Environment, plural: str) -> None:
    """Nothing is left of it."""
    environment.create(plural)
    assert environment.api.delete(environment.path(plural)).status == 200
    environment.pass_seconds(4)
    assert environment.pods() == []
    assert (
        environment.api.get(f"/apis/apps/v1/namespaces/{environment.namespace}/replicasets").body["items"]
        == []
    )


def test_scaling_makes_and_ends_pods(environment: Environment) -> None:
    """Without a new revision."""
    environment.create("deployments")
    for replicas in (4, 1):
        environment.api.patch(environment.path("deployments") + "/scale", {"spec": {"replicas": replicas}})
        environment.pass_seconds(5)
        assert len(environment.pods()) == environment.status("deployments")["readyReplicas"] == replicas


def test_a_pod_that_is_deleted_is_replaced(environment: Environment) -> None:
    """As after an eviction."""
    environment.create("statefulsets")
    uids = {pod["metadata"]["uid"] for pod in environment.pods()}
    environment.api.delete(f"/api/v1/namespaces/{environment.namespace}/pods/web-1")
    environment.pass_seconds(7)
    assert len({pod["metadata"]["uid"] for pod in environment.pods()} - uids) == 1
    assert environment.status("statefulsets")["readyReplicas"] == 2
