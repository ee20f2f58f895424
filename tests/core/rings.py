"""Rings and observations for tables of tests, in as few words as possible."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rotator.core.machine import Observed, Part, Policy, Record, Sighting, Step, evolve
from rotator.core.ring import Ring, State, Version
from rotator.core.timing import Windows

T0 = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
WINDOWS = Windows(every=240 * HOUR, lead=2 * HOUR, overlap=3 * HOUR, converge=HOUR, forget=HOUR)
POLICY = Policy(windows=WINDOWS, spec="ES256")


def made(number: int, now: datetime, spec: str = "ES256") -> Version:
    """Return version `number` as it is made."""
    return Version(
        id=f"v{number}", number=number, state=State.STAGED, reason="First", spec=spec, staged_at=now
    )


def step(ring: Ring, what: Step, now: datetime) -> Ring:
    """Record one step for the version that it concerns."""
    number = max((v.number for v in ring.versions), default=0) + 1
    subject = {
        Step.STAGE: made(number, now),
        Step.PUBLISH: ring.in_state(State.STAGED),
        Step.ACTIVATE: ring.in_state(State.PUBLISHED),
        Step.CONVERGE: ring.active,
        Step.WITHDRAW: ring.retiring,
        Step.PROVE: ring.retiring,
        Step.DESTROY: ring.retiring,
    }[what]
    return evolve(ring, Record(what, subject), now, WINDOWS)


def after(*steps: Step, start: Ring | None = None, now: datetime = T0) -> Ring:
    """Return the ring after `steps`, all at `now`."""
    ring = start or Ring(rotation="payments/jwt")
    for each in steps:
        ring = step(ring, each, now)
    return ring


FIRST = (Step.STAGE, Step.PUBLISH, Step.ACTIVATE, Step.CONVERGE)
STABLE = after(*FIRST)
"""One version, active and converged at T0."""


def good(*parts: Part, **changes: object) -> Observed:
    """Return an observation in which everybody in `parts` is confirmed."""
    sighting = replace(Sighting(name="x", confirmed=True), **changes)  # type: ignore[arg-type]
    return Observed(dict.fromkeys(parts, (sighting,)))


ALL_GOOD = good(*Part)


def bad(part: Part, **changes: object) -> Observed:
    """Return an observation in which everybody is confirmed, but one in `part`."""
    values = {"waiting": "it sleeps", **changes}
    sighting = replace(Sighting(name="late", confirmed=False), **values)  # type: ignore[arg-type]
    return ALL_GOOD.seen(part, (Sighting(name="x", confirmed=True), sighting))
