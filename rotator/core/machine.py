"""The machine: a table of steps, and two pure functions over it.

    decide(policy, ring, observed, now) -> Record | Sync | Wait | Freeze
    evolve(ring, record, now)           -> Ring

Rule 1: everything that decides what happens next is in this file.
Rule 2: this file does not know what the credential, the verifiers and the holders are.

One lifecycle serves every credential: verifiers accept the new version first, then holders switch, then
verifiers forget the old one. Each row of TRANSITIONS says from which state a step leads to which, and what must
be true before it is recorded. A guard that lacks a fact asks for it (`Sync`), so a run makes the fewest requests
that the invariants allow: only what the next step needs is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from rotator.core.due import Due, Question, Reason, due, next_due
from rotator.core.request import Request
from rotator.core.ring import Ring, State, Version
from rotator.core.sensitive import Material
from rotator.core.soundness import LIFE, problems
from rotator.core.timing import Windows, format_duration
from rotator.core.weekly import Weekly

KEEP_DESTROYED = 5
"""How many destroyed versions a ring remembers, without material, for people who look back."""
KEEP_REQUESTS = 20
"""How many honoured requests a ring remembers."""


class Part(StrEnum):
    """What a run can bring in line and look at."""

    VERIFIERS = "verifiers"
    HOLDERS = "holders"
    BEFORE_ACTIVATE = "gates before activation"
    BEFORE_DESTROY = "gates before destruction"
    HISTORY = "history of the store"


class Step(StrEnum):
    """A step that is recorded in the ring."""

    STAGE = "stage"
    PUBLISH = "publish"
    ACTIVATE = "activate"
    CONVERGE = "converge"
    WITHDRAW = "withdraw"
    PROVE = "prove"
    DESTROY = "destroy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What was seen of one verifier, holder or gate after it was brought in line."""

    name: str
    confirmed: bool
    """Whether it was *seen* to be as the ring wants it."""
    waiting: str = ""
    """What it waits for, where it is not confirmed."""
    until: datetime | None = None
    """When the wait ends, where that is known."""
    soon: bool = False
    """Whether the same run may look again before long (a rollout in progress)."""
    again: bool = False
    """Whether it is to be looked at again at once: a call was made, and what came of it was not read back."""
    failed: str = ""
    """Why it will not come right by waiting."""
    since: datetime | None = None
    """No later than when it has shown this."""
    revision: int = 0
    """The ring's revision that its content carries."""
    changes: tuple[str, ...] = ()
    """What was written to it by this run, or would be."""
    learned: Mapping[str, Material] = field(default_factory=dict)
    """What the system made itself, by version id: to be kept before anything else is done."""
    beside: str = ""
    """What others have in the same document, for people."""


Sightings = tuple[Sighting, ...]


@dataclass(frozen=True, slots=True)
class Observed:
    """What a run has seen so far. A part that was not looked at is absent."""

    parts: Mapping[Part, Sightings] = field(default_factory=dict)

    def get(self, part: Part) -> Sightings | None:
        """Return the sightings of `part`, or None where it was not looked at."""
        return self.parts.get(part)

    def seen(self, part: Part, sightings: Sightings) -> Observed:
        """Return this with the sightings of `part` replaced."""
        return Observed({**self.parts, part: sightings})

    def without(self, *parts: Part) -> Observed:
        """Return this with `parts` forgotten."""
        return Observed({p: s for p, s in self.parts.items() if p not in parts})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the machine needs to know of a declared rotation."""

    windows: Windows
    spec: str
    """The fingerprint of the credential's parameters."""
    request: Request | None = None
    """What is asked for now."""
    outage: Weekly | None = None
    """When a switch without overlap may begin; None: versions overlap, and it may begin at any time."""


@dataclass(frozen=True, slots=True)
class Record:
    """Record `step`; for STAGE, `version` is None and the engine makes one first."""

    step: Step
    version: Version | None
    due: Due | None = None


@dataclass(frozen=True, slots=True)
class Sync:
    """Bring `part` in line with the ring and look at it."""

    part: Part


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until `until` (None: until the next run), because of `reason`."""

    until: datetime | None
    reason: str
    on: tuple[str, ...] = ()
    """Who is being waited for."""
    soon: bool = False


@dataclass(frozen=True, slots=True)
class Freeze:
    """Stay as we are, both versions accepted, and call for people because of `reason` (I9)."""

    reason: str
    on: tuple[str, ...] = ()


Decision = Record | Sync | Wait | Freeze


@dataclass(frozen=True, slots=True)
class Situation:
    """The arguments of a guard."""

    policy: Policy
    ring: Ring
    version: Version | None
    observed: Observed
    now: datetime


Guard = Callable[[Situation], Sync | Wait | Freeze | None]


def _confirmed(s: Situation, part: Part) -> Sync | Wait | Freeze | None:
    sightings = s.observed.get(part)
    if sightings is None:
        return Sync(part)
    missing = tuple(x for x in sightings if not x.confirmed)
    if not missing:
        return None
    names = tuple(x.name for x in missing)
    if failed := [f"{x.name}: {x.failed}" for x in missing if x.failed]:
        return Freeze("; ".join(failed), names)
    untils = [x.until for x in missing]
    until = max((u for u in untils if u), default=None) if all(untils) else None
    reason = "; ".join(f"{x.name}: {x.waiting}" for x in missing)
    return Wait(until, reason, names, soon=any(x.soon for x in missing))


def verifiers_confirmed(s: Situation) -> Sync | Wait | Freeze | None:
    """Every verifier was seen to accept exactly the ring's accepted list."""
    return _confirmed(s, Part.VERIFIERS)


def holders_confirmed(s: Situation) -> Sync | Wait | Freeze | None:
    """Every holder was seen to hold the active version, and all of it has switched."""
    answer = _confirmed(s, Part.HOLDERS)
    late = s.version and s.version.converge_by and s.now > s.version.converge_by
    if isinstance(answer, Wait) and late and s.ring.active == s.version:
        return Freeze(f"holders have not switched in time: {answer.reason}", answer.on)
    return answer


def lead_passed(s: Situation) -> Sync | Wait | Freeze | None:
    """Every cache that was filled before publication, or before a repair after it, has run out."""
    assert s.version  # noqa: S101 - the row that names this guard starts from a state
    published = s.version.published_at or s.version.staged_at
    clocks = [s.version.activate_after or published]
    if s.ring.active or s.policy.windows.first_lead:
        clocks.append(published + s.policy.windows.lead)
        rewritten = [
            x.since
            for x in s.observed.get(Part.VERIFIERS) or ()
            if x.since and x.revision >= s.ring.acceptance_confirmed
        ]
        clocks += [since + s.policy.windows.lead for since in rewritten]
    until = max(clocks)
    if s.now >= until:
        return None
    return Wait(until, f"the lead: verifiers may cache the list without {s.version.id} until then")


def overlap_passed(s: Situation) -> Sync | Wait | Freeze | None:
    """Everything signed with the old version before the last holder switched has expired."""
    assert s.version  # noqa: S101 - as above
    active = s.ring.active
    if active is None or active.converged_at is None or s.version.destroy_after is None:
        return Freeze("the ring has a retiring version without a converged active one")
    until = max(s.version.destroy_after, active.converged_at + s.policy.windows.overlap)
    if s.now >= until:
        return None
    return Wait(until, f"the overlap: tokens made with {s.version.id} may be valid until then")


def caches_forgot(s: Situation) -> Sync | Wait | Freeze | None:
    """Every cache that was filled before the withdrawal, or before a repair after it, has run out."""
    if s.version is None or s.version.withdrawn_at is None:
        return None
    forget, clocks = s.policy.windows.forget, [s.version.withdrawn_at]
    if forget:
        sightings = s.observed.get(Part.VERIFIERS) or ()
        clocks += [x.since for x in sightings if x.since and x.revision >= s.ring.acceptance_revision]
    until = max(s.version.forgotten_by or s.version.withdrawn_at, max(clocks) + forget)
    if s.now >= until:
        return None
    return Wait(until, f"verifiers may accept {s.version.id} from their caches until then")


def gates_before_activate(s: Situation) -> Sync | Wait | Freeze | None:
    """Every gate before activation is open."""
    return _confirmed(s, Part.BEFORE_ACTIVATE)


def gates_before_destroy(s: Situation) -> Sync | Wait | Freeze | None:
    """Every gate before destruction is open."""
    return _confirmed(s, Part.BEFORE_DESTROY)


def history_clean(s: Situation) -> Sync | Wait | Freeze | None:
    """The store keeps no older copy from which the material could be read back."""
    return _confirmed(s, Part.HISTORY)


def new_version_due(s: Situation) -> Sync | Wait | Freeze | None:
    """A due reason applies."""
    if _due(s):
        return None
    until = next_due(s.ring, s.policy.windows)
    return Wait(until, f"the next rotation, every {format_duration(s.policy.windows.every)}")


def window_open(s: Situation) -> Sync | Wait | Freeze | None:
    """Where versions cannot overlap, a switch begins only when an outage is accepted; one begun is finished."""
    if s.policy.outage is None or s.ring.active is None:
        return None
    opens = s.policy.outage.opens(s.now)
    if opens <= s.now:
        return None
    return Wait(opens, f"the window in which an outage is accepted: {s.policy.outage}")


def _due(s: Situation) -> Due | None:
    return due(
        Question(
            ring=s.ring, windows=s.policy.windows, spec=s.policy.spec, request=s.policy.request, now=s.now
        )
    )


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table."""

    step: Step
    source: State | None
    target: State
    guards: tuple[Guard, ...]
    applies: Callable[[Version], bool] = lambda _: True
    """Which versions in `source` the row is about."""


TRANSITIONS: tuple[Transition, ...] = (
    Transition(Step.PUBLISH, State.STAGED, State.PUBLISHED, (verifiers_confirmed,)),
    Transition(
        Step.ACTIVATE,
        State.PUBLISHED,
        State.ACTIVE,
        (verifiers_confirmed, lead_passed, gates_before_activate),
    ),
    Transition(
        Step.CONVERGE,
        State.ACTIVE,
        State.ACTIVE,
        (verifiers_confirmed, holders_confirmed),
        applies=lambda v: v.converged_at is None,
    ),
    Transition(
        Step.WITHDRAW,
        State.RETIRING,
        State.RETIRING,
        (verifiers_confirmed, holders_confirmed, overlap_passed, gates_before_destroy),
        applies=lambda v: v.withdrawn_at is None,
    ),
    Transition(
        Step.PROVE,
        State.RETIRING,
        State.RETIRING,
        (verifiers_confirmed, holders_confirmed, caches_forgot),
        applies=lambda v: v.withdrawn_at is not None and v.proven_at is None,
    ),
    Transition(
        Step.DESTROY,
        State.RETIRING,
        State.DESTROYED,
        (verifiers_confirmed, holders_confirmed, history_clean),
        applies=lambda v: v.proven_at is not None,
    ),
    Transition(
        Step.STAGE,
        None,
        State.STAGED,
        (new_version_due, window_open),
    ),
)
"""The whole lifecycle. The first row with a version in its source state is the one that counts."""


def decide(policy: Policy, ring: Ring, observed: Observed, now: datetime) -> Decision:
    """Return what to do next.

    `Record` a step whose guards all hold, `Sync` a part that a guard needs to see, `Wait`, or `Freeze`. A ring
    with a live version is kept in line first: what was edited by hand is repaired whether or not a step is due.
    """
    row, version = _row(ring)
    situation = Situation(policy, ring, version, observed, now)
    guards = row.guards
    if row.step is Step.STAGE and ring.versions:
        guards = (verifiers_confirmed, holders_confirmed, *guards)
    for guard in guards:
        if answer := guard(situation):
            return answer
    return Record(row.step, version, _due(situation) if row.step is Step.STAGE else None)


def _row(ring: Ring) -> tuple[Transition, Version | None]:
    for row in TRANSITIONS:
        if row.source is None:
            return row, None
        version = ring.in_state(row.source)
        if version and row.applies(version):
            return row, version
    raise AssertionError("the last row applies to every ring")


def evolve(ring: Ring, record: Record, now: datetime, windows: Windows) -> Ring:
    """Return the ring after `record`, one revision later. Raises ValueError for a step the table forbids.

    Instants never go back, though the clocks of two runs may differ a little: later is the safe side for every deadline.
    """
    row = next(row for row in TRANSITIONS if row.step is record.step)
    version = record.version
    if version is None:
        raise ValueError(f"{record.step} needs a version")
    if row.source is not None and ring.in_state(row.source) != version:
        raise ValueError(f"{record.step} starts from {row.source}, and {version.id} is not there")
    if row.source is None and ring.candidate:
        raise ValueError(f"{ring.candidate.id} is on its way already")
    now = max([now, *_recorded(ring)])
    ring = replace(ring, revision=ring.revision + 1)
    after = _EFFECTS[record.step](ring, replace(version, state=row.target), now, windows)
    if contradictions := problems(after):
        raise ValueError("; ".join(contradictions))
    return after


def _recorded(ring: Ring) -> Iterator[datetime]:
    for version in ring.versions:
        yield from (at for name in LIFE if (at := getattr(version, name)))


def _stage(ring: Ring, version: Version, now: datetime, windows: Windows) -> Ring:
    del windows
    destroyed = [v for v in ring.versions if v.state is State.DESTROYED]
    forgotten = {v.number for v in destroyed[: max(0, len(destroyed) - KEEP_DESTROYED)]}
    kept = tuple(v for v in ring.versions if v.number not in forgotten)
    ring = replace(ring, versions=kept, acceptance_revision=ring.revision)
    return ring.with_version(replace(version, staged_at=now))


def _publish(ring: Ring, version: Version, now: datetime, windows: Windows) -> Ring:
    lead = windows.lead if ring.active or windows.first_lead else timedelta()
    ring = replace(ring, acceptance_confirmed=ring.revision)
    return ring.with_version(replace(version, published_at=now, activate_after=now + lead))


def _activate(ring: Ring, version: Version, now: datetime, windows: Windows) -> Ring:
    if old := ring.active:
        ring = ring.with_version(replace(old, state=State.RETIRING))
    ring = replace(ring, holding_revision=ring.revision)
    return ring.with_version(replace(version, activated_at=now, converge_by=now + windows.converge))


def _converge(ring: Ring, version: Version, now: datetime, windows: Windows) -> Ring:
    if old := ring.retiring:
        ring = ring.with_version(replace(old, destroy_after=now + windows.overlap))
    ring = replace(ring, holding_confirmed=ring.revision)
    return ring.with_version(replace(version, converged_at=now))


def _withdraw(ring: Ring, version: Version, now: datetime, windows: Windows) -> Ring:
    ring = replace(ring, acceptance_revision=ring.revision)
    return ring.with_version(replace(version, withdrawn_at=now, forgotten_by=now + windows.forget))


def _prove(ring: Ring, version: Version, now: datetime, windows: Windows) -> Ring:
    del windows
    ring = replace(ring, acceptance_confirmed=ring.revision)
    return ring.with_version(replace(version, proven_at=now))


def _destroy(ring: Ring, version: Version, now: datetime, windows: Windows) -> Ring:
    del windows
    ring = replace(ring, acceptance_confirmed=ring.revision)
    return ring.with_version(replace(version, destroyed_at=now))


_EFFECTS: Mapping[Step, Callable[[Ring, Version, datetime, Windows], Ring]] = {
    Step.STAGE: _stage,
    Step.PUBLISH: _publish,
    Step.ACTIVATE: _activate,
    Step.CONVERGE: _converge,
    Step.WITHDRAW: _withdraw,
    Step.PROVE: _prove,
    Step.DESTROY: _destroy,
}


def honour(ring: Ring, reason: Reason, request: Request | None) -> Ring:
    """Remember that a request was honoured, so that the same one is never honoured twice.

    Whoever asked has a new version, also where it is the first one; one that was taken over is not new.
    """
    if reason not in {Reason.REQUESTED, Reason.FIRST} or request is None:
        return ring
    return replace(ring, requests=(*ring.requests, request)[-KEEP_REQUESTS:])
