"""Leases in a cluster where others may write them too: what is read back is never trusted to be sensible."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from rotator.engine.outcome import Result
from rotator.ports import Lease, Memo
from rotator.run import wiring
from rotator.telemetry.metrics import registry_of
from rotator.telemetry.sources import of_lease
from tests.faults.environment import NAMESPACE, Bao
from tests.faults.transport import Answer
from tests.trial import Trial

LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
MANAGED = {"app.kubernetes.io/managed-by": "rotator"}


@pytest.fixture
def trial(bao: Bao) -> Trial:
    """A trial of the test's own."""
    return Trial(bao)


@pytest.mark.parametrize(
    "damage",
    [
        {"every": 1e300},
        {"every": "inf"},
        {"revision": 10**400},
        {"revision": -1},
        {"accepted": 2**60},
        {"due": "9999-99-99"},
        {"due": 7},
        {"fences": []},
        {"due": "8000-01-01T00:00:00Z"},
        {"since": "2026-01-01T00:00:00"},
        {"phase": 7},
        {"reason": ["x"]},
        {"requests": "abc"},
        {"every": -1},
        {"every": True},
        {"fences": {"a": 1}},
        {"summary": None, "reason": {}},
    ],
    ids=str,
)
def test_a_memo_that_makes_no_sense_is_an_empty_one(damage: dict[str, Any]) -> None:
    """It costs a look, and never a traceback."""
    whole = json.loads(Memo().to_json())
    memo = Memo.from_json(json.dumps({**whole, **damage}))
    assert memo.summary.revision == 0
    assert memo.due is None


@pytest.mark.parametrize(
    "memo",
    [
        "",
        "null",
        "[" * 100_000,
        '{"a":' * 5_000,
        '{"revision": 1e400}',
        '{"revision": NaN}',
        '{"reason": "\\ud800"}',
        "9" * 5_000,
        '"' + "x" * 200_000 + '"',
    ],
    ids=lambda memo: memo[:20],
)
def test_a_memo_that_is_no_document_stops_nothing(trial: Trial, memo: str) -> None:
    """Neither its own rotation, nor the others, nor what the exporter shows of them."""
    metadata = {"name": "rotation-one", "labels": MANAGED, "annotations": {"rotator.dev/memo": memo}}
    trial.environment.ask("POST", LEASES, {"metadata": metadata, "spec": {}})
    report = trial.fleet(trial.policy("one"), trial.policy("two"))
    assert [o.result for o in report.outcomes] == [Result.WAITING, Result.WAITING]
    trial.environment.ask(
        "PATCH", f"{LEASES}/rotation-one", {"metadata": {"annotations": {"rotator.dev/memo": memo}}}
    )
    world = trial.world()
    views = wiring.fleet(world, act=False).leases.list([NAMESPACE])
    world.close()
    assert views[f"{NAMESPACE}/one"].memo == Memo()
    registry = registry_of(rotations=[of_lease(lease) for lease in views.values()])
    assert registry.get_sample_value("rotator_rotations_left_out") == 0


@pytest.mark.parametrize(
    "spec",
    [
        {
            "holderIdentity": "x",
            "renewTime": "9999-12-31T23:59:59.000000Z",
            "leaseDurationSeconds": 2147483647,
        },
        {"holderIdentity": "x", "acquireTime": "9999-12-31T23:59:59.000000Z"},
        {"leaseTransitions": 2147483647},
        {"holderIdentity": 7, "leaseDurationSeconds": "abc", "renewTime": "2999-01-01T00:00:00Z"},
        {"holderIdentity": "x", "leaseDurationSeconds": 1e30, "renewTime": "2999-01-01T00:00:00Z"},
        {"holderIdentity": ["x"], "acquireTime": 7, "renewTime": {}, "leaseTransitions": "many"},
    ],
    ids=["beyond all time", "acquired then", "many transitions", "words", "1e30", "other types"],
)
def test_a_lease_that_somebody_made_up_stops_nothing(trial: Trial, spec: dict[str, Any]) -> None:
    """Neither its own rotation nor the others."""
    for name in ("rotation-one", "rotation-unknown"):
        trial.environment.ask("POST", LEASES, {"metadata": {"name": name, "labels": MANAGED}, "spec": spec})
    report = trial.fleet(trial.policy("one"), trial.policy("two"))
    assert [o.result for o in report.outcomes] == [Result.WAITING, Result.WAITING]


def test_a_lease_by_another_name_is_not_ours(trial: Trial) -> None:
    """Two runs must not hold two leases of one rotation."""
    trial.environment.ask("POST", LEASES, {"metadata": {"name": "key", "labels": MANAGED}, "spec": {}})
    trial.run(trial.policy("key"))
    assert trial.lease("key")["metadata"]["annotations"]["rotator.dev/memo"]


def test_a_look_that_was_put_off_for_years_is_not_believed(trial: Trial) -> None:
    """No more than an hour passes between two looks at everything, whatever the memo says."""
    policy = trial.policy("key", store={"kubernetes": {}})
    trial.until_stable(policy)
    path = f"{LEASES}/rotation-key"
    memo = json.loads(trial.environment.ask("GET", path)["metadata"]["annotations"]["rotator.dev/memo"])
    memo["look"] = "2126-01-01T00:00:00Z"
    trial.environment.ask(
        "PATCH", path, {"metadata": {"annotations": {"rotator.dev/memo": json.dumps(memo)}}}
    )
    trial.environment.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/secrets/rotation-key")
    assert trial.run(policy).result is Result.FROZEN


def test_a_lost_ring_is_noticed_within_the_hour(trial: Trial) -> None:
    """No list shows it, and nothing may be due for a month."""
    policy = trial.policy("key", store={"kubernetes": {}})
    trial.until_stable(policy)
    trial.environment.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/secrets/rotation-key")
    trial.timeline.pass_by(timedelta(hours=1))
    assert trial.run(policy).result is Result.FROZEN


def test_a_lease_that_cannot_be_written_is_no_other_run(trial: Trial) -> None:
    """Whoever is on call looks for the server's trouble, not for a run that does not exist."""
    trial.answers["PATCH", "/leases/rotation-key"] = Answer(500, {}, b"{}")
    outcome = trial.run(trial.policy("key"))
    assert outcome.result is Result.FROZEN
    assert "leases/rotation-key: HTTP 500" in outcome.reason


def test_since_when_a_lease_is_held_does_not_change_by_renewing_it(trial: Trial) -> None:
    """It is what tells a stuck one."""
    world = trial.world()
    leases = wiring.fleet(world, act=True).leases
    taken = leases.take(Lease(rotation=f"{NAMESPACE}/key"))
    first = taken.acquired
    trial.timeline.pass_by(timedelta(seconds=20))
    renewed = leases.renew(taken)
    world.close()
    assert first is not None
    assert renewed.acquired == first
    assert renewed.expires != taken.expires
