"""Restarts of dependent workloads, in virtual time: what is restarted, what is waited for, what freezes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from rotator.core.codec import parse_instant
from rotator.core.ring import State
from rotator.engine.outcome import Outcome, Result
from rotator.policy.model import RotationPolicy
from rotator_sandbox.emulator import rollout_definition
from tests.faults.environment import NAMESPACE, OTHER, Bao
from tests.faults.kinds_of_faults import Killed
from tests.faults.transport import Answer, Call, LostReply, Perform
from tests.trial import Trial

Json = dict[str, Any]
FAILURE = "sandbox.rotator.dev/rollout"
KEY = f"rotator.dev/{NAMESPACE}.key.holds"
"""How the key of the annotation begins."""
RELOADER = {"reloader.stakater.com/auto": "true"}
EVERY = timedelta(days=30)
PLURALS = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "Rollout": "rollouts",
}


@dataclass
class Event:
    """Something that happens once, around a request of the product."""

    method: str
    tail: str
    happens: Callable[[Perform], Answer]
    skip: int = 0
    """How many such requests pass before."""


class Town(Trial):
    """A trial with more workloads, where things happen between the product's requests."""

    def __init__(self, bao: Bao) -> None:
        super().__init__(bao)
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        assert self.environment.ask("POST", crds, rollout_definition())["kind"] == "CustomResourceDefinition"
        self.events: list[Event] = []
        self.restarted: list[str] = []
        """The workloads that were restarted, in order."""
        self.watch: Callable[[], None] = lambda: None
        """Called after each request."""

    # --- workloads ------------------------------------------------------------------------------------------

    def path(self, name: str, kind: str = "Deployment", namespace: str = NAMESPACE) -> str:
        """Return the path of a workload."""
        group = "argoproj.io/v1alpha1" if kind == "Rollout" else "apps/v1"
        return f"/apis/{group}/namespaces/{namespace}/{PLURALS[kind]}/{name}"

    def make(  # noqa: PLR0913 - what a test may want to vary
        self,
        name: str,
        kind: str = "Deployment",
        namespace: str = NAMESPACE,
        *,
        reads: str = "key",
        labels: Json | None = None,
        annotations: Json | None = None,
        **spec: Any,
    ) -> None:
        """Create a workload whose container reads the Secret `reads` at its start, and let it come up."""
        selected = {"app": name}
        container: Json = {"name": name, "image": "api"}
        if reads:
            container["envFrom"] = [{"secretRef": {"name": reads}}]
        template = {"metadata": {"labels": selected}, "spec": {"containers": [container]}}
        whole: Json = {"selector": {"matchLabels": selected}, "template": template, **spec}
        if kind != "DaemonSet":
            whole.setdefault("replicas", 2)
        if kind == "StatefulSet":
            whole["serviceName"] = name
        metadata = {"name": name, "labels": labels or {}, "annotations": annotations or {}}
        path = self.path(name, kind, namespace)
        made = self.environment.ask(
            "POST",
            path.rpartition("/")[0],
            {
                "apiVersion": "/".join(path.split("/")[2:4]),
                "kind": kind,
                "metadata": metadata,
                "spec": whole,
            },
        )
        assert made["kind"] == kind, made
        self.pass_by(5)

    def read(self, name: str, kind: str = "Deployment", namespace: str = NAMESPACE) -> Any:
        """Read a workload."""
        return self.environment.ask("GET", self.path(name, kind, namespace))

    def change(self, name: str, kind: str = "Deployment", **document: Any) -> None:
        """Change a workload as its owner would."""
        changed = self.environment.ask("PATCH", self.path(name, kind), document)
        assert changed["kind"] == kind, changed

    def told(self, name: str, how: str | None, kind: str = "Deployment") -> None:
        """Tell a workload's rollouts to fail, to stall, or to go on."""
        self.change(name, kind, metadata={"annotations": {FAILURE: how}})

    def delete(self, name: str) -> None:
        """Delete a Deployment."""
        self.environment.ask("DELETE", self.path(name))

    def pods_of(self, name: str) -> list[Any]:
        """Return the pods of a workload."""
        return [p for p in self.environment.pods() if p["metadata"].get("labels", {}).get("app") == name]

    def carried(self, name: str) -> set[str]:
        """Return what the pods of a workload carry."""
        return {carried(p["metadata"]) for p in self.pods_of(name)}

    def bare(
        self, name: str, labels: Json | None = None, owner: Json | None = None, node: str = "node-1"
    ) -> None:
        """Create a running pod of no workload that reads the Secret, perhaps of a Job, perhaps on no node."""
        metadata: Json = {"name": name, "labels": labels or {}}
        if owner:
            metadata["ownerReferences"] = [
                {"apiVersion": "batch/v1", "uid": "1", "controller": True, **owner}
            ]
        container = {"name": "a", "image": "a", "envFrom": [{"secretRef": {"name": "key"}}]}
        spec = {"containers": [container], "restartPolicy": "Never", **({"nodeName": node} if node else {})}
        made = self.environment.ask(
            "POST", f"/api/v1/namespaces/{NAMESPACE}/pods", {"metadata": metadata, "spec": spec}
        )
        assert made["kind"] == "Pod", made
        self.phase(name, "Running")

    def phase(self, name: str, phase: str) -> None:
        """Let the kubelet report a phase."""
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/status"
        assert self.environment.ask("PATCH", path, {"status": {"phase": phase}})["kind"] == "Pod"

    # --- time and events ------------------------------------------------------------------------------------

    def pass_by(self, seconds: int) -> None:
        """Let seconds pass, one by one, so that workloads progress."""
        for _ in range(seconds):
            self.timeline.pass_by(timedelta(seconds=1))

    def once(self, method: str, tail: str, happens: Callable[[Perform], Answer], skip: int = 0) -> None:
        """Let something happen around the next request to a path that ends so."""
        self.events.append(Event(method, tail, happens, skip))

    def before(self, method: str, tail: str, what: Callable[[], None], skip: int = 0) -> None:
        """Let something happen just before the next request to a path that ends so."""

        def happens(perform: Perform) -> Answer:
            what()
            return perform()

        self.once(method, tail, happens, skip)

    def _middle(self, call: Call, body: bytes, perform: Perform) -> Answer:
        answer = super()._middle(call, body, lambda: self._with_events(call, perform))
        if call.method == "PATCH" and b'"template"' in body and answer.status == 200:
            self.restarted.append(call.path.rpartition("/")[2])
        self.watch()
        return answer

    def _with_events(self, call: Call, perform: Perform) -> Answer:
        for event in self.events:
            if call.method == event.method and call.path.endswith(event.tail):
                if event.skip:
                    event.skip -= 1
                    continue
                self.events.remove(event)
                return event.happens(perform)
        return perform()

    # --- rotations ------------------------------------------------------------------------------------------

    def restarting(self, workloads: Any = "auto", **restart: Any) -> RotationPolicy:
        """Return a declaration whose holder is the Secret `key`, and whose workloads are restarted."""
        restart = {"workloads": workloads, "soak": "3s", **restart}
        return self.policy(
            store={"kubernetes": {}}, holders=[{"secret": {"name": "key"}, "restart": restart}]
        )

    def begin(self, policy: RotationPolicy) -> None:
        """Bring the first version about, and forget what it took."""
        self.until_stable(policy)
        self.restarted.clear()

    def to_activation(self, policy: RotationPolicy) -> None:
        """Bring the first version about, and go on to where the next run activates the second."""
        self.begin(policy)
        self.timeline.pass_by(EVERY)
        self.wait(self.run(policy))

    def glance(self, policy: RotationPolicy) -> Outcome:
        """Do a run that is over before a rollout can end."""
        return self.run(policy, deadline=timedelta(seconds=2))


def carried(metadata: Json) -> str:
    """Return the version that a pod, or a pod template, carries."""
    annotations: Json = metadata.get("annotations") or {}
    return ",".join(v for k, v in annotations.items() if k.startswith(KEY))


@pytest.fixture
def town(bao: Bao) -> Town:
    """A trial with one Deployment, `api`, of two pods."""
    town = Town(bao)
    town.pass_by(5)
    return town


def converged_at(outcome: Outcome) -> datetime:
    """Return when the active version was recorded to be in use everywhere."""
    assert outcome.ring
    assert outcome.ring.active
    assert outcome.ring.active.converged_at
    return outcome.ring.active.converged_at


def switching(outcome: Outcome) -> bool:
    """Whether the active version is not in use everywhere yet, and the previous one still accepted."""
    assert outcome.ring
    assert outcome.ring.active
    both = len(outcome.ring.accepted) == 2
    return both and outcome.ring.active.converged_at is None


# --- each kind -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PLURALS)
def test_a_workload_of_each_kind_is_restarted_once_for_each_activation(town: Town, kind: str) -> None:
    """Whatever number of runs there is; and in the end all its pods run the new version."""
    town.delete("api")
    town.make("worker", kind)
    policy = town.restarting()
    for _ in range(2):
        outcome = town.until_stable(policy)
        assert town.restarted == ["worker"]
        (value,) = town.carried("worker")
        assert outcome.ring
        assert outcome.ring.active
        assert outcome.ring.active.id in value
        for _ in range(2):
            town.run(policy)
        assert town.restarted == ["worker"]
        town.restarted.clear()
        town.timeline.pass_by(EVERY)


def test_runs_that_end_before_the_rollout_does_restart_nothing_twice(town: Town) -> None:
    """Each run looks, waits as long as it may, and leaves the rest to the next."""
    policy = town.restarting()
    town.to_activation(policy)
    outcomes = [town.glance(policy) for _ in range(3)]
    assert all(switching(o) and o.result is Result.WAITING for o in outcomes)
    town.until_stable(policy)
    assert town.restarted == ["api"]


def test_a_run_killed_after_the_restart_leaves_nothing_to_repeat(town: Town) -> None:
    """The workload itself carries what it was restarted for."""

    def killed(perform: Perform) -> Answer:
        perform()
        town.restarted.append("api")
        raise Killed

    policy = town.restarting()
    town.to_activation(policy)
    town.once("PATCH", "deployments/api", killed)
    with pytest.raises(Killed):
        town.run(policy)
    town.pass_by(31)
    town.until_stable(policy)
    assert town.restarted == ["api"]


def test_a_lost_reply_to_the_restart_is_read_back(town: Town) -> None:
    """The restart is not repeated blindly, in the same run either."""

    def lost(perform: Perform) -> Answer:
        perform()
        raise LostReply

    policy = town.restarting()
    town.to_activation(policy)
    before = town.read("api")["metadata"]["generation"]
    town.once("PATCH", "deployments/api", lost)
    outcome = town.run(policy)
    assert not switching(outcome)
    assert town.read("api")["metadata"]["generation"] == before + 1


def test_somebody_who_scales_between_look_and_restart_is_not_overwritten(town: Town) -> None:
    """The restart is refused, read again, and done once."""
    policy = town.restarting()
    town.to_activation(policy)
    town.before("PATCH", "deployments/api", lambda: town.change("api", spec={"replicas": 3}))
    town.run(policy)
    assert town.restarted == ["api"]
    assert sum(c.method == "PATCH" and c.path.endswith("/api") for c in town.calls) == 2
    assert len(town.pods_of("api")) == 3
    assert len(town.carried("api")) == 1


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (403, 'admission webhook "a.example" denied the request: no', "the admission webhook a.example refused it"),
        (409, 'admission webhook "a.example" denied the request: no', "the admission webhook a.example refused it"),
        (500, 'failed calling webhook "a.example": no endpoints', "a.example, which the API server has to ask"),
        (504, "Timeout", "HTTP 504; 2 of 2"),
        (500, "", "its restart was not taken, and is tried again: PATCH"),
    ],
)  # fmt: skip
def test_a_restart_that_is_not_taken_is_explained_by_the_answer(
    town: Town, status: int, message: str, said: str
) -> None:
    """Nobody is told that it has begun; the server's cause stands in the message, at the latest when the time is over."""
    policy = town.restarting(timeout="1m")
    town.to_activation(policy)
    town.answers["PATCH", "/deployments/api"] = Answer(status, {}, json.dumps({"message": message}).encode())
    outcome = town.run(policy, deadline=timedelta(minutes=3))
    assert outcome.result is Result.FROZEN
    assert said.partition(";")[0] in outcome.reason
    assert "has begun" not in outcome.reason
    town.answers.clear()
    assert town.until_stable(policy).result is Result.WAITING


# --- what changes on the way -----------------------------------------------------------------------------------


def test_a_deployment_created_during_the_rollout_is_found_and_waited_for(town: Town) -> None:
    """Whether it started before or after the write cannot be known, so it is restarted, once."""
    policy = town.restarting()
    town.to_activation(policy)
    town.before("GET", "deployments/api", lambda: town.make("late"))
    outcome = town.run(policy)
    assert not switching(outcome)
    assert town.restarted == ["api", "late"]
    assert town.carried("late") == town.carried("api")


def test_a_deployment_created_soon_after_delivery_may_have_read_an_old_copy(town: Town) -> None:
    """Its node may still have one, so it is restarted behind the fence, once."""
    policy = town.restarting()
    town.to_activation(policy)
    town.told("api", "stall")
    town.glance(policy)
    town.pass_by(15)
    town.make("late")
    town.told("api", None)
    assert not switching(town.run(policy))
    assert town.restarted == ["api", "late"]


def test_a_deployment_created_well_after_delivery_needs_no_restart(town: Town) -> None:
    """It has never known anything else; its pods are waited for all the same."""
    policy = town.restarting()
    town.to_activation(policy)
    town.told("api", "stall")
    town.glance(policy)
    town.pass_by(200)
    town.make("late")
    town.told("api", None)
    assert not switching(town.run(policy))
    assert town.restarted == ["api"]


def test_a_deployment_that_came_after_delivery_and_is_broken_freezes_nothing(town: Town) -> None:
    """It holds no old version, and whether it works is its owner's affair."""
    policy = town.restarting()
    town.to_activation(policy)
    town.told("api", "stall")
    town.glance(policy)
    town.pass_by(200)
    town.make("broken", annotations={FAILURE: "fail"}, progressDeadlineSeconds=10)
    town.pass_by(15)
    town.told("api", None)
    assert not switching(town.run(policy))
    assert town.restarted == ["api"]


def test_a_deployment_deleted_during_its_rollout_is_forgotten_once_its_pods_are_gone(town: Town) -> None:
    """What is not there cannot hold the old version, and freezes nothing."""
    policy = town.restarting()
    town.make("short-lived")
    town.to_activation(policy)
    town.before("GET", "deployments/short-lived", lambda: town.delete("short-lived"))
    outcome = town.run(policy)
    assert not switching(outcome)
    assert not town.pods_of("short-lived")
    assert outcome.result is Result.WAITING


def test_a_deployment_deleted_just_before_its_restart_is_forgotten(town: Town) -> None:
    """The same, between the list and the patch."""
    policy = town.restarting()
    town.to_activation(policy)
    town.before("PATCH", "deployments/api", lambda: town.delete("api"))
    assert not switching(town.run(policy))
    assert town.restarted == []


def test_an_autoscaler_may_scale_during_the_rollout(town: Town) -> None:
    """All pods there are in the end have switched, with one restart."""
    policy = town.restarting()
    town.to_activation(policy)
    town.before("GET", "deployments/api", lambda: town.change("api", spec={"replicas": 5}))
    town.before("GET", "deployments/api", lambda: town.change("api", spec={"replicas": 4}), skip=2)
    assert not switching(town.run(policy))
    assert town.restarted == ["api"]
    assert len(town.pods_of("api")) == 4
    assert len(town.carried("api")) == 1


def test_a_workload_scaled_to_nothing_is_annotated_and_holds_nobody_up(town: Town) -> None:
    """Its pods will start with the new version whenever they come."""
    town.change("api", spec={"replicas": 0})
    town.pass_by(5)
    policy = town.restarting()
    town.to_activation(policy)
    assert not switching(town.run(policy))
    assert town.restarted == ["api"]
    town.change("api", spec={"replicas": 1})
    town.pass_by(5)
    assert town.carried("api") == {carried(town.read("api")["spec"]["template"]["metadata"])}


def test_a_terminating_pod_counts_until_it_is_gone(town: Town) -> None:
    """It may still sign: a finished rollout is not enough."""
    seen: list[int] = []
    policy = town.restarting(soak="0s")
    town.to_activation(policy)
    (held, *_) = town.pods_of("api")
    name = held["metadata"]["name"]
    finalizer = {"metadata": {"finalizers": ["example.com/slow"]}}
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}"
    town.environment.ask("PATCH", path, finalizer)
    outcome = town.run(policy, deadline=timedelta(minutes=1))
    seen.append(len(town.pods_of("api")))
    assert switching(outcome)
    assert f"pods that run the old version: {NAMESPACE}/{name}" in outcome.reason
    town.environment.ask("PATCH", path, {"metadata": {"finalizers": None}})
    assert not switching(town.run(policy))


# --- waited for, not fought ------------------------------------------------------------------------------------


def test_a_paused_deployment_is_waited_for_and_restarted_once_it_is_resumed(town: Town) -> None:
    """Its owner has paused it for a reason."""
    policy = town.restarting()
    town.to_activation(policy)
    town.change("api", spec={"paused": True})
    outcome = town.glance(policy)
    assert switching(outcome)
    assert "deployment payments/api: its rollout is paused" in outcome.reason
    assert town.restarted == []
    town.change("api", spec={"paused": None})
    assert not switching(town.run(policy))
    assert town.restarted == ["api"]


def test_a_deployment_paused_after_its_restart_is_waited_for(town: Town) -> None:
    """And it is said why nothing moves."""
    policy = town.restarting()
    town.to_activation(policy)
    town.before("GET", "deployments/api", lambda: town.change("api", spec={"paused": True}))
    outcome = town.run(policy, deadline=timedelta(seconds=30))
    assert switching(outcome)
    assert "its rollout is paused: " in outcome.reason
    town.change("api", spec={"paused": None})
    town.until_stable(policy)
    assert town.restarted == ["api"]


def test_a_rollout_at_a_canary_pause_is_not_touched_until_it_is_promoted(town: Town) -> None:
    """A restart would begin somebody else's canary anew, with their change in it."""
    town.delete("api")
    town.make("canary", "Rollout")
    policy = town.restarting()
    town.to_activation(policy)
    pause = [{"reason": "CanaryPauseStep", "startTime": "2026-01-01T00:00:00Z"}]
    path = town.path("canary", "Rollout") + "/status"
    town.environment.ask("PATCH", path, {"status": {"pauseConditions": pause, "controllerPause": True}})
    outcome = town.glance(policy)
    assert "rollout payments/canary: its rollout waits to be promoted (CanaryPauseStep)" in outcome.reason
    assert town.restarted == []
    town.environment.ask("PATCH", path, {"status": {"pauseConditions": None, "controllerPause": None}})
    assert not switching(town.run(policy))
    assert town.restarted == ["canary"]


def test_a_rollout_that_borrows_its_template_is_restarted_by_the_deployment_it_refers_to(town: Town) -> None:
    """With workloadRef there is nothing to annotate in the Rollout itself; its progress counts."""
    town.delete("api")
    town.make("base", replicas=0)
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "base"}
    town.environment.ask(
        "POST",
        town.path("", "Rollout").rstrip("/"),
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": "borrows"},
            "spec": {"replicas": 2, "workloadRef": ref},
        },
    )
    counts = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    state = {
        "observedGeneration": "1",
        **counts,
        "phase": "Progressing",
        "stableRS": "a",
        "currentPodHash": "b",
    }
    town.environment.ask("PATCH", town.path("borrows", "Rollout") + "/status", {"status": state})
    for policy in (town.restarting(), town.restarting([{"kind": "Rollout", "name": "borrows"}])):
        outcome = town.glance(policy)
        assert "rollout payments/borrows: its pods are updated, its steps are not complete" in outcome.reason
    assert town.restarted == ["base"]
    done = {"phase": "Healthy", "stableRS": "b"}
    town.environment.ask("PATCH", town.path("borrows", "Rollout") + "/status", {"status": done})
    outcome = town.run(policy)
    assert outcome.reason.startswith("the next rotation")


def reload(town: Town, at: str) -> None:
    """Restart `api` as Stakater Reloader does by default: with a changed environment variable."""
    template = town.read("api")["spec"]["template"]
    (container,) = template["spec"]["containers"]
    others = [e for e in container.get("env", []) if e["name"] != "STAKATER_KEY_SECRET"]
    container["env"] = [*others, {"name": "STAKATER_KEY_SECRET", "value": at}]
    town.change("api", spec={"template": template})


def test_a_workload_of_reloader_is_left_to_reloader(town: Town) -> None:
    """It is waited for by the age of its pods, and its name is said meanwhile."""
    town.change("api", metadata={"annotations": RELOADER})
    policy = town.restarting()
    town.before("GET", "pods", lambda: reload(town, "1"), skip=12)
    town.until_stable(policy)
    town.timeline.pass_by(EVERY)
    town.wait(town.run(policy))
    outcome = town.run(policy, deadline=timedelta(seconds=30))
    assert "pods that run the old version: payments/api-" in outcome.reason
    reload(town, "2")
    outcome = town.run(policy)
    assert not switching(outcome)
    assert town.restarted == []


def test_a_reloader_that_does_not_come_is_named_with_what_to_check(town: Town) -> None:
    """A person has to look at Reloader, not at rotator."""
    town.change("api", metadata={"annotations": RELOADER})
    policy = town.restarting(timeout="1m")
    town.before("GET", "pods", lambda: reload(town, "1"), skip=12)
    town.until_stable(policy)
    town.timeline.pass_by(EVERY)
    town.wait(town.run(policy))
    outcome = town.run(policy)
    assert outcome.result is Result.FROZEN
    assert "The restart of deployment payments/api is left to Stakater Reloader" in outcome.reason
    assert town.restarted == []


def test_a_plan_names_what_it_would_restart_and_nothing_of_reloaders(town: Town) -> None:
    """A plan must not promise what a run will not do."""
    town.make("reloaded", annotations=RELOADER)
    outcome = town.run(town.restarting(), act=False)
    assert "restart deployment payments/api" in outcome.steps
    assert [s.partition(" deployment")[0] for s in outcome.steps if "reloaded" in s] == [
        "wait for Stakater Reloader to restart"
    ]
    assert town.restarted == []


# --- failures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Deployment", "Rollout"])
def test_a_failed_rollout_freezes_with_both_versions_accepted_and_the_next_run_picks_it_up(
    town: Town, kind: str
) -> None:
    """ProgressDeadlineExceeded: exit 1 until the failure is mended, and then all goes on by itself."""
    town.delete("api")
    town.make("worker", kind, progressDeadlineSeconds=30)
    policy = town.restarting()
    town.to_activation(policy)
    town.told("worker", "fail", kind)
    report = town.fleet(policy)
    (frozen,) = report.outcomes
    assert (frozen.result, report.exit_code) == (Result.FROZEN, 1)
    assert f"{kind.lower()} payments/worker: " in frozen.reason
    assert len(town.accepted()) == 2
    assert town.fleet(policy).exit_code == 1
    town.told("worker", None, kind)
    town.pass_by(30)
    outcome = town.until_stable(policy)
    assert outcome.result in {Result.WAITING, Result.IDLE}
    assert town.restarted == ["worker"]
    assert len(town.accepted()) == 1


@pytest.mark.parametrize("kind", PLURALS)
def test_a_stalled_rollout_freezes_after_the_time_out_and_converges_later(town: Town, kind: str) -> None:
    """No controller says that it failed: our own clock does."""
    town.delete("api")
    town.make("worker", kind)
    policy = town.restarting(timeout="2m")
    town.to_activation(policy)
    town.told("worker", "stall", kind)
    began = town.timeline.now
    report = town.fleet(policy)
    assert report.exit_code == 1
    assert "of 2 " in report.outcomes[0].reason
    assert timedelta(minutes=2) <= town.timeline.now - began < timedelta(minutes=2, seconds=20)
    assert len(town.accepted()) == 2
    town.told("worker", None, kind)
    town.pass_by(30)
    town.until_stable(policy)
    assert town.restarted == ["worker"]


def test_a_workload_named_and_not_there_freezes_with_a_sentence_that_helps(town: Town) -> None:
    """Once it is there, the next run goes on."""
    policy = town.restarting([{"name": "missing"}])
    outcome = town.run(policy)
    assert outcome.result is Result.FROZEN
    assert (
        "deployment payments/missing is to be restarted (restart.workloads), and does not exist"
        in outcome.reason
    )
    town.make("missing")
    town.delete("api")
    town.pass_by(5)
    town.until_stable(policy)


# --- readiness and soak ----------------------------------------------------------------------------------------


def ready_at(pod: Any) -> datetime:
    """Return since when a pod is ready."""
    (ready,) = (c for c in pod["status"]["conditions"] if c["type"] == "Ready")
    assert ready["status"] == "True"
    return parse_instant(ready["lastTransitionTime"])


def test_the_soak_counts_from_when_the_last_pod_became_ready(town: Town) -> None:
    """Not from when the rollout began, nor from the first pod."""
    town.change("api", spec={"replicas": 4})
    policy = town.restarting(soak="40s")
    outcome = town.run(policy)
    pods = [ready_at(p) for p in town.pods_of("api")]
    assert min(pods) < max(pods)
    assert timedelta(seconds=40) <= converged_at(outcome) - max(pods) < timedelta(seconds=45)


def test_a_pod_that_crashes_within_the_soak_begins_it_anew(town: Town) -> None:
    """Ready once is not enough: that is what the soak is for."""

    def crash() -> None:
        pod = town.pods_of("api")[0]
        conditions = [
            {**c, "status": "False"} if c["type"] == "Ready" else c for c in pod["status"]["conditions"]
        ]
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}/status"
        town.environment.ask("PATCH", path, {"status": {"conditions": conditions}})
        crashed.append(town.timeline.now)

    crashed: list[datetime] = []
    policy = town.restarting(soak="20s")
    town.before("GET", "pods", crash, skip=6)
    outcome = town.run(policy)
    assert crashed
    assert converged_at(outcome) - crashed[0] >= timedelta(seconds=20)
    assert town.restarted == ["api"]


# --- waves -----------------------------------------------------------------------------------------------------


def under_way(town: Town, names: str) -> list[str]:
    """Return which Deployments carry the newest value and have not finished their rollout."""
    shown = {n: town.read(n) for n in names}
    values = {n: carried(d["spec"]["template"]["metadata"]) or "0" for n, d in shown.items()}
    newest = max(values.values(), key=lambda v: int(v.partition(".")[0]))
    status = {n: d["status"] for n, d in shown.items()}
    done = {
        n
        for n, s in status.items()
        if s["observedGeneration"] == shown[n]["metadata"]["generation"]
        and s.get("updatedReplicas") == s.get("availableReplicas") == s.get("replicas") == 2
    }
    return [n for n in names if values[n] == newest and n not in done]


def test_at_once_1_restarts_one_after_the_other_in_the_order_named(town: Town) -> None:
    """The next begins when the one before is complete: never two at the same time."""
    town.delete("api")
    for name in "abc":
        town.make(name)
    policy = town.restarting([{"name": n} for n in "cab"], atOnce=1)
    town.to_activation(policy)
    most: list[int] = []
    town.watch = lambda: most.append(len(under_way(town, "abc")))
    assert not switching(town.run(policy))
    assert town.restarted == ["c", "a", "b"]
    assert max(most) == 1


def test_a_new_workload_before_one_under_way_waits_for_its_turn(town: Town) -> None:
    """Those under way are counted first, wherever they stand in the list."""
    town.make("zeta")
    policy = town.restarting(atOnce=1)
    town.to_activation(policy)
    town.told("api", "stall")
    town.glance(policy)
    town.make("aaa")
    town.glance(policy)
    assert town.restarted == ["api"]
    town.told("api", None)
    town.until_stable(policy)
    assert sorted(town.restarted) == ["aaa", "api", "zeta"]


def test_a_failed_wave_holds_the_others_back(town: Town) -> None:
    """What broke the first would break the second as well."""
    town.change("api", spec={"progressDeadlineSeconds": 20})
    town.make("second")
    policy = town.restarting([{"name": "api"}, {"name": "second"}], atOnce=1)
    town.to_activation(policy)
    town.told("api", "fail")
    for _ in range(3):
        assert town.run(policy).result is Result.FROZEN
    assert town.restarted == ["api"]
    town.told("api", None)
    town.pass_by(5)
    town.until_stable(policy)
    assert town.restarted == ["api", "second"]


# --- which workloads -------------------------------------------------------------------------------------------


def test_workloads_are_found_by_label(town: Town) -> None:
    """Of every kind, and whether or not they reference the Secret."""
    town.delete("api")
    for kind in PLURALS:
        town.make(kind.lower(), kind, reads="", labels={"tier": "front"})
    town.make("bystander", reads="", labels={"tier": "back"})
    policy = town.restarting({"matchLabels": {"tier": "front"}})
    town.until_stable(policy)
    assert sorted(town.restarted) == sorted(k.lower() for k in PLURALS)


def test_workloads_named_are_restarted_and_others_that_read_the_secret_are_waited_for(town: Town) -> None:
    """Naming says what to restart. It cannot make the old version vanish from where it is read."""
    town.make("forgotten")
    policy = town.restarting([{"name": "api"}])
    outcome = town.run(policy, deadline=timedelta(minutes=1))
    assert town.restarted == ["api"]
    assert "pods that run the old version: payments/forgotten-" in outcome.reason
    town.change("forgotten", spec={"template": {"metadata": {"annotations": {"restarted": "by hand"}}}})
    outcome = town.run(policy)
    assert converged_at(outcome) > parse_instant(
        town.pods_of("forgotten")[0]["metadata"]["creationTimestamp"]
    )


def test_a_holder_in_two_namespaces_restarts_the_workloads_of_each(town: Town) -> None:
    """Each Secret has its own workloads, in its own namespace; the slowest counts."""
    town.make("api", namespace=OTHER)
    town.make("unrelated", namespace=OTHER, reads="other")
    restart = {"workloads": "auto", "soak": "0s"}
    holder = {"secret": {"name": "key", "namespaces": [NAMESPACE, OTHER]}, "restart": restart}
    policy = town.policy(store={"kubernetes": {}}, holders=[holder])
    town.begin(policy)
    town.timeline.pass_by(EVERY)
    town.wait(town.run(policy))
    town.environment.ask(
        "PATCH", town.path("api", namespace=OTHER), {"metadata": {"annotations": {FAILURE: "stall"}}}
    )
    outcome = town.glance(policy)
    assert switching(outcome)
    town.pass_by(20)
    assert "deployment reports/api: " in town.glance(policy).reason
    town.environment.ask(
        "PATCH", town.path("api", namespace=OTHER), {"metadata": {"annotations": {FAILURE: None}}}
    )
    assert not switching(town.run(policy))
    assert town.restarted == ["api", "api"]


def test_pods_of_no_workload_are_waited_for_by_name_and_ended_ones_are_not(town: Town) -> None:
    """A Job's pod holds the old version until it ends, whatever its labels; one on no node holds nothing."""
    policy = town.restarting()
    town.to_activation(policy)
    town.bare("import-1", {"app": "api"}, {"kind": "Job", "name": "import"})
    town.bare("import-0", {"app": "api"}, {"kind": "Job", "name": "import"})
    town.bare("debug")
    town.bare("on-no-node", node="")
    town.phase("import-0", "Succeeded")
    outcome = town.run(policy, deadline=timedelta(minutes=1))
    assert "pods that run the old version: payments/debug, payments/import-1" in outcome.reason
    town.phase("import-1", "Failed")
    town.environment.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/debug?gracePeriodSeconds=0")
    town.pass_by(200)  # until then its node may have an old copy
    town.bare("import-2", {"app": "api"}, {"kind": "Job", "name": "import"})
    assert not switching(town.run(policy)), "a pod that started after delivery has the new version"
    assert town.restarted == ["api"]


def test_a_look_takes_one_list_of_pods_however_many_there_are(town: Town) -> None:
    """Page by page; and many workloads are listed instead of being read one by one."""
    for n in range(520):
        metadata = {"name": f"other-{n}"}
        spec = {"containers": [{"name": "a", "image": "a"}]}
        town.environment.ask(
            "POST", f"/api/v1/namespaces/{NAMESPACE}/pods", {"metadata": metadata, "spec": spec}
        )
    for n in range(6):
        town.make(f"worker-{n}", replicas=1)
    town.run(town.restarting(soak="0s"))
    pods = [n for n, c in enumerate(town.calls) if c.path.endswith("/pods")]
    looks = [n for n, c in enumerate(town.calls) if c.path.endswith("/rollouts")]
    assert len(town.restarted) == 7
    assert len(pods) % 2 == 0
    assert all(b == a + 1 for a, b in zip(pods[::2], pods[1::2], strict=True)), (
        "two pages, one after the other"
    )
    assert len(pods) // 2 <= len(looks)
    assert not [c for c in town.calls if "/deployments/" in c.path and c.method == "GET"]


# --- verifiers, Vault, repairs ---------------------------------------------------------------------------------


def checked(town: Town) -> RotationPolicy:
    """Return a declaration whose verifiers read the accepted list at their start."""
    place = {"secret": "accepted", "maxAge": "0s", "propagation": "0s"}
    return town.policy(
        store={"kubernetes": {}},
        credential={"sharedSecret": {"algorithm": "HS256"}},
        verifiers=[{"acceptedList": place, "restart": {"workloads": "auto", "soak": "0s", "timeout": "5m"}}],
        holders=[{"secret": {"name": "key", "data": {"held": "value"}}, "pickUp": "1s"}],
    )


def states(outcome: Outcome) -> list[State]:
    """Return the states of the live versions."""
    assert outcome.ring
    return [v.state for v in outcome.ring.live]


def test_verifiers_that_read_at_their_start_are_restarted_before_a_step_relies_on_them(town: Town) -> None:
    """Published means that all of them run with the new list, destroyed that all run without the old value."""
    town.make("checker", reads="accepted")
    policy = checked(town)
    town.begin(policy)
    town.timeline.pass_by(EVERY)

    town.told("checker", "stall")
    outcome = town.glance(policy)
    assert states(outcome) == [State.ACTIVE, State.STAGED]
    assert "deployment payments/checker" in outcome.reason
    assert town.restarted == ["checker"]
    town.told("checker", None)
    outcome = town.run(policy)
    assert State.STAGED not in states(outcome)
    assert town.restarted == ["checker"]

    for _ in range(10):
        town.wait(outcome)
        town.told("checker", "stall")
        outcome = town.glance(policy)
        if outcome.ring and outcome.ring.retiring and outcome.ring.retiring.withdrawn_at:
            break
    assert states(outcome) == [State.RETIRING, State.ACTIVE]
    assert town.restarted == ["checker"] * 2
    town.told("checker", None)
    assert states(town.run(policy)) == [State.ACTIVE]
    assert town.restarted == ["checker"] * 2


def test_removing_the_previous_version_from_a_vault_path_restarts_nothing(town: Town) -> None:
    """Nobody uses it any more; the workloads named run with the current one since they were restarted for it."""
    holder = {"vault": {"mount": "secret", "path": f"{town.life}/holder"}}
    restart = {"workloads": [{"name": "api"}], "soak": "0s"}
    town.environment.keep("key")  # which it mounts
    policy = town.policy(store={"kubernetes": {}}, holders=[{**holder, "restart": restart}])
    town.begin(policy)
    town.timeline.pass_by(EVERY)
    previous = []
    while True:
        outcome = town.run(policy)
        previous.append("previous_kid" in town.vault(f"secret/data/{town.life}/holder")["data"])
        if outcome.reason.startswith("the next rotation"):
            break
        town.wait(outcome)
    assert previous[-3:] == [True, False, False], "withdrawn, then dead"
    assert town.restarted == ["api"]


def edit(town: Town, name: str = "key", field: str = "kid") -> None:
    """Edit a Secret by hand, and let somebody start with that."""
    town.environment.ask(
        "PATCH", f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}", {"data": {field: "d3Jvbmc="}}
    )
    town.pass_by(5)


def test_the_repair_of_an_edited_secret_restarts_its_workloads_once(town: Town) -> None:
    """Whoever started in between has read what the editor wrote."""
    policy = town.restarting()
    town.begin(policy)
    town.timeline.pass_by(EVERY)
    town.until_stable(policy)
    town.restarted.clear()
    edit(town)
    for _ in range(3):
        outcome = town.run(policy)
        town.pass_by(60)
    assert town.restarted == ["api"]
    assert outcome.reason.startswith("the next rotation")


def test_a_repair_right_after_convergence_restarts_as_well(town: Town) -> None:
    """The ring's revision is the one at which all was confirmed, and what is written now comes after that."""
    policy = town.restarting()
    town.begin(policy)
    edit(town)
    outcome = town.until_stable(policy)
    assert town.restarted == ["api"]
    assert outcome.reason.startswith("the next rotation")


def test_a_second_edit_at_the_same_revision_restarts_again(town: Town) -> None:
    """Each repair is a content of its own: whoever started in between has read the edit. Within a week it would be a fight."""
    policy = town.restarting()
    town.begin(policy)
    town.timeline.pass_by(EVERY)
    town.until_stable(policy)
    town.restarted.clear()
    for _ in range(2):
        town.timeline.pass_by(timedelta(days=8))
        edit(town)
        for _ in range(3):
            town.run(policy)
            town.pass_by(60)
    assert town.restarted == ["api", "api"]


def test_an_edit_while_the_pods_switch_restarts_those_that_have_read_it(town: Town) -> None:
    """The same, before the ring has converged."""
    policy = town.restarting()
    town.to_activation(policy)
    town.told("api", "stall")
    town.glance(policy)
    edit(town)
    town.glance(policy)
    town.told("api", None)
    town.until_stable(policy)
    assert town.restarted == ["api", "api"]


def test_a_stamp_that_was_removed_does_not_make_the_pods_new(town: Town) -> None:
    """Equal content says nothing of who has read it: `kubectl replace` drops annotations and keeps the data."""
    policy = town.restarting()
    town.to_activation(policy)
    town.told("api", "stall")
    town.glance(policy)
    annotations = town.environment.secret("key")["metadata"]["annotations"]
    gone = {"metadata": {"annotations": dict.fromkeys(annotations)}}
    town.environment.ask("PATCH", f"/api/v1/namespaces/{NAMESPACE}/secrets/key", gone)
    assert switching(town.glance(policy))


def test_reloader_may_be_quick(town: Town) -> None:
    """It restarts within a second of the write, long before our request would have timed out."""
    policy = town.restarting()
    town.to_activation(policy)
    town.change("api", metadata={"annotations": RELOADER})

    def write(perform: Perform) -> Answer:
        answer = perform()
        reload(town, "2")
        return answer

    town.once("PATCH", "secrets/key", write)
    assert not switching(town.run(policy, deadline=timedelta(minutes=2)))
    assert town.restarted == []


def test_verifiers_that_do_not_come_up_freeze_after_their_time_out(town: Town) -> None:
    """A publication that stands still is no plan: exit 1, until they are mended."""
    town.make("checker", reads="accepted")
    policy = checked(town)
    town.begin(policy)
    town.timeline.pass_by(EVERY)
    town.told("checker", "stall")
    town.run(policy)
    report = town.fleet(policy)
    assert report.exit_code == 1
    assert "not all has switched within 5m: deployment payments/checker" in report.outcomes[0].reason
    town.told("checker", None)
    town.pass_by(10)
    assert town.fleet(policy).exit_code == 0


def test_a_repair_that_does_not_come_up_freezes_after_the_time_out(town: Town) -> None:
    """The version has converged long ago, so it is the restart itself that has to keep the time."""
    policy = town.restarting(timeout="2m")
    town.begin(policy)
    town.timeline.pass_by(EVERY)
    town.until_stable(policy)
    edit(town)
    town.told("api", "stall")
    assert town.fleet(policy).exit_code == 1


def two_secrets(town: Town) -> RotationPolicy:
    """Return a declaration with two Secrets that the same Deployment reads."""
    town.make("reader", reads="key-2")
    env = [{"name": "KID", "valueFrom": {"secretKeyRef": {"name": "key", "key": "kid"}}}]
    template = town.read("reader")["spec"]["template"]
    template["spec"]["containers"][0]["env"] = env
    town.change("reader", spec={"template": template})
    town.pass_by(10)
    restart = {"workloads": "auto", "soak": "0s"}
    holders = [{"secret": {"name": name}, "restart": restart} for name in ("key", "key-2")]
    return town.policy(store={"kubernetes": {}}, holders=holders)


def test_a_restart_for_one_secret_is_none_for_another_that_is_written_later(town: Town) -> None:
    """Pods that came up between the two writes hold the old version of the second."""
    policy = two_secrets(town)
    town.to_activation(policy)
    town.before("GET", "secrets/key-2", lambda: town.pass_by(20))
    assert not switching(town.run(policy))
    written = parse_instant(town.environment.secret("key-2")["metadata"]["annotations"]["rotator.dev/since"])
    for pod in town.pods_of("reader"):
        assert parse_instant(pod["metadata"]["creationTimestamp"]) >= written.replace(microsecond=0)


def test_two_secrets_of_one_workload_may_be_repaired_at_different_revisions(town: Town) -> None:
    """The restart for one is not a later run's restart for the other."""
    policy = two_secrets(town)
    town.begin(policy)
    town.timeline.pass_by(EVERY)
    for _ in range(3):
        outcome = town.run(policy)
        if "the overlap" in outcome.reason:
            break
        town.wait(outcome)
    edit(town, "key")
    town.run(policy)
    town.until_stable(policy)
    edit(town, "key-2")
    assert town.run(policy).result is Result.WAITING
    assert town.restarted.count("reader") >= 3


# --- nodes with older copies, and owners that take a restart back -----------------------------------------------------


def fences(document: Any) -> list[str]:
    """Return the data keys by which contents are named."""
    return sorted(k for k in document["data"] if k.startswith("ROTATOR_FENCE_"))


def test_a_restart_refers_to_the_content_by_name(town: Town) -> None:
    """So that a node with an older copy of the Secret cannot start the new pods."""
    policy = town.restarting()
    town.to_activation(policy)
    town.run(policy)
    (container,) = town.read("api")["spec"]["template"]["spec"]["containers"]
    (ours,) = (e for e in container["env"] if e["name"].startswith("ROTATOR_FENCE_"))
    assert ours["valueFrom"] == {
        "secretKeyRef": {"name": "key", "key": fences(town.environment.secret("key"))[-1]}
    }
    assert len(fences(town.environment.secret("key"))) == 2
    for pod in town.pods_of("api"):
        assert ours in pod["spec"]["containers"][0]["env"]


def test_the_key_that_a_template_refers_to_is_put_back(town: Town) -> None:
    """Without it no pod could start."""
    policy = town.restarting()
    town.begin(policy)
    (key,) = fences(town.environment.secret("key"))
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/key"
    town.environment.ask("PATCH", path, {"data": {key: None}})
    assert town.until_stable(policy).result is Result.WAITING
    assert fences(town.environment.secret("key")) == [key]
    assert town.restarted == []


def test_a_pod_whose_fence_was_taken_away_is_not_believed(town: Town) -> None:
    """It carries the annotation, and may have started with an older copy all the same."""

    def stripped(perform: Perform) -> Answer:
        answer = perform()
        (container,) = town.read("api")["spec"]["template"]["spec"]["containers"]
        container["env"] = [e for e in container["env"] if not e["name"].startswith("ROTATOR_FENCE_")]
        town.change("api", spec={"template": {"spec": {"containers": [container]}}})
        return answer

    policy = town.restarting(timeout="1m")
    town.to_activation(policy)
    town.once("PATCH", "deployments/api", stripped)
    outcome = town.run(policy)
    assert outcome.result is Result.FROZEN
    assert switching(outcome)
    assert "pods that run the old version: payments/api-" in outcome.reason


OWNED: Json = {
    "metadata": {
        "ownerReferences": [
            {
                "apiVersion": "serving.knative.dev/v1",
                "kind": "Revision",
                "name": "r-1",
                "uid": "1",
                "controller": True,
            }
        ]
    }
}


@pytest.mark.parametrize("forgets", [True, False], ids=["all of it", "the template alone"])
def test_a_restart_that_its_owner_takes_back_is_not_repeated(town: Town, *, forgets: bool) -> None:
    """One restart for one version, in however many runs; the owner is named, and both versions stay accepted."""

    def back() -> None:
        template = town.read("api")["spec"]["template"]["metadata"].get("annotations") or {}
        if template:
            nothing: Json = {"metadata": {"annotations": None}}
            town.change("api", spec={"template": nothing}, **(nothing if forgets else {}))

    policy = town.restarting(timeout="5m")
    town.change("api", **OWNED)
    town.to_activation(policy)
    town.watch = back
    outcome = town.run(policy)
    assert outcome.result is Result.FROZEN
    assert switching(outcome)
    assert "taken back by its owner, Revision r-1 (serving.knative.dev/v1)" in outcome.reason
    assert town.restarted == ["api"]
    for _ in range(2):
        again = town.run(policy)
        assert again.result is Result.FROZEN
        assert "taken back by its owner, Revision r-1" in again.reason
    assert town.restarted == ["api"]
    nothing: Json = {"metadata": {"annotations": None}}
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rotation-key"
    town.environment.ask("PATCH", lease, {"metadata": {"annotations": {"rotator.dev/deeds": None}}})
    town.change("api", **nothing)
    town.run(policy)
    assert town.restarted == ["api", "api"], "once more, as a person asked"


def test_a_plan_says_that_an_owner_may_take_the_restart_back(town: Town) -> None:
    """It is the one thing about it that cannot be seen before."""
    town.change("api", **OWNED)
    steps = town.run(town.restarting(), act=False).steps
    (restart,) = (s for s in steps if s.startswith("restart "))
    owner = "its owner, Revision r-1 (serving.knative.dev/v1)"
    assert restart == f"restart deployment payments/api: that {owner} leaves the restart alone is believed"


def test_pods_that_the_owner_makes_anew_later_count_as_switched(town: Town) -> None:
    """That is the way out: whoever owns the template restarts it in a way of their own."""
    policy = town.restarting(timeout="5m")
    town.change("api", **OWNED)
    town.to_activation(policy)
    town.before(
        "GET",
        "deployments/api",
        lambda: town.change("api", spec={"template": {"metadata": {"annotations": None}}}),
    )
    assert town.run(policy).result is Result.FROZEN
    town.pass_by(200)
    for pod in town.pods_of("api"):
        name = pod["metadata"]["name"]
        town.environment.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}?gracePeriodSeconds=0")
    town.pass_by(10)
    assert not switching(town.run(policy))
    assert town.restarted == ["api"]


def conditions(town: Town, pod: Any, **status: Any) -> None:
    """Let the scheduler or the kubelet report a pod's state."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}/status"
    assert town.environment.ask("PATCH", path, {"status": status})["kind"] == "Pod"


def test_a_failed_rollout_names_one_pod_and_its_reason(town: Town) -> None:
    """That saves a person at night the first commands."""
    policy = town.restarting(timeout="1m")
    town.to_activation(policy)
    town.told("api", "stall")

    def broken() -> None:
        for pod in town.pods_of("api"):
            if carried(pod["metadata"]).startswith("7."):
                waiting = {"waiting": {"reason": "ErrImageNeverPull"}}
                conditions(town, pod, containerStatuses=[{"name": "api", "state": waiting, "ready": False}])

    town.watch = broken
    outcome = town.run(policy)
    assert outcome.result is Result.FROZEN
    assert "ErrImageNeverPull" in outcome.reason


def test_whoever_reads_at_start_and_is_not_restarted_freezes_before_the_old_version_is_withdrawn(
    town: Town,
) -> None:
    """`restart` was left out, and the pods read the Secret by `envFrom`: they would sign with the old key for ever."""
    town.make("starter")
    policy = town.policy(store={"kubernetes": {}}, holders=[{"secret": {"name": "key"}}])
    town.to_activation(policy)
    outcome = town.run(policy)
    for _ in range(3):
        town.wait(outcome)
        outcome = town.run(policy)
    assert outcome.result is Result.FROZEN
    assert switching(outcome)
    assert "payments/starter-" in outcome.reason
    assert "(envFrom in starter)" in outcome.reason
    town.change("starter", spec={"template": {"metadata": {"annotations": {"restartedAt": "now"}}}})
    town.change("api", spec={"template": {"metadata": {"annotations": {"restartedAt": "now"}}}})
    town.pass_by(60)
    assert not switching(town.run(policy)), "a restart by hand is enough"
