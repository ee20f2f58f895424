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
from tests.faults.environment import NAMESPACE, TOKEN, Bao
from tests.faults.traffic import text_of
from tests.trial import Trial

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
def trial(bao: Bao) -> Trial:
    """An empty cluster, an empty path in Vault, and time of its own."""
    return Trial(bao)


def change(trial: Trial, changes: dict[str, Any], name: str = "key") -> None:
    """Change a Secret as its owner would."""
    trial.environment.ask("PATCH", f"{SECRETS}/{name}", changes)


def make(trial: Trial, more: dict[str, Any], name: str = "key") -> None:
    """Make a Secret with a credential that is in use."""
    data = {"token": base64.b64encode(VALUE.encode()).decode(), **more.get("data", {})}
    metadata = {"name": name, **more.get("metadata", {})}
    trial.environment.ask("POST", SECRETS, {**more, "metadata": metadata, "data": data})


def shared_secret(trial: Trial, **more: Any) -> RotationPolicy:
    """Return a declaration of a shared secret in the data key `token`."""
    return trial.policy(
        store={"kubernetes": {}},
        credential={"sharedSecret": {"length": 40}},
        verifiers=[{"acceptedList": {"secret": "accepted", "maxAge": "1m"}}],
        holders=[{"secret": {"name": "key", "data": {"token": "value"}}, "pickUp": "1s"}],
        **more,
    )


def taking_over(trial: Trial) -> RotationPolicy:
    """Return a declaration that takes the value in use over."""
    return shared_secret(trial, takeOver={"secret": {"name": "key", "key": "token"}})


def nothing_begun(trial: Trial, outcome: Outcome) -> bool:
    """Whether there is neither ring nor list."""
    there = [trial.environment.secret(name) for name in ("rotation-key", "accepted")]
    return outcome.steps == () and there == [None, None]


@pytest.mark.parametrize(("there", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_take_another_version_is_refused_before_it_is_taken_over(
    trial: Trial, there: dict[str, Any], expected: str
) -> None:
    """By the plan, and by the run, which writes nothing."""
    make(trial, there)
    planned = trial.run(taking_over(trial), act=False)
    assert planned.result is Result.FROZEN
    assert expected in planned.reason
    outcome = trial.run(taking_over(trial))
    assert (outcome.result, outcome.reason) == (Result.FROZEN, planned.reason)
    assert nothing_begun(trial, outcome)


@pytest.mark.parametrize(("there", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_has_come_between_is_seen_by_the_plan_and_refused_before_the_stage(
    trial: Trial, there: dict[str, Any], expected: str
) -> None:
    """Weeks before it is due the plan says so; when it is due, no version is made, and the old one stays in force."""
    policy = shared_secret(trial)
    ring = trial.until_stable(policy).ring
    change(trial, there)
    planned = trial.run(policy, act=False)
    assert planned.reason.startswith(
        "the next rotation, every 30d; it could not begin as things are: secret payments/key"
    )
    assert expected in planned.reason
    assert trial.run(policy).result is Result.WAITING, "nothing is due: nobody is called at night"
    trial.timeline.pass_by(MONTH)
    outcome = trial.run(policy)
    assert outcome.result is Result.FROZEN
    assert expected in outcome.reason
    assert outcome.ring == ring, "no version was made"


def test_a_rotation_goes_on_once_what_was_in_its_way_is_gone(trial: Trial) -> None:
    """Nothing has to be told to rotator."""
    policy = shared_secret(trial)
    trial.until_stable(policy)
    other = {"data": {"other": base64.b64encode(b"x" * 1_048_300).decode()}}
    change(trial, other)
    trial.timeline.pass_by(MONTH)
    assert trial.run(policy).result is Result.FROZEN
    change(trial, {"data": {"other": None}})
    assert len(getattr(trial.until_stable(policy).ring, "versions", ())) == 2


def test_a_value_in_a_manifest_is_taken_over_and_not_rotated_before_it_is_taken_out(trial: Trial) -> None:
    """Taking over changes no value, so that its owner can take it out of the manifest after that."""
    make(trial, {"metadata": HELM})
    applied = '{"data": {"token": "x"}}'
    change(
        trial, {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}}}
    )
    policy = taking_over(trial)
    trial.until_stable(policy)
    assert "it is also written by Helm (token" in trial.run(policy, act=False).reason
    trial.timeline.pass_by(MONTH)
    assert "it is also written by Helm (token" in trial.run(policy).reason
    change(trial, {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}})
    assert len(getattr(trial.until_stable(policy).ring, "versions", ())) == 2


def test_a_list_of_others_is_refused_before_a_credential_is_taken_over(trial: Trial) -> None:
    """The hint is the one for a list: it is never taken over, and keys of others stay where they are."""
    make(trial, {})
    theirs = {"accepted": base64.b64encode(b'["theirs"]').decode()}
    trial.environment.ask("POST", SECRETS, {"metadata": {"name": "accepted"}, "data": theirs})
    outcome = trial.run(taking_over(trial))
    assert outcome.result is Result.FROZEN
    assert "secret payments/accepted exists and was not made by rotator" in outcome.reason
    assert "always a new object" in outcome.reason
    assert "takeOver" not in outcome.reason
    assert outcome.steps == ()
    assert trial.environment.secret("rotation-key") is None


def test_objects_that_an_older_version_marked_go_on(trial: Trial) -> None:
    """They are found by the old label, nothing is written for it, and the next rotation adds the new one."""
    policy = shared_secret(trial)
    trial.until_stable(policy)
    for name in ("key", "accepted"):
        change(trial, {"metadata": {"labels": {"rotator.dev/managed": None}}}, name)
    trial.run(policy)
    before = [trial.environment.secret(name) for name in ("key", "accepted")]
    trial.timeline.pass_by(timedelta(minutes=5))
    assert trial.run(policy).result is Result.IDLE
    assert [trial.environment.secret(name) for name in ("key", "accepted")] == before
    trial.timeline.pass_by(MONTH)
    trial.until_stable(policy)
    for name in ("key", "accepted"):
        assert (trial.environment.secret(name) or {})["metadata"]["labels"] == {
            "app.kubernetes.io/managed-by": "rotator",
            "rotator.dev/managed": "true",
        }
    trial.timeline.pass_by(timedelta(minutes=5))
    assert trial.run(policy).result is Result.IDLE
    assert trial.counted() == {"kubernetes GET leases": 1, "kubernetes GET secrets": 1}


# --- who puts back what we wrote ----------------------------------------------------------------------------------

ARGO = {"argocd.argoproj.io/tracking-id": "shop:/Secret:payments/key"}


def put_back(trial: Trial, name: str = "key", **data: str | None) -> None:
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
    answer = trial.environment.cluster.handle("PATCH", path, headers, json.dumps(whole).encode())
    assert answer.status == 200


def held(trial: Trial) -> str | None:
    """Return what the holder's Secret holds."""
    return text_of(trial.environment.secret("key"), "token", secret=True)


def deeds_of(trial: Trial) -> Any:
    """Return what the Lease remembers."""
    return json.loads(trial.lease()["metadata"].get("annotations", {}).get("rotator.dev/deeds", "{}"))


def forget(trial: Trial) -> None:
    """Do what the message says."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rotation-key"
    trial.environment.ask("PATCH", path, {"metadata": {"annotations": {"rotator.dev/deeds": None}}})


def test_a_repair_that_is_undone_freezes_and_names_who_wrote(trial: Trial) -> None:
    """Two controllers never fight for ever: the first repair is made, the second is not."""
    policy = shared_secret(trial)
    trial.until_stable(policy)
    ours = held(trial)
    put_back(trial, token="theirs")
    repaired = trial.run(policy)
    assert repaired.result is Result.WAITING
    assert any(s.startswith("repair (edited by somebody else) secret payments/key") for s in repaired.steps)
    assert held(trial) == ours
    for _ in range(3):
        put_back(trial, token="theirs")
        planned = trial.run(policy, act=False)
        frozen = trial.run(policy)
        for outcome in (planned, frozen):
            assert outcome.result is Result.FROZEN
            assert "the field manager argocd-controller wrote it at" in outcome.reason
            assert (
                "Argo CD keeps it (argocd.argoproj.io/tracking-id: shop:/Secret:payments/key)"
                in outcome.reason
            )
            assert "kubectl -n payments annotate lease rotation-key rotator.dev/deeds-" in outcome.reason
            assert outcome.steps == ()
        assert held(trial) == "theirs", "it was left as it is"
        trial.timeline.pass_by(timedelta(days=3))
    forget(trial)
    assert any(s.startswith("repair") for s in trial.run(policy).steps)
    assert held(trial) == ours
    assert trial.run(policy).result is not Result.FROZEN


def test_what_is_put_right_by_its_writer_is_no_freeze_any_more(trial: Trial) -> None:
    """As soon as the right value is there again, by whomever."""
    policy = shared_secret(trial)
    trial.until_stable(policy)
    ours = held(trial)
    for _ in range(2):
        put_back(trial, token="theirs")
        last = trial.run(policy)
    assert last.result is Result.FROZEN
    put_back(trial, token=ours)
    assert trial.run(policy).result is Result.WAITING


@pytest.mark.parametrize(("apart", "expected"), [(6, Result.FROZEN), (8, Result.WAITING)])
def test_an_edit_is_forgotten_after_a_week(trial: Trial, apart: int, expected: Result) -> None:
    """Two people who edit it by hand once in a while are no fight."""
    policy = shared_secret(trial)
    trial.until_stable(policy)
    put_back(trial, token="theirs")
    trial.run(policy)
    trial.timeline.pass_by(timedelta(days=apart))
    trial.run(policy)
    put_back(trial, token="theirs")
    assert trial.run(policy).result is expected


@pytest.mark.parametrize(
    ("undo", "said"),
    [
        (lambda trial: trial.environment.ask("DELETE", f"{SECRETS}/key"), "it was deleted"),
        (lambda trial: change(trial, {"data": {"token": None}}), "changed it again"),
        (lambda trial: change(trial, {"data": {"token": "eA=="}}), "changed it again"),
        (
            lambda trial: change(
                trial,
                {"data": {"token": "eA=="}, "metadata": {"annotations": {"rotator.dev/revision": None}}},
            ),
            "changed it again",
        ),
    ],
    ids=["deleted", "the key removed", "changed", "changed, and the stamp removed"],
)
def test_whatever_undoes_a_repair_is_counted(trial: Trial, undo: Callable[[Trial], None], said: str) -> None:
    """In each way it can be undone; the second time it is left as it is, and said."""
    policy = shared_secret(trial)
    trial.until_stable(policy)
    undo(trial)
    assert trial.run(policy).result is not Result.FROZEN
    undo(trial)
    frozen = trial.run(policy)
    assert frozen.result is Result.FROZEN
    assert said in frozen.reason
    assert frozen.steps == ()


def test_a_list_that_is_undone_freezes_too(trial: Trial) -> None:
    """Verifiers are no others: who writes their list is named."""
    policy = shared_secret(trial)
    trial.until_stable(policy)
    for expected in (Result.WAITING, Result.FROZEN):
        put_back(trial, "accepted", accepted="[]")
        outcome = trial.run(policy)
        assert outcome.result is expected
    assert "secret payments/accepted" in outcome.reason
    assert "argocd-controller" in outcome.reason


def test_a_value_that_is_put_back_in_the_middle_freezes_with_both_accepted(trial: Trial) -> None:
    """No run after the other writes it again until the time is up: the second time the writer is named."""
    policy = shared_secret(trial)
    trial.until_stable(policy)
    old = held(trial)
    trial.timeline.pass_by(MONTH)
    trial.wait(trial.run(policy))
    results = []
    for _ in range(3):
        outcome = trial.run(policy)
        results.append(outcome.result)
        if outcome.result is Result.FROZEN:
            break
        put_back(trial, token=old)
    assert results == [Result.WAITING, Result.WAITING, Result.FROZEN]
    assert "argocd-controller" in outcome.reason
    assert outcome.summary.accepted == 2
    assert old
    assert old in (text_of(trial.environment.secret("accepted"), "accepted", secret=True) or "")


def test_labels_and_fields_of_others_are_no_edits(trial: Trial) -> None:
    """They are theirs: nothing is repaired, and nothing is counted."""
    policy = shared_secret(trial)
    trial.until_stable(policy)
    for n in range(4):
        put_back(trial, other=str(n))
        change(trial, {"metadata": {"labels": {"team": str(n)}}})
        outcome = trial.run(policy)
        assert (outcome.result, outcome.steps) == (Result.WAITING, ())
    assert deeds_of(trial) == {}


@pytest.mark.parametrize(
    "damage", ["", "[", "[]", '{"secret payments/key": 5}', '{"a": {"repaired": "x"}}', "[" * 100_000]
)
def test_a_damaged_memory_costs_one_more_repair(trial: Trial, damage: str) -> None:
    """Whoever may write on a Lease may write anything there."""
    policy = shared_secret(trial)
    trial.until_stable(policy)
    put_back(trial, token="theirs")
    trial.run(policy)
    path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rotation-key"
    trial.environment.ask("PATCH", path, {"metadata": {"annotations": {"rotator.dev/deeds": damage}}})
    put_back(trial, token="theirs")
    assert trial.run(policy).result is Result.WAITING
    put_back(trial, token="theirs")
    assert trial.run(policy).result is Result.FROZEN


def test_a_vault_path_that_is_undone_freezes_too(trial: Trial) -> None:
    """Fields of others are no edits of ours; where ours are changed twice, it is Vault that knows by whom."""
    policy = trial.policy(holders=[{"vault": {"mount": "secret", "path": trial.life}}])
    trial.until_stable(policy)
    path, ours = f"secret/data/{trial.life}", trial.vault(f"secret/data/{trial.life}")

    def write(**fields: str) -> None:
        now = trial.vault(path)
        options = {"cas": now["metadata"]["version"]}
        trial.bao.server.call("POST", path, {"options": options, "data": {**now["data"], **fields}})

    for n in range(3):
        write(theirs=str(n))
        trial.timeline.pass_by(timedelta(hours=1))
        assert trial.run(policy).steps == ()
    for expected in (Result.WAITING, Result.FROZEN):
        write(private_key="theirs")
        trial.timeline.pass_by(timedelta(hours=1))
        outcome = trial.run(policy)
        assert outcome.result is expected
    assert "Vault's audit log says who" in outcome.reason
    assert ours["data"]["private_key"] not in outcome.reason
