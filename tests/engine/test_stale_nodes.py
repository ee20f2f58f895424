"""Nodes that were cut off while a document was written: no pod that they start keeps an old version.

Each row is one way to read a Secret or a ConfigMap at the start of a container. The nodes lose the API server before
each write, for as long as they stay Ready, and the watch of the document comes back as late as it may, after that of pods.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from rotator.policy.model import RotationPolicy
from rotator.systems.kubernetes.rollout import Rollout
from rotator_sandbox.emulator.nodes import MOST_LATE, PODS
from tests.faults.environment import NAMESPACE, Bao
from tests.faults.traffic import text_of
from tests.faults.transport import Answer, Call, Perform
from tests.trial import Trial

Json = dict[str, Any]
CUT = timedelta(seconds=35)
EVERY = timedelta(days=30)
MOUNT: Json = {"volumeMounts": [{"name": "v", "mountPath": "/etc/v"}]}


@dataclass(frozen=True)
class Document:
    """What is read, in the words of a pod spec."""

    kind: str
    named: str
    key_ref: str
    all_ref: str
    name: str
    key: str

    def forms(self) -> dict[str, tuple[Json, Json | None]]:
        """Return each way to read it at the start: the container's part, and the volume's."""
        whole = {self.kind: {self.named: self.name}}
        listed = {self.kind: {**whole[self.kind], "items": [{"key": self.key, "path": "it"}]}}
        file = {"volumeMounts": [{"name": "v", "mountPath": "/etc/it", "subPath": self.key}]}
        projected = {"sources": [{self.kind: {"name": self.name}}, {"downwardAPI": {"items": []}}]}
        by_env = {"env": [{"name": "IT", "valueFrom": {self.key_ref: {"name": self.name, "key": self.key}}}]}
        return {
            "env": (by_env, None),
            "envFrom": ({"envFrom": [{self.all_ref: {"name": self.name}}]}, None),
            "subPath": (file, whole),
            "subPath and env": ({**file, **by_env}, whole),
            "a volume": (MOUNT, whole),
            "a volume with a file of others": (MOUNT, whole),
            "a volume of listed files": (MOUNT, listed),
            "a projected volume": (MOUNT, {"projected": projected}),
            "an optional volume": (MOUNT, {self.kind: {**whole[self.kind], "optional": True}}),
        }


SIGNER = Document("secret", "secretName", "secretKeyRef", "secretRef", "signing", "kid")
CHECKER = Document("configMap", "name", "configMapKeyRef", "configMapRef", "accepted", "jwks.json")
FORMS = tuple(SIGNER.forms())


class World(Trial):
    """A signer and a verifier, one of which reads its document at its start in the given form."""

    def __init__(self, bao: Bao, form: str, *, verifies: bool) -> None:
        super().__init__(bao)
        self.document = CHECKER if verifies else SIGNER
        self.verifies = verifies
        self.found: set[str] = set()
        """What a pod was started with that breaks the promise."""
        if "of others" in form:
            path = f"/api/v1/namespaces/{NAMESPACE}/{self.document.kind.lower()}s"
            self.environment.ask(
                "POST", path, {"metadata": {"name": self.document.name}, "data": {"theirs": ""}}
            )
        self._run(form)
        self.timeline.moved.append(self._look)

    def _run(self, form: str) -> None:
        part, volume = self.document.forms()[form]
        spec: Json = {"containers": [{"name": "reader", "image": "app", **part}]}
        if volume:
            spec["volumes"] = [{"name": "v", **volume}]
        labels = {"app": "reader"}
        body = {
            "metadata": {"name": "reader"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        }
        made = self.environment.ask("POST", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", body)
        assert made["kind"] == "Deployment", made

    def restart_by_hand(self) -> None:
        """Do what `kubectl rollout restart` does."""
        at = {"kubectl.kubernetes.io/restartedAt": str(self.timeline.now)}
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/reader"
        self.environment.ask("PATCH", path, {"spec": {"template": {"metadata": {"annotations": at}}}})

    def declared(self, *, left_to_people: bool = False) -> RotationPolicy:
        """Return the declaration: whoever reads at its start is restarted, or that is left to people."""
        if left_to_people:
            return self.policy(
                store={"kubernetes": {}},
                verifiers=[{"jwks": {"configMap": "accepted", "maxAge": "0s", "propagation": "0s"}}],
                holders=[{"secret": {"name": "signing", "data": {"kid": "kid"}}, "pickUp": "1s"}],
            )
        restart = {"workloads": "auto", "soak": "0s", "timeout": "10m"}
        holder: Json = {"secret": {"name": "signing", "data": {"kid": "kid"}}}
        verifier: Json = {"jwks": {"configMap": "accepted", "maxAge": "0s", "propagation": "0s"}}
        (verifier if self.verifies else holder)["restart"] = restart
        if self.verifies:
            holder["pickUp"] = "1s"
        return self.policy(store={"kubernetes": {}}, verifiers=[verifier], holders=[holder])

    def _middle(self, call: Call, body: bytes, perform: Perform) -> Answer:
        if call.writes and call.path.endswith(f"/{self.document.name}"):
            self.environment.nodes.lose_api(
                self.timeline.now, CUT, lambda what: 0.0 if what == PODS else MOST_LATE
            )
        answer = super()._middle(call, body, perform)
        self._look()
        return answer

    def started(self) -> Iterator[str]:
        """Yield what each pod was started with."""
        for pod in self.environment.pods():
            for held in self.environment.nodes.started(pod).values():
                yield from (v.decode() for v in (*held.env.values(), *held.files.values()) if v)

    def _look(self) -> None:
        """A pod signs with what is accepted, a pod that verifies accepts what is used."""
        accepted = text_of(self.environment.config_map("accepted"), "jwks.json", secret=False)
        used = text_of(self.environment.secret("signing"), "kid", secret=True)
        for held in self.started():
            if self.verifies and used and used not in held:
                self.found.add(f"{used} is used, and a pod accepts {held}")
            if not self.verifies and accepted and held not in accepted:
                self.found.add(f"a pod signs with {held}, and nobody accepts it")

    def rotate(self) -> None:
        """Rotate twice, to the end."""
        policy = self.declared()
        self.until_stable(policy)
        for _ in range(2):
            before = self.held("signing")
            self.timeline.pass_by(EVERY)
            self.until_stable(policy)
            assert self.held("signing") != before


@pytest.mark.parametrize("verifies", [False, True], ids=["holders", "verifiers"])
@pytest.mark.parametrize("form", FORMS)
def test_no_pod_keeps_an_old_version(bao: Bao, form: str, verifies: bool) -> None:
    """Nothing is refused, and in the end every pod has what the document holds."""
    world = World(bao, form, verifies=verifies)
    world.rotate()
    assert world.found == set()
    newest = world.held("signing") or ""
    assert {newest in held for held in world.started()} == {True}


@pytest.mark.parametrize("verifies", [False, True], ids=["holders", "verifiers"])
@pytest.mark.parametrize("form", FORMS)
def test_without_the_fence_a_pod_keeps_it(
    bao: Bao, form: str, verifies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the table above would miss if the nodes were not as bad as real ones."""
    monkeypatch.setattr(Rollout, "_fence", lambda *_: None)
    world = World(bao, form, verifies=verifies)
    world.rotate()
    assert world.found


NEVER_AGAIN = ("env", "envFrom", "subPath")


@pytest.mark.parametrize("verifies", [False, True], ids=["holders", "verifiers"])
@pytest.mark.parametrize("form", NEVER_AGAIN)
def test_a_restart_by_hand_counts_once_no_node_has_an_old_copy(bao: Bao, form: str, verifies: bool) -> None:
    """Who restarts at once, with a node that is cut off, is told to do it again; nothing is withdrawn until then."""
    world = World(bao, form, verifies=verifies)
    policy = world.declared(left_to_people=True)
    world.until_stable(policy)
    before = world.held("signing")
    world.timeline.pass_by(EVERY)
    told = 0
    for _ in range(30):
        outcome = world.run(policy)
        if outcome.reason.startswith("the next rotation"):
            break
        if "nobody restarts" in outcome.reason:
            told += 1
            world.restart_by_hand()
            for _ in range(60):
                world.timeline.pass_by(timedelta(seconds=1))
        else:
            world.wait(outcome)
    assert world.found == set()
    assert outcome.reason.startswith("the next rotation"), outcome
    assert world.held("signing") != before
    assert told > 1
