"""Controllers that others run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.field.cases import case
from tests.field.place import SOON, Place, by_env, deployment, named, same, secret

_OLD = "abcdefghijklmnopqrstuvwxyz0123456789"
_AUTO = {"workloads": "auto", "timeout": "20s", "soak": "0s"}


def _api_key(place: Place, **holder: object) -> None:
    place.have(secret("api-key", data={"KEY": _OLD}))
    place.declare(
        credential={"sharedSecret": {"length": 40}},
        takeOver={"secret": {"name": "api-key", "key": "KEY"}},
        verifiers=[{"acceptedList": {"secret": "accepted", **SOON}}],
        holders=[{"secret": {"name": "api-key", "data": {"KEY": "value"}}, **holder}],
    )


def _switching(place: Place) -> None:
    """Bring a rotation to where the holders are to switch."""
    rotated = place.rotate()
    same("exit of the request", rotated.code, 0)
    place.wait(rotated)


@contextmanager
def _wants_its_template(place: Place, name: str) -> Iterator[list[str]]:
    """Put annotations of a pod template back as an operator does; give what was taken off."""
    stop, taken = threading.Event(), list[str]()

    def work() -> None:
        while not stop.wait(0.1):
            found = place.template(name)["metadata"].get("annotations")
            if found:
                taken.extend(found)
                place.change("Deployment", name, {"spec": {"template": {"metadata": {"annotations": None}}}})

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield taken
    finally:
        stop.set()
        thread.join()


@case("13-operator")
def _(place: Place) -> None:
    """An operator that takes a restart back is named after one try, with both versions accepted."""
    _api_key(place, restart=_AUTO)
    owner = {
        "apiVersion": "serving.knative.dev/v1", "kind": "Revision", "name": "greeter-00002",
        "uid": "0b9d9a5e-0000-4000-8000-000000000001", "controller": True,
    }  # fmt: skip
    place.have(deployment("greeter", by_env("api-key", "KEY"), {"ownerReferences": [owner]}))
    place.live()
    _switching(place)
    generation = (place.see("Deployment", "greeter") or {})["metadata"]["generation"]
    with _wants_its_template(place, "greeter"):
        frozen = place.until_frozen()
        again = place.run()
    for ran in (frozen, again):
        named("the reason", ran.row["reason"], "greeter-00002", "Revision")
        same("exit and result", (ran.code, ran.row["result"]), (1, "Frozen"))
    after = (place.see("Deployment", "greeter") or {})["metadata"]["generation"]
    same("changes of the template: one of ours, one of the operator's", after - generation, 2)
    same("accepted", _OLD.encode() in place.data("Secret", "accepted")["accepted"], True)


@case("17-zero-replicas")
def _(place: Place) -> None:
    """A workload scaled to zero holds nothing, and nobody up."""
    _api_key(place, restart=_AUTO)
    init = {"initContainers": [{"name": "once", "image": "i", **by_env("api-key", "KEY")}]}
    place.have(deployment("worker", {}, replicas=0, pod=init))
    place.live()
    _switching(place)
    runs = place.live()
    same("the end", (runs[-1].code, runs[-1].row["phase"]), (0, "Stable"))
    same("accepted", _OLD.encode() in place.data("Secret", "accepted")["accepted"], False)


POD_OWNERS = {
    "job": {"apiVersion": "batch/v1", "kind": "Job", "name": "import-77"},
    "deployment-config": {"apiVersion": "v1", "kind": "ReplicationController", "name": "legacy-4"},
}


@case("17-pods-of-no-workload")
def _(place: Place) -> None:
    """Pods that nobody restarts are waited for and named; once they are gone it goes on."""
    _api_key(place, restart={**_AUTO, "timeout": "3s"})
    for name, owner in POD_OWNERS.items():
        reference = {**owner, "uid": "0b9d9a5e-0000-4000-8000-000000000002", "controller": True}
        container = {"name": "a", "image": "i", **by_env("api-key", "KEY")}
        place.bare_pod(f"{name}-x", metadata={"ownerReferences": [reference]}, containers=[container])
    place.live()
    _switching(place)
    frozen = place.until_frozen()
    named("the reason", frozen.row["reason"], *(f"{name}-x" for name in POD_OWNERS))
    same("accepted", _OLD.encode() in place.data("Secret", "accepted")["accepted"], True)
    for name in POD_OWNERS:
        place.remove("Pod", f"{name}-x")
    place.live(ends=("Waiting", "Idle", "Frozen"))
    same("accepted", _OLD.encode() in place.data("Secret", "accepted")["accepted"], False)


STRATEGIES: dict[str, dict[str, Any]] = {
    "recreate": {"replicas": 2, "strategy": {"type": "Recreate"}},
    "careful": {"replicas": 2, "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}},
}


@case("22-strategies")
def _(place: Place) -> None:
    """Workloads are replaced in their own way, and all of them hold the new version at the end."""
    _api_key(place, restart=_AUTO)
    for name, spec in STRATEGIES.items():
        place.have(deployment(name, by_env("api-key", "KEY"), **spec))
    place.live()
    _switching(place)
    place.live()
    for name in STRATEGIES:
        same(f"{name} was restarted", "annotations" in place.template(name)["metadata"], True)
    same("accepted", _OLD.encode() in place.data("Secret", "accepted")["accepted"], False)


@case("22-paused")
def _(place: Place) -> None:
    """A Deployment that is paused is named, not changed, and not believed."""
    _api_key(place, restart={**_AUTO, "timeout": "2s"})
    place.have(deployment("api", by_env("api-key", "KEY"), paused=True))
    place.change("Deployment", "api", {"spec": {"paused": False}})
    place.live()
    place.change("Deployment", "api", {"spec": {"paused": True}})
    before = place.template("api")
    _switching(place)
    frozen = place.until_frozen()
    named("the reason", frozen.row["reason"], "api", "paused")
    same("the template", place.template("api"), before)
    same("accepted", _OLD.encode() in place.data("Secret", "accepted")["accepted"], True)


_TRACKED = {"argocd.argoproj.io/tracking-id": "shop:/Secret:git/api-key"}


def _heal(place: Place, value: str) -> None:
    """Put the value of the manifest back, as a GitOps tool does."""
    place.have(
        secret("api-key", {"annotations": _TRACKED}, data={"KEY": value}),
        manager="argocd-controller",
        force=True,
    )


@case("08-gitops-tracked")
def _(place: Place) -> None:
    """What a GitOps tool holds by its manifest is taken over, and no rotation of it begins."""
    _api_key(place, pickUp="1s")
    _heal(place, _OLD)
    place.live()
    refused = place.rotate()
    same("exit and result", (refused.code, refused.row["result"]), (1, "Frozen"))
    named("the reason", refused.row["reason"], "Argo CD", "argocd-controller", "KEY")
    same("the value", place.data("Secret", "api-key")["KEY"], _OLD.encode())


@case("08-gitops-revert")
def _(place: Place) -> None:
    """A dead value that is put back is put right once; the second time the writer is named, run after run."""
    _api_key(place, pickUp="1s")
    place.live()
    _switching(place)
    place.live()
    right = place.data("Secret", "api-key")["KEY"]
    _heal(place, _OLD)
    first = place.run()
    same("exit after the first time", first.code, 0)
    same("whether it was put right", place.data("Secret", "api-key")["KEY"], right)
    for _ in range(2):
        _heal(place, _OLD)
        ran = place.run()
        same("exit and result", (ran.code, ran.row["result"]), (1, "Frozen"))
        named(
            "the reason",
            ran.row["reason"],
            "api-key",
            "argocd-controller",
            "shop:/Secret:git/api-key",
            "rotator.dev/deeds-",
        )
        same("steps", ran.steps, [])
    place.change("Lease", "rotation-key", {"metadata": {"annotations": {"rotator.dev/deeds": None}}})
    same("exit once it is let go on", place.run().code, 0)
    same("whether it was put right", place.data("Secret", "api-key")["KEY"], right)


@case("08-gitops-in-the-middle")
def _(place: Place) -> None:
    """The same while holders switch: the writer is named before their time is up, and both versions stay accepted."""
    _api_key(place, pickUp="3s")
    place.live()
    _switching(place)
    results = []
    for _ in range(4):
        ran = place.run()
        results.append(ran.row["result"])
        if results[-1] == "Frozen":
            break
        if place.data("Secret", "api-key")["KEY"] != _OLD.encode():
            _heal(place, _OLD)
    same("the last result", results[-1], "Frozen")
    named("the reason", ran.row["reason"], "api-key", "argocd-controller")
    same("accepted", _OLD.encode() in place.data("Secret", "accepted")["accepted"], True)
