"""Objects that belong to others as well."""

from __future__ import annotations

from typing import Any

from tests.field.cases import case
from tests.field.place import SOON, Place, same, secret


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
