"""What can be looked at is not believed."""

from __future__ import annotations

from typing import Any

from tests.field.cases import case
from tests.field.place import SOON, Place, by_env, deployment, named, same


def _signer(place: Place, **spec: Any) -> None:
    whole: dict[str, Any] = {
        "credential": {"jwtSigningKey": {"algorithm": "ES256"}},
        "verifiers": [{"jwks": {"configMap": "public", **SOON}}],
        "holders": [{"secret": {"name": "signer"}, "pickUp": "1s"}],
        **spec,
    }
    place.declare(**whole)


@case("18-env-without-restart")
def _(place: Place) -> None:
    """A pod that reads at its start and that nobody restarts keeps its key accepted, and is named."""
    _signer(place)
    place.live()
    (old,) = (k["kid"] for k in place.keys("ConfigMap", "public"))
    place.have(deployment("issuer", by_env("signer", "private_key")))
    place.rolled_out("issuer")
    rotated = place.rotate()
    place.wait(rotated)
    frozen = place.until_frozen()
    named("the reason", frozen.row["reason"], "issuer")
    same(
        "whether the pod's key is published",
        old in {k["kid"] for k in place.keys("ConfigMap", "public")},
        True,
    )


@case("23-plan-honest")
def _(place: Place) -> None:
    """A plan after the lead shows what the next run does, and accuses nobody of an edit."""
    _signer(place)
    first = place.run()
    place.wait(first)
    planned, ran = place.plan(), place.run()
    same("what is planned is done", planned.steps, ran.steps[: len(planned.steps)])
    same("repairs", [s for s in planned.steps if "repair" in s or "edited" in s], [])
