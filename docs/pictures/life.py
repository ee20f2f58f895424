"""A life on a virtual clock: the real `decide` and `evolve`, in runs that come every few minutes.

What is outside is made up, and as simple as can be: each look takes a second, verifiers show what they were given,
gates are open, and the holders' pods take a while to switch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from rotator.core.machine import (
    Freeze,
    Observed,
    Part,
    Policy,
    Record,
    Sighting,
    Sightings,
    Step,
    Sync,
    Wait,
    decide,
    evolve,
)
from rotator.core.ring import Ring, State, Version
from rotator.core.timing import Windows
from rotator.policy.model import RotationPolicy

START = datetime(2026, 1, 1, tzinfo=UTC)
LOOK = timedelta(seconds=1)
"""How long a look at a part takes, with the write before it."""
NAP = timedelta(seconds=2)
"""How long a run waits before it looks again at pods that are on their way."""
MANY_RUNS = 100_000
"""A life that takes more runs than this has a defect."""


@dataclass(frozen=True)
class Event:
    """A step that was recorded."""

    at: datetime
    step: Step
    version: str
    ring: Ring
    """The ring after it."""


@dataclass(frozen=True)
class Life:
    """What happened, and when runs were."""

    events: tuple[Event, ...]
    runs: tuple[datetime, ...]

    def at(self, step: Step, version: str) -> datetime:
        """Return when `step` was recorded for `version`."""
        return next(e.at for e in self.events if (e.step, e.version) == (step, version))


def windows_of(policy: RotationPolicy) -> Windows:
    """Return the windows of a declared rotation."""
    return Windows(
        every=policy.spec.every,
        lead=policy.lead,
        overlap=policy.overlap.total,
        converge=policy.converge,
        first_lead=policy.spec.first_lead,
    )


def live(windows: Windows, *, schedule: timedelta, switching: timedelta, versions: int) -> Life:
    """Run until `versions` versions were made and all but the last are destroyed.

    A run starts every `schedule`; the pods of the holders need `switching` from activation on.
    """
    world = _World(windows, switching)
    runs = []
    for number in range(MANY_RUNS):
        now = START + number * schedule
        if world.next_due and now < world.next_due:
            continue
        runs.append(now)
        world.run(now)
        states = [v.state for v in world.ring.versions]
        if len(states) == versions and all(s is State.DESTROYED for s in states[:-1]):
            return Life(tuple(world.events), tuple(runs))
    raise AssertionError(f"no end after {MANY_RUNS} runs")


class _World:
    def __init__(self, windows: Windows, switching: timedelta) -> None:
        self.ring = Ring(rotation="payments/payments-jwt")
        self.events: list[Event] = []
        self.next_due: datetime | None = None
        self._policy = Policy(windows=windows, spec="ES256")
        self._switching = switching

    def run(self, now: datetime) -> None:
        """Do one run that starts at `now`."""
        observed = Observed()
        while True:
            decision = decide(self._policy, self.ring, observed, now)
            match decision:
                case Sync(part):
                    now += LOOK
                    observed = observed.seen(part, tuple(self._sight(part, now)))
                case Record():
                    self._record(decision, now)
                    observed = Observed()
                case Wait(soon=True):
                    now += NAP
                    observed = observed.without(Part.HOLDERS)
                case Wait(until):
                    self.next_due = until
                    return
                case Freeze(reason):
                    raise AssertionError(reason)

    def _sight(self, part: Part, now: datetime) -> Iterator[Sighting]:
        confirmed = Sighting(name=part, confirmed=True)
        if part is Part.VERIFIERS:
            staged = max(e.at for e in self.events if e.step is Step.STAGE)
            yield replace(confirmed, since=staged, revision=self.ring.acceptance_revision)
        elif part is Part.HOLDERS:
            yield from self._pods(confirmed, now)
        else:
            yield confirmed

    def _pods(self, confirmed: Sighting, now: datetime) -> Sightings:
        active = self.ring.active
        if active is None or active.activated_at is None or now >= active.activated_at + self._switching:
            return (confirmed,)
        return (replace(confirmed, confirmed=False, waiting="pods that run the old version", soon=True),)

    def _record(self, record: Record, now: datetime) -> None:
        if record.step is Step.STAGE:
            record = replace(record, version=self._make(record, now))
        assert record.version  # noqa: S101 - made just now, or named by the machine
        self.ring = evolve(self.ring, record, now, self._policy.windows)
        self.events.append(Event(now, record.step, record.version.id, self.ring))

    def _make(self, record: Record, now: datetime) -> Version:
        number = max((v.number for v in self.ring.versions), default=0) + 1
        reason = record.due.reason if record.due else ""
        return Version(
            id=f"v{number}",
            number=number,
            state=State.STAGED,
            reason=reason,
            spec=self._policy.spec,
            staged_at=now,
        )
