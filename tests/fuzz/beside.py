"""Two rotations in one run: whatever is answered about the one, the other goes on as it did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from rotator.engine.outcome import Outcome
from rotator.policy.model import RotationPolicy
from tests.faults.stage import NAMESPACE, OTHER, Bao
from tests.faults.transport import Answer, Call, Perform
from tests.fuzz.forks import Fork
from tests.fuzz.lives import wrong
from tests.scene import Scene

STOPPED = "stopped: "
RUNS = 8


class Beside(Scene):
    """A scene in which each answer about one namespace, or from Vault, is odd once."""

    fork: Fork

    def _middle(self, call: Call, body: bytes, perform: Perform) -> Answer:
        answer = super()._middle(call, body, perform)
        concerned = call.system == "vault" or f"/namespaces/{NAMESPACE}/" in call.path
        return self.fork.at(call, answer) if concerned else answer


def live(bao: Bao, number: int, tell: Callable[[str], None]) -> None:
    """Live one scene after the other."""
    for round_ in range(1000):
        scene = Beside(bao)
        scene.fork = Fork(tell, f"{number} beside {round_}")
        bad = scene.policy("bad", store={"kubernetes": {}})
        good = _moved(scene.policy("good", store={"kubernetes": {}}))
        for _ in range(RUNS):
            _run(scene, bad, good)
            scene.timeline.pass_by(timedelta(minutes=8))
        _look_at_vault(scene, good)


def _look_at_vault(scene: Beside, good: RotationPolicy) -> None:
    """Only look: what a branch wrote to a real server would stay."""
    branch, scene.fork = scene.fork, _Never(scene.fork)
    bad = scene.policy("vault")
    scene.run(bad)
    scene.fork = branch
    scene.bao.drop_connections()
    _run(scene, bad, good, act=False)


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
    return policy.model_copy(update={"metadata": policy.metadata.model_copy(update={"namespace": OTHER})})


def _run(scene: Beside, bad: RotationPolicy, good: RotationPolicy, *, act: bool = True) -> None:
    try:
        one, two = scene.fleet(bad, good, act=act).outcomes
    except Exception as error:
        if scene.fork.branched:
            scene.fork.end(f"traceback: {STOPPED}{type(error).__name__}: {str(error)[:200]}")
        raise
    if scene.fork.branched:
        scene.fork.end(wrong(one) or wrong(two) or _stopped(two))


def _stopped(outcome: Outcome) -> str:
    return "" if outcome.result in {"Waiting", "Idle"} else f"{STOPPED}{outcome.result}: {outcome.reason}"
