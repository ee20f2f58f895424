"""Where one case happens: a namespace of its own, an OpenBao, a folder, and the program as people start it."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from rotator_sandbox.openbao import OpenBao
from tests.contract.kubernetes_servers import APPLY, Answer, Api, eventually
from tests.field.processes import start

Json = dict[str, Any]
BRIEF = {"every": "1h", "overlap": {"tokenTTL": "1s", "clockSkew": "1s"}}
"""The windows of a life that is over in seconds."""
SOON = {"maxAge": "1s", "propagation": "1s"}
"""A verifier that looks each second."""
LONGEST_LIFE = 300.0
"""Seconds within which a brief life has come to its end, or the case is wrong."""
_CORE, _APPS = "/api/v1", "/apis/apps/v1"
_ROOTS = {
    "Secret": (_CORE, "secrets"),
    "ConfigMap": (_CORE, "configmaps"),
    "Pod": (_CORE, "pods"),
    "Deployment": (_APPS, "deployments"),
    "StatefulSet": (_APPS, "statefulsets"),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
}
_NOT_OURS = ("Traceback", "defect of rotator")
"""What no mistake and no odd answer of others may lead to."""


class Wrong(Exception):
    """What was found is not what is right."""


def same(what: str, found: object, right: object) -> None:
    """Say that a value is right, or that it is wrong."""
    if found != right:
        raise Wrong(f"{what}: {found!r}, right is {right!r}")


def named(what: str, text: str, *names: str) -> None:
    """Say that a message names what a person needs to know."""
    for name in names:
        if name not in text:
            raise Wrong(f"{what} does not name {name!r}: {text}")


@dataclass(frozen=True)
class Ran:
    """How a run ended."""

    code: int
    out: str
    said: str

    @property
    def rows(self) -> list[Json]:
        """What it reports; nothing where it ended before."""
        rows: list[Json] = json.loads(self.out) if self.out.startswith("[") else []
        return rows

    @property
    def row(self) -> Json:
        """The one rotation of the case."""
        if len(self.rows) != 1:
            raise Wrong(f"exit {self.code} with {len(self.rows)} rows: {self.said[-600:]}")
        return self.rows[0]

    @property
    def steps(self) -> list[str]:
        """What was done, or would be."""
        steps: list[str] = self.row["steps"]
        return steps

    def ends(self, code: int, result: str, phase: str | None) -> Ran:
        """Say how it should have ended."""
        found = self.code, self.row["result"], self.row["phase"]
        if found != (code, result, phase):
            raise Wrong(f"{found}, right is {(code, result, phase)}: {self.row['reason']}")
        return self

    def restarts(self) -> list[str]:
        """Return the steps that restart somebody."""
        return [step for step in self.steps if step.startswith("restart")]


@dataclass
class Place:
    """One case's part of the world."""

    namespace: str
    folder: Path
    connect: Callable[[], Api]
    bao: OpenBao
    environment: Mapping[str, str]
    more: dict[str, str] = field(default_factory=dict)
    """What the case adds to the environment."""

    # --- what others do ---------------------------------------------------------------------------------------

    def have(self, *documents: Json, manager: str = "kubectl", force: bool = False) -> Answer:
        """Apply objects as others do; return the last answer, and be wrong where it is a refusal."""
        answer = None
        for document in documents:
            answer = self.apply(document, manager=manager, force=force)
            if answer.status >= 300:
                raise Wrong(f"{manager} may not apply {document['kind']}: {answer.body['message']}")
        assert answer is not None
        return answer

    def apply(self, document: Json, *, manager: str, force: bool = False) -> Answer:
        """Apply one object on the server, as Helm 4, Argo CD and `kubectl apply --server-side` do."""
        kind, name = document["kind"], document["metadata"]["name"]
        version = "apps/v1" if _ROOTS[kind][0] == _APPS else "v1"
        whole = {"apiVersion": version, **document}
        query = {"fieldManager": manager, **({"force": "true"} if force else {})}
        return self._ask("patch", self._path(kind, name), whole, APPLY, **query)

    def change(self, kind: str, name: str, body: Json) -> None:
        """Merge something into an object, as `kubectl patch` and `kubectl edit` do."""
        answer = self._ask("patch", self._path(kind, name), body)
        if answer.status >= 300:
            raise Wrong(f"cannot patch {kind} {name}: {answer.body}")

    def bare_pod(self, name: str, **spec: Any) -> None:
        """Create a pod that no workload made, on a node."""
        document = {
            "metadata": {"name": name, **spec.pop("metadata", {})},
            "spec": {"nodeName": "node", **spec},
        }
        answer = self._ask("post", f"{_CORE}/namespaces/{self.namespace}/pods", document)
        same("a pod is made", answer.status, 201)

    def remove(self, kind: str, name: str) -> None:
        """Delete an object at once."""
        self._ask("delete", self._path(kind, name), gracePeriodSeconds=0)

    # --- what is there ----------------------------------------------------------------------------------------

    def see(self, kind: str, name: str) -> Json | None:
        """Read an object; None where there is none."""
        answer = self._ask("get", self._path(kind, name))
        return answer.body if answer.status == 200 else None

    def data(self, kind: str, name: str) -> dict[str, bytes]:
        """Read the data of a Secret or ConfigMap; empty where there is none."""
        found = (self.see(kind, name) or {}).get("data") or {}
        return {k: base64.b64decode(v) if kind == "Secret" else v.encode() for k, v in found.items()}

    def keys(self, kind: str, name: str, field: str = "jwks.json") -> list[Json]:
        """Read the keys of a JWK Set; empty where there is none."""
        keys: list[Json] = json.loads(self.data(kind, name).get(field, b'{"keys": []}'))["keys"]
        return keys

    def names(self, kind: str) -> set[str]:
        """Return the names of all objects of a kind."""
        root, plural = _ROOTS[kind]
        items = self._ask("get", f"{root}/namespaces/{self.namespace}/{plural}").body["items"]
        return {item["metadata"]["name"] for item in items}

    def template(self, name: str, kind: str = "Deployment") -> Json:
        """Return the pod template of a workload."""
        found = self.see(kind, name)
        assert found is not None
        template: Json = found["spec"]["template"]
        return template

    def rolled_out(self, name: str) -> None:
        """Wait until all pods of a Deployment are ready."""
        eventually(lambda: self._ready(name), f"{name} never rolls out")

    def _ready(self, name: str) -> bool:
        found = self.see("Deployment", name) or {}
        return bool(found["status"].get("readyReplicas", 0) == found["spec"]["replicas"])

    def mounted(self, mount: str) -> None:
        """Wait until a KV mount has done its upgrade: until then it answers 400."""

        def answers() -> bool:
            try:
                self.bao.call("GET", f"{mount}/config")
            except RuntimeError:
                return False
            return True

        eventually(answers, f"{mount} does not become a KV version 2")

    def vault(self, path: str, mount: str = "secret") -> Json | None:
        """Read what a path holds, with its metadata; None where it holds nothing."""
        try:
            whole: Json = self.bao.call("GET", f"{mount}/data/{self.namespace}/{path}")["data"]
        except RuntimeError:
            return None
        return whole

    # --- the program ------------------------------------------------------------------------------------------

    def declare(self, name: str = "key", **spec: Any) -> None:
        """Write the declaration of one rotation; what `spec` leaves out is brief, and kept in Kubernetes."""
        whole = {**BRIEF, "store": {"kubernetes": {}}, **spec}
        document = {
            "apiVersion": "rotator.dev/v1alpha1",
            "kind": "Rotation",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": whole,
        }
        self.policies.mkdir(exist_ok=True)
        (self.policies / f"{name}.yaml").write_text(yaml.safe_dump(document))

    @property
    def policies(self) -> Path:
        """The folder of the declarations."""
        return self.folder / "policies"

    def rotator(self, *arguments: str, **environment: str) -> Ran:
        """Start the program as a person or a CronJob does. A traceback is wrong whatever the case."""
        whole = {**self.environment, "ROTATOR_POLICIES": str(self.policies), **self.more, **environment}
        done = Ran(*start(arguments, whole, self.folder))
        for mark in _NOT_OURS:
            if mark in done.said + done.out:
                raise Wrong(f"rotator {' '.join(arguments)}: {done.said[-1500:]}{done.out[-500:]}")
        return done

    def run(self, *arguments: str, **environment: str) -> Ran:
        """Do one run, and look at everything."""
        return self.rotator("run", "-o", "json", "--look-every", "1ms", *arguments, **environment)

    def plan(self, *arguments: str) -> Ran:
        """Ask what a run would do."""
        return self.rotator("plan", "-o", "json", *arguments)

    def live(self, until: str = "Stable", *, ends: Iterable[str] = ("Waiting", "Idle")) -> list[Ran]:
        """Run, and wait as each run asks, until a phase is reached; return all runs."""
        runs = [self.run()]
        begun = time.monotonic()
        while runs[-1].row["phase"] != until:
            if runs[-1].row["result"] not in ends or time.monotonic() - begun > LONGEST_LIFE:
                raise Wrong(f"{until} is never reached: {runs[-1].row['result']}, {runs[-1].row['reason']}")
            self.wait(runs[-1])
            runs.append(self.run())
        return runs

    def until_frozen(self) -> Ran:
        """Run, and wait as each run asks, until one freezes; return that run."""
        begun = time.monotonic()
        while (ran := self.run()).row["result"] != "Frozen":
            if time.monotonic() - begun > LONGEST_LIFE:
                raise Wrong(f"it never freezes: {ran.row['phase']}, {ran.row['reason']}")
            self.wait(ran)
        return ran

    def wait(self, ran: Ran) -> None:
        """Let time pass until the next run is of use."""
        until = datetime.fromisoformat(ran.row["next"]) if ran.row["next"] else datetime.now(UTC)
        time.sleep(max(0.2, min((until - datetime.now(UTC)).total_seconds() + 0.1, 15.0)))

    def rotate(self, reason: str = "field", name: str = "key") -> Ran:
        """Ask for a rotation now."""
        return self.rotator("rotate", f"{self.namespace}/{name}", "--reason", reason, "-o", "json")

    # --- the API ------------------------------------------------------------------------------------------------

    def _ask(self, method: str, path: str, *body: Any, **query: Any) -> Answer:
        """Ask as the administrator, on a connection of its own: servers end those that are idle."""
        with closing(self.connect()) as api:
            answer: Answer = getattr(api, method)(path, *body, **query)
            return answer

    def _path(self, kind: str, name: str) -> str:
        root, plural = _ROOTS[kind]
        return f"{root}/namespaces/{self.namespace}/{plural}/{name}"


def secret(name: str, /, metadata: Mapping[str, Any] | None = None, **more: Any) -> Json:
    """Return a Secret to apply: `data` are bytes or texts by name, the rest fields of the object."""
    data = {k: base64.b64encode(_octets(v)).decode() for k, v in more.pop("data", {}).items()}
    return {"kind": "Secret", "metadata": {"name": name, **(metadata or {})}, "data": data, **more}


def _octets(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def deployment(name: str, container: Json, metadata: Mapping[str, Any] | None = None, **spec: Any) -> Json:
    """Return a Deployment to apply, whose one container is `container`, changed by fields of its spec."""
    labels = {"app": name}
    pod = {
        "containers": [{"name": "app", "image": "registry.example/app:1", **container}],
        **spec.pop("pod", {}),
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    whole = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"kind": "Deployment", "metadata": {"name": name, **(metadata or {})}, "spec": whole}


def by_env(name: str, key: str) -> Json:
    """Return the part of a container that reads one key of a Secret at its start."""
    return {"env": [{"name": "VALUE", "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}]}


def environment(home: Path, bao: OpenBao) -> dict[str, str]:
    """Return what a person's shell has who may do everything, and no more; the kubeconfig is in its usual place."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "VAULT_ADDR": bao.address,
        "VAULT_CACERT": bao.ca_file,
        "VAULT_TOKEN": bao.root_token,
    }
