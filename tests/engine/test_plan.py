"""A plan is honest: at every point of a life it says what the next run does, and nothing that only it has imagined."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from rotator.engine.outcome import Outcome
from rotator.policy.model import RotationPolicy
from rotator.ports import Summary
from tests.engine.test_providers import MONTH, Stand
from tests.faults.environment import NAMESPACE, Bao
from tests.faults.transport import Answer
from tests.trial import Trial

EVERY = timedelta(days=30)
RESTART = {"workloads": "auto", "soak": "10s"}
JWKS = {"jwks": {"configMap": "key-accepted", "maxAge": "5m"}}

LIVES: dict[str, dict[str, Any]] = {
    "a document for each": {},
    "kept in the cluster": {"store": {"kubernetes": {}}},
    "read again at once": {"holders": [{"secret": {"name": "key"}, "pickUp": "1s"}]},
    "two verifiers, two holders": {
        "verifiers": [JWKS, {"jwks": {"secret": "more", "maxAge": "1m"}}],
        "holders": [{"secret": {"name": "key"}}, {"secret": {"name": "other"}}],
    },
    "holders are restarted": {"holders": [{"secret": {"name": "key"}, "restart": RESTART}]},
    "a shared secret, both sides restarted": {
        "credential": {"sharedSecret": {}},
        "verifiers": [{"acceptedList": {"secret": "key-accepted"}, "restart": RESTART}],
        "holders": [{"secret": {"name": "key"}, "restart": RESTART}],
    },
}


class Watched:
    """Runs a rotation, and before each run the plan of it."""

    def __init__(self, trial: Trial, policy: RotationPolicy, *, answers: bool = False) -> None:
        """`answers`: whether what a run does depends on answers that no plan can know."""
        self.trial, self.policy, self.answers = trial, policy, answers
        self.verbs: set[str] = set()
        self._last = Summary(phase="New")
        self._passed = 0
        trial.timeline.moved.append(self._count)

    def _count(self) -> None:
        self._passed += 1

    def _objects(self) -> list[Any]:
        named = ("key", "other", "key-accepted", "more", "rotation-key")
        environment = self.trial.environment
        return [read(name) for name in named for read in (environment.secret, environment.config_map)]

    def next(self) -> Outcome:
        """Plan, see that nothing was written, run, and compare."""
        before = self._objects()
        planned = self.trial.run(self.policy, act=False)
        assert self._objects() == before
        passed = self._passed
        done = self.trial.run(self.policy)
        ids = [v.id for v in done.ring.versions] if done.ring else []
        newest = ids[-1] if ids else ""
        steps = [_ageless(step.replace("(new)", newest)) for step in planned.steps]
        did = [_ageless(step) for step in done.steps]
        assert steps == did[: len(steps)], "it does what was planned"
        if self._passed == passed and not self.answers:
            assert steps == did, "and nothing else, unless it waits for others and goes on"
        assert not [s for s in steps if s.startswith("repair")], "nobody has edited anything"
        assert planned.summary == self._last, "it shows what is so, and not what it imagined"
        self._last = done.summary
        self.verbs |= {step.partition(" ")[0] for step in done.steps}
        return done

    def until(self, step: str) -> Outcome:
        """Go on until `step` is recorded."""
        for _ in range(30):
            outcome = self.next()
            if any(s.startswith(step) for s in outcome.steps):
                return outcome
            self.trial.wait(outcome)
        raise AssertionError(f"no {step}: {outcome}")


def _ageless(step: str) -> str:
    """Return a step without an age that grows between a plan and its run."""
    return re.sub(r"is \S+ old", "is old", step)


@pytest.fixture
def trial(bao: Bao) -> Trial:
    """An empty cluster, an empty path in Vault, and time of its own."""
    return Trial(bao)


@pytest.mark.parametrize("spec", LIVES.values(), ids=LIVES)
def test_each_run_of_a_life_does_what_its_plan_says(trial: Trial, spec: dict[str, Any]) -> None:
    """From nothing to the destruction of the first version; where the run can wait for pods, the plan ends at the wait."""
    life = Watched(trial, trial.policy(**spec))
    life.until("converge")
    trial.timeline.pass_by(EVERY)
    life.until("destroy")
    assert {"stage", "create", "publish", "activate", "write", "converge", "withdraw"} <= life.verbs


def test_with_a_provider_the_plan_ends_at_the_first_call_and_the_run_begins_with_it(bao: Bao) -> None:
    """What comes after a call depends on its answer, so nothing after it is foreseen."""
    stand = Stand(bao)
    life = Watched(stand.trial, stand.policy(), answers=True)
    life.until("converge")
    stand.trial.timeline.pass_by(MONTH)
    planned = stand.trial.run(life.policy, act=False)
    assert [step.partition(" ")[0] for step in planned.steps] == ["stage", "add"]
    life.until("destroy")


def test_what_nobody_may_look_at_is_believed_and_the_plan_says_so(trial: Trial) -> None:
    """Whether pods read again by themselves is seen at the pods: where they may not be listed, the run goes on without."""
    policy = trial.policy()
    trial.until_stable(policy)
    trial.timeline.pass_by(EVERY)
    trial.answers["GET", "/pods"] = Answer(403, {}, b"{}")
    planned, done = trial.run(policy, act=False), trial.run(policy)
    assert [step for step in planned.steps if step.startswith("believe")] == [
        "believe that the pods that read configmap payments/key-accepted read it again: pods may not be listed there"
    ]
    assert "publish" in {step.partition(" ")[0] for step in done.steps}
    assert not [step for step in done.steps if step.startswith("believe")]


def _remapped(trial: Trial) -> RotationPolicy:
    return trial.policy(holders=[{"secret": {"name": "key", "data": {"pem": "private_key", "kid": "kid"}}}])


def _edited(trial: Trial) -> RotationPolicy:
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/key"
    trial.environment.ask("PATCH", path, {"data": {"kid": "b3RoZXI="}})
    return trial.policy()


def _deleted(trial: Trial) -> RotationPolicy:
    trial.environment.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/secrets/key")
    return trial.policy()


def _labelled(trial: Trial) -> RotationPolicy:
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/key"
    trial.environment.ask("PATCH", path, {"metadata": {"labels": {"team": "payments"}}})
    return trial.policy()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (_remapped, ["write secret payments/key"]),
        (_edited, ["repair (edited by somebody else) secret payments/key"]),
        (_deleted, ["repair (deleted by somebody else) secret payments/key"]),
        (_labelled, []),
    ],
)
def test_only_what_somebody_edited_is_said_to_be_edited(
    trial: Trial, what: Callable[[Trial], RotationPolicy], said: list[str]
) -> None:
    """A declaration that was changed is written, not repaired; the plan and the run say the same."""
    trial.until_stable(trial.policy())
    policy = what(trial)
    planned, done = trial.run(policy, act=False), trial.run(policy)
    assert [step.partition(":")[0] for step in planned.steps] == said
    assert done.steps == planned.steps
