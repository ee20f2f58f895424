"""A replica for tests in virtual time: it looks when it is told to, and is asked as a verifier asks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from rotator.policy.model import RotationPolicy
from rotator.run.request import Connections, Declarations, RunRequest
from rotator.run.request import Serving as Settings
from rotator.run.serve import Service
from rotator.serving import operator
from rotator.serving.answers import Answer, Asked
from rotator.serving.refresher import Refresher
from rotator.serving.view import View
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
        self,
        path: str = PATH,
        method: str = "GET",
        host: str = "api.example.com",
        client: str = "",
        **headers: str,
    ) -> Answer:
        """Ask as a verifier does."""
        named = {name.lower().replace("_", "-"): value for name, value in headers.items()}
        return self.refresher.answer(Asked(method=method, path=path, host=host, client=client, headers=named))

    def kids(self, path: str = PATH) -> list[str]:
        """Return the ids of the keys that are answered with; none where that is no set."""
        answer = self.ask(path)
        return [key["kid"] for key in json.loads(answer.body)["keys"]] if answer.status == 200 else []

    def trouble(self, label: str = LABEL) -> str:
        """Return why what it answers with is not the newest."""
        return self.refresher.table.state(label).trouble


class Serving(Looking):
    """One replica with its runs, each of them when it is told to."""

    def __init__(self, trial: Trial, folder: Path, *policies: RotationPolicy) -> None:
        super().__init__(trial, *policies)
        self.folder = folder / "policies"
        self.folder.mkdir(exist_ok=True)
        self._looking = False
        trial.timeline.moved.append(self._look_meanwhile)
        documents = [p.model_dump(mode="json", by_alias=True, exclude_unset=True) for p in policies]
        (self.folder / "policies.yaml").write_text(yaml.safe_dump_all(documents))
        self.service = Service(
            RunRequest(
                declarations=Declarations(paths=(self.folder,)), connections=Connections(concurrency=1)
            ),
            Settings(),
            connect=lambda *_: trial.world(),
            connect_beside=trial.world,
            policies=lambda: self.policies,
            clock=lambda: trial.timeline.now,
            steady=trial.timeline.seconds,
        )
        self.refresher = self.service.refresher

    def tick(self, after: timedelta = timedelta(minutes=1)) -> View:
        """Let time pass, look, and do one run; return what is known then."""
        self.look(after)
        self.service.tick()
        self.look()
        return self.service.view()

    def _look_meanwhile(self) -> None:
        """Look while a run waits, as the thread does that looks."""
        if not self._looking:
            self._looking = True
            self.refresher.refresh()
            self._looking = False

    def operator(self, path: str, method: str = "GET", query: str = "", accept: str = "") -> Answer:
        """Ask as an operator does."""
        return operator.answer(
            self.service.view(), Asked(method=method, path=path, query=query, headers={"accept": accept})
        )
