"""Objects that belong to others as well."""

from __future__ import annotations

from typing import Any

from tests.field.cases import case
from tests.field.place import SOON, Place, named, same, secret


def _cookie(place: Place, **spec: Any) -> None:
    whole: dict[str, Any] = {
        "credential": {"sharedSecret": {"length": 32}},
        "takeOver": {"secret": {"name": "gate", "key": "cookie"}},
        "verifiers": [{"acceptedList": {"secret": "accepted", **SOON}}],
        "holders": [{"secret": {"name": "gate", "data": {"cookie": "value"}}, "pickUp": "1s"}],
        **spec,
    }
    place.declare(**whole)


@case("27-others-fields-stay")
def _(place: Place) -> None:
    """Labels, type and other data keys of a Secret stay through a whole rotation."""
    marks = {
        "labels": {"konghq.com/credential": "jwt", "team": "edge"},
        "annotations": {"example.com/owner": "x"},
    }
    old = "abcdefghijklmnopqrstuvwxyz012345"
    data = {"cookie": old, "username": "edge", "binary": bytes(range(256))}
    place.have(secret("gate", marks, data=data, type="example.com/pair"))
    _cookie(place)
    place.live()
    rotated = place.rotate()
    place.wait(rotated)
    place.live()
    found = place.see("Secret", "gate") or {}
    same("type", found["type"], "example.com/pair")
    for group, entries in marks.items():
        same(group, {k: found["metadata"][group].get(k) for k in entries}, entries)
    same(
        "the others' data",
        {k: place.data("Secret", "gate")[k] for k in ("username", "binary")},
        {"username": b"edge", "binary": bytes(range(256))},
    )
    same("whether it was rotated", place.data("Secret", "gate")["cookie"] == old.encode(), False)


_RELEASE = {
    "labels": {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "gateway"},
    "annotations": {"meta.helm.sh/release-name": "gateway", "meta.helm.sh/release-namespace": "web"},
}
_IN_USE = "0123456789abcdef0123456789abcdef"


@case("06-helm")
def _(place: Place) -> None:
    """A value is taken over from a chart; the chart drops it, goes on being applied, and the value is rotated."""
    dropped = secret("gate", _RELEASE, data={"client": "gateway"})
    place.have(secret("gate", _RELEASE, data={"cookie": _IN_USE, "client": "gateway"}), manager="helm")
    _cookie(place)
    place.live()
    refused = place.rotate()
    same("a rotation beside the chart", (refused.code, refused.row["result"]), (1, "Frozen"))
    named("the reason", refused.row["reason"], "Helm", "cookie")
    place.have(dropped, manager="helm")
    same("the value after the chart dropped it", place.data("Secret", "gate").get("cookie"), _IN_USE.encode())
    place.wait(place.rotate("again"))
    place.live()
    place.have(dropped, manager="helm")
    found = place.see("Secret", "gate") or {}
    for group, entries in _RELEASE.items():
        same(group, {k: found["metadata"][group].get(k) for k in entries}, entries)
    data = place.data("Secret", "gate")
    same("the chart's data", data["client"], b"gateway")
    same("whether it was rotated", data["cookie"] == _IN_USE.encode(), False)


@case("07-immutable")
def _(place: Place) -> None:
    """A Secret that cannot change is named before anything is begun, by the plan and by the run."""
    place.have(secret("gate", data={"cookie": _IN_USE}, immutable=True))
    _cookie(place)
    for ran in (place.plan(), place.run()):
        same("exit and result", (ran.code, ran.row["result"]), (1, "Frozen"))
        named("the reason", ran.row["reason"], "gate", "immutable")
    same("what there is", place.names("Secret"), {"gate"})


@case("07-immutable-later")
def _(place: Place) -> None:
    """Where it becomes so later, the plan says it before a rotation is due, and no version is made."""
    place.have(secret("gate", data={"cookie": _IN_USE}))
    _cookie(place)
    place.live()
    place.change("Secret", "gate", {"immutable": True})
    named("the plan", place.plan().row["reason"], "the next rotation", "immutable")
    refused = place.rotate()
    same("exit and result", (refused.code, refused.row["result"]), (1, "Frozen"))
    named("the reason", refused.row["reason"], "gate", "immutable")
    same("the phase", refused.row["phase"], "Stable")


@case("25-size")
def _(place: Place) -> None:
    """A Secret without room for another version is named before anything is begun."""
    place.have(secret("gate", data={"cookie": _IN_USE, "other": bytes(1_048_300)}), manager="kubectl")
    _cookie(place)
    ran = place.run()
    same("exit and result", (ran.code, ran.row["result"]), (1, "Frozen"))
    named("the reason", ran.row["reason"], "gate", "1048300", "1048576")
    same("what there is", place.names("Secret"), {"gate"})


@case("07-operator-owned")
def _(place: Place) -> None:
    """A Secret that an operator writes is left to it, and the operator's resource is named."""
    owner = {
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "gate-from-vault",
        "uid": "0b9d9a5e-0000-4000-8000-000000000003", "controller": True,
    }  # fmt: skip
    place.have(secret("gate", {"ownerReferences": [owner]}, data={"cookie": _IN_USE}))
    _cookie(place)
    ran = place.run()
    same("exit and result", (ran.code, ran.row["result"]), (1, "Frozen"))
    named("the reason", ran.row["reason"], "gate-from-vault", "ExternalSecret")
    same("what there is", place.names("Secret"), {"gate"})


@case("10-existing-list")
def _(place: Place) -> None:
    """A list of others is left untouched before anything is begun, with the hint for a list."""
    theirs = '["theirs"]'
    place.have(
        secret("gate", data={"cookie": _IN_USE}),
        {"kind": "Secret", "metadata": {"name": "accepted"}, "stringData": {"accepted": theirs}},
    )
    _cookie(place)
    ran = place.run()
    same("exit and result", (ran.code, ran.row["result"]), (1, "Frozen"))
    named("the reason", ran.row["reason"], "accepted", "always a new object")
    same("whether the hint is one for holders", "takeOver" in ran.row["reason"], False)
    same("what there is", place.names("Secret"), {"gate", "accepted"})
    same("the list", place.data("Secret", "accepted")["accepted"], theirs.encode())
