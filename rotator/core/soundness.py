"""What every ring of ours keeps to: the machine's own invariants, looked for in a ring that was read.

`evolve` never makes a ring of which `problems` says anything. So a ring that has one was edited, mixed from two copies, or
damaged, and nothing is done by it (I9).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import combinations, pairwise

from rotator.core.ring import Ring, State, Version

TOLERANCE = timedelta(minutes=5)
"""So far apart may be what two runs call the same instant: earlier programs recorded instants by clocks that differed."""
ALONE = {
    "active": (State.ACTIVE,),
    "on their way to activation": (State.STAGED, State.PUBLISHED),
    "on their way out": (State.RETIRING,),
}
"""States that at most one version is in: so at most three versions are live (I3)."""
NEEDED = {
    State.STAGED: (),
    State.PUBLISHED: ("published_at", "activate_after"),
    State.ACTIVE: ("activated_at", "converge_by"),
    State.RETIRING: ("activated_at",),
    State.DESTROYED: ("withdrawn_at", "destroyed_at"),
}
"""The instants that a version in a state has for certain."""
LATER = {
    State.STAGED: ("published_at", "activated_at", "converged_at", "withdrawn_at", "proven_at", "destroyed_at"),
    State.PUBLISHED: ("activated_at", "converged_at", "withdrawn_at", "proven_at", "destroyed_at"),
    State.ACTIVE: ("destroy_after", "withdrawn_at", "proven_at", "destroyed_at"),
    State.RETIRING: ("destroyed_at",),
    State.DESTROYED: (),
}  # fmt: skip
"""The instants that a version in a state cannot have yet."""
LIFE = (
    "staged_at", "published_at", "activated_at", "converged_at", "withdrawn_at", "proven_at", "destroyed_at",
)  # fmt: skip
"""The instants of a version in the order of its life."""
LAST_YEAR = 2999
"""Instants after it are damage: no deadline could be counted from them."""
DEADLINES = {
    "activate_after": "published_at",
    "converge_by": "activated_at",
    "destroy_after": "activated_at",
    "forgotten_by": "withdrawn_at",
}
"""Each deadline, and the instant that it is counted from."""


def problems(ring: Ring) -> tuple[str, ...]:
    """Say what contradicts itself in `ring`, one sentence each, naming versions; empty: it is sound."""
    return tuple(sentence for look in LOOKS for sentence in look(ring))


def _counters(ring: Ring) -> Iterator[str]:
    known = {
        "acceptance_revision": ring.acceptance_revision,
        "acceptance_confirmed": ring.acceptance_confirmed,
        "holding_revision": ring.holding_revision,
        "holding_confirmed": ring.holding_confirmed,
    }
    yield from (
        f"{name} is {count}, beyond the revision {ring.revision}"
        for name, count in known.items()
        if not 0 <= count <= ring.revision
    )
    if ring.revision and not ring.versions:
        yield f"there is no version, though its revision is {ring.revision}"


def _identity(ring: Ring) -> Iterator[str]:
    if ring.versions and ring.versions[0].number < 1:
        yield f"{ring.versions[0].id} is numbered {ring.versions[0].number}, and the first number is 1"
    for one, two in pairwise(ring.versions):
        if one.number >= two.number:
            yield f"{two.id} is numbered {two.number} and follows {one.id}, numbered {one.number}: numbers only grow"
    for one, two in combinations(ring.versions, 2):
        if one.id == two.id:
            yield f"the versions {one.number} and {two.number} are both called {one.id}"


def _states(ring: Ring) -> Iterator[str]:
    for what, states in ALONE.items():
        found = [v.id for v in ring.versions if v.state in states]
        if len(found) > 1:
            yield f"{', '.join(found)} are {what}, and only one can be"
    used = [v for v in ring.versions if v.state in {State.RETIRING, State.DESTROYED}]
    if used and ring.active is None:
        yield f"no version is active, though {used[-1].id} was (it is {used[-1].state})"
    live = sorted(ring.live, key=lambda v: ORDER.index(v.state))
    for older, newer in pairwise(live):
        if older.number >= newer.number:
            yield f"{older.id} is {older.state} and newer than {newer.id}, which is {newer.state}"
    active, retiring = ring.active, ring.retiring
    if active and retiring and active.converged_at and retiring.destroy_after is None:
        yield f"{retiring.id} has no destroy_after, though {active.id} has converged"
    if active and retiring and retiring.withdrawn_at and not active.converged_at:
        yield f"{retiring.id} is withdrawn, though {active.id} has not converged"


ORDER = (State.DESTROYED, State.RETIRING, State.ACTIVE, State.PUBLISHED, State.STAGED)
"""States, by the age of the versions that are in them at one time, oldest first."""


def _lives(ring: Ring) -> Iterator[str]:
    for version in ring.versions:
        named = f"{version.id} is {version.state} and"
        yield from (f"{named} has no {n}" for n in NEEDED[version.state] if _at(version, n) is None)
        yield from (f"{named} has {n} already" for n in LATER[version.state] if _at(version, n))
        if version.proven_at and not version.withdrawn_at:
            yield f"{version.id} is proven dead, and was never withdrawn"


def _instants(ring: Ring) -> Iterator[str]:
    for version in ring.versions:
        seen = [(name, at) for name in LIFE if (at := _at(version, name))]
        for (first, one), (second, two) in pairwise(seen):
            if two < one - TOLERANCE:
                yield f"{second} of {version.id} lies before its {first}"
        for deadline, counted_from in DEADLINES.items():
            end, begin = _at(version, deadline), _at(version, counted_from)
            if end and begin and end < begin - TOLERANCE:
                yield f"{deadline} of {version.id} lies before its {counted_from}"
    for older, newer in pairwise(ring.versions):
        if newer.staged_at < older.staged_at - TOLERANCE:
            yield f"{newer.id} was staged before {older.id}, which is older"


def _calendar(ring: Ring) -> Iterator[str]:
    for version in ring.versions:
        for name in (*LIFE, *DEADLINES):
            at = _at(version, name)
            if at and at.year > LAST_YEAR:
                yield f"{name} of {version.id} lies in the year {at.year}"


def _at(version: Version, name: str) -> datetime | None:
    instant: datetime | None = getattr(version, name)
    return instant


LOOKS: tuple[Callable[[Ring], Iterator[str]], ...] = (
    _counters,
    _identity,
    _states,
    _lives,
    _instants,
    _calendar,
)
