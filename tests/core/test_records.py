"""What each step writes down: instants, deadlines, and the revisions by which everything else is judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.core.due import Question, Reason, due, next_due
from rotator.core.machine import (
    KEEP_DESTROYED,
    KEEP_REQUESTS,
    Freeze,
    Observed,
    Part,
    Record,
    Sighting,
    Step,
    Wait,
    decide,
    evolve,
    honour,
)
from rotator.core.request import Request
from rotator.core.ring import Ring, State
from tests.core.rings import ALL_GOOD, FIRST, HOUR, POLICY, T0, WINDOWS, after, step

SECOND_LIFE = (Step.STAGE, Step.PUBLISH, Step.ACTIVATE, Step.CONVERGE, Step.WITHDRAW, Step.DESTROY)


def _second(steps: int) -> Ring:
    """Return the ring after so many steps of the second version, an hour apart."""
    ring = after(*FIRST)
    for count, what in enumerate(SECOND_LIFE[:steps], start=1):
        ring = step(ring, what, T0 + count * HOUR)
    return ring


def test_staging_changes_the_accepted_list_and_nothing_else() -> None:
    """The list that verifiers are to show changes at this revision."""
    before, ring = _second(0), _second(1)
    assert (ring.revision, ring.acceptance_revision) == (before.revision + 1, before.revision + 1)
    assert (ring.acceptance_confirmed, ring.holding_revision) == (
        before.acceptance_confirmed,
        before.holding_revision,
    )
    candidate = ring.candidate
    assert candidate
    assert (candidate.state, candidate.staged_at) == (State.STAGED, T0 + HOUR)


def test_publication_records_that_all_show_it_and_when_the_lead_ends() -> None:
    """I7: the deadline is an instant, stored now."""
    ring = _second(2)
    candidate = ring.candidate
    assert candidate
    assert ring.acceptance_confirmed == ring.revision > ring.acceptance_revision
    assert (candidate.published_at, candidate.activate_after) == (T0 + 2 * HOUR, T0 + 2 * HOUR + WINDOWS.lead)


@pytest.mark.parametrize(("careful", "lead"), [(False, timedelta()), (True, WINDOWS.lead)])
def test_the_first_publication_has_a_lead_only_where_the_policy_asks(careful: bool, lead: timedelta) -> None:
    """A verifier that never fetched has no stale cache."""
    staged = after(Step.STAGE)
    windows = replace(WINDOWS, first_lead=careful)
    ring = evolve(staged, Record(Step.PUBLISH, staged.candidate), T0, windows)
    assert ring.candidate
    assert ring.candidate.activate_after == T0 + lead


def test_activation_records_both_versions_and_by_when_the_holders_have_to_switch() -> None:
    """I3, I7: what holders are to hold changes at this revision."""
    ring = _second(3)
    active, retiring = ring.active, ring.retiring
    assert active
    assert retiring
    assert ring.holding_revision == ring.revision > ring.holding_confirmed
    assert (active.activated_at, active.converge_by) == (T0 + 3 * HOUR, T0 + 3 * HOUR + WINDOWS.converge)
    assert (retiring.id, retiring.destroy_after) == ("v1", None)


def test_convergence_records_that_all_hold_it_and_starts_the_retire_clock() -> None:
    """I2: the overlap is counted from here."""
    ring = _second(4)
    active, retiring = ring.active, ring.retiring
    assert active
    assert retiring
    assert ring.holding_confirmed == ring.revision > ring.holding_revision
    assert active.converged_at == T0 + 4 * HOUR
    assert retiring.destroy_after == T0 + 4 * HOUR + WINDOWS.overlap


def test_withdrawal_changes_the_accepted_list_and_destruction_confirms_it() -> None:
    """What nobody shows any more is destroyed, not what should not be shown any more."""
    withdrawn, destroyed = _second(5), _second(6)
    assert withdrawn.retiring
    assert withdrawn.retiring.withdrawn_at == T0 + 5 * HOUR
    assert withdrawn.retiring.forgotten_by == T0 + 5 * HOUR + WINDOWS.forget
    assert withdrawn.acceptance_revision == withdrawn.revision > withdrawn.acceptance_confirmed
    assert withdrawn.holding_revision < withdrawn.revision, "nobody restarts for it"
    assert destroyed.acceptance_confirmed == destroyed.revision
    assert (destroyed.versions[0].state, destroyed.versions[0].destroyed_at) == (
        State.DESTROYED,
        T0 + 6 * HOUR,
    )


def test_exactly_so_many_destroyed_versions_are_remembered() -> None:
    """The newest ones, and none is forgotten while there is room."""
    ring = _second(6)
    for _ in range(KEEP_DESTROYED):
        assert ring.versions[0].number == 1
        ring = after(*SECOND_LIFE, start=ring, now=T0)
    assert ring.versions[0].number == 1
    ring = after(Step.STAGE, start=ring, now=T0)
    assert [v.number for v in ring.versions if v.state is State.DESTROYED] == list(
        range(2, 2 + KEEP_DESTROYED)
    )


def test_requests_are_remembered_up_to_a_bound_and_only_where_they_were_the_reason() -> None:
    """An old request may be repeated after very many others; a rotation for age honours none."""
    ring = after(*FIRST)
    asked = Request(reason="INC-1", by="a run")
    assert honour(ring, Reason.AGE, asked).requests == ()
    assert honour(ring, Reason.TAKEN_OVER, asked).requests == ()
    assert honour(ring, Reason.FIRST, asked).requests == (asked,), "whoever asked has a new version"
    assert honour(ring, Reason.REQUESTED, None).requests == ()
    for number in range(KEEP_REQUESTS + 1):
        ring = honour(ring, Reason.REQUESTED, Request(reason=f"INC-{number}"))
    assert ring.requests == tuple(Request(reason=f"INC-{n}") for n in range(1, KEEP_REQUESTS + 1))


def test_the_period_begins_with_activation() -> None:
    """Age is counted from the activation, not from the making; nothing is due before there is a version."""
    ring = _second(6)
    assert next_due(ring, WINDOWS) == T0 + 3 * HOUR + WINDOWS.every
    assert next_due(Ring(rotation="payments/jwt"), WINDOWS) is None
    just_before = T0 + 3 * HOUR + WINDOWS.every - timedelta(microseconds=1)
    for now, expected in ((just_before, None), (T0 + 3 * HOUR + WINDOWS.every, Reason.AGE)):
        answer = due(Question(ring=ring, windows=WINDOWS, spec="ES256", request=None, now=now))
        assert (answer.reason if answer else None) == expected


def _seen(*sightings: Sighting) -> Observed:
    return ALL_GOOD.seen(Part.HOLDERS, sightings)


def test_a_wait_ends_with_the_last_of_those_waited_for_and_names_them_all() -> None:
    """Where one of them has no known end, neither has the wait; where one may come soon, it is worth looking again."""
    ring = _second(3)
    early, late = T0 + 5 * HOUR, T0 + 6 * HOUR
    a = Sighting(name="a", confirmed=False, waiting="reads", until=early)
    b = Sighting(name="b", confirmed=False, waiting="sleeps", until=late)
    c = Sighting(name="c", confirmed=False, waiting="restarts", soon=True)
    now = T0 + 3 * HOUR
    assert decide(POLICY, ring, _seen(a, b), now) == Wait(late, "a: reads; b: sleeps", ("a", "b"))
    assert decide(POLICY, ring, _seen(b, c), now) == Wait(
        None, "b: sleeps; c: restarts", ("b", "c"), soon=True
    )


def test_a_failure_is_named_whoever_else_is_waited_for() -> None:
    """I9: the reason is what failed; everybody in the way is listed."""
    ring = _second(3)
    a = Sighting(name="a", confirmed=False, failed="broke")
    b = Sighting(name="b", confirmed=False, waiting="sleeps")
    assert decide(POLICY, ring, _seen(a, b), T0 + 3 * HOUR) == Freeze("a: broke", ("a", "b"))
    late = T0 + 3 * HOUR + WINDOWS.converge
    assert isinstance(decide(POLICY, ring, _seen(b), late), Wait), "up to and with the deadline"
    frozen = decide(POLICY, ring, _seen(b), late + timedelta(seconds=1))
    assert frozen == Freeze("holders have not switched in time: b: sleeps", ("b",))
