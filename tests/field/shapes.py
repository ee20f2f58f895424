"""Shapes that applications read, and that cannot be declared: they are refused as a whole, before anything is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.field.cases import case
from tests.field.place import SOON, Place, same

_HOLDER = {"secret": {"name": "app"}}
_LIST = {"acceptedList": {"secret": "accepted", **SOON}}
SHAPES: dict[str, dict[str, Any]] = {
    "unknown-field": {"holders": [{"secret": {"name": "app", "data": {"auth": "htpasswd"}}}]},
    "unknown-key": {"holders": [{"secret": {"name": "app", "shape": {"a": "b"}}}]},
    "unknown-format": {"verifiers": [{"acceptedList": {"secret": "accepted", "format": "csv", **SOON}}]},
    "unknown-order": {"verifiers": [{"acceptedList": {"secret": "accepted", "order": "newest", **SOON}}]},
    "unknown-algorithm": {"credential": {"sharedSecret": {"algorithm": "ES256K"}}},
    "date-as-kid": {"takeOver": {"secret": {"name": "app", "key": "k"}, "kid": 20240630}},
    "other-namespace": {"takeOver": {"secret": {"name": "app", "key": "k", "namespace": "kube-system"}}},
}


def _is_refused(spec: dict[str, Any]) -> Callable[[Place], None]:
    def act(place: Place) -> None:
        """What cannot be declared is refused with exit 2, and the cluster holds nothing of it."""
        whole = {"credential": {"sharedSecret": {"length": 40}}, "verifiers": [_LIST], "holders": [_HOLDER]}
        place.declare(**{**whole, **spec})
        for ran in (place.rotator("validate"), place.plan(), place.run()):
            same("exit and output", (ran.code, ran.out), (2, ""))
        same("what exists", place.names("Secret") | place.names("Lease"), set())

    return act


for _name, _spec in SHAPES.items():
    case(f"14-{_name}")(_is_refused(_spec))
