"""Rotations declared as custom resources: read, refused one by one, shown in their status, and deleted with care."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rotator.core.codec import instant
from rotator.crd import definition
from rotator.declared import Declared
from rotator.engine.fleet import Report
from rotator.engine.outcome import Outcome, Result
from rotator.job import ROTATE, Job, Systems
from rotator.kinds import CONFIG_MAP
from rotator.policy import RotationPolicy
from rotator.policy_resources import from_resource
from rotator.vault_access import grants, hcl
from tests.faults.stage import NAMESPACE, OTHER, Bao
from tests.faults.transport import Answer, Call, Perform
from tests.scene import Scene

ROTATIONS = f"/apis/rotator.dev/v1alpha1/namespaces/{NAMESPACE}/rotations"
DAYS_30 = timedelta(days=30)


class Resources:
    """A scene whose rotations are custom resources."""

    def __init__(self, bao: Bao) -> None:
        self.scene = Scene(bao)
        self.told: list[Outcome] = []
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        assert self.scene.stage.ask("POST", crds, definition())["metadata"]["name"] == "rotations.rotator.dev"

    def spec(self, name: str = "key", **spec: Any) -> dict[str, Any]:
        """Return the spec of a rotation that keeps its ring in Kubernetes."""
        return {
            "credential": {"jwtSigningKey": {"algorithm": "EdDSA"}},
            "every": "30d",
            "overlap": {"tokenTTL": "15m"},
            "store": {"kubernetes": {}},
            "verifiers": [{"jwks": {"configMap": f"{name}-accepted", "maxAge": "5m"}}],
            "holders": [
                {"secret": {"name": name, "data": {"key": "private_key", "kid": "kid"}}, "pickUp": "2m"}
            ],
            **spec,
        }

    def create(self, name: str = "key", annotations: Mapping[str, str] | None = None, **spec: Any) -> Any:
        """Create a Rotation."""
        metadata = {"name": name, "annotations": dict(annotations or {})}
        body = {
            "apiVersion": "rotator.dev/v1alpha1",
            "kind": "Rotation",
            "metadata": metadata,
            "spec": self.spec(name, **spec),
        }
        made = self.scene.stage.ask("POST", ROTATIONS, body)
        assert made["kind"] == "Rotation", made
        return made

    def change(self, name: str, changes: Any) -> Any:
        """Merge changes into a Rotation."""
        return self.scene.stage.ask("PATCH", f"{ROTATIONS}/{name}", changes)

    def delete(self, name: str) -> None:
        """Delete a Rotation, as kubectl does."""
        self.scene.stage.ask("DELETE", f"{ROTATIONS}/{name}")

    def get(self, name: str = "key") -> Any:
        """Read a Rotation; None where it is gone."""
        return self.scene.stage.ask("GET", f"{ROTATIONS}/{name}")

    def status(self, name: str = "key") -> dict[str, Any]:
        """Read its status."""
        status: dict[str, Any] = self.get(name).get("status") or {}
        return status

    def condition(self, kind: str, name: str = "key") -> tuple[str, str]:
        """Return status and reason of one condition."""
        (found,) = (c for c in self.status(name)["conditions"] if c["type"] == kind)
        return found["status"], found["reason"]

    def run(self, *files: RotationPolicy, act: bool = True, events: bool = False, **declared: Any) -> Report:
        """Do one run over all custom resources of the namespace, with the permissions of a CronJob."""
        self.scene.calls = []
        self.told = []
        job = Job(
            declared=Declared(namespaces=[NAMESPACE], **declared),
            systems=Systems(concurrency=1, listed=(CONFIG_MAP,)),
            act=act,
            events=events,
        )
        world = self.scene.world()
        try:
            return job.run(world, files, lambda _: self.told.append)
        finally:
            world.close()

    def until_stable(self, name: str = "key") -> None:
        """Run and let time pass until the rotation is stable."""
        for _ in range(30):
            (outcome,) = (o for o in self.run().outcomes if o.rotation == f"{NAMESPACE}/{name}")
            if outcome.reason.startswith("the next rotation"):
                return
            self.scene.wait(outcome)
        raise AssertionError(outcome)

    def events(self) -> list[Any]:
        """Return all Events."""
        path = f"/api/v1/namespaces/{NAMESPACE}/events"
        found: list[Any] = self.scene.stage.ask("GET", path)["items"]
        return found


@pytest.fixture
def resources(bao: Bao) -> Resources:
    """A scene with the definition installed, and no Rotation."""
    return Resources(bao)


# --- status ------------------------------------------------------------------------------------------------------


def test_the_status_says_what_a_run_found(resources: Resources) -> None:
    """Type, phase, active version, what comes next and why; a condition for people and one for `kubectl wait`."""
    resources.create()
    (outcome,) = resources.run().outcomes
    status = resources.status()
    assert outcome.until
    assert (status["type"], status["phase"], status["result"]) == ("jwtSigningKey", "Switching", "Waiting")
    assert (status["revision"], status["next"]) == (outcome.summary.revision, instant(outcome.until))
    assert (status["reason"], status["observedGeneration"]) == (outcome.reason, 1)
    assert [v["state"] for v in status["versions"]] == ["Active"]
    assert status["active"] == status["versions"][0]["id"] == resources.scene.held()
    assert resources.condition("Ready") == ("True", "Active")
    assert resources.condition("Progressing") == ("True", "Switching")
    resources.until_stable()
    assert resources.condition("Progressing") == ("False", "Stable")


def test_a_frozen_rotation_says_so_and_since_when(resources: Resources) -> None:
    """Ready turns False with the reason, keeps the instant while it stays so, and turns True again afterwards."""
    resources.create()
    resources.until_stable()
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/rotation-key"
    ring = resources.scene.stage.ask("GET", path)
    resources.scene.stage.ask("DELETE", path)
    resources.scene.timeline.pass_by(DAYS_30)
    assert resources.run().exit_code == 1
    first = resources.status()["conditions"]
    assert resources.condition("Ready") == ("False", "Frozen")
    assert "there is no ring" in resources.status()["reason"]
    assert resources.status()["phase"] == "Stable", "what is known of it stays"
    resources.scene.timeline.pass_by(timedelta(minutes=5))
    resources.run()
    assert resources.status()["conditions"] == first
    resources.scene.stage.ask(
        "POST",
        path.rpartition("/")[0],
        {k: ring[k] for k in ("data", "type")} | {"metadata": {"name": "rotation-key"}},
    )
    assert resources.run().exit_code == 0
    assert resources.condition("Ready") == ("True", "Active")


def test_nothing_due_costs_one_list_of_each_kind_and_no_write(resources: Resources) -> None:
    """However many rotations there are: of rotations, of leases, of what may be listed."""
    for n in range(25):
        resources.create(f"key-{n}")
    for _ in range(4):
        resources.run()
        resources.scene.timeline.pass_by(timedelta(minutes=5))
    report = resources.run()
    assert {o.result for o in report.outcomes} == {Result.IDLE}
    assert sorted((c.method, c.path.partition("?")[0].rpartition("/")[2]) for c in resources.scene.calls) == [
        ("GET", "configmaps"),
        ("GET", "leases"),
        ("GET", "rotations"),
    ]


def test_a_status_that_was_lost_is_written_again_though_nothing_is_due(resources: Resources) -> None:
    """A run that was killed between the lease and the status leaves it to the next."""
    resources.create()
    resources.until_stable()
    whole = resources.status()
    path = f"{ROTATIONS}/key/status"
    resources.scene.stage.ask("PATCH", path, {"status": dict.fromkeys(whole)})
    resources.run()
    kept = ("type", "phase", "active", "activeSince", "revision", "next", "reason", "result")
    assert {k: resources.status()[k] for k in kept} == {k: whole[k] for k in kept}


@pytest.mark.parametrize("ahead", [{"revision": 99}, {"observedGeneration": 99}])
def test_a_run_that_was_overtaken_leaves_the_status_alone(
    resources: Resources, ahead: dict[str, int]
) -> None:
    """The ring's revision and the resource's generation never go backwards in it."""
    resources.create()
    resources.run()
    later = {"phase": "Overlap", **ahead}
    resources.scene.stage.ask("PATCH", f"{ROTATIONS}/key/status", {"status": later})
    resources.scene.timeline.pass_by(timedelta(minutes=5))
    resources.run()
    assert resources.status()["phase"] == "Overlap"


def test_a_status_that_cannot_be_written_stops_nothing(resources: Resources) -> None:
    """The rotation goes its way; people read about it on the lease and in the log."""
    resources.scene.answers["PATCH", "/status"] = Answer(403, {}, b"{}")
    for name in ("one", "two"):
        resources.create(name)
    report = resources.run()
    assert [o.result for o in report.outcomes] == [Result.WAITING, Result.WAITING]
    assert resources.scene.held("one")
    tried = [c for c in resources.scene.calls if c.path.partition("?")[0].endswith("/status")]
    assert len(tried) == 1, "what is forbidden is not tried again in the same run"


# --- what is refused ---------------------------------------------------------------------------------------------


def test_one_that_cannot_be_carried_out_is_refused_by_itself(resources: Resources) -> None:
    """Its status says why, nothing of it is touched, the others go on, and the run exits 1."""
    resources.create("good")
    resources.create("bad", lead="1s")
    report = resources.run()
    assert {o.rotation: o.result for o in report.outcomes} == {
        f"{NAMESPACE}/good": Result.WAITING,
        f"{NAMESPACE}/bad": Result.REFUSED,
    }
    assert report.exit_code == 1
    assert resources.condition("Ready", "bad") == ("False", "Refused")
    assert "spec.lead: 1s is too short" in resources.status("bad")["reason"]
    assert resources.scene.held("bad") is None
    resources.change("bad", {"spec": {"lead": None}})
    assert resources.run().exit_code == 0
    assert resources.condition("Ready", "bad") == ("True", "Active")


@pytest.mark.parametrize(
    ("stray", "says"),
    [
        ({"holders": [{"secret": {"name": "x", "namespaces": [OTHER]}}]}, f"namespace {OTHER}"),
        (
            {"verifiers": [{"jwks": {"configMap": "x", "namespace": OTHER, "maxAge": "1m"}}]},
            f"namespace {OTHER}",
        ),
        ({"store": {"vault": {"mount": "rotator", "path": "orders/jwt"}}}, "Vault path orders/jwt"),
        ({"holders": [{"vault": {"mount": "secret", "path": f"{NAMESPACE}"}}]}, f"Vault path {NAMESPACE}"),
        (
            {"takeOver": {"vault": {"mount": "secret", "path": "orders/jwt", "field": "key"}}},
            "Vault path orders/jwt",
        ),
    ],
)
def test_a_resource_stays_in_its_namespace(resources: Resources, stray: dict[str, Any], says: str) -> None:
    """Whoever may create Rotations in one namespace gets no hand on another, nor on its paths in Vault."""
    resources.create(**stray)
    (outcome,) = resources.run(act=False).outcomes
    assert outcome.result is Result.REFUSED
    assert says in outcome.reason
    (trusted,) = resources.run(act=False, trust_resources=True).outcomes
    assert trusted.result is not Result.REFUSED


def test_of_two_that_claim_one_document_the_older_keeps_it(resources: Resources) -> None:
    """And a file comes before any resource: what works is not stopped by what is new."""
    resources.create("first")
    resources.scene.timeline.pass_by(timedelta(seconds=5))
    resources.create("second", holders=[{"secret": {"name": "first"}}])
    results = {o.rotation.rpartition("/")[2]: o for o in resources.run().outcomes}
    assert results["first"].result is Result.WAITING
    assert results["second"].result is Result.REFUSED
    assert f"secret {NAMESPACE}/first is used already by {NAMESPACE}/first" in results["second"].reason
    file = resources.scene.policy("first", store={"kubernetes": {}})
    refused = [o for o in resources.run(file, act=False).outcomes if o.result is Result.REFUSED]
    assert "declared twice" in refused[0].reason


def test_a_missing_definition_is_said_in_a_sentence(bao: Bao) -> None:
    """What to install, and how."""
    scene = Scene(bao)
    job = Job(declared=Declared(namespaces=[NAMESPACE]), systems=Systems(), act=True)
    world = scene.world()
    with pytest.raises(Exception, match=r"rotator crd \| kubectl apply"):
        job.run(world, [], lambda _: lambda _: None)
    world.close()


# --- asking for a rotation ---------------------------------------------------------------------------------------


def test_an_annotation_asks_for_a_rotation_once_a_reason(resources: Resources) -> None:
    """`kubectl annotate rotation key rotator.dev/rotate=INC-1`: the next scheduled run begins it."""
    resources.create()
    resources.until_stable()
    first = resources.scene.held()
    resources.change("key", {"metadata": {"annotations": {ROTATE: "INC-1"}}})
    resources.until_stable()
    second = resources.scene.held()
    assert second != first
    (outcome,) = resources.run().outcomes
    assert outcome.result is Result.IDLE, "the reason is honoured, the annotation may stay"
    resources.change("key", {"metadata": {"annotations": {ROTATE: "INC-2"}}})
    resources.until_stable()
    assert resources.scene.held() not in {first, second}


# --- Events ------------------------------------------------------------------------------------------------------


def test_events_tell_what_happened_on_the_rotation_and_once(resources: Resources) -> None:
    """Each recorded step and each write, then nothing more while nothing happens."""
    resources.create()
    resources.run(events=True)
    told = resources.events()
    assert {"Stage", "Publish", "Activate", "Create"} <= {e["reason"] for e in told}
    assert {(e["involvedObject"]["kind"], e["involvedObject"]["name"], e["type"]) for e in told} == {
        ("Rotation", "key", "Normal")
    }
    assert {e["involvedObject"]["uid"] for e in told} == {resources.get()["metadata"]["uid"]}
    resources.run(events=True)
    assert len(resources.events()) == len(told)


def test_a_freeze_is_a_warning_told_once(resources: Resources) -> None:
    """Not again by each run that finds it unchanged; without a custom resource it is told on the lease."""
    file = resources.scene.policy("key", store={"kubernetes": {}})
    secret = {"metadata": {"name": "key"}, "data": {"kid": "bWluZQ=="}}
    resources.scene.stage.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", secret)
    for _ in range(3):
        resources.run(file, events=True)
        resources.scene.timeline.pass_by(timedelta(minutes=5))
    warnings = [e for e in resources.events() if e["type"] == "Warning"]
    assert [(e["reason"], e["involvedObject"]["kind"], e["involvedObject"]["name"]) for e in warnings] == [
        ("Frozen", "Lease", "rotation-key")
    ]
    assert "was not made by rotator" in warnings[0]["message"]


# --- deletion ----------------------------------------------------------------------------------------------------


def documents(resources: Resources, life: str) -> dict[str, Any]:
    """Return what exists of a rotation with a Vault path, by where it is."""
    stage, bao = resources.scene.stage, resources.scene.bao.server
    found = {
        "secret": stage.secret("key"),
        "ring": stage.secret("rotation-key"),
        "verifiers": stage.config_map("key-accepted"),
        "lease": resources.scene.lease(),
        "path": _or_none(lambda: bao.call("GET", f"secret/metadata/{life}")),
        "rotation": resources.get(),
    }
    return {where: it for where, it in found.items() if it is not None}


def _or_none(ask: Any) -> Any:
    try:
        return ask()
    except RuntimeError:
        return None


def test_deleting_a_rotation_leaves_its_credential_alone(resources: Resources) -> None:
    """Retain, the default: the declaration goes, everything that lives stays, and nobody notices."""
    resources.create()
    resources.until_stable()
    before = resources.scene.held(), resources.scene.accepted()
    resources.delete("key")
    assert resources.get() is None
    resources.run()
    assert (resources.scene.held(), resources.scene.accepted()) == before


def test_the_same_rotation_declared_again_goes_on_where_it_was(resources: Resources) -> None:
    """The ring and the lease are its memory, not the resource."""
    resources.create()
    resources.until_stable()
    before = resources.scene.held()
    resources.delete("key")
    resources.create()
    resources.until_stable()
    assert resources.scene.held() == before


def _deletable(resources: Resources) -> str:
    life = f"{NAMESPACE}/{resources.scene.life}"
    holders = [
        {"secret": {"name": "key", "data": {"key": "private_key", "kid": "kid"}}},
        {"vault": {"mount": "secret", "path": life}},
    ]
    made = resources.create(deletionPolicy="Delete", holders=holders)
    policy = hcl(grants([from_resource(made)], deletion=True))
    role, secret = resources.scene.bao.server.app_role("deleter", policy=policy)
    resources.scene.bao = replace(resources.scene.bao, role=role, secret=secret)
    resources.until_stable()
    return life


def test_with_the_policy_delete_the_credential_goes_with_the_rotation(resources: Resources) -> None:
    """Holders, verifiers, ring, lease; then the resource itself. A Rotation that is deleted is not advanced any more."""
    life = _deletable(resources)
    assert set(documents(resources, life)) == {"secret", "ring", "verifiers", "lease", "path", "rotation"}
    resources.delete("key")
    assert resources.get()["metadata"]["deletionTimestamp"], (
        "the finalizer keeps it until the credential is gone"
    )
    assert set(documents(resources, life)) == {"secret", "ring", "verifiers", "lease", "path", "rotation"}
    (planned,) = resources.run(act=False).outcomes
    assert planned.result is Result.DELETED
    assert "rotation" in documents(resources, life), "a plan deletes nothing"
    (outcome,) = resources.run().outcomes
    assert (outcome.result, outcome.rotation) == (Result.DELETED, f"{NAMESPACE}/key")
    assert documents(resources, life) == {}


def test_fields_and_documents_of_others_survive_the_deletion(resources: Resources) -> None:
    """A foreign data key stays in its Secret; a Secret that carries another rotation's stamp stays whole."""
    _deletable(resources)
    resources.scene.stage.ask(
        "PATCH", f"/api/v1/namespaces/{NAMESPACE}/secrets/key", {"data": {"theirs": "eA=="}}
    )
    others = {"metadata": {"annotations": {"rotator.dev/rotation": "orders/other"}}}
    resources.scene.stage.ask("PATCH", f"/api/v1/namespaces/{NAMESPACE}/configmaps/key-accepted", others)
    resources.delete("key")
    resources.run()
    left = resources.scene.stage.secret("key")
    assert left["data"] == {"theirs": "eA=="}
    assert not [a for a in left["metadata"].get("annotations") or {} if a.startswith("rotator.dev/")]
    assert resources.scene.accepted(), "the list is another's now"
    assert resources.get() is None


class Killed(BaseException):
    """The process is gone."""


def _killed_at(resources: Resources, number: int, *, after: bool) -> Iterator[bool]:
    """Yield whether a run was killed at its `number`th request, before it or after its answer was made."""
    seen = [0]
    middle = resources.scene._middle  # noqa: SLF001 - the scene's own seam for faults

    def counted(call: Call, body: bytes, perform: Perform) -> Answer:
        seen[0] += 1
        if seen[0] == number and not after:
            raise Killed
        answer = middle(call, body, perform)
        if seen[0] == number:
            raise Killed
        return answer

    resources.scene._middle = counted  # type: ignore[method-assign]  # noqa: SLF001
    try:
        resources.run()
        yield False
    except Killed:
        yield True
    finally:
        resources.scene._middle = middle  # type: ignore[method-assign]  # noqa: SLF001


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_deletion_that_is_killed_anywhere_is_carried_on(bao: Bao, *, after: bool) -> None:
    """At every request: the next run finishes, and the resource is never gone before the credential."""
    call, killed = 1, True
    while killed:
        resources = Resources(bao)
        life = _deletable(resources)
        resources.delete("key")
        (killed,) = _killed_at(resources, call, after=after)
        left = documents(resources, life)
        assert "rotation" in left or not left, f"call {call}: the resource went before {set(left)}"
        resources.scene.timeline.pass_by(timedelta(minutes=1))
        resources.run()
        assert documents(resources, life) == {}, f"killed at call {call}"
        call += 1
    assert call > 10


def test_a_policy_that_asks_no_more_for_deletion_lets_go(resources: Resources) -> None:
    """The finalizer follows the policy."""
    _deletable(resources)
    assert resources.get()["metadata"]["finalizers"] == ["rotator.dev/credential"]
    resources.change("key", {"spec": {"deletionPolicy": "Retain"}})
    resources.run()
    assert not resources.get()["metadata"].get("finalizers")
    resources.delete("key")
    assert resources.get() is None
    assert resources.scene.held()


def test_a_status_is_json_of_known_fields_alone(resources: Resources) -> None:
    """What is written is what the definition names, so that nothing is pruned."""
    resources.create()
    resources.run()
    schema = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert set(resources.status()) <= set(schema["properties"])
    assert json.loads(json.dumps(resources.status())) == resources.status()
