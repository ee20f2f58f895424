"""The admission policy: of a workload, a run may change what a restart needs, and nothing else."""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tests.chart.charts import Json, check_strictly, of_kind, render
from tests.chart.conftest import APPS, Cluster
from tests.contract.kubernetes_servers import Api, workload

NAMESPACE, ACCOUNT = "admission", "robot"
MERGE_PATCH = "application/merge-patch+json"
NUMBERS = count()
VALUES: Json = {"rbac": {"admissionPolicy": True}, "serviceAccount": {"name": ACCOUNT}}
KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
NEWEST = max(
    (p for p in SCHEMAS.iterdir() if re.fullmatch(r"v1\.\d+\.\d+-local", p.name)),
    key=lambda p: int(p.name.split(".")[1]),
)
FENCE = {
    "name": "ROTATOR_FENCE_ab",
    "valueFrom": {"secretKeyRef": {"name": "key", "key": "ROTATOR_FENCE_2_cd"}},
}


def fields_of(kind: str) -> set[str]:
    """Return the fields that the API has, in the newest version that is known here."""
    return set(json.loads((NEWEST / f"{kind}.json").read_text())["properties"])


def compared(expression: str, new: str) -> set[str]:
    """Return the fields that an expression compares whole."""
    return set(re.findall(rf"{re.escape(new)}\.\?(\w+) == ", expression))


def test_it_is_made_where_it_is_asked_for() -> None:
    """It is an object of the whole cluster, which not everybody may make."""
    assert not of_kind(render(), *KINDS)
    assert [o["kind"] for o in of_kind(render(VALUES), *KINDS)] == list(KINDS)


@pytest.mark.parametrize("version", ["1.30.0", "1.37.0"])
def test_it_is_what_kubernetes_expects(version: str) -> None:
    """In the oldest version that has it, and in the newest."""
    for document in of_kind(render(VALUES), *KINDS):
        check_strictly(document, version)


def test_it_binds_the_job_account_alone() -> None:
    """Whatever the account is called."""
    (policy,) = of_kind(render(VALUES, namespace=NAMESPACE), "ValidatingAdmissionPolicy")
    (condition,) = policy["spec"]["matchConditions"]
    assert (
        condition["expression"]
        == f"request.userInfo.username == 'system:serviceaccount:{NAMESPACE}:{ACCOUNT}'"
    )


def test_no_field_of_a_pod_is_forgotten() -> None:
    """Kubernetes adds fields: each is compared, or is one of those that a restart changes."""
    (policy,) = of_kind(render(VALUES), "ValidatingAdmissionPolicy")
    text = " ".join(v["expression"] for v in policy["spec"]["validations"])
    pod = fields_of("podspec-v1") - {"containers", "initContainers", "volumes"}
    assert pod - compared(text, "variables.new") == set()
    container = fields_of("container-v1") - {"env", "name"}
    assert container - compared(text, "c") == set()


Change = Callable[[Json], Any]


def _container(document: Json) -> Json:
    found: Json = document["spec"]["template"]["spec"]["containers"][0]
    return found


ALLOWED: dict[str, Change] = {
    "an annotation of the pods": lambda d: d["spec"]["template"]["metadata"].update(
        annotations={"rotator.dev/a": "1"}
    ),
    "an annotation of its own": lambda d: d["metadata"].update(annotations={"rotator.dev/a": "1"}),
    "a fence": lambda d: _container(d)["env"].append(FENCE),
    "the files of a volume": lambda d: d["spec"]["template"]["spec"]["volumes"][0]["secret"].update(
        items=[{"key": "a", "path": "a"}]
    ),
}
REFUSED: dict[str, Change] = {
    "image": lambda d: _container(d).update(image="evil"),
    "command": lambda d: _container(d).update(command=["sh"]),
    "args": lambda d: _container(d).update(args=["-c"]),
    "a variable": lambda d: _container(d)["env"].append({"name": "LD_PRELOAD", "value": "/x"}),
    "a variable of others": lambda d: _container(d)["env"][0].update(value="2"),
    "a fence that holds a value": lambda d: _container(d)["env"].append(
        {"name": "ROTATOR_FENCE_x", "value": "1"}
    ),
    "a fence that reads a key": lambda d: _container(d)["env"].append(
        {"name": "ROTATOR_FENCE_x", "valueFrom": {"secretKeyRef": {"name": "other", "key": "password"}}}
    ),
    "envFrom": lambda d: _container(d).update(envFrom=[{"secretRef": {"name": "other"}}]),
    "a mount": lambda d: _container(d).update(volumeMounts=[{"name": "v", "mountPath": "/other"}]),
    "privileges": lambda d: _container(d).update(securityContext={"privileged": True}),
    "lifecycle": lambda d: _container(d).update(lifecycle={"postStart": {"exec": {"command": ["sh"]}}}),
    "one more container": lambda d: d["spec"]["template"]["spec"]["containers"].append(
        {"name": "evil", "image": "evil"}
    ),
    "an init container": lambda d: d["spec"]["template"]["spec"].update(
        initContainers=[{"name": "evil", "image": "evil"}]
    ),
    "the account": lambda d: d["spec"]["template"]["spec"].update(serviceAccountName="admin"),
    "the host's network": lambda d: d["spec"]["template"]["spec"].update(hostNetwork=True),
    "a node": lambda d: d["spec"]["template"]["spec"].update(nodeSelector={"a": "b"}),
    "a volume": lambda d: d["spec"]["template"]["spec"]["volumes"].append({"name": "w", "emptyDir": {}}),
    "another Secret": lambda d: d["spec"]["template"]["spec"]["volumes"][0]["secret"].update(
        secretName="other"
    ),
    "the host's files": lambda d: d["spec"]["template"]["spec"]["volumes"].__setitem__(
        0, {"name": "v", "hostPath": {"path": "/"}}
    ),
    "labels": lambda d: d["spec"]["template"]["metadata"]["labels"].update(a="b"),
    "replicas": lambda d: d["spec"].update(replicas=7),
}


@pytest.fixture(scope="module")
def bound(cluster: Cluster) -> Cluster:
    """A cluster with the policy, and an account that RBAC lets patch every workload of a namespace."""
    cluster.namespace(NAMESPACE)
    cluster.namespace("admission-shop")
    for document in render(VALUES, namespace=NAMESPACE):
        plural = {
            "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
            "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
        }.get(document["kind"])
        if plural:
            made = cluster.api.post(f"/apis/admissionregistration.k8s.io/v1/{plural}", document)
            assert made.status == 201, made.body
    return cluster


POD: Json = {
    "containers": [
        {
            "name": "api",
            "image": "api",
            "env": [{"name": "A", "value": "1"}],
            "volumeMounts": [{"name": "v", "mountPath": "/etc/v"}],
        }
    ],
    "volumes": [{"name": "v", "secret": {"secretName": "key"}}],
}


@pytest.fixture(scope="module")
def account(bound: Cluster) -> Iterator[Api]:
    """The jobs' account: RBAC lets it patch every workload."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    rule = {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["get", "patch"]}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "patches"}
    bound.api.post(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": ACCOUNT}})
    bound.api.post(f"{rbac}/clusterroles", {"metadata": {"name": "patches"}, "rules": [rule]})
    bound.api.post(
        f"{rbac}/clusterrolebindings",
        {"metadata": {"name": "patches"}, "subjects": [subject], "roleRef": role},
    )
    api = Api(bound.plane.url, bound.token(NAMESPACE, ACCOUNT), bound.plane.ca_file)
    give_up = time.monotonic() + 120
    while changed(bound, api, "Deployment", REFUSED["replicas"]).status == 200:
        assert time.monotonic() < give_up, "the API server never took the policy up"
        time.sleep(0.2)
    yield api
    api.close()


def changed(bound: Cluster, api: Api, kind: str, change: Change) -> Any:
    """Make a workload, and return what `api` is told that changes it."""
    name = f"w{next(NUMBERS)}"
    document = workload(kind, name)
    document["spec"]["template"]["spec"] = copy.deepcopy(POD)
    plural = f"{kind.lower()}s"
    made = bound.api.post(f"{APPS}/namespaces/admission-shop/{plural}", document)
    assert made.status == 201, made.body
    after = json.loads(json.dumps(document))
    change(after)
    return api.call("PATCH", f"{APPS}/namespaces/admission-shop/{plural}/{name}", after, media=MERGE_PATCH)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_what_a_restart_needs_is_allowed(bound: Cluster, account: Api, kind: str, change: Change) -> None:
    """For every kind of workload."""
    answer = changed(bound, account, kind, change)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_everything_else_is_refused(bound: Cluster, account: Api, change: Change) -> None:
    """Although RBAC allows it; and nobody else is concerned."""
    answer = changed(bound, account, "Deployment", change)
    assert answer.status == 422, answer.body
    assert (
        "rotator may change nothing" in answer.body["message"]
        or "refers to a data key" in answer.body["message"]
    )
    assert changed(bound, bound.api, "Deployment", change).status == 200
