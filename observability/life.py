"""Lives of rotations on a virtual clock, and the metrics that they leave behind.

The real machine (`rotator.core.machine`) says what happens; only the world around it is made up: verifiers follow at
once, holders take a while to restart, and a `Trouble` is what goes wrong. What a scrape of a Pushgateway would show is
kept as one does: a name that is pushed replaces all its series, and the last value stays for ever.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from prometheus_client.samples import Sample

from rotator.core.machine import (
    Decision,
    Freeze,
    Observed,
    Part,
    Policy,
    Record,
    Sighting,
    Step,
    Sync,
    Wait,
    decide,
    evolve,
)
from rotator.core.ring import Ring, State, Version, phase
from rotator.core.timing import Windows
from rotator.telemetry.figures import RotationFigures, RunFigures
from rotator.telemetry.metrics import registry_of
from rotator.telemetry.metrics_out import WithoutGaps

SPEC = "ES256"
JOB = "rotator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What goes wrong for a while with one part of a rotation."""

    part: Part
    begin: datetime
    end: datetime
    failed: str = ""
    """Why it fails; empty: it is only waited for."""

    def at(self, now: datetime) -> bool:
        """Whether it is there at `now`."""
        return self.begin <= now < self.end


@dataclass(kw_only=True)
class Life:
    """One rotation, from nothing."""

    namespace: str
    name: str
    type: str
    windows: Windows
    restart: timedelta = timedelta()
    """How long the holders take to switch."""
    troubles: tuple[Trouble, ...] = ()
    ring: Ring = field(init=False)
    decision: Decision = field(init=False, default_factory=lambda: Wait(None, "never looked at"))
    since: datetime | None = None
    steps: list[Step] = field(default_factory=list)
    """What the last run recorded."""

    def __post_init__(self) -> None:
        self.ring = Ring(rotation=f"{self.namespace}/{self.name}")

    def run(self, now: datetime) -> None:
        """Go on as far as can be at `now`, as one run of the engine does."""
        before, self.steps = self.decision, []
        observed = Observed()
        while True:
            decision = decide(Policy(windows=self.windows, spec=SPEC), self.ring, observed, now)
            if isinstance(decision, Sync):
                observed = observed.seen(decision.part, (self._seen(decision.part, now),))
            elif isinstance(decision, Record):
                self._record(decision, now)
                observed = Observed()
            else:
                self.decision = decision
                break
        if self.since is None or self.decision != before:
            self.since = now

    def figures(self) -> RotationFigures:
        """Tell where it stands."""
        active, retiring = self.ring.active, self.ring.retiring
        wait = self.decision if isinstance(self.decision, Wait) else None
        return RotationFigures(
            namespace=self.namespace,
            name=self.name,
            type=self.type,
            phase=phase(self.ring),
            result="Waiting" if wait else "Frozen",
            revision=self.ring.revision,
            accepted_versions=sum(v.proven_at is None for v in self.ring.live),
            active_since=active.activated_at if active else None,
            period=self.windows.every,
            next=wait.until if wait else None,
            frozen=wait is None,
            result_since=self.since,
            retire_at=retiring.retire_at if retiring else None,
        )

    def _seen(self, part: Part, now: datetime) -> Sighting:
        for trouble in self.troubles:
            if trouble.part is part and trouble.at(now):
                return Sighting(
                    name="x", confirmed=False, waiting="it is not there yet", failed=trouble.failed
                )
        active = self.ring.active
        if part is Part.HOLDERS and active and active.activated_at and not active.converged_at:
            return Sighting(name="x", confirmed=now >= active.activated_at + self.restart, waiting="restarts")
        return Sighting(name="x", confirmed=True)

    def _record(self, record: Record, now: datetime) -> None:
        if record.step is Step.STAGE:
            number = max((v.number for v in self.ring.versions), default=0) + 1
            reason = record.due.reason if record.due else ""
            made = Version(
                id=f"v{number}",
                number=number,
                state=State.STAGED,
                reason=reason,
                spec=SPEC,
                staged_at=now,
            )
            record = replace(record, version=made)
        self.ring = evolve(self.ring, record, now, self.windows)
        self.steps.append(record.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The job that runs them all, and what goes wrong with it."""

    every: timedelta = timedelta(minutes=10)
    skipped: frozenset[int] = frozenset()
    """Numbers of runs that did not take place."""
    held: frozenset[int] = frozenset()
    """Numbers of runs that found another one at work (exit code 3)."""
    skew: timedelta = timedelta(milliseconds=200)


def pushes(
    lives: Sequence[Life], job: Job, begin: datetime, end: datetime
) -> Iterator[tuple[datetime, list[Sample]]]:
    """Yield the instant of each run from `begin` to `end`, and all series that the Pushgateway shows after it."""
    gateway: dict[str, list[Sample]] = {}
    now, number = begin, 0
    while now <= end:
        if number not in job.skipped:
            run = _run(lives, job, number, now)
            registry = registry_of(rotations=[life.figures() for life in lives], run=run)
            gateway |= {family.name: family.samples for family in WithoutGaps(registry).collect()}
            yield now, [s for samples in gateway.values() for s in samples]
        now, number = now + job.every, number + 1


def _run(lives: Sequence[Life], job: Job, number: int, now: datetime) -> RunFigures:
    held = number in job.held
    if not held:
        for life in lives:
            life.run(now)
    steps = [step for life in lives for step in life.steps] if not held else []
    frozen = sum(isinstance(life.decision, Freeze) for life in lives)
    duration = timedelta(seconds=2 + 0.3 * (number % 5) + 4 * len(steps))
    return RunFigures(
        ended=now + duration,
        duration=duration,
        exit_code=3 if held else 1 if frozen else 0,
        requests={
            ("kubernetes", "GET", 200): 3 + 2 * len(steps),
            ("kubernetes", "PATCH", 200): 2 * len(steps),
            ("kubernetes", "PATCH", 409): len(steps) // 4,
            ("vault", "GET", 200): 1 + len(steps),
            ("vault", "POST", 200): len(steps),
        },
        steps={str(step): steps.count(step) for step in set(steps)},
        results={"Held": len(lives)} if held else {"Frozen": frozen, "Waiting": len(lives) - frozen},
        skew={"kubernetes": job.skew, "vault": -job.skew / 2},
    )


def sampled(
    runs: Iterable[tuple[datetime, list[Sample]]], every: timedelta, end: datetime
) -> Iterator[tuple[datetime, list[Sample]]]:
    """Yield what a scrape finds `every` so often until `end`: the last push, again and again."""
    coming = iter(runs)
    now, samples = next(coming)
    following = next(coming, None)
    while now <= end:
        while following and following[0] <= now:
            samples, following = following[1], next(coming, None)
        yield now, samples
        now += every


def as_openmetrics(scrapes: Iterable[tuple[datetime, list[Sample]]]) -> Iterator[str]:
    """Yield lines that `promtool tsdb create-blocks-from openmetrics` takes."""
    for now, samples in scrapes:
        for sample in samples:
            yield f"{_series(sample)} {sample.value!r} {now.timestamp():.3f}\n"
    yield "# EOF\n"


def as_input_series(scrapes: Iterable[tuple[datetime, list[Sample]]]) -> list[dict[str, str]]:
    """Return the `input_series` of a promtool test; equal values that follow each other are written once."""
    table: dict[str, _Values] = {}
    for number, (_, samples) in enumerate(scrapes):
        for sample in samples:
            values = table.setdefault(_series(sample), _Values())
            values.add("_", number - values.length)
            values.add("NaN" if math.isnan(sample.value) else repr(sample.value), 1)
    return [{"series": series, "values": values.written()} for series, values in table.items()]


@dataclass
class _Values:
    """Values in the notation of promtool."""

    runs: list[tuple[str, int]] = field(default_factory=list)
    length: int = 0

    def add(self, value: str, times: int) -> None:
        """Add `value` so many times."""
        if times and self.runs and self.runs[-1][0] == value:
            self.runs[-1] = value, self.runs[-1][1] + times
        elif times:
            self.runs.append((value, times))
        self.length += times

    def written(self) -> str:
        """Write them: `_x3` is missing three times, `1+0x2` is 1 and two times more the same."""
        return " ".join(f"_x{times}" if v == "_" else f"{v}+0x{times - 1}" for v, times in self.runs)


def _series(sample: Sample) -> str:
    labels = ",".join(f'{k}="{v}"' for k, v in sorted({**sample.labels, "job": JOB}.items()))
    return f"{sample.name}{{{labels}}}"
