"""One rotation in one run: observe, decide, act, record, and again until there is nothing to do but wait.

A plan is the same loop with `act` off: targets are only read, steps are recorded nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from rotator.core.due import Reason
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
    honour,
)
from rotator.core.request import Request
from rotator.core.ring import AT_REST, Phase, Ring, State, Version, phase
from rotator.core.sensitive import Material
from rotator.engine.guard import Guard, Run
from rotator.engine.ledger import Ledger
from rotator.engine.outcome import Outcome, Result
from rotator.errors import (
    DeadlineExceeded,
    Frozen,
    LeaseLost,
    RotatorError,
    Superseded,
)
from rotator.ports import Credential, Deeds, Entry, Gate, Made, Party, Seen, Store, Summary, Want

MOST_TURNS = 1000
MOST_CALLS = 12
"""So many calls bring any provider where it is wanted, unless somebody works against us."""
FIRST_NAP = 0.2
LONGEST_NAP = 2.0
CARRIED_ON = "the next run carries on"
"""What is so of a rotation that a run had to leave in the middle."""
PLANNED = "(new)"
"""Stands in a plan for the id of a version that is not made yet."""


class Labelled(Protocol):
    """A place where something is delivered."""

    @property
    def label(self) -> str:
        """Unique in the fleet, for people."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A declared rotation, with what it takes to see from lists alone that nothing is due."""

    ref: str
    """`namespace/name`."""
    kind: str
    """The credential kind, as in the policy: `jwtSigningKey`."""
    digest: str
    """Changes with the declaration."""
    every: timedelta
    """The period."""
    delivered: Sequence[Labelled]
    """The documents that are delivered."""
    called: Sequence[str]
    """The labels of what is changed by calls."""
    wire: Callable[[], Rotation]
    """Returns it as it is wired to the systems it concerns."""
    request: Request | None = None
    """What is asked for."""
    leaving: bool = False
    """Whether its declaration was deleted, and the credential is to go with it."""
    ending: bool = False
    """Whether it is leaving because its whole namespace is being deleted: nothing can be made there, a Lease neither."""

    @property
    def namespace(self) -> str:
        """The namespace of the rotation and of its lease."""
        return self.ref.partition("/")[0]


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """A declared rotation, wired to the systems it concerns."""

    ref: str
    """`namespace/name`."""
    policy: Policy
    check_clocks: Callable[[], None]
    """See `rotator.engine.guard.Guard`."""
    credential: Credential
    store: Store
    verifiers: Sequence[Party]
    holders: Sequence[Party]
    existing: Existing | None = None
    """The credential in use that the first version is taken from."""
    before_activate: Sequence[Gate] = ()
    before_destroy: Sequence[Gate] = ()
    asked_again: bool = False
    """Whether later runs are asked for the same: what is requested then begins by itself."""
    unseen: Callable[[], str] = str
    """Says what could not be looked at, after the looks were made; empty: nothing."""


class Readable(Protocol):
    """Something in which a credential can be read: any target, or a provider that shows what is in use."""

    @property
    def label(self) -> str:
        """For people."""
        ...

    def read(self, names: Sequence[str]) -> Seen | None:
        """Read the fields `names`; None where there is nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Existing:
    """A credential that is in use already."""

    target: Readable
    field: str
    id: str | None
    """The `kid` that its tokens carry, where it is not the derived one."""


@dataclass
class Turn:
    """One rotation in one run."""

    rotation: Rotation
    run: Run
    known: Mapping[str, str]
    deeds: Mapping[str, Deeds]
    """What earlier runs did, by the label of the target."""
    """The targets that were delivered to before, by label, each with its fence as the last run left it."""
    ledger: Ledger
    guard: Guard
    under_way: Callable[[Outcome], None] = lambda _: None
    """Told of each phase that is reached while the run goes on, and of what was done before it waits; never raises."""
    entry: Entry = field(init=False, repr=False)
    """The ring as it is to be saved next."""
    saved: Entry | None = field(default=None, init=False, repr=False)
    """The ring as it is in the store."""
    observed: Observed = field(default_factory=Observed)
    steps: list[str] = field(default_factory=list)
    _unsaved: list[str] = field(default_factory=list)
    _last_wait: str = ""
    """What it waited for when it was looked at last."""
    _told: tuple[str, int] = field(default=("", 0), init=False)
    """The phase and the number of steps that were told last."""
    _nap: float = FIRST_NAP

    def advance(self) -> Outcome:
        """Go as far as can be gone now. Never raises an error of ours: the outcome says what happened."""
        try:
            self.entry = self.saved = self.ledger.load()
            self._keep()
            self._told = (phase(self.entry.ring), 0)
            return self._loop()
        except DeadlineExceeded as error:
            return replace(self._outcome(Result.WAITING, str(error)), lasting=self._last_wait or CARRIED_ON)
        except LeaseLost as error:
            return self._outcome(Result.HELD, str(error))
        except Superseded as error:
            return self._superseded(error)
        except RotatorError as error:
            return self._outcome(Result.FROZEN, str(error))

    def _keep(self) -> None:
        """Write a ring again that its system would delete."""
        if gone := self.entry.vanishes:
            self.entry = replace(self.entry, writer=self.run.identity, vanishes="")
            self._unsaved.append(f"write the ring again, which would be deleted at {gone}")

    def _superseded(self, error: Superseded) -> Outcome:
        """Tell a run that was overtaken from a ring that was lost: only in the first case has the store moved on."""
        if self.saved is None or self.ledger.has_moved_on_from(self.saved):
            return self._outcome(Result.HELD, str(error))
        reason = (
            f"the ring in {self.rotation.store.label} is behind what was delivered: {error}. It was lost or an old "
            "copy was restored. Nothing was written. Restore the latest"
        )
        return self._outcome(Result.FROZEN, reason)

    def _loop(self) -> Outcome:
        for _ in range(MOST_TURNS):
            now = self.run.clock.now()
            decision = decide(self.rotation.policy, self.entry.ring, self.observed, now)
            match decision:
                case Sync(part):
                    self._look(part, fresh=False)
                case Record() if not self.run.ahead:
                    return self._outcome(Result.WAITING, f"the next run goes on: {_said(decision)}")
                case Record():
                    self._record(decision, now)
                case Wait(soon=True, reason=reason, on=on) if self.run.act and self._nap_fits(now):
                    self._last_wait = reason
                    self._tell(reason, on)
                    self.run.clock.sleep(self._nap)
                    self._nap = min(LONGEST_NAP, self._nap * 1.5)
                    self._look_again()
                case Wait(until, reason, on):
                    self._flush()
                    said = f"{self._after_the_steps()}{self._not_begun()}{reason}{self._foreseen()}"
                    return self._outcome(Result.WAITING, said, until, on)
                case Freeze(reason, on):
                    self._flush()
                    return self._outcome(Result.FROZEN, f"{self._after_the_steps()}{reason}", None, on)
        raise Frozen(f"no end after {MOST_TURNS} turns: this is a defect of rotator")

    def _after_the_steps(self) -> str:
        """Tell what a plan foresees from what is so now."""
        return "" if self.run.act or not self.run.ahead or not self.steps else "after these steps: "

    def _not_begun(self) -> str:
        request, ring = self.rotation.policy.request, self.entry.ring
        if request is None or request in ring.requests:
            return ""
        if self.rotation.asked_again:
            return f"the rotation requested ({request.reason}) begins by itself once this one is over; "
        return f"the rotation requested ({request.reason}) has not begun, ask again once this one is over; "

    def _nap_fits(self, now: datetime) -> bool:
        return now + timedelta(seconds=self._nap) < self.run.deadline.at

    def _look_again(self) -> None:
        """Look anew at whoever is in the way; what was confirmed in this run stays confirmed."""
        for part, sightings in self.observed.parts.items():
            if any(not s.confirmed for s in sightings):
                self._look(part, fresh=True)

    @property
    def _without_gates(self) -> set[Part]:
        """The parts for which nobody outside has to be asked."""
        gates = {
            Part.BEFORE_ACTIVATE: self.rotation.before_activate,
            Part.BEFORE_DESTROY: self.rotation.before_destroy,
        }
        return {part for part, declared in gates.items() if not declared}

    # --- looking and acting ---------------------------------------------------------------------------------

    def _look(self, part: Part, *, fresh: bool) -> None:
        if part in self._without_gates:
            self.observed = self.observed.seen(part, ())
            return
        for _ in range(MOST_CALLS):
            self._flush()
            self._tell_phase()
            self.guard()
            sightings = self._sight(part, fresh=fresh)
            self.steps += [change for s in sightings for change in s.changes]
            self._learn(sightings)
            if not any(s.again for s in sightings):
                self.observed = self.observed.seen(part, sightings)
                return
        calling = next(s for s in sightings if s.again)
        raise Frozen(
            f"{calling.name} is not as it is wanted after {MOST_CALLS} calls: {calling.waiting}. Nothing was "
            "withdrawn; the next run tries again"
        )

    def _learn(self, sightings: Sightings) -> None:
        """Keep what a system made itself, before anything else is done: nobody but us was told."""
        learned = [pair for s in sightings for pair in s.learned.items()]
        if not learned:
            return
        material = dict(self.entry.material)
        for version_id, fields in learned:
            material[version_id] = {**material.get(version_id, {}), **fields}
            self._unsaved.append(f"keep what was learned of {version_id}")
        ring = replace(self.entry.ring, revision=self.entry.ring.revision + 1)
        self.entry = replace(self.entry, ring=ring, material=material, writer=self.run.identity)

    def _sight(self, part: Part, *, fresh: bool) -> Sightings:
        match part:
            case Part.VERIFIERS:
                return self._deliver(self.rotation.verifiers, self._verifiers_want(), fresh=fresh)
            case Part.HOLDERS:
                if not self.entry.ring.active:
                    return ()
                return self._deliver(self.rotation.holders, self._holders_want(), fresh=fresh)
            case Part.BEFORE_ACTIVATE:
                return self._check(self.rotation.before_activate, self.entry.ring.in_state(State.PUBLISHED))
            case Part.BEFORE_DESTROY:
                return self._check(self.rotation.before_destroy, self.entry.ring.retiring)
            case Part.HISTORY:
                clean = self.rotation.store.erase_history(act=self.run.act)
                waiting = "" if clean else "older copies can still be read"
                return (
                    Sighting(
                        name=self.rotation.store.label, confirmed=clean or not self.run.act, waiting=waiting
                    ),
                )

    def _deliver(self, to: Sequence[Party], want: Want, *, fresh: bool) -> Sightings:
        """Bring one after the other in line; after a call at a provider, everything is looked at again first."""
        sightings: Sightings = ()
        for who in to:
            sightings = (*sightings, who.sync(want, act=self.run.act, fresh=fresh))
            if sightings[-1].again:
                break
        return sightings

    def _check(self, gates: Sequence[Gate], version: Version | None) -> Sightings:
        assert version  # noqa: S101 - gates stand before steps of a version
        if version.id == PLANNED:
            waiting = "it can only be asked once the version is made"
            return tuple(Sighting(name=g.name, confirmed=False, waiting=waiting) for g in gates)
        return tuple(gate.check(version.id) for gate in gates)

    def _verifiers_want(self) -> Want:
        ring = self.entry.ring
        return self._want(ring.accepted, epoch=ring.acceptance_revision, settled=ring.acceptance_confirmed)

    def _holders_want(self) -> Want:
        ring = self.entry.ring
        return self._want(ring.held, epoch=ring.holding_revision, settled=ring.holding_confirmed)

    def _want(self, ids: Sequence[str], *, epoch: int, settled: int) -> Want:
        ring, material = self.entry.ring, self.entry.material
        withdrawn = [v.id for v in ring.live if v.withdrawn_at]
        return Want(
            ring=ring,
            copies=tuple(self.entry.copy(i) for i in ids),
            epoch=epoch,
            settled=settled,
            drift=settled > epoch and not withdrawn,
            known=self.known,
            deeds=self.deeds,
            erase=bool(withdrawn),
            withdrawn=tuple(self.entry.copy(i) for i in withdrawn if i in material),
            guard=self.guard,
        )

    # --- recording ------------------------------------------------------------------------------------------

    def _record(self, record: Record, now: datetime) -> None:
        material = dict(self.entry.material)
        if record.step is Step.STAGE:
            record, made = self._make(record, now)
            material |= made
        windows, ring = self.rotation.policy.windows, self.entry.ring
        after = evolve(ring, record, now, windows)
        if record.due and record.version:
            after = honour(after, Reason(record.version.reason), self.rotation.policy.request)
        kept = {v.id for v in after.live if v.proven_at is None}
        entry = replace(
            self.entry,
            ring=after,
            material={i: m for i, m in material.items() if i in kept},
            writer=self.run.identity,
        )
        self.entry = entry
        if record.version and record.step is Step.STAGE and record.version.reason == Reason.TAKEN_OVER:
            self._check_first(record.version)
        assert record.version  # noqa: S101 - evolve has refused a record without one
        self._unsaved.append(_said(record))
        self._forget_what_changed(ring, after)

    def _flush(self) -> None:
        """Save what was recorded. Steps with nothing outside between them are one write; nothing outside precedes it."""
        if self._unsaved and self.run.act:
            self.guard()
            self.entry = self.ledger.save(self.entry)
            self.saved = self.entry
        self.steps += self._unsaved
        self._unsaved.clear()

    def _make(self, record: Record, now: datetime) -> tuple[Record, dict[str, Material]]:
        ring, credential = self.entry.ring, self.rotation.credential
        number = max((v.number for v in ring.versions), default=0) + 1
        assert record.due  # noqa: S101 - STAGE is decided for a reason
        adopted = self._adopt() if record.due.reason is Reason.FIRST else None
        if not ring.versions:
            self.rotation.store.check_new()
        if record.due.reason is Reason.FIRST and adopted is None:
            self._check_free()
        self._check_next(adopted=adopted is not None)
        made = adopted or credential.make(self.rotation.ref, number)
        version = Version(
            id=made.id if self.run.act or adopted else PLANNED,
            number=number,
            state=State.STAGED,
            reason=Reason.TAKEN_OVER if adopted else record.due.reason,
            spec=made.spec,
            staged_at=now,
            weak=made.weak,
        )
        if adopted:
            record = replace(record, due=replace(record.due, message=self._taken_over(adopted)))
        return replace(record, version=version), {version.id: made.material}

    def _check_free(self) -> None:
        """Before the first version is made: see that it can be delivered, or freeze with neither ring nor target written."""
        for party in (*self.rotation.verifiers, *self.rotation.holders):
            party.check_free(self.rotation.ref)

    def _check_first(self, version: Version) -> None:
        """Before a version taken over is recorded: see that it can be delivered as the ring would want it."""
        want = self._want((version.id,), epoch=self.entry.ring.revision, settled=0)
        for party in (*self.rotation.verifiers, *self.rotation.holders):
            party.check_first(want)

    def _check_next(self, *, adopted: bool = False) -> None:
        for party in (*self.rotation.verifiers, *self.rotation.holders):
            party.check_next(adopted=adopted)

    def _foreseen(self) -> str:
        """Say in a plan what would keep the next rotation from beginning, and what nobody could look at."""
        if self.run.act or not self.run.ahead:
            return ""
        in_the_way, unseen = self._in_the_way_of_the_next(), self.rotation.unseen()
        return f"{in_the_way}; {unseen}" if unseen else in_the_way

    def _in_the_way_of_the_next(self) -> str:
        if phase(self.entry.ring) not in AT_REST:
            return ""
        try:
            self._check_next()
        except Frozen as error:
            return f"; it could not begin as things are: {error}"
        return ""

    def _adopt(self) -> Made | None:
        """Take over the credential that is in use, where the policy names one."""
        existing = self.rotation.existing
        if existing is None:
            return None
        seen = existing.target.read([existing.field])
        if seen is None or existing.field not in seen.fields:
            raise Frozen(
                f"there is nothing to take over: {existing.target.label} has no field {existing.field}. Nothing was "
                "written. Correct takeOver, or leave it out to begin with a new credential"
            )
        if seen.shaped:
            raise Frozen(
                f"{existing.target.label}, field {existing.field}, cannot be taken over: it is an object or a number, no text. "
                "Nothing was written. Write it there as a text first"
            )
        try:
            return self.rotation.credential.adopt(seen.fields[existing.field], existing.id, self.rotation.ref)
        except ValueError as error:
            raise Frozen(
                f"{existing.target.label}, field {existing.field}, cannot be taken over: {error}. Nothing was written"
            ) from None

    def _taken_over(self, made: Made) -> str:
        """Say what was taken over from where, and what people should know of it."""
        existing = self.rotation.existing
        assert existing  # noqa: S101 - something was taken over
        weak = (f"it is weak ({made.weak}), so it is replaced at once",) if made.weak else ()
        return "; ".join(
            (f"taken over from {existing.target.label}, field {existing.field}", *weak, *made.notes)
        )

    def _forget_what_changed(self, before: Ring, after: Ring) -> None:
        """What was seen of a part holds as long as the ring wants the same of it."""
        if before.accepted != after.accepted:
            self.observed = self.observed.without(Part.VERIFIERS)
        if before.held != after.held or before.retiring != after.retiring:
            self.observed = self.observed.without(Part.HOLDERS)
        self.observed = self.observed.without(Part.BEFORE_ACTIVATE, Part.BEFORE_DESTROY, Part.HISTORY)

    # --- reporting ------------------------------------------------------------------------------------------

    def _tell_phase(self) -> None:
        """Tell that a rotation has come into another phase, once that is recorded."""
        now = phase(self.saved.ring) if self.saved else Phase.NEW
        if now not in AT_REST and now != self._told[0]:
            self._last_wait = ""
            self._tell("a run is at work on it")

    def _tell(self, reason: str, on: tuple[str, ...] = ()) -> None:
        """Tell what was done so far, unless all of it was told."""
        outcome = self._outcome(Result.WAITING, reason, None, on)
        told = (outcome.summary.phase, len(outcome.steps))
        if self.run.act and told != self._told:
            self._told = told
            self.under_way(outcome)

    def _outcome(
        self, result: Result, reason: str, until: datetime | None = None, on: tuple[str, ...] = ()
    ) -> Outcome:
        entry = self.saved
        parties = (*self.rotation.verifiers, *self.rotation.holders)
        return Outcome(
            rotation=self.rotation.ref,
            result=result,
            reason=reason,
            until=until,
            waiting_on=on,
            steps=tuple(self.steps),
            beside=tuple(s.beside for seen in self.observed.parts.values() for s in seen if s.beside),
            summary=Summary.of(entry.ring) if entry else Summary(),
            ring=entry.ring if entry else None,
            fences={label: fence for who in parties for label, fence in who.fences().items()},
            deeds={label: deeds for who in parties for label, deeds in who.deeds().items()},
        )


def _said(record: Record) -> str:
    """Say what is recorded, and why: `stage (new): there is no version yet`."""
    because = f": {record.due.message}" if record.due else ""
    return f"{record.step} {record.version.id if record.version else PLANNED}{because}"
