"""What contradicts itself in a ring is found and named; no ring that the machine makes does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.machine import Record, Step, evolve
from rotator.core.ring import Ring, State, Version
from rotator.core.soundness import TOLERANCE, problems
from tests.core.rings import FIRST, HOUR, STABLE, T0, WINDOWS, after, made, step

LIFE = (
    *FIRST,
    Step.STAGE,
    Step.PUBLISH,
    Step.ACTIVATE,
    Step.CONVERGE,
    Step.WITHDRAW,
    Step.PROVE,
    Step.DESTROY,
)
STAGED, PUBLISHED, SWITCHING, OVERLAP, WITHDRAWN, PROVEN, OVER = (after(*LIFE[:n]) for n in range(5, 12))


def edited(ring: Ring, number: int, /, **changes: Any) -> Ring:
    """Return `ring` with version `number` changed by hand."""
    versions = tuple(replace(v, **changes) if v.number == number else v for v in ring.versions)
    return replace(ring, versions=versions)


def only(ring: Ring, *numbers: int) -> Ring:
    """Return `ring` with all other versions cut out."""
    return replace(ring, versions=tuple(v for v in ring.versions if v.number in numbers))


def with_another(ring: Ring, **like: Any) -> Ring:
    """Return `ring` with a copy of its last version, changed."""
    last = ring.versions[-1]
    return replace(
        ring, versions=(*ring.versions, replace(last, **{"id": "copy", "number": last.number + 1, **like}))
    )


@pytest.mark.parametrize("length", range(len(LIFE) + 1))
def test_a_whole_life_has_none(length: int) -> None:
    """Every ring on the way is sound."""
    assert problems(after(*LIFE[:length])) == ()


@pytest.mark.parametrize(
    ("ring", "expected"),
    [
        # states
        (edited(OVERLAP, 1, state=State.ACTIVE, destroy_after=None), "v1, v2 are active, and only one can be"),
        (with_another(STABLE, id="v0", number=2), "v1, v0 are active, and only one can be"),
        (with_another(STAGED), "v2, copy are on their way to activation, and only one can be"),
        (edited(STAGED, 1, state=State.PUBLISHED, activated_at=None, converged_at=None), "are on their way to activation"),
        (edited(with_another(OVERLAP), 2, state=State.RETIRING), "v1, v2 are on their way out"),
        (only(OVERLAP, 1), "no version is active, though v1 was (it is Retiring)"),
        (only(OVER, 1), "no version is active, though v1 was (it is Destroyed)"),
        (replace(STABLE, versions=()), "there is no version, though its revision is 4"),
        (edited(OVER, 2, state=State.STAGED), "no version is active, though v1 was"),
        (edited(STABLE, 1, state=State.RETIRING), "no version is active, though v1 was"),
        (edited(OVERLAP, 1, number=3), "v2 is numbered 2 and follows v1, numbered 3"),
        (edited(OVERLAP, 1, destroy_after=None), "v1 has no destroy_after, though v2 has converged"),
        (edited(WITHDRAWN, 2, converged_at=None), "v1 is withdrawn, though v2 has not converged"),
        # what a version in its state has
        (edited(STABLE, 1, withdrawn_at=T0), "v1 is Active and has withdrawn_at already"),
        (edited(STABLE, 1, destroyed_at=T0), "v1 is Active and has destroyed_at already"),
        (edited(STABLE, 1, proven_at=T0), "v1 is Active and has proven_at already"),
        (edited(STABLE, 1, activated_at=None), "v1 is Active and has no activated_at"),
        (edited(STABLE, 1, converge_by=None), "v1 is Active and has no converge_by"),
        (edited(STAGED, 2, withdrawn_at=T0), "v2 is Staged and has withdrawn_at already"),
        (edited(STAGED, 2, published_at=T0), "v2 is Staged and has published_at already"),
        (edited(PUBLISHED, 2, activated_at=T0), "v2 is Published and has activated_at already"),
        (edited(PUBLISHED, 2, published_at=None), "v2 is Published and has no published_at"),
        (edited(OVERLAP, 1, activated_at=None), "v1 is Retiring and has no activated_at"),
        (edited(OVERLAP, 1, destroyed_at=T0), "v1 is Retiring and has destroyed_at already"),
        (edited(PROVEN, 1, withdrawn_at=None), "v1 is proven dead, and was never withdrawn"),
        (edited(OVER, 1, destroyed_at=None), "v1 is Destroyed and has no destroyed_at"),
        (edited(OVER, 1, withdrawn_at=None), "v1 is Destroyed and has no withdrawn_at"),
        # numbers, names, counters
        (edited(STABLE, 1, number=0), "v1 is numbered 0, and the first number is 1"),
        (edited(STAGED, 2, number=1), "v2 is numbered 1 and follows v1, numbered 1"),
        (edited(STAGED, 2, id="v1"), "the versions 1 and 2 are both called v1"),
        (replace(STABLE, acceptance_confirmed=9), "acceptance_confirmed is 9, beyond the revision 4"),
        (replace(STABLE, acceptance_revision=9), "acceptance_revision is 9, beyond the revision 4"),
        (replace(STABLE, holding_confirmed=9), "holding_confirmed is 9, beyond the revision 4"),
        (replace(STABLE, holding_revision=-1), "holding_revision is -1, beyond the revision 4"),
        # instants
        (edited(STABLE, 1, converged_at=T0 - HOUR), "converged_at of v1 lies before its activated_at"),
        (edited(STABLE, 1, activated_at=T0 - HOUR), "activated_at of v1 lies before its published_at"),
        (edited(WITHDRAWN, 1, withdrawn_at=T0 - HOUR), "withdrawn_at of v1 lies before its converged_at"),
        (edited(OVER, 1, destroyed_at=T0 - HOUR), "destroyed_at of v1 lies before its proven_at"),
        (edited(PUBLISHED, 2, activate_after=T0 - HOUR), "activate_after of v2 lies before its published_at"),
        (edited(SWITCHING, 2, converge_by=T0 - HOUR), "converge_by of v2 lies before its activated_at"),
        (edited(OVERLAP, 1, destroy_after=T0 - HOUR), "destroy_after of v1 lies before its activated_at"),
        (edited(STAGED, 1, staged_at=T0 - 9 * HOUR, published_at=T0), ""),
        (edited(STAGED, 2, staged_at=T0 - HOUR), "v2 was staged before v1, which is older"),
        (edited(STABLE, 1, converged_at=T0 - TOLERANCE), ""),
        (edited(STABLE, 1, converge_by=T0.replace(year=3000)), "converge_by of v1 lies in the year 3000"),
        (edited(STABLE, 1, converge_by=T0.replace(year=2999)), ""),
        (edited(STAGED, 2, staged_at=T0.replace(year=9999)), "staged_at of v2 lies in the year 9999"),
    ],
)  # fmt: skip
def test_each_contradiction_is_named(ring: Ring, expected: str) -> None:
    """One sentence that names the version; clocks of two runs may differ a little."""
    found = problems(ring)
    assert bool(found) == bool(expected)
    assert expected in "; ".join(found)


@given(
    st.lists(st.tuples(st.sampled_from(Step), st.integers(0, 2), st.integers(-600, 36_000)), max_size=60),
)
def test_no_ring_that_can_be_recorded_has_one(steps: list[tuple[Step, int, int]]) -> None:
    """Whatever is asked for, in whatever order, by clocks that go back: it is refused, or the ring is sound."""
    ring, now = Ring(rotation="payments/jwt"), T0
    for what, which, seconds in steps:
        now += timedelta(seconds=seconds)
        try:
            ring = evolve(ring, Record(what, _subject(ring, what, which)), now, WINDOWS)
        except ValueError:
            continue
        assert problems(ring) == ()


def _subject(ring: Ring, what: Step, which: int) -> Version | None:
    if what is Step.STAGE:
        return made(max((v.number for v in ring.versions), default=0) + 1, T0)
    return ring.versions[-1 - which] if which < len(ring.versions) else None


def test_instants_never_go_back() -> None:
    """A run whose clock is behind records the last instant that is known: every deadline is later, none is earlier."""
    late = step(STAGED, Step.PUBLISH, T0 - HOUR)
    assert late.candidate
    assert late.candidate.published_at == T0
    assert late.candidate.activate_after == T0 + WINDOWS.lead
