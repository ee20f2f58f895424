"""What nodes hand to pods, and when: a kubelet has a copy of its own, and a pod without a node has none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.field.cases import case
from tests.field.place import SOON, Place, by_env, deployment, named, same

_SIGNER: dict[str, Any] = {"credential": {"jwtSigningKey": {"algorithm": "ES256"}}}
_RESTARTED = {"secret": {"name": "signer"}, "restart": {"workloads": "auto", "timeout": "10s", "soak": "0s"}}


@case("f2-mounted-list")
def _(place: Place) -> None:
    """Nobody has to know how late a kubelet updates a mounted file: a key is used 3 minutes after it was published at the soonest."""
    place.declare(
        **_SIGNER,
        verifiers=[{"jwks": {"configMap": "public", "maxAge": "1s"}}],
        holders=[{"secret": {"name": "signer"}, "pickUp": "1s"}],
    )
    place.live()
    begun = datetime.now(UTC)
    rotated = place.rotate()
    same("the phase", rotated.row["phase"], "Lead")
    lead = datetime.fromisoformat(rotated.row["next"]) - begun
    same("a lead of 3 minutes at least", lead >= timedelta(minutes=3), True)


@case("f4-pod-without-a-node")
def _(place: Place) -> None:
    """A pod that no node has taken holds nothing, and nobody waits for it."""
    place.declare(**_SIGNER, verifiers=[{"jwks": {"configMap": "public", **SOON}}], holders=[_RESTARTED])
    place.live()
    place.have(deployment("issuer", by_env("signer", "private_key")))
    place.rolled_out("issuer")
    container = {"name": "app", "image": "registry.example/app:1", **by_env("signer", "private_key")}
    place.bare_pod("nowhere", nodeName="", containers=[container])
    place.wait(place.rotate())
    place.live()
    same("the pod is still there", "nowhere" in place.names("Pod"), True)


@case("f4-pod-that-is-not-up")
def _(place: Place) -> None:
    """A rollout that does not end names a pod."""
    place.declare(**_SIGNER, verifiers=[{"jwks": {"configMap": "public", **SOON}}], holders=[_RESTARTED])
    place.live()
    container = {"name": "app", "image": "registry.example/app:1", **by_env("signer", "private_key")}
    place.bare_pod("alone", containers=[container])
    place.wait(place.rotate())
    named("the reason", place.until_frozen().row["reason"], f"{place.namespace}/alone")
