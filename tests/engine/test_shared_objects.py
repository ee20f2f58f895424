"""Objects that others made, keep or write as well: what is in the way is said before anything is begun."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

from rotator.engine.outcome import Outcome, Result
from rotator.policy.model import RotationPolicy
from tests.faults.stage import NAMESPACE, Bao
from tests.scene import Scene

SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
VALUE = "correct-horse-battery-staple-0123456789"
MONTH = timedelta(days=30)
HELM = {"annotations": {"meta.helm.sh/release-name": "gateway"}}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "immutable": ({"immutable": True}, "it is immutable"),
    "full": ({"data": {"other": base64.b64encode(b"x" * 1_048_300).decode()}}, "no room"),
    "a replica": (
        {"metadata": {"annotations": {"replicator.v1.mittwald.de/replicate-from": "a/b"}}},
        "Replicator",
    ),
    "an operator's": (
        {
            "metadata": {
                "ownerReferences": [
                    {
                        "apiVersion": "external-secrets.io/v1",
                        "kind": "ExternalSecret",
                        "name": "app",
                        "uid": "1",
                        "controller": True,
                    }
                ]
            }
        },
        "it belongs to ExternalSecret app",
    ),
}


@pytest.fixture
def scene(bao: Bao) -> Scene:
    """An empty cluster, an empty path in Vault, and time of its own."""
    return Scene(bao)


def change(scene: Scene, changes: dict[str, Any], name: str = "key") -> None:
    """Change a Secret as its owner would."""
    scene.stage.ask("PATCH", f"{SECRETS}/{name}", changes)


def make(scene: Scene, more: dict[str, Any], name: str = "key") -> None:
    """Make a Secret with a credential that is in use."""
    data = {"token": base64.b64encode(VALUE.encode()).decode(), **more.get("data", {})}
    metadata = {"name": name, **more.get("metadata", {})}
    scene.stage.ask("POST", SECRETS, {**more, "metadata": metadata, "data": data})


def shared_secret(scene: Scene, **more: Any) -> RotationPolicy:
    """Return a declaration of a shared secret in the data key `token`."""
    return scene.policy(
        store={"kubernetes": {}},
        credential={"sharedSecret": {"length": 40}},
        verifiers=[{"acceptedList": {"secret": "accepted", "maxAge": "1m"}}],
        holders=[{"secret": {"name": "key", "data": {"token": "value"}}, "pickUp": "1s"}],
        **more,
    )


def taking_over(scene: Scene) -> RotationPolicy:
    """Return a declaration that takes the value in use over."""
    return shared_secret(scene, takeOver={"secret": {"name": "key", "key": "token"}})


def nothing_begun(scene: Scene, outcome: Outcome) -> bool:
    """Whether there is neither ring nor list."""
    there = [scene.stage.secret(name) for name in ("rotation-key", "accepted")]
    return outcome.steps == () and there == [None, None]


@pytest.mark.parametrize(("there", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_take_another_version_is_refused_before_it_is_taken_over(
    scene: Scene, there: dict[str, Any], expected: str
) -> None:
    """By the plan, and by the run, which writes nothing."""
    make(scene, there)
    planned = scene.run(taking_over(scene), act=False)
    assert planned.result is Result.FROZEN
    assert expected in planned.reason
    outcome = scene.run(taking_over(scene))
    assert (outcome.result, outcome.reason) == (Result.FROZEN, planned.reason)
    assert nothing_begun(scene, outcome)


@pytest.mark.parametrize(("there", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_has_come_between_is_seen_by_the_plan_and_refused_before_the_stage(
    scene: Scene, there: dict[str, Any], expected: str
) -> None:
    """Weeks before it is due the plan says so; when it is due, no version is made, and the old one stays in force."""
    policy = shared_secret(scene)
    ring = scene.until_stable(policy).ring
    change(scene, there)
    planned = scene.run(policy, act=False)
    assert planned.reason.startswith(
        "the next rotation, every 30d; it could not begin as things are: secret payments/key"
    )
    assert expected in planned.reason
    assert scene.run(policy).result is Result.WAITING, "nothing is due: nobody is called at night"
    scene.timeline.pass_by(MONTH)
    outcome = scene.run(policy)
    assert outcome.result is Result.FROZEN
    assert expected in outcome.reason
    assert outcome.ring == ring, "no version was made"


def test_a_rotation_goes_on_once_what_was_in_its_way_is_gone(scene: Scene) -> None:
    """Nothing has to be told to rotator."""
    policy = shared_secret(scene)
    scene.until_stable(policy)
    other = {"data": {"other": base64.b64encode(b"x" * 1_048_300).decode()}}
    change(scene, other)
    scene.timeline.pass_by(MONTH)
    assert scene.run(policy).result is Result.FROZEN
    change(scene, {"data": {"other": None}})
    assert len(getattr(scene.until_stable(policy).ring, "versions", ())) == 2


def test_a_value_in_a_manifest_is_taken_over_and_not_rotated_before_it_is_taken_out(scene: Scene) -> None:
    """Taking over changes no value, so that its owner can take it out of the manifest after that."""
    make(scene, {"metadata": HELM})
    applied = '{"data": {"token": "x"}}'
    change(
        scene, {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}}}
    )
    policy = taking_over(scene)
    scene.until_stable(policy)
    assert "it is also written by Helm (token" in scene.run(policy, act=False).reason
    scene.timeline.pass_by(MONTH)
    assert "it is also written by Helm (token" in scene.run(policy).reason
    change(scene, {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}})
    assert len(getattr(scene.until_stable(policy).ring, "versions", ())) == 2


def test_a_list_of_others_is_refused_before_a_credential_is_taken_over(scene: Scene) -> None:
    """The hint is the one for a list: it is never taken over, and keys of others stay where they are."""
    make(scene, {})
    theirs = {"accepted": base64.b64encode(b'["theirs"]').decode()}
    scene.stage.ask("POST", SECRETS, {"metadata": {"name": "accepted"}, "data": theirs})
    outcome = scene.run(taking_over(scene))
    assert outcome.result is Result.FROZEN
    assert "secret payments/accepted exists and was not made by rotator" in outcome.reason
    assert "always a new object" in outcome.reason
    assert "takeOver" not in outcome.reason
    assert outcome.steps == ()
    assert scene.stage.secret("rotation-key") is None


def test_objects_that_an_older_version_marked_go_on(scene: Scene) -> None:
    """They are found by the old label, nothing is written for it, and the next rotation adds the new one."""
    policy = shared_secret(scene)
    scene.until_stable(policy)
    for name in ("key", "accepted"):
        change(scene, {"metadata": {"labels": {"rotator.dev/managed": None}}}, name)
    scene.run(policy)
    before = [scene.stage.secret(name) for name in ("key", "accepted")]
    scene.timeline.pass_by(timedelta(minutes=5))
    assert scene.run(policy).result is Result.IDLE
    assert [scene.stage.secret(name) for name in ("key", "accepted")] == before
    scene.timeline.pass_by(MONTH)
    scene.until_stable(policy)
    for name in ("key", "accepted"):
        assert (scene.stage.secret(name) or {})["metadata"]["labels"] == {
            "app.kubernetes.io/managed-by": "rotator",
            "rotator.dev/managed": "true",
        }
    scene.timeline.pass_by(timedelta(minutes=5))
    assert scene.run(policy).result is Result.IDLE
    assert scene.counted() == {"kubernetes GET leases": 1, "kubernetes GET secrets": 1}
