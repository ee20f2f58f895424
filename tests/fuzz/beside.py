"""Two rotations in one run: whatever is answered about the one, the other goes on as it did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from rotator.engine.outcome import Outcome
from rotator.policy.model import RotationPolicy
from tests.faults.environment import NAMESPACE, OTHER, Bao
from tests.faults.transport import Answer, Call, Perform
from tests.fuzz.forks import Fork
from tests.fuzz.lives import wrong
from tests.trial import Trial

STOPPED = "stopped: "
RUNS = 8


class Beside(Trial):
    """A trial in which each answer about one namespace, or from Vault, is odd once."""

    fork: Fork

    def _middle(self, call: Call, body: bytes, perform: Perform) -> Answer:
        answer = super()._middle(call, body, perform)
        concerned = call.system == "vault" or f"/namespaces/{NAMESPACE}/" in call.path
        return self.fork.at(call, answer) if concerned else answer


def live(bao: Bao, number: int, tell: Callable[[str], None]) -> None:
    """Live one trial after the other."""
    for round_ in range(1000):
        trial = Beside(bao)
        trial.fork = Fork(tell, f"{number} beside {round_}")
        bad = trial.policy("bad", store={"kubernetes": {}})
        good = _moved(trial.policy("good", store={"kubernetes": {}}))
        for _ in range(RUNS):
            _run(trial, bad, good)
            trial.timeline.pass_by(timedelta(minutes=8))
        _look_at_vault(trial, good)


def _look_at_vault(trial: Beside, good: RotationPolicy) -> None:
    """Only look: what a branch wrote to a real server would stay."""
    branch, trial.fork = trial.fork, _Never(trial.fork)
    bad = trial.policy("vault")
    trial.run(bad)
    trial.fork = branch
    trial.bao.drop_connections()
    _run(trial, bad, good, act=False)


class _Never(Fork):
    """Does not branch."""

    def __init__(self, other: Fork) -> None:
        del other

    branched = False

    def at(self, call: Call, answer: Answer) -> Answer:
        """Return the answer."""
        del call
        return answer


def _moved(policy: RotationPolicy) -> RotationPolicy:
    document = policy.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return RotationPolicy.model_validate(
        {**document, "metadata": {**document["metadata"], "namespace": OTHER}}
    )


def _run(trial: Beside, bad: RotationPolicy, good: RotationPolicy, *, act: bool = True) -> None:
    try:
        one, two = trial.fleet(bad, good, act=act).outcomes
    except Exception as error:
        if trial.fork.branched:
            trial.fork.end(f"traceback: {STOPPED}{type(error).__name__}: {str(error)[:200]}")
        raise
    if trial.fork.branched:
        trial.fork.end(wrong(one) or wrong(two) or _stopped(two))


def _stopped(outcome: Outcome) -> str:
    return "" if outcome.result in {"Waiting", "Idle"} else f"{STOPPED}{outcome.result}: {outcome.reason}"
