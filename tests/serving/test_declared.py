"""What several rotations declare to be served: one address has one set, and who shares a set serves it alike."""

from __future__ import annotations

from typing import Any

import pytest

from rotator.policy.model import RotationPolicy
from rotator.policy.owners import Owners
from rotator.policy.reach import Reach, strays
from rotator.serving.declared import declared


def rotation(name: str, **jwks: Any) -> RotationPolicy:
    """Return a rotation with one verifier."""
    whole = {
        "credential": {"jwtSigningKey": {"algorithm": "EdDSA"}}, "every": "30d", "overlap": {"tokenTTL": "15m"},
        "store": {"kubernetes": {}}, "verifiers": [{"jwks": {"maxAge": "5m", **jwks}}], "holders": [{"secret": {"name": name}}],
    }  # fmt: skip
    metadata = {"name": name, "namespace": "a"}
    return RotationPolicy.model_validate(
        {"apiVersion": "rotator.dev/v1alpha1", "kind": "Rotation", "metadata": metadata, "spec": whole}
    )


def problems(*policies: RotationPolicy) -> list[str]:
    """Return what is wrong with rotations beside each other."""
    owners = Owners()
    return [problem for policy in policies for _, problem in owners.claim(policy, "here")]


HERE, THERE = {"path": "/here"}, {"path": "/there"}
ONE = {"configMap": "one", "shared": True}


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({"configMap": "one", "served": HERE}, {"configMap": "two", "served": THERE}, ""),
        ({"configMap": "one", "served": {**HERE, "host": "a.example"}}, {"configMap": "two", "served": {**HERE, "host": "b.example"}}, ""),
        ({"configMap": "one", "served": HERE}, {"configMap": "two", "served": HERE},
         "https://*/here is answered with configmap a/one already; expected one document at one address"),
        ({**ONE, "served": HERE}, {**ONE, "served": HERE}, ""),
        ({**ONE, "served": HERE}, {**ONE, "served": HERE, "maxAge": "1m"}, ""),
        (ONE, ONE, ""),
        ({**ONE, "served": HERE}, ONE, "configmap a/one is shared, and another rotation serves it otherwise; expected the same served in all of them"),
        (ONE, {**ONE, "served": HERE}, "configmap a/one is shared, and another rotation serves it otherwise; expected the same served in all of them"),
        ({**ONE, "served": HERE}, {**ONE, "served": THERE},
         "configmap a/one is shared, and another rotation serves it otherwise; expected the same served in all of them"),
        ({**ONE, "served": HERE}, {**ONE, "key": "other", "served": THERE}, ""),
        ({**ONE, "served": HERE}, {**ONE, "key": "other", "served": HERE},
         "https://*/here is answered with configmap a/one already; expected one document at one address"),
    ],
)  # fmt: skip
def test_one_address_has_one_set_and_who_shares_it_serves_it_alike(
    first: dict[str, Any], second: dict[str, Any], said: str
) -> None:
    """Whoever shares a set and does not serve it would not wait for the replicas that answer with its keys."""
    assert problems(rotation("one", **first), rotation("two", **second)) == ([said] if said else [])


def test_two_sets_in_one_object_are_two() -> None:
    """Each under its own data key, at its own address."""
    found = declared([rotation("one", **ONE, served=HERE), rotation("two", **ONE, key="other", served=THERE)])
    assert {source.key: source.label for source in found.sources.values()} == {
        "jwks.json": "configmap a/one",
        "other": "configmap a/one",
    }
    assert found.route("any", "/here") != found.route("any", "/there")


def test_a_custom_resource_may_share_a_set_and_not_serve_it() -> None:
    """Who serves a set at an address decides whose tokens are accepted there."""
    assert strays(rotation("one", **ONE), Reach()) == []
    assert len(strays(rotation("one", **ONE, served=HERE), Reach())) == 1
