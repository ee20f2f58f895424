"""Objects that others made, keep or write as well: what is in the way is said before anything is begun."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from rotator.engine.outcome import Outcome, Result
from rotator.policy.model import RotationPolicy
from tests.faults.stage import NAMESPACE, TOKEN, Bao
from tests.faults.traffic import text_of
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


# --- who puts back what we wrote ----------------------------------------------------------------------------------

ARGO = {"argocd.argoproj.io/tracking-id": "shop:/Secret:payments/key"}


def put_back(scene: Scene, name: str = "key", **data: str | None) -> None:
    """Apply other values as a GitOps tool does, and mark the object."""
    encoded = {k: v and base64.b64encode(v.encode()).decode() for k, v in data.items()}
    whole = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "annotations": ARGO},
        "data": {k: v for k, v in encoded.items() if v is not None},
    }
    path = f"{SECRETS}/{name}?fieldManager=argocd-controller&force=true"
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/apply-patch+yaml"}
    answer = scene.stage.cluster.handle("PATCH", path, headers, json.dumps(whole).encode())
    assert answer.status == 200


def held(scene: Scene) -> str | None:
    """Return what the holder's Secret holds."""
    return text_of(scene.stage.secret("key"), "token", secret=True)


def deeds_of(scene: Scene) -> Any:
    """Return what the Lease remembers."""
    return json.loads(scene.lease()["metadata"].get("annotations", {}).get("rotator.dev/deeds", "{}"))


def forget(scene: Scene) -> None:
    """Do what the message says."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rotation-key"
    scene.stage.ask("PATCH", path, {"metadata": {"annotations": {"rotator.dev/deeds": None}}})


def test_a_repair_that_is_undone_freezes_and_names_who_wrote(scene: Scene) -> None:
    """Two controllers never fight for ever: the first repair is made, the second is not."""
    policy = shared_secret(scene)
    scene.until_stable(policy)
    ours = held(scene)
    put_back(scene, token="theirs")
    repaired = scene.run(policy)
    assert repaired.result is Result.WAITING
    assert any(s.startswith("repair (edited by somebody else) secret payments/key") for s in repaired.steps)
    assert held(scene) == ours
    for _ in range(3):
        put_back(scene, token="theirs")
        planned = scene.run(policy, act=False)
        frozen = scene.run(policy)
        for outcome in (planned, frozen):
            assert outcome.result is Result.FROZEN
            assert "the field manager argocd-controller wrote it at" in outcome.reason
            assert (
                "Argo CD keeps it (argocd.argoproj.io/tracking-id: shop:/Secret:payments/key)"
                in outcome.reason
            )
            assert "kubectl -n payments annotate lease rotation-key rotator.dev/deeds-" in outcome.reason
            assert outcome.steps == ()
        assert held(scene) == "theirs", "it was left as it is"
        scene.timeline.pass_by(timedelta(days=3))
    forget(scene)
    assert any(s.startswith("repair") for s in scene.run(policy).steps)
    assert held(scene) == ours
    assert scene.run(policy).result is not Result.FROZEN


def test_what_is_put_right_by_its_writer_is_no_freeze_any_more(scene: Scene) -> None:
    """As soon as the right value is there again, by whomever."""
    policy = shared_secret(scene)
    scene.until_stable(policy)
    ours = held(scene)
    for _ in range(2):
        put_back(scene, token="theirs")
        last = scene.run(policy)
    assert last.result is Result.FROZEN
    put_back(scene, token=ours)
    assert scene.run(policy).result is Result.WAITING


@pytest.mark.parametrize(("apart", "expected"), [(6, Result.FROZEN), (8, Result.WAITING)])
def test_an_edit_is_forgotten_after_a_week(scene: Scene, apart: int, expected: Result) -> None:
    """Two people who edit it by hand once in a while are no fight."""
    policy = shared_secret(scene)
    scene.until_stable(policy)
    put_back(scene, token="theirs")
    scene.run(policy)
    scene.timeline.pass_by(timedelta(days=apart))
    scene.run(policy)
    put_back(scene, token="theirs")
    assert scene.run(policy).result is expected


@pytest.mark.parametrize(
    ("undo", "said"),
    [
        (lambda scene: scene.stage.ask("DELETE", f"{SECRETS}/key"), "it was deleted"),
        (lambda scene: change(scene, {"data": {"token": None}}), "changed it again"),
        (lambda scene: change(scene, {"data": {"token": "eA=="}}), "changed it again"),
        (
            lambda scene: change(
                scene,
                {"data": {"token": "eA=="}, "metadata": {"annotations": {"rotator.dev/revision": None}}},
            ),
            "changed it again",
        ),
    ],
    ids=["deleted", "the key removed", "changed", "changed, and the stamp removed"],
)
def test_whatever_undoes_a_repair_is_counted(scene: Scene, undo: Callable[[Scene], None], said: str) -> None:
    """In each way it can be undone; the second time it is left as it is, and said."""
    policy = shared_secret(scene)
    scene.until_stable(policy)
    undo(scene)
    assert scene.run(policy).result is not Result.FROZEN
    undo(scene)
    frozen = scene.run(policy)
    assert frozen.result is Result.FROZEN
    assert said in frozen.reason
    assert frozen.steps == ()


def test_a_list_that_is_undone_freezes_too(scene: Scene) -> None:
    """Verifiers are no others: who writes their list is named."""
    policy = shared_secret(scene)
    scene.until_stable(policy)
    for expected in (Result.WAITING, Result.FROZEN):
        put_back(scene, "accepted", accepted="[]")
        outcome = scene.run(policy)
        assert outcome.result is expected
    assert "secret payments/accepted" in outcome.reason
    assert "argocd-controller" in outcome.reason


def test_a_value_that_is_put_back_in_the_middle_freezes_with_both_accepted(scene: Scene) -> None:
    """No run after the other writes it again until the time is up: the second time the writer is named."""
    policy = shared_secret(scene)
    scene.until_stable(policy)
    old = held(scene)
    scene.timeline.pass_by(MONTH)
    scene.wait(scene.run(policy))
    results = []
    for _ in range(3):
        outcome = scene.run(policy)
        results.append(outcome.result)
        if outcome.result is Result.FROZEN:
            break
        put_back(scene, token=old)
    assert results == [Result.WAITING, Result.WAITING, Result.FROZEN]
    assert "argocd-controller" in outcome.reason
    assert outcome.summary.accepted == 2
    assert old
    assert old in (text_of(scene.stage.secret("accepted"), "accepted", secret=True) or "")


def test_labels_and_fields_of_others_are_no_edits(scene: Scene) -> None:
    """They are theirs: nothing is repaired, and nothing is counted."""
    policy = shared_secret(scene)
    scene.until_stable(policy)
    for n in range(4):
        put_back(scene, other=str(n))
        change(scene, {"metadata": {"labels": {"team": str(n)}}})
        outcome = scene.run(policy)
        assert (outcome.result, outcome.steps) == (Result.WAITING, ())
    assert deeds_of(scene) == {}


@pytest.mark.parametrize(
    "damage", ["", "[", "[]", '{"secret payments/key": 5}', '{"a": {"repaired": "x"}}', "[" * 100_000]
)
def test_a_damaged_memory_costs_one_more_repair(scene: Scene, damage: str) -> None:
    """Whoever may write on a Lease may write anything there."""
    policy = shared_secret(scene)
    scene.until_stable(policy)
    put_back(scene, token="theirs")
    scene.run(policy)
    path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rotation-key"
    scene.stage.ask("PATCH", path, {"metadata": {"annotations": {"rotator.dev/deeds": damage}}})
    put_back(scene, token="theirs")
    assert scene.run(policy).result is Result.WAITING
    put_back(scene, token="theirs")
    assert scene.run(policy).result is Result.FROZEN


def test_a_vault_path_that_is_undone_freezes_too(scene: Scene) -> None:
    """Fields of others are no edits of ours; where ours are changed twice, it is Vault that knows by whom."""
    policy = scene.policy(holders=[{"vault": {"mount": "secret", "path": scene.life}}])
    scene.until_stable(policy)
    path, ours = f"secret/data/{scene.life}", scene.vault(f"secret/data/{scene.life}")

    def write(**fields: str) -> None:
        now = scene.vault(path)
        options = {"cas": now["metadata"]["version"]}
        scene.bao.server.call("POST", path, {"options": options, "data": {**now["data"], **fields}})

    for n in range(3):
        write(theirs=str(n))
        scene.timeline.pass_by(timedelta(hours=1))
        assert scene.run(policy).steps == ()
    for expected in (Result.WAITING, Result.FROZEN):
        write(private_key="theirs")
        scene.timeline.pass_by(timedelta(hours=1))
        outcome = scene.run(policy)
        assert outcome.result is expected
    assert "Vault's audit log says who" in outcome.reason
    assert ours["data"]["private_key"] not in outcome.reason
