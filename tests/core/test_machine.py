"""The machine as a table: a ring, what was seen, an instant, and what is to happen next."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rotator.core.due import Reason
from rotator.core.machine import (
    KEEP_DESTROYED,
    TRANSITIONS,
    Freeze,
    Observed,
    Part,
    Record,
    Step,
    Sync,
    Wait,
    decide,
    evolve,
    honour,
)
from rotator.core.request import Request
from rotator.core.ring import LIVE, Phase, Ring, State, phase
from tests.core.rings import (
    ALL_GOOD,
    FIRST,
    HOUR,
    POLICY,
    STABLE,
    T0,
    WINDOWS,
    after,
    bad,
    good,
    made,
    step,
)

DUE = T0 + WINDOWS.every
STAGED = after(Step.STAGE, start=STABLE, now=DUE)
PUBLISHED = after(Step.PUBLISH, start=STAGED, now=DUE)
LEAD_OVER = DUE + WINDOWS.lead
SWITCHING = after(Step.ACTIVATE, start=PUBLISHED, now=LEAD_OVER)
OVERLAP = after(Step.CONVERGE, start=SWITCHING, now=LEAD_OVER)
OVERLAP_OVER = LEAD_OVER + WINDOWS.overlap
WITHDRAWING = after(Step.WITHDRAW, start=OVERLAP, now=OVERLAP_OVER)
FORGOTTEN = OVERLAP_OVER + WINDOWS.forget
PROVEN = after(Step.PROVE, start=WITHDRAWING, now=FORGOTTEN)
EMPTY = Ring(rotation="payments/jwt")
VERIFIERS, HOLDERS = Part.VERIFIERS, Part.HOLDERS
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("ring", "now", "expected"),
    [
        pytest.param(EMPTY, T0, Step.STAGE, id="nothing there: the first version is due"),
        pytest.param(after(Step.STAGE), T0, Step.PUBLISH, id="staged and accepted by all: published"),
        pytest.param(after(*FIRST[:2]), T0, Step.ACTIVATE, id="the first version needs no lead"),
        pytest.param(after(*FIRST[:3]), T0, Step.CONVERGE, id="held by all: converged"),
        pytest.param(STABLE, DUE, Step.STAGE, id="old enough: the next version is due"),
        pytest.param(STAGED, DUE, Step.PUBLISH, id="accepted by all: published"),
        pytest.param(PUBLISHED, LEAD_OVER, Step.ACTIVATE, id="the lead is over: activated"),
        pytest.param(SWITCHING, LEAD_OVER, Step.CONVERGE, id="all holders have switched: converged"),
        pytest.param(OVERLAP, OVERLAP_OVER, Step.WITHDRAW, id="the overlap is over: withdrawn"),
        pytest.param(WITHDRAWING, FORGOTTEN, Step.PROVE, id="accepted by none, in no cache: proven dead"),
        pytest.param(PROVEN, FORGOTTEN, Step.DESTROY, id="forgotten by all: destroyed"),
    ],
)
def test_the_next_step_is_recorded_once_everything_is_seen_to_be_right(
    ring: Ring, now: datetime, expected: Step
) -> None:
    """Each row of the life leads to the next one."""
    decision = decide(POLICY, ring, ALL_GOOD, now)
    assert isinstance(decision, Record)
    assert decision.step is expected


@pytest.mark.parametrize(
    ("ring", "now", "until"),
    [
        pytest.param(STABLE, DUE - SECOND, DUE, id="not old enough"),
        pytest.param(PUBLISHED, LEAD_OVER - SECOND, LEAD_OVER, id="I1: the lead is not over"),
        pytest.param(OVERLAP, OVERLAP_OVER - SECOND, OVERLAP_OVER, id="I2: the overlap is not over"),
        pytest.param(WITHDRAWING, FORGOTTEN - SECOND, FORGOTTEN, id="it may be accepted from a cache"),
    ],
)
def test_a_window_is_waited_for_to_its_stored_end(ring: Ring, now: datetime, until: datetime) -> None:
    """Where only time is missing, the wait says until when."""
    decision = decide(POLICY, ring, ALL_GOOD, now)
    assert isinstance(decision, Wait)
    assert decision.until == until


@pytest.mark.parametrize(
    ("ring", "now", "part"),
    [
        pytest.param(after(Step.STAGE), T0, VERIFIERS, id="I1: publication needs every verifier"),
        pytest.param(PUBLISHED, LEAD_OVER, VERIFIERS, id="I1: activation needs every verifier, again"),
        pytest.param(PUBLISHED, LEAD_OVER, Part.BEFORE_ACTIVATE, id="activation needs its gates"),
        pytest.param(SWITCHING, LEAD_OVER, HOLDERS, id="I2: convergence needs every holder"),
        pytest.param(
            SWITCHING, LEAD_OVER, VERIFIERS, id="I1: no holder is touched while a verifier lacks it"
        ),
        pytest.param(OVERLAP, OVERLAP_OVER, HOLDERS, id="I2: withdrawal needs every holder, again"),
        pytest.param(OVERLAP, OVERLAP_OVER, Part.BEFORE_DESTROY, id="withdrawal needs its gates"),
        pytest.param(
            WITHDRAWING,
            FORGOTTEN,
            VERIFIERS,
            id="the proof of death needs every verifier to have forgotten",
        ),
        pytest.param(PROVEN, FORGOTTEN, VERIFIERS, id="destruction needs every verifier to have forgotten"),
        pytest.param(
            WITHDRAWING, FORGOTTEN, HOLDERS, id="the proof of death needs every holder to have let it go"
        ),
        pytest.param(PROVEN, FORGOTTEN, HOLDERS, id="destruction needs every holder to have forgotten"),
        pytest.param(PROVEN, FORGOTTEN, Part.HISTORY, id="I8: destruction needs a clean history"),
        pytest.param(STABLE, DUE, VERIFIERS, id="no new version while a verifier is not in line"),
        pytest.param(STABLE, DUE, HOLDERS, id="no new version while a holder is not in line"),
    ],
)
def test_a_step_is_not_recorded_while_somebody_is_not_confirmed(
    ring: Ring, now: datetime, part: Part
) -> None:
    """Every guard of the table holds its step back, and names who is waited for."""
    waiting = decide(POLICY, ring, bad(part), now)
    assert isinstance(waiting, Wait)
    assert waiting.on == ("late",)
    assert decide(POLICY, ring, ALL_GOOD.without(part), now) == Sync(part)


def test_what_fails_for_good_freezes_instead_of_waiting() -> None:
    """I9: a rollout that has failed is called a failure at once."""
    decision = decide(POLICY, SWITCHING, bad(HOLDERS, failed="ProgressDeadlineExceeded"), LEAD_OVER)
    assert isinstance(decision, Freeze)


def test_holders_that_take_too_long_freeze_the_rotation_and_can_still_converge() -> None:
    """I9: after the stored deadline the rotation is frozen; once the holders come, it goes on."""
    late = LEAD_OVER + WINDOWS.converge + SECOND
    assert isinstance(decide(POLICY, SWITCHING, bad(HOLDERS), late), Freeze)
    assert isinstance(decide(POLICY, SWITCHING, ALL_GOOD, late), Record)


def test_the_retire_clock_starts_at_convergence_not_at_activation() -> None:
    """I2: however late the last holder is, the whole overlap is waited for after it."""
    late = LEAD_OVER + 50 * HOUR
    ring = step(SWITCHING, Step.CONVERGE, late)
    decision = decide(POLICY, ring, ALL_GOOD, late + WINDOWS.overlap - SECOND)
    assert isinstance(decision, Wait)
    assert decision.until == late + WINDOWS.overlap


def test_editing_a_policy_never_shortens_an_open_window() -> None:
    """I7: the stored instants count; a longer new window counts too."""
    short = replace(POLICY, windows=replace(WINDOWS, lead=SECOND, overlap=SECOND, forget=SECOND))
    assert isinstance(decide(short, PUBLISHED, ALL_GOOD, LEAD_OVER - SECOND), Wait)
    assert isinstance(decide(short, OVERLAP, ALL_GOOD, OVERLAP_OVER - SECOND), Wait)
    assert isinstance(decide(short, WITHDRAWING, ALL_GOOD, FORGOTTEN - SECOND), Wait)
    long = replace(POLICY, windows=replace(WINDOWS, lead=9 * HOUR, overlap=9 * HOUR, forget=9 * HOUR))
    assert isinstance(decide(long, PUBLISHED, ALL_GOOD, LEAD_OVER), Wait)
    assert isinstance(decide(long, OVERLAP, ALL_GOOD, OVERLAP_OVER), Wait)
    assert isinstance(decide(long, WITHDRAWING, ALL_GOOD, FORGOTTEN), Wait)


def test_a_list_rewritten_after_publication_starts_the_lead_anew() -> None:
    """I1: whoever fetched while the list lacked the new version may keep it for the whole lead."""
    repaired = LEAD_OVER - HOUR
    seen = ALL_GOOD.seen(
        VERIFIERS, good(VERIFIERS, since=repaired, revision=PUBLISHED.revision).parts[VERIFIERS]
    )
    decision = decide(POLICY, PUBLISHED, seen, LEAD_OVER)
    assert isinstance(decision, Wait)
    assert decision.until == repaired + WINDOWS.lead
    written_before = good(VERIFIERS, since=LEAD_OVER, revision=STAGED.revision).parts[VERIFIERS]
    assert isinstance(decide(POLICY, PUBLISHED, ALL_GOOD.seen(VERIFIERS, written_before), LEAD_OVER), Record)


def test_a_list_rewritten_after_the_withdrawal_has_to_leave_the_caches_too() -> None:
    """Whoever fetched before somebody's edit was put right may have the withdrawn version again."""
    repaired = FORGOTTEN - SECOND
    later = good(VERIFIERS, since=repaired, revision=WITHDRAWING.revision).parts[VERIFIERS]
    decision = decide(POLICY, WITHDRAWING, ALL_GOOD.seen(VERIFIERS, later), FORGOTTEN)
    assert isinstance(decision, Wait)
    assert decision.until == repaired + WINDOWS.forget
    before = good(VERIFIERS, since=repaired, revision=OVERLAP.revision).parts[VERIFIERS]
    assert isinstance(decide(POLICY, WITHDRAWING, ALL_GOOD.seen(VERIFIERS, before), FORGOTTEN), Record)


def test_a_ring_of_before_the_deadline_was_stored_is_read() -> None:
    """It is counted from the withdrawal then."""
    old = WITHDRAWING.with_version(replace(WITHDRAWING.versions[0], forgotten_by=None))
    assert isinstance(decide(POLICY, old, ALL_GOOD, FORGOTTEN - SECOND), Wait)
    assert isinstance(decide(POLICY, old, ALL_GOOD, FORGOTTEN), Record)


def test_the_first_version_waits_for_the_lead_only_where_the_policy_asks() -> None:
    """A verifier that never fetched has no stale cache."""
    careful = replace(POLICY, windows=replace(WINDOWS, first_lead=True))
    first = evolve(after(Step.STAGE), Record(Step.PUBLISH, after(Step.STAGE).candidate), T0, careful.windows)
    assert isinstance(decide(careful, first, ALL_GOOD, T0), Wait)
    assert isinstance(decide(POLICY, after(*FIRST[:2]), ALL_GOOD, T0), Record)


def test_nothing_is_looked_at_that_the_next_step_does_not_need() -> None:
    """Economy: the first version asks for no verifier and no holder; publication for no holder."""
    assert isinstance(decide(POLICY, EMPTY, Observed(), T0), Record)
    assert decide(POLICY, STAGED, Observed(), DUE) == Sync(VERIFIERS)
    assert isinstance(decide(POLICY, STAGED, good(VERIFIERS), DUE), Record)


@pytest.mark.parametrize(
    ("changes", "now", "reason"),
    [
        pytest.param({}, DUE, Reason.AGE, id="age"),
        pytest.param({"spec": "RS256-3072"}, T0, Reason.SPEC_CHANGED, id="another algorithm"),
        pytest.param({"request": Request(reason="INC-1")}, T0, Reason.REQUESTED, id="a person asked"),
    ],
)
def test_why_a_version_is_made_is_recorded(changes: dict[str, str], now: datetime, reason: Reason) -> None:
    """Each due reason leads to a new version and says which it was."""
    decision = decide(replace(POLICY, **changes), STABLE, ALL_GOOD, now)  # type: ignore[arg-type]
    assert isinstance(decision, Record)
    assert decision.due
    assert decision.due.reason is reason


def test_the_same_request_rotates_at_most_once() -> None:
    """A request that was honoured is not honoured again; another one is."""
    ring = honour(STABLE, Reason.REQUESTED, Request(reason="INC-1", by="a run"))
    assert isinstance(
        decide(replace(POLICY, request=Request(reason="INC-1", by="an annotation")), ring, ALL_GOOD, T0), Wait
    )
    assert isinstance(decide(replace(POLICY, request=Request(reason="INC-2")), ring, ALL_GOOD, T0), Record)


@pytest.mark.parametrize(
    ("ring", "expected"),
    [
        (EMPTY, Phase.NEW),
        (after(Step.STAGE), Phase.PUBLISHING),
        (STABLE, Phase.STABLE),
        (STAGED, Phase.PUBLISHING),
        (PUBLISHED, Phase.LEAD),
        (SWITCHING, Phase.SWITCHING),
        (OVERLAP, Phase.OVERLAP),
        (WITHDRAWING, Phase.WITHDRAWING),
    ],
)
def test_a_ring_has_a_phase_in_one_word(ring: Ring, expected: Phase) -> None:
    """What `status` shows follows from the states."""
    assert phase(ring) is expected


@pytest.mark.parametrize(
    ("ring", "accepted", "held"),
    [
        (STABLE, ("v1",), ("v1",)),
        (STAGED, ("v1", "v2"), ("v1",)),
        (PUBLISHED, ("v1", "v2"), ("v1",)),
        (SWITCHING, ("v1", "v2"), ("v2", "v1")),
        (OVERLAP, ("v1", "v2"), ("v2", "v1")),
        (WITHDRAWING, ("v2",), ("v2",)),
    ],
)
def test_who_accepts_and_holds_what_follows_from_the_ring(
    ring: Ring, accepted: tuple[str, ...], held: tuple[str, ...]
) -> None:
    """Verifiers accept first, then holders switch, then verifiers forget."""
    assert ring.accepted == accepted
    assert ring.held == held


def test_each_step_is_a_new_revision_and_a_step_the_table_forbids_changes_nothing() -> None:
    """I5: revisions only grow. A wrong step is refused."""
    assert [r.revision for r in (EMPTY, after(Step.STAGE), STABLE, STAGED)] == [0, 1, 4, 5]
    with pytest.raises(ValueError, match="starts from"):
        evolve(STABLE, Record(Step.ACTIVATE, STABLE.active), T0, WINDOWS)
    with pytest.raises(ValueError, match="on its way"):
        evolve(STAGED, Record(Step.STAGE, made(3, T0)), T0, WINDOWS)
    with pytest.raises(ValueError, match="needs a version"):
        evolve(STABLE, Record(Step.STAGE, None), T0, WINDOWS)


def test_active_and_retiring_change_in_one_step() -> None:
    """I3, I4: there is no ring with two active versions, nor with none after the first activation."""
    assert [str(v.state) for v in SWITCHING.versions] == ["Retiring", "Active"]


def test_destroyed_versions_are_remembered_for_a_while_and_then_forgotten() -> None:
    """The ring stays small however long a rotation lives, and keeps its order."""
    ring, now = STABLE, T0
    life = (Step.STAGE, Step.PUBLISH, Step.ACTIVATE, Step.CONVERGE, Step.WITHDRAW, Step.DESTROY)
    for _ in range(12):
        now += WINDOWS.every
        ring = after(*life, start=ring, now=now)
    assert len(ring.live) == 1
    assert len(ring.versions) <= KEEP_DESTROYED + 2
    assert [v.number for v in ring.versions] == sorted(v.number for v in ring.versions)


def test_every_state_has_its_place_in_the_table() -> None:
    """The table is complete: each live state is left by a row, and each state but the first is entered by one."""
    assert {row.source for row in TRANSITIONS} == {*LIVE, None}
    assert {row.target for row in TRANSITIONS} == set(State)
