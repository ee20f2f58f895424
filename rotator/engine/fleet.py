"""All rotations in one run: who is due, bounded concurrency, isolation, one report, one exit code."""

from __future__ import annotations

import hashlib
import logging
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rotator.engine.deletion import Deletion
from rotator.engine.guard import Guard, Run
from rotator.engine.ledger import Ledger
from rotator.engine.outcome import Outcome, Result
from rotator.engine.rotation import Declared, Rotation, Turn
from rotator.errors import ClientError, DeadlineExceeded, Forbidden, RotatorError
from rotator.ports import Lease, LeaseHeld, Leases, Memo

log = logging.getLogger("rotator")

LOOK_EVERY = timedelta(hours=1)
"""How often everything is looked at anew: no list shows the ring, nor what is in Vault."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What lists show of the targets of some rotations."""

    fences: Mapping[str, str]
    """The fence of each target that was listed, by label."""
    unlisted: frozenset[str]
    """Labels of targets that no list shows: in Vault, or where we may not list."""


Fences = Callable[[Sequence[Declared]], Shown]
"""Shows the fences of the targets of some rotations by lists alone."""


@dataclass(frozen=True)
class Shard:
    """A share of the fleet: rotation `r` belongs to the shard `hash(r) mod count`."""

    index: int = 0
    count: int = 1

    def has(self, rotation: str) -> bool:
        """Whether `rotation` is in this shard; the same in every run and on every machine."""
        digest = hashlib.sha256(rotation.encode()).digest()
        return int.from_bytes(digest[:8]) % self.count == self.index


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one run did, over all rotations."""

    started: datetime
    ended: datetime
    outcomes: tuple[Outcome, ...]

    @property
    def exit_code(self) -> int:
        """0 done, or nothing due, or waiting as planned; 1 one is frozen or refused; 3 another run holds a lease."""
        results = {o.result for o in self.outcomes}
        if results & {Result.FROZEN, Result.REFUSED}:
            return 1
        return 3 if Result.HELD in results else 0

    def and_others(self, outcomes: Iterable[Outcome]) -> Report:
        """Return this report with what became of rotations that had nothing to be advanced."""
        return replace(self, outcomes=(*self.outcomes, *outcomes))


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Runs rotations."""

    run: Run
    leases: Leases
    fences: Fences
    concurrency: int = 8
    look_every: timedelta = LOOK_EVERY
    tell_last: bool = False
    """Without acting: whether a rotation that the last run left frozen is shown so."""
    finished: Callable[[Outcome], None] = field(default=lambda _: None)
    """Told of each outcome as it comes, for progress."""
    under_way: Callable[[Outcome], None] = field(default=lambda _: None)
    """Told of a rotation at work when it reaches another phase, and before it waits; must not raise."""
    span: Callable[[str, Mapping[str, str]], AbstractContextManager[object]] = lambda *_: nullcontext()
    """Traces the work on one rotation."""

    def advance(self, rotations: Sequence[Declared]) -> Report:
        """Advance every rotation that is due. One bad rotation never stops another."""
        started = self.run.clock.now()
        leases, unread = self._leases(rotations)
        shown = [r for r in rotations if r.namespace not in unread]
        idle = self._idle(shown, leases) if self.run.act else {}
        due = [r for r in shown if r.ref not in idle]
        outcomes = {**idle, **dict(self._map(lambda r: self._isolated(r, leases[r.ref]), due))}
        for rotation in rotations:
            if error := unread.get(rotation.namespace):
                outcomes[rotation.ref] = self._unread(rotation, error)
                self.finished(outcomes[rotation.ref])
        ordered = tuple(outcomes[r.ref] for r in rotations)
        return Report(started=started, ended=self.run.clock.now(), outcomes=ordered)

    def _map(
        self, work: Callable[[Declared], Outcome], rotations: Sequence[Declared]
    ) -> Iterable[tuple[str, Outcome]]:
        if len(rotations) <= 1 or self.concurrency <= 1:
            done: Iterable[Outcome] = map(work, rotations)
        else:
            contexts = [copy_context() for _ in rotations]  # a trace goes on in the thread that does the work
            with ThreadPoolExecutor(min(self.concurrency, len(rotations))) as pool:
                done = list(pool.map(lambda context, r: context.run(work, r), contexts, rotations))
        return zip((r.ref for r in rotations), done, strict=True)

    def _leases(
        self, rotations: Sequence[Declared]
    ) -> tuple[Mapping[str, Lease], Mapping[str, RotatorError]]:
        """Return the lease of each rotation, and why the leases of a namespace could not be read."""
        listed: dict[str, Lease] = {}
        unread: dict[str, RotatorError] = {}
        for namespace in sorted({r.namespace for r in rotations}):
            try:
                listed |= self.leases.list([namespace])
            except ClientError as error:
                if not all(r.ending for r in rotations if r.namespace == namespace):
                    unread[namespace] = error
            except DeadlineExceeded as error:
                unread[namespace] = error
        return {r.ref: listed.get(r.ref) or Lease(rotation=r.ref) for r in rotations}, unread

    # --- nothing due ----------------------------------------------------------------------------------------

    def _idle(self, rotations: Sequence[Declared], leases: Mapping[str, Lease]) -> dict[str, Outcome]:
        """Find the rotations of which the lists show that nothing is due and nobody wrote to a target."""
        quiet = [r for r in rotations if self._quiet(r, leases[r.ref].memo)]
        try:
            shown = self.fences(quiet) if quiet else Shown({}, frozenset())
        except (ClientError, DeadlineExceeded):
            return {}
        idle = [r for r in quiet if self._untouched(leases[r.ref].memo, shown)]
        return {r.ref: self._report_idle(r, leases[r.ref].memo) for r in idle}

    def _untouched(self, memo: Memo, shown: Shown) -> bool:
        now = self.run.clock.now()
        if memo.look is None or not now < memo.look <= now + self.look_every:
            return False
        listed = {label: fence for label, fence in memo.fences.items() if label not in shown.unlisted}
        return listed.items() <= shown.fences.items()

    def _quiet(self, rotation: Declared, memo: Memo) -> bool:
        due = memo.due is not None and memo.due <= self.run.clock.now()
        request = rotation.request
        asked = request is not None and request.key not in memo.summary.requests
        changed = asked or rotation.leaving or memo.spec != rotation.digest
        return memo.due is not None and not due and not changed

    def _report_idle(self, rotation: Declared, memo: Memo) -> Outcome:
        outcome = Outcome(
            rotation=rotation.ref,
            result=Result.IDLE,
            reason=memo.reason,
            until=memo.due,
            summary=memo.summary,
            since=memo.since,
            news=False,
            kind=rotation.kind,
            every=rotation.every,
        )
        self.finished(outcome)
        return outcome

    # --- one rotation ---------------------------------------------------------------------------------------

    def _isolated(self, rotation: Declared, lease: Lease) -> Outcome:
        try:
            with self.span("rotation", {"rotation": rotation.ref}):
                outcome = self._one(rotation, lease)
        except DeadlineExceeded as error:
            outcome = replace(self._ended(rotation, lease.memo, Result.WAITING, str(error)), lasting="")
        except LeaseHeld as held:
            outcome = self._ended(rotation, lease.memo, Result.HELD, f"another run is at work: {held}")
        except RotatorError as error:
            outcome = self._ended(rotation, lease.memo, Result.FROZEN, str(error))
        except Exception as error:  # noqa: BLE001 - as in the work itself: it must not stop the others
            outcome = self._ended(rotation, lease.memo, Result.FROZEN, _defect(error))
        self.finished(outcome)
        return outcome

    def _one(self, rotation: Declared, lease: Lease) -> Outcome:
        wired = rotation.wire()
        if not self.run.act:
            outcome = self._advanced(self._work(rotation, wired, lease.memo, lambda: None))
            return _as_left(outcome, lease.memo) if self.tell_last else outcome
        wired.check_clocks()
        held = [self._take(rotation, lease)]

        def renew() -> None:
            if held[0].fence:
                held[0] = self.leases.renew(held[0])

        before = held[0].memo
        outcome = _abandoned(self._advanced(self._work(rotation, wired, before, renew)), before)
        outcome = self._dated(outcome, rotation, before)
        if held[0].fence:
            self._give_back(held[0], rotation, outcome)
        return outcome

    def _take(self, rotation: Declared, lease: Lease) -> Lease:
        """Take the lease. In a namespace that is being deleted none can be made: what leaves goes on without."""
        try:
            return self.leases.take(lease)
        except Forbidden:
            if rotation.leaving and not lease.fence:
                return lease
            raise

    def _give_back(self, held: Lease, rotation: Declared, outcome: Outcome) -> None:
        if outcome.result is Result.DELETED:
            self.leases.remove(held)
            return
        try:
            self.leases.give_back(held, self._memo(rotation, held.memo, outcome))
        except RotatorError as error:
            log.warning(
                "the lease could not be given back", extra={"rotation": rotation.ref, "reason": str(error)}
            )

    def _unread(self, rotation: Declared, error: RotatorError) -> Outcome:
        """Say what becomes of a rotation whose lease was not read: where the time is up, the next run reads it."""
        if isinstance(error, DeadlineExceeded):
            return replace(self._ended(rotation, Memo(), Result.WAITING, str(error)), lasting="")
        return self._ended(rotation, Memo(), Result.FROZEN, str(error))

    def _ended(self, rotation: Declared, memo: Memo, result: Result, reason: str) -> Outcome:
        return self._dated(Outcome(rotation=rotation.ref, result=result, reason=reason), rotation, memo)

    def _dated(self, outcome: Outcome, rotation: Declared, before: Memo) -> Outcome:
        """Say since when it is so, and whether that is news; where the ring was not read, say what is known of it."""
        outcome = replace(outcome, kind=rotation.kind, every=rotation.every)
        if outcome.summary.revision < before.summary.revision:
            outcome = replace(outcome, summary=before.summary)
        if (before.outcome, before.reason) == (outcome.result, outcome.stays) and before.since:
            return replace(outcome, since=before.since, news=False)
        return replace(outcome, since=self.run.clock.now())

    def _advanced(self, work: Turn | Deletion) -> Outcome:
        try:
            return work.advance()
        except Exception as error:  # noqa: BLE001 - a defect in one rotation must not stop the others
            return Outcome(rotation=work.rotation.ref, result=Result.FROZEN, reason=_defect(error))

    def _work(
        self, rotation: Declared, wired: Rotation, memo: Memo, renew: Callable[[], None]
    ) -> Turn | Deletion:
        guard = Guard(run=self.run, check_clocks=wired.check_clocks, renew=renew)
        if rotation.leaving:
            return Deletion(rotation=wired, run=self.run, guard=guard)
        return Turn(
            rotation=wired,
            run=self.run,
            known={label: fence for label, fence in memo.fences.items() if fence},
            deeds=memo.deeds,
            ledger=Ledger(wired.store, wired.credential, wired.ref, memo.summary.revision),
            guard=guard,
            under_way=lambda outcome: self.under_way(self._dated(outcome, rotation, memo)),
        )

    def _memo(self, rotation: Declared, before: Memo, outcome: Outcome) -> Memo:
        """Return what to leave on the lease. A run that was overtaken leaves what it found."""
        if outcome.result is Result.HELD:
            return before
        return replace(
            before,
            outcome=str(outcome.result),
            reason=outcome.stays,
            since=outcome.since,
            due=outcome.until if outcome.result is Result.WAITING else None,
            look=self.run.clock.now() + self.look_every,
            spec=rotation.digest,
            type=rotation.kind,
            every=rotation.every,
            summary=outcome.summary,
            fences={label: fence or before.fences.get(label, "") for label, fence in outcome.fences.items()},
            deeds={
                **{label: d for label, d in before.deeds.items() if label in outcome.fences},
                **outcome.deeds,
            },
        )


def _abandoned(outcome: Outcome, memo: Memo) -> Outcome:
    """Say which targets are declared no more: nobody will bring them a new version."""
    gone = sorted(memo.fences.keys() - outcome.fences.keys()) if outcome.fences else []
    said = [
        f"{label} is declared no more: it keeps the version that it has, and is left alone" for label in gone
    ]
    return replace(outcome, steps=(*outcome.steps, *said))


def _as_left(outcome: Outcome, memo: Memo) -> Outcome:
    """Show what the last run found: a look alone does not find what only a write can."""
    if memo.outcome != Result.FROZEN or outcome.result is Result.FROZEN:
        return outcome
    since = f" since {memo.since:%Y-%m-%d %H:%M}Z" if memo.since else ""
    return replace(outcome, result=Result.FROZEN, reason=f"frozen{since}: {memo.reason}")


def _defect(error: Exception) -> str:
    """Describe an unexpected exception by where it happened; its text may hold what it must not show."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename.rpartition('rotator/')[2]}:{frames[-1].lineno}" if frames else "unknown"
    log.error("unexpected error", extra={"error": type(error).__name__, "where": where})
    return f"unexpected {type(error).__name__} at {where}: a defect of rotator; nothing was withdrawn"
