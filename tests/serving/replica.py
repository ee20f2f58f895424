"""A replica for tests in virtual time: it looks when it is told to, and is asked as a verifier asks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from rotator.policy.model import RotationPolicy
from rotator.serving import public
from rotator.serving.answers import Answer, Asked
from rotator.serving.refresher import Refresher
from rotator.systems.kubernetes.replicas import Replica
from tests.faults.environment import NAMESPACE
from tests.trial import Trial

PATH = "/.well-known/jwks.json"
SERVED: dict[str, Any] = {
    "jwks": {"configMap": "key-accepted", "maxAge": "5m", "propagation": "0s", "served": {}}
}
LABEL = f"configmap {NAMESPACE}/key-accepted"


def policy(trial: Trial, name: str = "key", **served: Any) -> RotationPolicy:
    """Return a rotation whose set is served; `served`: how."""
    jwks = {**SERVED["jwks"], "configMap": f"{name}-accepted", "served": served}
    return trial.policy(name, verifiers=[{"jwks": jwks}])


class Looking:
    """One replica of `rotator serve`, without its listeners and its clock; with a uid it is a pod."""

    def __init__(self, trial: Trial, *policies: RotationPolicy, name: str = "one", uid: str = "") -> None:
        self.trial = trial
        self.policies: Sequence[RotationPolicy] = policies
        self.refresher = Refresher(
            policies=lambda: self.policies,
            connect=trial.world,
            replica=Replica(name=name, namespace=NAMESPACE if uid else "", uid=uid),
            steady=trial.timeline.seconds,
        )

    def look(self, after: timedelta = timedelta(seconds=5)) -> Looking:
        """Let time pass, and look once."""
        self.trial.timeline.pass_by(after)
        self.refresher.refresh()
        return self

    def ask(
        self, path: str = PATH, method: str = "GET", host: str = "api.example.com", **asked: str
    ) -> Answer:
        """Ask as a verifier does."""
        return public.answer(self.refresher.table, Asked(method=method, path=path, host=host, **asked))

    def kids(self, path: str = PATH) -> list[str]:
        """Return the ids of the keys that are answered with; none where that is no set."""
        answer = self.ask(path)
        return [key["kid"] for key in json.loads(answer.body)["keys"]] if answer.status == 200 else []

    def trouble(self, label: str = LABEL) -> str:
        """Return why what it answers with is not the newest."""
        return self.refresher.table.state(label).trouble
