"""Installed for real: on a kube-apiserver, a service account with exactly the rendered Roles rotates, and does nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from tests.chart.charts import CHART, NOTES, Json, chart, lasting, named, render, texts
from tests.chart.conftest import APPS, BATCH, Cluster, Jobs
from tests.chart.variants import ROTATIONS, SEEN, SERVED, Values
from tests.contract.kubernetes_servers import APPLY, STRATEGIC, Api, forget_rotations

RBAC = "/apis/rbac.authorization.k8s.io/v1"
CORE = "/api/v1/namespaces"
LEASES = "/apis/coordination.k8s.io/v1"
ROTATIONS_API = "/apis/rotator.dev/v1alpha1"
SHORT: Values = yaml.safe_load("""
rotations:
  - name: key
    namespace: payments
    spec:
      credential: {jwtSigningKey: {algorithm: EdDSA}}
      every: 1h
      overlap: {tokenTTL: 1s, clockSkew: 1s}
      store: {kubernetes: {}}
      verifiers: [{jwks: {configMap: key-accepted, maxAge: 0s, propagation: 0s}}]
      holders:
        - secret: {name: key, namespaces: [payments, orders], data: {key: private_key, kid: kid}}
          restart: {workloads: auto, timeout: 2m, soak: 0s}
""")
RUNS = 30
"""A whole life takes about ten runs."""
QUICKLY = ("--timeout", "3s")
"""A write counts as landed after twice the time that a request may take: a server on this machine needs no more."""


def helm(cluster: Cluster, namespace: str) -> helm_python.Config:
    """Return Helm on a cluster."""
    return helm_python.Config(kubeconfig_path=cluster.kubeconfig, namespace=namespace)


@dataclass
class Life:
    """What was seen of a rotation, from the installation of the chart to the end of the first version."""

    cluster: Cluster
    jobs: Jobs
    shown: list[str] = field(default_factory=list)
    """The key ids that verifiers were shown alone, in order."""
    steps: list[str] = field(default_factory=list)
    """What was done with which key id; how many runs it took depends on the machine."""

    def run(self, name: str, **environment: str) -> Json:
        """Run a job, and note what it did."""
        (row,) = self.jobs.run(name, *QUICKLY, **environment)
        assert row["rotation"] == "payments/key"
        self.steps += row["steps"]
        return row

    def until_alone(self, number: int) -> None:
        """Run the scheduled job until a version is active, and the only one that verifiers are shown."""
        for _ in range(RUNS):
            row = self.run("rotator-rotate")
            document = self.cluster.get("/api/v1/namespaces/payments/configmaps/key-accepted")
            kids = [k["kid"] for k in json.loads(document["data"]["jwks.json"])["keys"]]
            states = {v["number"]: v["state"] for v in row["versions"]}
            if len(kids) == 1 and states.get(number) == "Active" and row["phase"] == "Stable":
                self.shown += kids
                return
        pytest.fail(f"after {RUNS} runs: {row}")


@pytest.fixture(scope="module")
def life(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """A rotation that has lived through a whole rotation, with nothing but the chart's account and its admission policy."""
    cluster.namespace("jobs")
    secret = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "key", "key": "key"}}}]
    for namespace in ("payments", "orders"):
        cluster.namespace(namespace)
        cluster.deployment(namespace, "api", env=secret)
        cluster.deployment(namespace, "bystander")
    helm(cluster, "jobs").install(CHART, "rotator", {**SHORT, "rbac": {"admissionPolicy": True}}, timeout=60)
    with Jobs(cluster, "jobs", tmp_path_factory.mktemp("jobs")) as jobs:
        jobs.settle()
        lived = Life(cluster, jobs)
        lived.until_alone(1)
        lived.run("rotator-rotate-now", ROTATOR_NAME="payments/key", ROTATOR_REASON="inc-4711")
        lived.until_alone(2)
        yield lived


def test_the_rendered_roles_are_enough_for_a_whole_rotation(life: Life) -> None:
    """From nothing to the death of the first version: it is shown, joined by the second, and gone."""
    first, second = life.shown
    assert first != second
    recorded = [s for s in life.steps if s.startswith(("publish", "activate", "withdraw", "destroy"))]
    assert recorded == [
        f"publish {first}", f"activate {first}",
        f"publish {second}", f"activate {second}", f"withdraw {first}", f"destroy {first}",
    ]  # fmt: skip


def test_whoever_reads_the_secret_was_restarted_and_nobody_else(life: Life) -> None:
    """In every namespace of the holder."""
    for namespace in ("payments", "orders"):
        marks = {}
        for name in ("api", "bystander"):
            found = life.cluster.get(f"{APPS}/namespaces/{namespace}/deployments/{name}")
            marks[name] = found["spec"]["template"]["metadata"].get("annotations", {})
        assert any(key.startswith("rotator.dev/") for key in marks["api"])
        assert marks["bystander"] == {}


def test_what_happened_is_told_where_people_look(life: Life) -> None:
    """Events in the rotation's namespace, written with the chart's account."""
    events = life.cluster.get(f"{CORE}/payments/events")["items"]
    assert {e["involvedObject"]["name"] for e in events} == {"rotation-key"}


BODY = {"metadata": {"name": "new"}}
FORBIDDEN: list[tuple[str, str, Any]] = [
    # Secrets: others by name, all of them at once, one that we hold but under another verb
    ("GET", f"{CORE}/payments/secrets", None),
    ("GET", f"{CORE}/payments/secrets?watch=true", None),
    ("GET", f"{CORE}/orders/secrets", None),
    ("GET", "/api/v1/secrets", None),
    ("GET", f"{CORE}/payments/secrets/other", None),
    ("GET", f"{CORE}/orders/secrets/rotation-key", None),
    ("GET", f"{CORE}/jobs/secrets/sh.helm.release.v1.rotator.v1", None),
    ("GET", f"{CORE}/kube-system/secrets/any", None),
    ("POST", f"{CORE}/payments/secrets", BODY),
    ("POST", f"{CORE}/payments/secrets", {"metadata": {"name": "key"}}),
    ("APPLY", f"{CORE}/payments/secrets/new", {"apiVersion": "v1", "kind": "Secret", **BODY}),
    (
        "APPLY",
        f"{CORE}/default/secrets/key",
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}},
    ),
    ("PATCH", f"{CORE}/payments/secrets/other", {"data": {}}),
    ("PUT", f"{CORE}/payments/secrets/key", {"metadata": {"name": "key"}}),
    ("DELETE", f"{CORE}/payments/secrets/key", None),
    ("DELETE", f"{CORE}/payments/secrets", None),
    # ConfigMaps
    ("GET", f"{CORE}/payments/configmaps/other", None),
    ("GET", f"{CORE}/orders/configmaps", None),
    ("GET", f"{CORE}/jobs/configmaps/rotator-policies", None),
    ("PATCH", f"{CORE}/jobs/configmaps/rotator-policies", {"data": {}}),
    ("POST", f"{CORE}/payments/configmaps", BODY),
    ("DELETE", f"{CORE}/payments/configmaps/key-accepted", None),
    # leases of others
    ("GET", f"{LEASES}/namespaces/payments/leases/other", None),
    ("PATCH", f"{LEASES}/namespaces/payments/leases/other", {"spec": {}}),
    ("POST", f"{LEASES}/namespaces/payments/leases", BODY),
    ("DELETE", f"{LEASES}/namespaces/payments/leases/rotation-key", None),
    ("GET", f"{LEASES}/namespaces/orders/leases", None),
    # workloads: found and patched, never made or removed; pods are counted and nothing else
    ("DELETE", f"{APPS}/namespaces/payments/deployments/api", None),
    ("POST", f"{APPS}/namespaces/payments/deployments", BODY),
    ("GET", f"{APPS}/namespaces/jobs/deployments", None),
    ("PATCH", f"{APPS}/namespaces/payments/deployments/api/scale", {"spec": {"replicas": 0}}),
    ("POST", f"{CORE}/payments/pods", BODY),
    ("POST", f"{CORE}/payments/pods/any/exec?command=sh", None),
    ("POST", f"{CORE}/payments/pods/any/portforward", None),
    ("GET", f"{CORE}/payments/pods/any/log", None),
    ("DELETE", f"{CORE}/payments/pods/any", None),
    ("GET", f"{CORE}/jobs/pods", None),
    # jobs, tokens, rights
    ("POST", f"{BATCH}/namespaces/jobs/jobs", BODY),
    ("PATCH", f"{BATCH}/namespaces/jobs/cronjobs/rotator-rotate", {"spec": {}}),
    ("POST", f"{CORE}/jobs/serviceaccounts/rotator/token", {"spec": {}}),
    ("GET", f"{RBAC}/namespaces/payments/roles", None),
    ("PATCH", f"{RBAC}/namespaces/payments/roles/rotator", {"rules": []}),
    ("POST", f"{RBAC}/namespaces/payments/rolebindings", BODY),
    ("GET", f"{RBAC}/clusterroles", None),
    # the cluster
    ("GET", "/api/v1/namespaces", None),
    ("GET", "/api/v1/nodes", None),
    ("GET", f"{CORE}/payments/events", None),
    ("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", None),
]


@pytest.fixture(scope="module")
def account(life: Life) -> Iterator[Api]:
    """The API server as the chart's account meets it."""
    plane, token = life.cluster.plane, life.cluster.token("jobs", "rotator")
    api = Api(plane.url, token, plane.ca_file)
    yield api
    api.close()


@pytest.mark.parametrize(
    ("method", "path", "body"), FORBIDDEN, ids=[f"{at} {m} {p}" for at, (m, p, _) in enumerate(FORBIDDEN)]
)
def test_everything_outside_is_forbidden(account: Api, method: str, path: str, body: Any) -> None:
    """Whatever the account was not made for; 403, not 404: it does not even learn what there is."""
    media = {"APPLY": APPLY, "PATCH": STRATEGIC}.get(method, "application/json")
    verb = "PATCH" if method == "APPLY" else method
    query = {"fieldManager": "rotator"} if method == "APPLY" else {}
    assert account.call(verb, path, body, media=media, **query).status == 403


def test_what_is_its_own_is_allowed(account: Api) -> None:
    """So that the table above is about rights, and not about a token that is refused."""
    for path in (
        f"{CORE}/payments/secrets/key",
        f"{CORE}/orders/secrets/key",
        f"{CORE}/payments/secrets/rotation-key",
        f"{CORE}/payments/configmaps/key-accepted",
        f"{CORE}/payments/pods",
        f"{LEASES}/namespaces/payments/leases",
        f"{APPS}/namespaces/orders/deployments",
    ):
        assert account.get(path).status == 200, path


def test_helm_test_says_that_all_is_well(life: Life) -> None:
    """What its pod would run: the rotations are good, and nothing is to be done."""
    validated, planned = life.jobs.said_by(named(render(SHORT), "Pod", "rotator-test")["spec"])
    assert "payments/key" in validated
    assert "Stable" in planned


def test_the_commands_of_the_notes_can_be_copied(life: Life) -> None:
    """Run now; how are they; rotate something at once."""
    notes = texts(SHORT)[NOTES].replace("\\\n", "")
    commands = [line.strip() for line in notes.splitlines() if line.startswith("  kubectl")]
    job, _logs, status, at_once = commands
    life.cluster.shell(job)
    assert life.cluster.get(f"{BATCH}/namespaces/jobs/jobs/first-run")["spec"]["backoffLimit"] == 0
    assert "payments/key" in life.cluster.shell(status)
    life.cluster.shell(at_once.replace("NAMESPACE/NAME", "payments/key"))
    made = life.cluster.get(f"{BATCH}/namespaces/jobs/jobs/inc-4711")["spec"]["template"]["spec"]
    (container,) = made["containers"]
    assert {"name": "ROTATOR_NAME", "value": "payments/key"} in container["env"]


def test_an_upgrade_keeps_what_is_rotated_and_an_uninstall_too(cluster: Cluster, tmp_path: Path) -> None:
    """Credentials outlive the chart: what rotator made is not Helm's to delete."""
    cluster.namespace("short")
    values = json.loads(json.dumps(SHORT))
    rotation = values["rotations"][0]
    rotation["namespace"] = "short"
    del rotation["spec"]["holders"][0]["secret"]["namespaces"]
    release = helm(cluster, "short")
    release.install(CHART, "rotator", values, timeout=60)
    with Jobs(cluster, "short", tmp_path) as jobs:
        (before,) = jobs.run("rotator-rotate")
    assert before["active"]

    rotation["spec"]["every"] = "2h"
    rotation["spec"]["holders"].append({"secret": {"name": "copy"}, "pickUp": "1s"})
    changed = {**values, "jobs": {"rotate": {"schedule": "*/7 * * * *"}}}
    with Jobs(cluster, "short", tmp_path) as jobs, jobs.hooks() as said:
        assert release.upgrade(CHART, "rotator", changed, timeout=60)["revision"] == 2
    assert ["short/key: good" in text for text in said] == [True]
    cronjob = cluster.get(f"{BATCH}/namespaces/short/cronjobs/rotator-rotate")
    assert cronjob["spec"]["schedule"] == "*/7 * * * *"
    with Jobs(cluster, "short", tmp_path) as jobs:
        (after,) = jobs.run("rotator-rotate")
    assert after["active"] == before["active"]
    made = ["secrets/key", "secrets/copy", "secrets/rotation-key", "configmaps/key-accepted"]
    versions = {path: cluster.get(f"{CORE}/short/{path}")["metadata"]["uid"] for path in made}

    release.uninstall("rotator")
    for path, uid in versions.items():
        assert cluster.get(f"{CORE}/short/{path}")["metadata"]["uid"] == uid
    for path in (
        f"{BATCH}/namespaces/short/cronjobs/rotator-rotate",
        f"{RBAC}/namespaces/short/roles/rotator",
        f"{RBAC}/namespaces/short/rolebindings/rotator",
        f"{CORE}/short/serviceaccounts/rotator",
        f"{CORE}/short/configmaps/rotator-policies",
    ):
        assert cluster.api.get(path).status == 404


def test_an_upgrade_that_would_break_its_rotations_is_stopped_before_anything_changes(
    cluster: Cluster, tmp_path: Path
) -> None:
    """The sum that a run would refuse is refused by the upgrade: the schema alone cannot know it."""
    cluster.namespace("checked")
    values = json.loads(json.dumps(SHORT))
    values["rotations"][0]["namespace"] = "checked"
    del values["rotations"][0]["spec"]["holders"][0]["secret"]["namespaces"]
    release = helm(cluster, "checked")
    release.install(CHART, "rotator", values, timeout=60)
    watched = [
        f"{BATCH}/namespaces/checked/cronjobs/rotator-rotate",
        f"{CORE}/checked/configmaps/rotator-policies",
        f"{RBAC}/namespaces/checked/roles/rotator",
    ]
    before = [cluster.get(path)["metadata"]["resourceVersion"] for path in watched]
    values["rotations"][0]["spec"]["every"] = "2s"
    values["jobs"] = {"rotate": {"schedule": "*/7 * * * *"}}
    refused = pytest.raises(helm_python.HelmReleaseError, match="pre-upgrade")
    with Jobs(cluster, "checked", tmp_path) as jobs, jobs.hooks() as said, refused:
        release.upgrade(CHART, "rotator", values, timeout=60)
    assert ["2s is too short" in text for text in said] == [True]
    assert [cluster.get(path)["metadata"]["resourceVersion"] for path in watched] == before


def test_everything_but_foreign_kinds_installs(cluster: Cluster, tmp_path: Path) -> None:
    """Every object that the API server knows is taken as it was rendered; the exporter can read."""
    foreign = {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
    for name in ("all", "123", "edge"):
        cluster.namespace(name)
    values = {**ROTATIONS, **SEEN, **SERVED, "networkPolicy": {"enabled": True}}
    values["serve"] = {**SERVED["serve"], "podMonitor": {}, "httpRoute": {}}
    values["rotations"] = [{**r, "namespace": "all"} for r in ROTATIONS["rotations"][1:]]
    values["exporter"] = {**SEEN["exporter"], "podMonitor": {}, "serviceMonitor": {}}
    values["prometheusRule"] = {}
    helm(cluster, "all").install(CHART, "rotator", values, timeout=60)
    kept = [d for d in lasting(render(values, namespace="all")) if d["kind"] not in foreign]
    plurals = {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"}
    for document in kept:
        plural = plurals.get(document["kind"], f"{document['kind'].lower()}s")
        root = "/apis/" if "/" in document["apiVersion"] else "/api/"
        place = f"{root}{document['apiVersion']}/namespaces/all/{plural}/{document['metadata']['name']}"
        assert _within(document, cluster.get(place)), place
    spec = named(kept, "Deployment", "rotator-exporter")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    once = {**spec, "containers": [{**container, "args": container["args"][:1]}]}
    with Jobs(cluster, "all", tmp_path) as jobs:
        (metrics,) = jobs.said_by(once)
    assert "rotator_rotation_phase{" in metrics


def _within(wanted: Any, found: Any) -> bool:
    """Whether everything that is wanted is found; servers add defaults, and leave out what is empty."""
    if isinstance(wanted, dict):
        return all(_within(v, found.get(k)) if v else not found.get(k) for k, v in wanted.items())
    if isinstance(wanted, list):
        return len(wanted) == len(found) and all(map(_within, wanted, found))
    return bool(wanted == found)


# --- custom resources ---------------------------------------------------------------------------------------------


def test_a_custom_resource_lives_and_dies_with_the_rights_that_are_named_for_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Helm brings the definition; `kubectl get` answers; deleting it deletes what was made, because it says so."""
    (shipped,) = chart().crds
    assert shipped["filename"].endswith("crds/rotations.rotator.dev.yaml")
    forget_rotations(cluster.api)
    cluster.namespace("desk")
    cluster.namespace("team")
    target = {
        "namespace": "team",
        "rotations": ["key", "left"],
        "secrets": ["rotation-key", "key", "rotation-left", "left"],
        "configMaps": ["key-accepted", "left-accepted"],
        "restarts": True,
    }
    resources = {"enabled": True, "namespaces": ["team"], "allowDeletion": True, "targets": [target]}
    helm(cluster, "desk").install(CHART, "rotator", {"customResources": resources}, timeout=60)
    spec = json.loads(json.dumps(SHORT["rotations"][0]["spec"]))
    del spec["holders"][0]["secret"]["namespaces"]
    rotation = {
        "apiVersion": "rotator.dev/v1alpha1",
        "kind": "Rotation",
        "metadata": {"name": "key", "namespace": "team"},
        "spec": {**spec, "deletionPolicy": "Delete"},
    }
    (tmp_path / "rotation.json").write_text(json.dumps(rotation), encoding="utf-8")
    cluster.shell(f"kubectl apply -f {tmp_path / 'rotation.json'}")
    with Jobs(cluster, "desk", tmp_path) as jobs:
        (row,) = jobs.run("rotator-rotate")
        assert (row["rotation"], row["phase"]) == ("team/key", "Stable")
        shown = cluster.shell("kubectl get rotations --namespace team --no-headers")
        assert {"jwtSigningKey", "Stable"} <= set(shown.split())
        cluster.shell("kubectl delete rotation key --namespace team --wait=false")
        for _ in range(RUNS):
            if cluster.api.get(f"{ROTATIONS_API}/namespaces/team/rotations/key").status == 404:
                break
            jobs.run("rotator-rotate")
    for path in ("secrets/key", "secrets/rotation-key", "configmaps/key-accepted"):
        assert cluster.api.get(f"{CORE}/team/{path}").status == 404, path
    _uninstalls_and_leaves_nothing_waiting(cluster, tmp_path, rotation)


def _uninstalls_and_leaves_nothing_waiting(cluster: Cluster, tmp_path: Path, rotation: Json) -> None:
    """One Rotation is deleted, one is not: the first goes with its credential, the second keeps it and its namespace can go."""
    at = f"{ROTATIONS_API}/namespaces/team/rotations"
    renamed = json.loads(json.dumps(rotation).replace('"key-accepted"', '"left-accepted"'))
    renamed["metadata"]["name"] = renamed["spec"]["holders"][0]["secret"]["name"] = "left"
    for document in (rotation, renamed):
        assert cluster.api.post(at, document).status == 201
    with Jobs(cluster, "desk", tmp_path) as jobs:
        jobs.run("rotator-rotate")
        assert cluster.get(f"{at}/left")["metadata"]["finalizers"] == ["rotator.dev/credential"]
        cluster.shell("kubectl delete rotation key --namespace team --wait=false")
        with jobs.hooks() as said:
            helm(cluster, "desk").uninstall("rotator", timeout=60)
    assert ["the finalizer rotator.dev/credential was taken off" in text for text in said] == [True]
    assert not cluster.get(f"{at}/left")["metadata"].get("finalizers")
    for path, status in {
        f"{CORE}/team/secrets/left": 200,
        f"{CORE}/team/secrets/key": 404,
        f"{at}/key": 404,
    }.items():
        assert cluster.api.get(path).status == status, path


# --- without Helm -------------------------------------------------------------------------------------------------


def test_the_plain_manifests_apply_and_run(cluster: Cluster, tmp_path: Path) -> None:
    """`kubectl apply -k cronjobs/` on a fresh cluster; then the job brings the example about with exactly that Role."""
    said = cluster.shell("kubectl apply -k cronjobs/ --dry-run=server")
    assert said.count("(server dry run)") == len(said.splitlines())
    cluster.shell("kubectl apply -k cronjobs/")
    assert "unchanged" in cluster.shell("kubectl apply -k cronjobs/")
    made = "kubectl create job --from=cronjob/rotator-rotate-now inc-4711 --output yaml"
    job = yaml.safe_load(cluster.shell(f"{made} --dry-run=server"))
    assert "suspend" not in job["spec"] or job["spec"]["suspend"] is False
    with Jobs(cluster, "default", tmp_path) as jobs:
        (row,) = jobs.run("rotator-rotate")
    assert (row["rotation"], row["result"], row["phase"]) == ("default/example", "Waiting", "Stable")
    for path in ("secrets/example-signing-key", "secrets/rotation-example", "configmaps/example-jwks"):
        found: Json = cluster.get(f"{CORE}/default/{path}")
        assert found["data"]
