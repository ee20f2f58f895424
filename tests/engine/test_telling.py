"""What people are told while a run goes on: each phase when it is reached, in order, and never at a rotation's expense."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from rotator.cli import report
from rotator.engine.outcome import Result
from rotator.systems.world import World
from tests.engine.test_custom_resources import Resources
from tests.faults.environment import Bao
from tests.faults.kinds_of_faults import Killed
from tests.faults.transport import Answer
from tests.trial import Trial

DAYS_30 = timedelta(days=30)
RESTARTED = [{"secret": {"name": "key"}, "restart": {"workloads": "auto", "soak": "10s"}}]


@pytest.fixture
def resources(bao: Bao) -> Resources:
    """A rotation whose holders are restarted, with its first version in use, and the second one's lead over."""
    resources = Resources(bao)
    resources.create(holders=RESTARTED)
    resources.until_stable()
    resources.trial.timeline.pass_by(DAYS_30)
    resources.trial.wait(resources.run(events=True).outcomes[0])
    return resources


def _told(resources: Resources) -> list[tuple[str, str]]:
    """Return instant and reason of each Event, in the order in which they were written."""
    events = sorted(resources.events(), key=lambda e: int(e["metadata"]["resourceVersion"]))
    return [(e["firstTimestamp"], e["reason"]) for e in events]


def _when_it_sleeps(resources: Resources, look: Callable[[], None]) -> None:
    """Call `look` when the next run sleeps."""
    once = [look]
    resources.trial.timeline.moved.append(lambda: once.pop()() if once else None)


def _killed() -> None:
    raise Killed


def test_while_a_run_waits_for_pods_people_see_what_it_has_done(resources: Resources) -> None:
    """The phase, whom it waits for, and one Event a step with the instant at which it was done."""
    seen: list[Any] = []
    _when_it_sleeps(resources, lambda: seen.append((resources.status(), _told(resources))))
    before = len(_told(resources))
    began = resources.trial.timeline.now
    (done,) = resources.run(events=True).outcomes
    assert done.summary.phase == "Overlap"
    status, told = seen[0]
    assert (status["phase"], status["result"]) == ("Switching", "Waiting")
    assert status["waitingOn"] == ["secret payments/key"]
    assert "deployment payments/" in status["reason"]
    assert "next" not in status
    assert [reason for _, reason in told[before:]] == ["Activate", "Write", "Restart"]
    after = _told(resources)
    assert [reason for _, reason in after[before:]] == ["Activate", "Write", "Restart", "Converge"]
    instants = [instant for instant, _ in after[before:]]
    assert instants == sorted(instants)
    assert instants[0] < instants[-1]
    assert instants[0] >= f"{began:%Y-%m-%dT%H:%M:%SZ}"
    assert resources.status()["phase"] == "Overlap"


def test_a_run_that_is_killed_has_told_what_it_did_and_the_next_tells_the_rest_once(
    resources: Resources,
) -> None:
    """Nothing that was told is lost, and nothing is told twice."""
    before = len(_told(resources))
    _when_it_sleeps(resources, _killed)
    with pytest.raises(Killed):
        resources.run(events=True)
    assert resources.status()["phase"] == "Switching"
    assert [reason for _, reason in _told(resources)[before:]] == ["Activate", "Write", "Restart"]
    resources.trial.timeline.pass_by(timedelta(minutes=1))
    resources.run(events=True)
    assert [reason for _, reason in _told(resources)[before:]] == ["Activate", "Write", "Restart", "Converge"]


def test_what_is_told_costs_one_write_a_phase_and_one_a_wait(resources: Resources) -> None:
    """A run writes no status for what it only looks at, and none where it finds nothing new."""
    trial = resources.trial

    def told() -> int:
        resources.run()
        return trial.counted().get("kubernetes PATCH rotations/NAME", 0)

    assert told() == 4, "Switching; what it waits for; Overlap; what it waits for then"
    assert told() == 0, "nothing is due"
    trial.timeline.pass_by(timedelta(hours=1))
    assert told() == 2, "Withdrawing; Stable"
    trial.timeline.pass_by(DAYS_30)
    assert told() == 2, "Publishing; Lead"


@pytest.mark.parametrize("path", ["/rotations/key/status", "/events"])
@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, {}, b""),
        Answer(403, {}, json.dumps({"reason": "Forbidden"}).encode()),
        Answer(409, {}, json.dumps({"reason": "Conflict"}).encode()),
        Answer(422, {}, json.dumps({"reason": "Invalid"}).encode()),
        Answer(200, {}, b"{}"),
        Answer(200, {}, b"[]"),
        Answer(200, {}, b'{"metadata": null}'),
        Answer(200, {}, b"garbage"),
    ],
    ids=lambda a: f"{a.status} {a.body.decode()}",
)
def test_who_cannot_be_told_stops_nothing(resources: Resources, path: str, answer: Answer) -> None:
    """The rotation goes on to its end, whatever the API answers about status and Events."""
    verb = "POST" if path == "/events" else "PATCH"
    resources.trial.answers[verb, path] = answer
    (outcome,) = resources.run(events=True).outcomes
    assert (outcome.result, outcome.summary.phase) == (Result.WAITING, "Overlap")


@pytest.mark.parametrize(
    "path",
    [
        "/leases",
        "/leases/rotation-key",
        "/configmaps/key-accepted",
        "/secrets/key",
        "/deployments",
        "/deployments/api",
    ],
)
@pytest.mark.parametrize("stopped", ["SIGTERM", ""])
def test_what_ends_a_run_is_said_of_the_run_and_does_not_stay(
    resources: Resources, monkeypatch: pytest.MonkeyPatch, path: str, stopped: str
) -> None:
    """The rotation's own reason is what it waits for; that a run was stopped is no state of it."""
    worlds: list[World] = []
    make = resources.trial.world

    def kept() -> World:
        worlds.append(make())
        return worlds[-1]

    monkeypatch.setattr(resources.trial, "world", kept)
    resources.meanwhile(path, lambda: worlds[-1].deadline.end(resources.trial.timeline.now, stopped))
    (outcome,) = resources.run().outcomes
    assert outcome.result is Result.WAITING
    memo = json.loads(resources.trial.lease()["metadata"]["annotations"]["rotator.dev/memo"])
    said = "the run was asked to stop (SIGTERM)" if stopped else "the run's time is used up"
    waits = outcome.reason.startswith(("secret payments/key: ", "the lead"))
    assert waits or outcome.reason == f"{said}; the next run carries on from what is recorded"
    for reason in (memo["reason"], resources.status()["reason"]):
        assert "stop" not in reason
        assert "time is used up" not in reason
        assert reason
    assert resources.run().outcomes[0].summary.phase == "Overlap", "the next run carries on"


def test_ages_are_counted_in_the_api_servers_time(bao: Bao) -> None:
    """A node whose clock is two hours ahead is refused, and its table is right all the same."""
    trial = Trial(bao)
    trial.until_stable(trial.policy())
    trial.timeline.pass_by(timedelta(days=1))
    done = trial.fleet(trial.policy(), skew=timedelta(hours=2), act=False)
    row = report.text(done, "table", steps=False).splitlines()[1]
    assert "the clock here is 1h59m" in row
    assert "  1d1m" in row or "  1d2m" in row or "  1d3m" in row, row
