"""Replicas look at what they serve: through whole lives, while systems are away, and beside others who write."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rotator.engine.outcome import Outcome
from rotator.errors import PolicyError
from rotator.policy.model import RotationPolicy
from rotator.systems.kubernetes.replicas import REPLICA
from tests.faults.environment import NAMESPACE, Bao
from tests.faults.transport import Answer
from tests.serving.replica import LABEL, Looking, Serving, policy
from tests.trial import Trial

MONTH = timedelta(days=31)
MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/serving-key"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def trial(bao: Bao) -> Trial:
    """A trial of the test's own."""
    return Trial(bao)


def phase(trial: Trial, made: RotationPolicy) -> str:
    """Do one run, and return the phase that it leaves."""
    return trial.run(made).summary.phase


def stable(trial: Trial, made: RotationPolicy, *replicas: Looking) -> Outcome:
    """Run until the rotation is over, while `replicas` look."""
    for _ in range(30):
        for replica in replicas:
            replica.look()
        outcome = trial.run(made)
        if outcome.reason.startswith("the next rotation"):
            return outcome
        if outcome.until:
            trial.wait(outcome)
    raise AssertionError(outcome)


def refusal(code: int) -> Answer:
    """Return what the API server says that does not do what it is asked for."""
    return Answer(code, {}, json.dumps({"kind": "Status", "message": "no", "code": code}).encode())


def on_the_lease(trial: Trial) -> dict[str, Any]:
    """Return what each replica says, by its name."""
    annotations = (trial.environment.ask("GET", LEASE) or {"metadata": {}})["metadata"].get(
        "annotations"
    ) or {}
    return {key.removeprefix(f"{REPLICA}/"): json.loads(text) for key, text in annotations.items()}


def test_a_whole_life_with_two_replicas_of_which_one_lags(trial: Trial) -> None:
    """No key is used before both answer with it, and none counts as dead before neither does."""
    made = policy(trial)
    quick, slow = Looking(trial, made, name="quick"), Looking(trial, made, name="slow")
    stable(trial, made, quick, slow)
    (old,) = quick.kids()
    trial.timeline.pass_by(MONTH)
    assert phase(trial, made) == "Publishing"
    assert len(quick.look().kids()) == 2
    assert slow.kids() == [old]
    assert phase(trial, made) == "Publishing", "the slow one answers with the old key alone"
    assert trial.held() == old
    slow.look()
    assert phase(trial, made) == "Lead"
    for _ in range(20):
        outcome = trial.run(made)
        if outcome.summary.phase == "Withdrawing":
            break
        trial.wait(outcome)
    assert trial.held() != old
    quick.look()
    assert old in slow.kids()
    assert phase(trial, made) == "Withdrawing", "the slow one still answers with the old key"
    slow.look()
    outcome = trial.run(made)
    assert "from their caches" in outcome.reason
    trial.wait(outcome)
    assert phase(trial, made) == "Stable"
    assert quick.kids() == slow.kids() == [trial.held()]


def test_what_is_served_is_not_asked_for_more_than_it_has_to_be(trial: Trial) -> None:
    """One request a document, and once a minute those who else serves."""
    made = policy(trial)
    replica = Looking(trial, made)
    stable(trial, made, replica)
    replica.look(2 * MINUTE)
    trial.calls = []
    for _ in range(12):
        replica.look()
    assert trial.counted() == {"kubernetes GET configmaps/NAME": 12, "kubernetes GET leases/NAME": 1}


def test_a_replica_counts_before_it_reads(trial: Trial) -> None:
    """Else a run could see all others serve something newer than what this one has just read."""
    made = policy(trial)
    stable(trial, made, Looking(trial, made, name="one"))
    trial.calls = []
    Looking(trial, made, name="two").look()
    calls = [f"{call.method} {call.path.rsplit('/', 1)[-1]}" for call in trial.calls]
    assert calls.index("PATCH serving-key") < calls.index("GET key-accepted")


def test_who_cannot_be_counted_serves_nothing(trial: Trial) -> None:
    """Without the right to write the Lease; where it has been counted before, it goes on."""
    made = policy(trial)
    before = Looking(trial, made, name="before")
    stable(trial, made, before)
    trial.answers[("PATCH", "serving-key")] = refusal(403)
    replica = Looking(trial, made, name="new").look()
    assert replica.kids() == []
    barred = replica.refresher.table.state(LABEL).barred
    assert barred.startswith("the Lease on which replicas say what they serve cannot be written: ")
    assert len(before.look().kids()) == 1
    trial.answers.clear()
    assert len(replica.look().kids()) == 1
    assert not replica.refresher.table.state(LABEL).barred


@pytest.mark.parametrize("code", [0, 401, 403, 500, 503])
def test_while_the_api_is_away_what_is_held_is_served(trial: Trial, code: int) -> None:
    """Old keys are better than none; a run waits for the replica meanwhile, and it comes back by itself."""
    made = policy(trial)
    replica = Looking(trial, made)
    stable(trial, made, replica)
    kids = replica.kids()
    trial.timeline.pass_by(MONTH)
    phase(trial, made)
    trial.answers[("GET", "key-accepted")] = refusal(code) if code else Answer(200, {}, b"[]")
    for _ in range(3):
        assert replica.look(MINUTE).kids() == kids
        assert replica.trouble()
    trial.answers.clear()
    assert phase(trial, made) == "Publishing"
    assert len(replica.look().kids()) == 2
    assert replica.trouble() == ""
    assert phase(trial, made) == "Lead"


def test_a_copy_from_before_is_not_served(trial: Trial) -> None:
    """Somebody restores the document from a backup: neither this replica nor one that was started again goes back."""
    made = policy(trial)
    replica = Looking(trial, made)
    stable(trial, made, replica)
    copy = trial.environment.config_map("key-accepted")
    trial.timeline.pass_by(MONTH)
    phase(trial, made)
    both = replica.look().kids()
    assert len(both) == 2
    trial.environment.ask("DELETE", f"{MAPS}/key-accepted")
    kept = {k: copy["metadata"][k] for k in ("name", "labels", "annotations")}
    trial.environment.ask("POST", MAPS, {"metadata": kept, "data": copy["data"]})
    assert replica.look().kids() == both
    assert "it was restored from a copy" in replica.trouble()
    restarted = Looking(trial, made).look()
    assert restarted.kids() == []
    assert "it was restored from a copy" in restarted.trouble()


def test_an_edit_by_others_is_not_served(trial: Trial) -> None:
    """Rotator repairs it; until then what rotator wrote is answered with, and no key is put under a name that is trusted."""
    made = policy(trial)
    replica = Looking(trial, made)
    stable(trial, made, replica)
    kids = replica.kids()
    evil = json.dumps({"keys": [{"kty": "EC", "kid": "evil", "crv": "P-256", "x": "x", "y": "y"}]})
    trial.environment.ask("PATCH", f"{MAPS}/key-accepted", {"data": {"jwks.json": evil}})
    assert replica.look().kids() == kids
    assert replica.trouble() == "somebody else has changed what payments/key wrote, and rotator has not"
    phase(trial, made)
    assert replica.look().kids() == kids
    assert replica.trouble() == ""


def test_a_set_in_vault_is_served_too(trial: Trial) -> None:
    """Its Lease stands beside the rotation's own."""
    at = {"vault": {"mount": "secret", "path": f"{trial.life}/accepted"}}
    made = trial.policy(verifiers=[{"jwks": {**at, "maxAge": "5m", "served": {"path": "/keys"}}}])
    replica = Looking(trial, made)
    stable(trial, made, replica)
    assert replica.kids("/keys") == [trial.held()]


def test_a_rotation_that_is_declared_later_is_served_without_a_restart(trial: Trial) -> None:
    """And one that is declared no more is not; the others go on all the while."""
    one, two = policy(trial, "one", path="/one"), policy(trial, "two", path="/two")
    replica = Looking(trial, one).look()
    trial.run(one)
    assert len(replica.look().kids("/one")) == 1
    replica.policies = (one, two)
    replica.look(MINUTE)
    assert len(replica.kids("/one")) == 1
    trial.run(two)
    replica.look()
    assert len(replica.kids("/two")) == 1
    replica.policies = (two,)
    replica.look(MINUTE)
    assert replica.kids("/one") == []
    assert trial.environment.ask("GET", LEASE.replace("-key", "-one")) is None


def test_a_declaration_that_breaks_changes_nothing_of_what_is_served(trial: Trial) -> None:
    """It is told, and what was declared before goes on."""
    made = policy(trial)
    replica = Looking(trial, made)
    stable(trial, made, replica)

    def broken() -> tuple[RotationPolicy, ...]:
        raise PolicyError("a.yaml:1: no good")

    replica.refresher.policies = broken
    assert len(replica.look(MINUTE).kids()) == 1
    assert replica.refresher.table.trouble == "a.yaml:1: no good"
    replica.refresher.policies = lambda: (made,)
    assert len(replica.look(MINUTE).kids()) == 1
    assert replica.refresher.table.trouble == ""


def test_who_ends_in_order_is_not_waited_for(trial: Trial) -> None:
    """A rollout of the replicas holds nothing up."""
    made = policy(trial)
    old, new = Looking(trial, made, name="old"), Looking(trial, made, name="new")
    stable(trial, made, old, new)
    trial.timeline.pass_by(MONTH)
    phase(trial, made)
    new.look()
    old.refresher.leave()
    assert on_the_lease(trial).keys() == {"new"}
    assert phase(trial, made) == "Lead"


def pod(trial: Trial, name: str, uid_of: list[str], phase: str = "Running") -> None:
    """Make a pod, and note its uid."""
    at = f"/api/v1/namespaces/{NAMESPACE}/pods"
    made = trial.environment.ask(
        "POST", at, {"metadata": {"name": name}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    )
    uid_of.append(made["metadata"]["uid"])
    if phase != "Running":
        trial.environment.ask("PATCH", f"{at}/{name}/status", {"status": {"phase": phase}})


@pytest.mark.parametrize("how", ["gone", "evicted", "another"])
def test_a_replica_whose_pod_is_gone_is_taken_off_the_list_by_the_others(trial: Trial, how: str) -> None:
    """A node that dies says nothing. A pod that is there counts, however long it says nothing."""
    made, uids = policy(trial), list[str]()
    for name in ("one", "two"):
        pod(trial, name, uids)
    one, two = (Looking(trial, made, name=n, uid=u) for n, u in zip(("one", "two"), uids, strict=True))
    stable(trial, made, one, two)
    one.look(timedelta(days=1))
    assert on_the_lease(trial).keys() == {"one", "two"}
    at = f"/api/v1/namespaces/{NAMESPACE}/pods/two"
    if how == "evicted":
        trial.environment.ask("PATCH", f"{at}/status", {"status": {"phase": "Failed"}})
    else:
        trial.environment.ask("DELETE", f"{at}?gracePeriodSeconds=0")
    if how == "another":
        pod(trial, "two", uids)
    one.look(MINUTE)
    assert on_the_lease(trial).keys() == {"one"}


def test_where_pods_may_not_be_looked_at_nobody_is_taken_off(trial: Trial) -> None:
    """It cannot be told whether one is gone: a person says so."""
    made = policy(trial)
    one, two = (Looking(trial, made, name=n, uid="u") for n in ("one", "two"))
    trial.answers[("GET", "pods/two")] = refusal(403)
    stable(trial, made, one, two)
    one.look(MINUTE)
    assert on_the_lease(trial).keys() == {"one", "two"}


# --- several rotations in one set -------------------------------------------------------------------------------------


def sharing(trial: Trial, name: str, age: str = "5m") -> RotationPolicy:
    """Return a rotation that has its keys in the set of others."""
    jwks = {"configMap": "platform", "maxAge": age, "propagation": "0s", "shared": True, "served": {}}
    return trial.policy(name, verifiers=[{"jwks": jwks}])


def in_the_set(trial: Trial) -> list[str]:
    """Return the ids of the keys that stand in the set."""
    return [
        key["kid"]
        for key in json.loads(trial.environment.config_map("platform")["data"]["jwks.json"])["keys"]
    ]


def test_several_rotations_and_others_are_served_in_one_set(trial: Trial) -> None:
    """Each of them waits for the replicas by itself; the shortest age of all counts; keys of others come and go."""
    one, two = sharing(trial, "one"), sharing(trial, "two", age="2m")
    replica = Looking(trial, one, two)
    for made in (one, two):
        stable(trial, made, replica)
    assert len(replica.look().kids()) == 2
    assert "max-age=120," in replica.ask().headers["Cache-Control"]
    theirs = {"kty": "OKP", "crv": "Ed25519", "x": "x", "kid": "theirs"}
    document = json.loads(trial.environment.config_map("platform")["data"]["jwks.json"])
    with_theirs = json.dumps({"keys": [*document["keys"], theirs]})
    trial.environment.ask("PATCH", f"{MAPS}/platform", {"data": {"jwks.json": with_theirs}})
    assert replica.look().kids() == [*in_the_set(trial)[:2], "theirs"]
    trial.timeline.pass_by(MONTH)
    assert phase(trial, one) == "Publishing"
    assert len(replica.kids()) == 3
    replica.look()
    assert phase(trial, one) == "Lead"
    assert len(replica.kids()) == 4
    stable(trial, one, replica)
    assert replica.kids() == in_the_set(trial)
    assert trial.held("one") in replica.kids()
    assert trial.held("two") in replica.kids()
    assert replica.trouble("configmap payments/platform") == ""


def test_what_others_do_to_our_keys_in_a_shared_set_is_not_served(trial: Trial) -> None:
    """Nor an older copy; neither by a replica that was started again."""
    one, two = sharing(trial, "one"), sharing(trial, "two")
    replica = Looking(trial, one, two)
    for made in (one, two):
        stable(trial, made, replica)
    kids = replica.look().kids()
    evil = json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "evil", "kid": kid} for kid in kids]})
    trial.environment.ask("PATCH", f"{MAPS}/platform", {"data": {"jwks.json": evil}})
    before = replica.ask().body
    assert replica.look().ask().body == before
    assert replica.trouble("configmap payments/platform").startswith(
        "somebody else has changed what payments/"
    )
    for made in (one, two):
        phase(trial, made)
    assert replica.look().trouble("configmap payments/platform") == ""
    assert replica.kids() == kids


def test_a_set_that_is_shared_from_now_on_is_served_all_the_while(trial: Trial) -> None:
    """Also by a replica that starts before the rotation has written it as one of several."""
    jwks = {"configMap": "platform", "maxAge": "5m", "propagation": "0s", "served": {}}
    alone = trial.policy("one", verifiers=[{"jwks": jwks}])
    replica = Looking(trial, alone)
    stable(trial, alone, replica)
    kids = replica.look().kids()
    shared = sharing(trial, "one")
    replica.policies = (shared,)
    assert replica.look(MINUTE).kids() == kids
    assert Looking(trial, shared).look().kids() == kids
    trial.run(shared)
    assert replica.look().kids() == kids
    assert replica.trouble("configmap payments/platform") == ""


def test_the_last_replica_takes_the_lease_with_it(trial: Trial) -> None:
    """When a rotation is served no more, or nobody serves; one that comes meanwhile keeps it."""
    made = policy(trial)
    one, two = Looking(trial, made, name="one"), Looking(trial, made, name="two")
    stable(trial, made, one, two)
    one.refresher.leave()
    assert on_the_lease(trial).keys() == {"two"}
    two.policies = ()
    two.look(2 * MINUTE)
    assert trial.environment.ask("GET", LEASE) is None
    again = Looking(trial, made, name="again").look()
    assert on_the_lease(trial).keys() == {"again"}
    third = Looking(trial, made, name="third")
    plain = trial._middle  # noqa: SLF001 - the only way to stand between two requests

    def between(call: Any, body: bytes, perform: Any) -> Any:
        if call.method == "DELETE":
            third.look()
        return plain(call, body, perform)

    trial._middle = between  # type: ignore[method-assign]  # noqa: SLF001
    again.refresher.leave()
    assert on_the_lease(trial).keys() == {"third"}
    trial._middle = plain  # type: ignore[method-assign]  # noqa: SLF001
    trial.answers[("DELETE", "serving-key")] = refusal(403)
    third.refresher.leave()
    assert on_the_lease(trial) == {}, "an older Role allows no more"


def test_jobs_and_serve_take_turns_within_a_rotation(trial: Trial, tmp_path: Path) -> None:
    """A rotation that a CronJob's run began goes on in `serve`, and the other way round: each step by the other one."""
    made = policy(trial)
    serving = Serving(trial, tmp_path, made)
    serving.tick()
    stable(trial, made, serving)
    old = trial.held()
    trial.timeline.pass_by(MONTH)
    phases: list[str] = []
    for turn in range(40):
        by_serve = bool(turn % 2)
        if by_serve:
            (outcome,) = serving.tick().outcomes
        else:
            serving.look()
            outcome = trial.run(made)
        if not phases or phases[-1].partition(" ")[0] != outcome.summary.phase:
            phases.append(f"{outcome.summary.phase} {'serve' if by_serve else 'job'}")
        assert trial.held() in serving.kids()
        if phases[-1].startswith("Stable") and trial.held() != old:
            break
        trial.timeline.pass_by(timedelta(minutes=4))
    assert [each.partition(" ")[0] for each in phases][-1] == "Stable"
    assert {each.partition(" ")[2] for each in phases} == {"job", "serve"}, phases
    assert serving.kids() == [trial.held()]
