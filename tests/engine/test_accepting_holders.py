"""Applications that both sign and check: one document shows what they use, and what they accept besides."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator.engine.outcome import Outcome, Result
from rotator.policy.model import RotationPolicy
from tests.faults.environment import NAMESPACE, Bao
from tests.faults.kinds_of_faults import Killed
from tests.faults.traffic import text_of
from tests.faults.transport import Answer, Call, Perform
from tests.trial import Trial

DAYS_30 = timedelta(days=30)
TTL = timedelta(minutes=15)
"""What `Trial.policy` declares."""
OPAQUE = {"sharedSecret": {"length": 40}}
THEMSELVES: Any = [{"holders": {}}]
LIST = {"SECRETS": "${value},${other.value}"}
RESTART = {"restart": {"workloads": "auto", "soak": "0s"}}


@pytest.fixture
def trial(bao: Bao) -> Trial:
    """An empty cluster whose pods read `SECRETS` at their start, an empty path in Vault, and time of its own."""
    return Trial(bao, reads=("SECRETS",))


def declared(trial: Trial, data: dict[str, str], **more: Any) -> RotationPolicy:
    """Return the rotation of a secret whose one holder accepts it, too."""
    holder = {"secret": {"name": "key", "data": data}, **RESTART}
    return trial.policy(**{"credential": OPAQUE, "verifiers": THEMSELVES, "holders": [holder], **more})


def held(trial: Trial, name: str = "SECRETS") -> str | None:
    """Return what the Secret holds under a data key."""
    return text_of(trial.environment.secret("key"), name, secret=True)


def restarts(trial: Trial) -> int:
    """Return how often the Deployment was changed."""
    return int(trial.environment.deployment()["metadata"]["generation"])


def step_by_step(trial: Trial, policy: RotationPolicy) -> Iterator[Outcome]:
    """Run until the rotation is over, as time passes."""
    for _ in range(60):
        outcome = trial.run(policy)
        yield outcome
        if outcome.reason.startswith("the next rotation"):
            return
        trial.wait(outcome)
    raise AssertionError(outcome.reason)


def contents(trial: Trial, policy: RotationPolicy) -> list[str | None]:
    """Return what the Secret holds in one rotation, in turn."""
    seen = [held(trial)]
    for outcome in step_by_step(trial, policy):
        assert outcome.result != Result.FROZEN, outcome.reason
        if held(trial) != seen[-1]:
            seen.append(held(trial))
    return seen


# --- who are sessions lost by --------------------------------------------------------------------------------------


@dataclass
class Visitors:
    """Whoever has a session shows it at every pod, for as long as it is valid. A pod signs with its first value."""

    trial: Trial
    lost: list[str] = field(default_factory=list)
    begun: int = 0
    shown: int = 0
    _sessions: dict[tuple[str, datetime], None] = field(default_factory=dict)

    def come(self) -> None:
        """Begin a session at each pod, and show all at each."""
        now = self.trial.timeline.now
        pods = [pod["SECRETS"].split(",") for pod in self.trial.environment.started()]
        for values in pods:
            if (values[0], now) not in self._sessions:
                self._sessions[values[0], now] = None
                self.begun += 1
        self._sessions = {s: None for s in self._sessions if s[1] + TTL >= now}
        for values in pods:
            for value, since in self._sessions:
                self.shown += 1
                if value not in values:
                    self.lost.append(f"{now}: a session of {since} at a pod with {len(values)} values")


def slowly(trial: Trial, outcome: Outcome) -> None:
    """Let time pass until the next run is of use, in steps of a minute at most while sessions are valid."""
    until = outcome.until or trial.timeline.now + timedelta(minutes=1)
    end = min(until + timedelta(seconds=1), trial.timeline.now + 2 * TTL)
    while trial.timeline.now < end:
        trial.timeline.pass_by(min(timedelta(minutes=1), end - trial.timeline.now))


def stable(trial: Trial, policy: RotationPolicy) -> bool:
    """Do one run, and let time pass; return whether the rotation is over."""
    outcome = trial.run(policy)
    assert outcome.result != Result.FROZEN, outcome.reason
    if outcome.reason.startswith("the next rotation"):
        return True
    slowly(trial, outcome)
    return False


def live(trial: Trial, policy: RotationPolicy, one_run: Callable[[], bool]) -> Visitors:
    """Live through the second version with visitors; `one_run` does one run, and says whether it is over."""
    trial.until_stable(policy)
    visitors = Visitors(trial)
    trial.timeline.pass_by(DAYS_30)
    trial.timeline.moved.append(visitors.come)
    for _ in range(100):
        if one_run():
            return visitors
    raise AssertionError("it does not end")


# --- those that accept two -----------------------------------------------------------------------------------------


def test_the_next_value_is_accepted_before_it_is_used(trial: Trial) -> None:
    """`old`, then `old,new`, `new,old`, `new`: three changes, and three restarts."""
    policy = declared(trial, LIST)
    first = contents(trial, policy)[-1]
    before = restarts(trial)
    trial.timeline.pass_by(DAYS_30)
    seen = contents(trial, policy)
    new = seen[-1]
    assert new != first
    assert seen == [first, f"{first},{new}", f"{new},{first}", new]
    assert restarts(trial) - before == 3
    assert {pod["SECRETS"] for pod in trial.environment.started()} == {new}


def test_the_other_value_in_a_data_key_of_its_own_is_empty_at_rest(trial: Trial) -> None:
    """So pods whose variable refers to it can always start; a JSON list of it is an empty list."""
    data = {"SECRETS": "value", "FALLBACKS": "other.value", "list.json": "[${other.value|json}]"}
    policy = declared(trial, data)
    trial.until_stable(policy)
    assert (held(trial, "FALLBACKS"), held(trial, "list.json")) == ("", "[]")
    first = held(trial)
    trial.timeline.pass_by(DAYS_30)
    others = [held(trial, "FALLBACKS")]
    for _ in step_by_step(trial, policy):
        if held(trial, "FALLBACKS") != others[-1]:
            others.append(held(trial, "FALLBACKS"))
            assert held(trial, "list.json") == (f'["{others[-1]}"]' if others[-1] else "[]")
    assert others == ["", held(trial), first, ""]


def test_no_session_is_lost_and_the_old_value_is_dead_in_the_end(trial: Trial) -> None:
    """Every session is shown at every pod of every moment, rollouts included."""
    policy = declared(trial, LIST)
    visitors = live(trial, policy, lambda: stable(trial, policy))
    assert not visitors.lost
    assert visitors.begun > 50
    assert visitors.shown > 1000
    assert held(trial) not in {None, ""}
    assert "," not in str(held(trial))


def test_holders_that_read_again_have_read_before_the_switch(bao: Bao) -> None:
    """Without a restart, what is accepted and what is used changes only after everybody has had `pickUp` to read it."""
    trial = Trial(bao)
    pick_up = timedelta(minutes=4)
    holder = {"secret": {"name": "key", "data": LIST}, "pickUp": "4m"}
    policy = trial.policy(credential=OPAQUE, verifiers=THEMSELVES, holders=[holder])
    trial.until_stable(policy)
    trial.timeline.pass_by(DAYS_30)
    changed = [(trial.timeline.now, held(trial))]
    for _ in step_by_step(trial, policy):
        if held(trial) != changed[-1][1]:
            changed.append((trial.timeline.now, held(trial)))
    (_, _), (staged, both), (switched, turned), (withdrawn, alone) = changed
    assert both
    assert turned == ",".join(reversed(both.split(",")))
    assert alone == both.split(",")[1]
    assert switched - staged >= pick_up
    assert withdrawn - switched >= pick_up + TTL


def test_a_value_in_use_is_taken_over_and_then_rotated(trial: Trial) -> None:
    """What stands there alone is the list of one value; nobody is restarted for it."""
    data = {"SECRETS": base64.b64encode(b"correct-horse-battery-staple-0123456789").decode()}
    secrets = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    trial.environment.ask("POST", secrets, {"metadata": {"name": "key"}, "data": data})
    trial.timeline.pass_by(timedelta(minutes=1))
    before = restarts(trial)
    policy = declared(trial, LIST, takeOver={"secret": {"name": "key", "key": "SECRETS"}})
    visitors = live(trial, policy, lambda: stable(trial, policy))
    assert restarts(trial) - before == 3
    assert not visitors.lost


def test_a_list_that_somebody_edits_in_the_middle_is_put_right(trial: Trial) -> None:
    """In each phase; afterwards it is as it would have been."""
    policy = declared(trial, LIST)
    trial.until_stable(policy)
    trial.timeline.pass_by(DAYS_30)
    repaired = 0
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/key"
    for outcome in step_by_step(trial, policy):
        right = held(trial)
        if outcome.reason.startswith(("the lead", "the overlap")) and not repaired:
            theirs = {"data": {"SECRETS": base64.b64encode(b"theirs").decode()}}
            trial.environment.ask("PATCH", path, theirs)
            assert trial.run(policy).result != Result.FROZEN
            repaired += held(trial) == right
    assert repaired == 1


# --- those that accept one -----------------------------------------------------------------------------------------

OUTAGE = {"outage": {"days": ["Sat"], "start": "02:00", "length": "1h"}}


def test_holders_of_one_value_switch_in_their_window_at_once(trial: Trial) -> None:
    """One change, one restart, inside the window; and the sessions of before, and of the other pods meanwhile, are lost."""
    policy = declared(trial, {"SECRETS": "value"}, **OUTAGE)
    trial.until_stable(policy)
    first, before = held(trial), restarts(trial)
    visitors = Visitors(trial)
    trial.timeline.pass_by(DAYS_30)
    waiting = trial.run(policy)
    assert waiting.until is not None
    assert (waiting.until.strftime("%a %H:%M"), held(trial)) == ("Sat 02:00", first)
    trial.timeline.pass_by(waiting.until - trial.timeline.now - timedelta(minutes=5))
    trial.timeline.moved.append(visitors.come)
    while not stable(trial, policy):
        pass
    assert held(trial) not in {first, None}
    assert restarts(trial) - before == 1
    assert visitors.lost
    assert {pod["SECRETS"] for pod in trial.environment.started()} == {held(trial)}
    last = len(visitors.lost)
    trial.timeline.pass_by(TTL)
    visitors.come()
    assert len(visitors.lost) == last


def test_outside_its_window_nothing_is_begun(trial: Trial) -> None:
    """A request does not open it."""
    policy = declared(trial, {"SECRETS": "value"}, **OUTAGE)
    trial.until_stable(policy)
    first = held(trial)
    trial.timeline.pass_by(timedelta(days=1))
    assert trial.timeline.now < datetime(2026, 1, 3, tzinfo=UTC), "Saturday"
    trial.run(policy, request="LEAK-1")
    assert held(trial) == first


# --- runs that are killed ------------------------------------------------------------------------------------------


class Mortal(Trial):
    """A trial whose run is killed at one of its calls."""

    def __init__(self, bao: Bao, number: int, *, after: bool) -> None:
        """`number`: of the call from `begin` on; it is killed before the call is made, or `after` it."""
        super().__init__(bao, reads=("SECRETS",))
        self._number, self._after = number, after
        self.made: int | None = None
        """Calls since it began; None: it has not."""

    def _middle(self, call: Call, body: bytes, perform: Perform) -> Answer:
        if self.made is None:
            return super()._middle(call, body, perform)
        self.made += 1
        if self.made == self._number and not self._after:
            raise Killed
        answer = super()._middle(call, body, perform)
        if self.made == self._number:
            raise Killed
        return answer


def survives(trial: Mortal) -> Visitors:
    """Live through the second version; after the one run that is killed, the next ones go on."""
    policy = declared(trial, LIST)

    def one_run() -> bool:
        trial.made = trial.made or 0
        try:
            return stable(trial, policy)
        except Killed:
            trial.timeline.pass_by(timedelta(minutes=1))
            return False

    visitors = live(trial, policy, one_run)
    assert held(trial) not in {None, ""}
    assert "," not in str(held(trial))
    return visitors


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.no_cover
def test_a_run_that_is_killed_anywhere_loses_no_session(bao: Bao, *, after: bool) -> None:
    """At a call of a whole rotation, before it is made or after, every third of them: the rotation ends as it would have."""
    whole = Mortal(bao, 0, after=after)
    survives(whole)
    assert whole.made is not None
    assert whole.made > 50
    numbers = range(2 if after else 1, whole.made + 1, 3)
    assert not {n: v.lost for n in numbers if (v := survives(Mortal(bao, n, after=after))).lost}
