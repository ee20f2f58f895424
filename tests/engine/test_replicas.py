"""A set that replicas serve: no step is taken before each of them was seen to answer with what the ring says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rotator.engine.outcome import Outcome
from rotator.kinds import CONFIG_MAP, Address
from rotator.policy.model import RotationPolicy
from rotator.policy.permissions import Extent, manifests, rules
from rotator.policy.reach import Reach, strays
from rotator.systems.at import target
from rotator.systems.kubernetes.replicas import REPLICA, Replica, ServingLease, Shown
from rotator.systems.world import World
from tests.faults.environment import NAMESPACE, Bao
from tests.trial import Trial

LABEL = f"configmap {NAMESPACE}/key-accepted"
REF = f"{NAMESPACE}/key"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/serving-key"
FIVE = timedelta(minutes=5)
NOBODY = f"no replica of `rotator serve` has said on lease {NAMESPACE}/serving-key that it serves the set"


class Served:
    """A rotation whose set is served, and the replicas that serve it, played by hand."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial

    @property
    def policy(self) -> RotationPolicy:
        """The declaration."""
        return self.trial.policy(
            verifiers=[
                {"jwks": {"configMap": "key-accepted", "maxAge": "5m", "propagation": "0s", "served": {}}}
            ]
        )

    def run(self) -> Outcome:
        """Do one run."""
        return self.trial.run(self.policy)

    def world(self) -> Iterator[World]:
        """Give the systems, as a replica has them."""
        world = self.trial.world()
        yield world
        world.close()

    def show(self, name: str, **changed: Any) -> None:
        """Let a replica read the set, and say that it answers with it; `changed`: what it says otherwise."""
        for world in self.world():
            seen = target(world, Address(CONFIG_MAP, NAMESPACE, "key-accepted")).read(("jwks.json",))
            shown = Shown(max_age=FIVE)
            if seen and seen.stamp:
                now = world.clock.now()
                shown = replace(shown, content=seen.stamp.content, revision=seen.stamp.revision, at=now)
            shown = replace(shown, **changed)
            ServingLease(world.kubernetes, REF).say(Replica(name=name, shown={LABEL: shown}))

    def take_off(self, name: str) -> None:
        """Take a replica off the list."""
        for world in self.world():
            ServingLease(world.kubernetes, REF).take_off(Replica(name=name))

    def lease(self) -> Any:
        """Read the Lease."""
        return self.trial.environment.ask("GET", LEASE)


@pytest.fixture
def served(bao: Bao) -> Served:
    """A trial of the test's own."""
    return Served(Trial(bao))


def until_stable(served: Served, *names: str) -> Outcome:
    """Run until the rotation is over, while these replicas keep up."""
    for _ in range(30):
        for name in names:
            served.show(name)
        outcome = served.run()
        if outcome.reason.startswith("the next rotation"):
            return outcome
        if outcome.until:
            served.trial.wait(outcome)
    raise AssertionError(outcome)


def test_where_nobody_serves_nothing_is_published(served: Served) -> None:
    """The first version too: who asks for the set would get none."""
    outcome = served.run()
    assert outcome.summary.phase == "Publishing"
    assert NOBODY in outcome.reason
    assert served.trial.held() is None, "no holder has a version that nobody accepts"
    served.show("one")
    assert served.run().summary.phase != "Publishing"


def test_one_replica_that_is_behind_holds_the_activation_up_and_is_named(served: Served) -> None:
    """With what to do where it is gone for good; and nothing expires."""
    until_stable(served, "one", "two")
    served.trial.timeline.pass_by(timedelta(days=31))
    served.run()
    served.show("one")
    for wait in (timedelta(), timedelta(days=2)):
        served.trial.timeline.pass_by(wait)
        outcome = served.run()
        assert outcome.summary.phase == "Publishing"
        assert "the replica two does not serve the set yet. If it is gone for good: " in outcome.reason
        assert f"kubectl -n {NAMESPACE} annotate lease serving-key {REPLICA}/two-" in outcome.reason
        assert "the replica one" not in outcome.reason
    served.take_off("two")
    assert served.run().summary.phase == "Lead"


def test_the_old_key_is_forgotten_by_every_replica_before_it_counts_as_dead(served: Served) -> None:
    """A replica that still answers with it is waited for."""
    until_stable(served, "one")
    served.trial.timeline.pass_by(timedelta(days=31))
    for _ in range(20):
        served.show("one")
        outcome = served.run()
        if outcome.summary.phase == "Withdrawing":
            break
        served.trial.wait(outcome)
    assert "the replica one does not serve the set yet" in outcome.reason
    assert len(served.trial.accepted()) == 1
    served.show("one")
    shown_at = served.trial.timeline.now
    outcome = served.run()
    assert "from their caches" in outcome.reason
    assert outcome.until
    assert outcome.until >= shown_at + timedelta(minutes=6) - timedelta(seconds=1), "maxAge and clock skew"
    served.trial.wait(outcome)
    assert served.run().summary.phase == "Stable"


def test_a_replica_that_lets_others_cache_for_longer_than_was_counted_on_is_waited_for(
    served: Served,
) -> None:
    """As while a declaration is rolled out: the lead was computed from the shorter time."""
    served.run()
    served.show("one", max_age=timedelta(hours=1))
    said = "the replica one lets verifiers cache the set for 1h, and this run counts on 5m: they were declared differently"
    assert said in served.run().reason
    served.show("one", max_age=timedelta(minutes=1))
    assert served.run().summary.phase != "Publishing"


def test_a_repair_starts_the_lead_again_when_the_last_replica_shows_it(served: Served) -> None:
    """Until then somebody may have been answered with what was there before."""
    until_stable(served, "one")
    served.trial.timeline.pass_by(timedelta(days=31))
    served.run()
    served.show("one")
    assert served.run().summary.phase == "Lead"
    served.trial.environment.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/configmaps/key-accepted")
    served.run()
    served.trial.timeline.pass_by(timedelta(hours=1))  # far longer than the lead
    served.show("one")
    seen_at = served.trial.timeline.now
    outcome = served.run()
    assert outcome.summary.phase == "Lead"
    assert outcome.until is not None
    assert outcome.until >= seen_at + timedelta(minutes=6) - timedelta(seconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"shown": 7}',
        '{"shown": {"configmap a/b": {"content": 7}}}',
        '{"pod": "other"}',
        "\\ud800",
        "x" * 9000,
    ],
)
def test_what_somebody_else_writes_there_shows_nothing(served: Served, text: str) -> None:
    """A replica of which nothing can be read is waited for, by the name of its annotation."""
    served.run()
    served.show("one")
    served.trial.environment.ask("PATCH", LEASE, {"metadata": {"annotations": {f"{REPLICA}/odd": text}}})
    outcome = served.run()
    assert "the replica odd does not serve the set yet" in outcome.reason
    assert f"{REPLICA}/odd-" in outcome.reason


def test_a_long_name_has_an_annotation_too(served: Served) -> None:
    """An annotation's name has 63 characters at most, and no two replicas share one."""
    served.run()
    names = [f"{'a' * 80}-{n}" for n in range(2)]
    for name in names:
        served.show(name, content="0.x.y")
    assert len(served.lease()["metadata"]["annotations"]) == 2
    assert all(name in served.run().reason for name in names)
    for name in names:
        served.take_off(name)
    assert NOBODY in served.run().reason


def test_a_replica_may_be_taken_off_a_list_that_is_not_there(served: Served) -> None:
    """It has ended, whoever removed the list."""
    served.take_off("one")
    assert served.lease() is None


def test_the_role_names_the_lease_and_a_custom_resource_may_not_serve(served: Served) -> None:
    """What is served at an address is seen by everybody: only the operator says so."""
    (rule,) = (r for r in rules([served.policy], Extent())[NAMESPACE] if "serving-key" in r.names)
    assert (rule.resource, rule.verbs) == ("leases", ("create", "get", "patch", "delete"))
    assert rule.names == ("serving-key",)
    said = "https://*/.well-known/jwks.json: no custom resource may say what is served to everybody (--trust-resources allows others)"
    assert said in strays(served.policy, Reach())
    assert said not in strays(served.trial.policy(), Reach())


def test_replicas_may_look_at_pods_of_their_own_namespace_alone(served: Served) -> None:
    """Where something is served; nobody else needs it."""

    def looks(policy: RotationPolicy) -> list[Any]:
        made = manifests([policy], Extent(), account="rotator/rotator")
        return [m["rules"] for m in made if m["kind"] == "Role" and m["metadata"]["namespace"] == "rotator"]

    assert looks(served.policy) == [[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]]
    assert looks(served.trial.policy()) == []
