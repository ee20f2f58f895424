"""Whole rotations of what is declared for applications, read by the applications' own libraries in rolling restarts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.reference.applications import DECLARATIONS
from rotator.engine.outcome import Outcome, Result
from rotator.policy.model import RotationPolicy
from tests.consumers.readers import Airflow, Django, Flask, Given, InNode, Node, OAuth2Proxy, Reader
from tests.faults.environment import NAMESPACE, Bao
from tests.trial import Trial

SEVERAL: dict[str, Callable[[], Reader]] = {"airflow": Airflow, "django": Django, "flask": Flask}
IN_JAVASCRIPT = ("express-session", "authjs")
INSTALLED = Path(__file__).parents[2] / "build" / "providers" / "applications"
DAY = timedelta(days=1)
STEPS = 40
"""Into so many a wait is cut, so that what is valid is shown again and again."""


def declared(name: str, change: Callable[[str], str] = str) -> RotationPolicy:
    """Return the declaration for an application, for the Secret that the pods of the emulated cluster read."""
    document: Any = yaml.safe_load(change((DECLARATIONS / f"{name}.yaml").read_text(encoding="utf-8")))
    document["metadata"] |= {"name": "key", "namespace": NAMESPACE}
    (holder,) = document["spec"]["holders"]
    holder["secret"]["name"] = "key"
    return RotationPolicy.model_validate(document)


@dataclass
class Users:
    """Everybody who has a session shows it at every pod, for as long as it is valid; who is refused has lost it."""

    trial: Trial
    reader: Reader
    life: timedelta
    """Of a session."""
    begun: int = 0
    shown: int = 0
    lost: list[str] = field(default_factory=list)
    _sessions: dict[str, datetime] = field(default_factory=dict)
    _last: dict[tuple[str, ...], datetime] = field(default_factory=dict)
    _answers: dict[tuple[tuple[str, ...], str], bool] = field(default_factory=dict)

    def come(self) -> None:
        """Begin a session at each pod that has another value, and show all of them at each."""
        now = self.trial.timeline.now
        pods = {tuple(given.values()): given for given in self.trial.environment.started()}
        for key, given in pods.items():
            if now - self._last.get(key, now - DAY) >= timedelta(seconds=10):
                self._last[key] = now
                self._sessions[self.reader.begins(given, self.begun)] = now
                self.begun += 1
        self._sessions = {made: since for made, since in self._sessions.items() if since + self.life >= now}
        for key, given in pods.items():
            for made, since in [*self._sessions.items()]:
                if not self._accepted(key, given, made):
                    self.lost.append(f"{now}: a session of {since}")
                    del self._sessions[made]

    def _accepted(self, key: tuple[str, ...], given: Given, made: str) -> bool:
        self.shown += 1
        if (key, made) not in self._answers:
            self._answers[key, made] = self.reader.accepts(given, made)
        return self._answers[key, made]


def runs(trial: Trial, policy: RotationPolicy) -> Iterator[Outcome]:
    """Run until the rotation is over, and let time pass in steps."""
    for _ in range(60):
        outcome = trial.run(policy)
        assert outcome.result != Result.FROZEN, outcome.reason
        if outcome.reason.startswith("the next rotation"):
            return
        yield outcome
        until = outcome.until or trial.timeline.now + timedelta(minutes=1)
        step = (until - trial.timeline.now) / STEPS
        for _ in range(STEPS):
            trial.timeline.pass_by(step)
        trial.timeline.pass_by(timedelta(seconds=1))
    raise AssertionError("it does not end")


def lived(bao: Bao, policy: RotationPolicy, reader: Reader, life: timedelta | None = None) -> Users:
    """Live through a whole rotation, from rest to rest. `life`: of a session; by default as long as is declared."""
    (holder,) = policy.spec.holders
    trial = Trial(bao, reads=tuple(holder.one.asked))
    trial.until_stable(policy)
    users = Users(trial, reader, life or policy.spec.overlap.token_ttl)
    trial.timeline.pass_by(policy.spec.every)
    trial.timeline.moved.append(users.come)
    old = next(trial.environment.started())
    ghost = reader.begins(old, 0)
    for _ in runs(trial, policy):
        pass
    (new,) = {tuple(pod.items()) for pod in trial.environment.started()}
    assert not reader.accepts(dict(new), ghost), "the old value is dead"
    return users


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    """The libraries of JavaScript; skips loudly where they are not installed."""
    modules = Path(os.environ.get("ROTATOR_APPLICATIONS", INSTALLED)) / "node_modules"
    if not (modules / "express-session").is_dir():
        pytest.skip("NO APPLICATIONS: run make test-providers")
    process = Node(modules)
    yield process
    process.end()


@pytest.mark.parametrize("name", IN_JAVASCRIPT)
@pytest.mark.real_provider
def test_an_application_in_javascript_loses_no_session(bao: Bao, node: Node, name: str) -> None:
    """The same by express-session, with real requests and one store for all pods, and by Auth.js."""
    users = lived(bao, declared(name), InNode(node, name))
    assert not users.lost
    assert users.begun >= 30
    assert users.shown > 1000


@pytest.mark.parametrize("name", SEVERAL)
def test_an_application_that_accepts_several_loses_no_session(bao: Bao, name: str) -> None:
    """Every session is accepted by every pod at every moment of the rollouts; in the end the old value is refused."""
    users = lived(bao, declared(name), SEVERAL[name]())
    assert not users.lost
    assert users.begun >= 30
    assert users.shown > 1000


def test_a_list_of_the_new_and_the_previous_value_loses_sessions(bao: Bao) -> None:
    """What people write by themselves: pods that have not restarted yet do not know the value with which the others sign."""

    def previous(text: str) -> str:
        verifiers = "acceptedList: {secret: unread, maxAge: 0s}"
        return text.replace("other.value", "previous.value").replace("holders: {}", verifiers)

    users = lived(bao, declared("airflow", previous), Airflow())
    assert users.lost


def test_an_application_that_accepts_one_loses_what_was_before_and_nothing_after(bao: Bao) -> None:
    """All within the window that is declared, and while its pods restart: sessions last for `cookie_expire`, a week."""
    users = lived(bao, declared("oauth2-proxy"), OAuth2Proxy(), life=7 * DAY)
    assert len(users.lost) >= users.begun / 2
    first = datetime.fromisoformat(users.lost[0].partition(": ")[0])
    last = datetime.fromisoformat(users.lost[-1].partition(": ")[0])
    assert (first.strftime("%a"), first.hour) == ("Sun", 3)
    assert last - first < timedelta(minutes=10)


class Database:
    """One password, which every pod reads at every moment."""

    def __init__(self, trial: Trial, airflow: Airflow, *, job: bool) -> None:
        """`job`: whether one encrypts it again each day, as a pod of that moment would."""
        self._trial, self._airflow, self._job = trial, airflow, job
        self._stored = airflow.begins(next(trial.environment.started()), 0)
        self._ran = trial.timeline.now
        self.unreadable = self.runs_of_the_job = 0

    def live(self) -> None:
        """Read it at each pod, and have the job run once a day."""
        pods = list(self._trial.environment.started())
        self.unreadable += not all(self._airflow.accepts(given, self._stored) for given in pods)
        if self._job and pods and self._trial.timeline.now - self._ran >= DAY:
            self._stored = self._airflow.again(pods[0], self._stored)
            self._ran, self.runs_of_the_job = self._trial.timeline.now, self.runs_of_the_job + 1


@pytest.mark.parametrize("job", [True, False], ids=["with the job", "without the job"])
def test_what_airflow_has_stored_outlives_a_rotation_if_a_job_encrypts_it_again(
    bao: Bao, *, job: bool
) -> None:
    """A password that was stored long ago: `airflow rotate-fernet-key` each day keeps it. Without it, it is lost with the old key."""
    policy = declared("airflow")
    trial = Trial(bao, reads=("fernet-key",))
    trial.until_stable(policy)
    database = Database(trial, Airflow(), job=job)
    trial.timeline.pass_by(policy.spec.every)
    trial.timeline.moved.append(database.live)
    for _ in runs(trial, policy):
        pass
    assert (database.unreadable == 0) == job
    assert database.runs_of_the_job >= (5 if job else 0)
