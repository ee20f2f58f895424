"""The end of a rotation whose declaration was deleted, where its deletion policy says that the credential goes too.

Holders first, so that nobody new takes it up; then the verifiers, then the ring. Each step is harmless when it is
repeated, and the declaration is kept (by a finalizer) until the last: a run that is killed is carried on. What is not
ours is never removed: a document that another rotation or nobody of us wrote, and fields of others.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace

from rotator.core.reading import Unreadable
from rotator.engine.guard import Guard, Run
from rotator.engine.ledger import defects
from rotator.engine.outcome import Outcome, Result
from rotator.engine.rotation import Rotation
from rotator.errors import Ambiguous, Conflict, DeadlineExceeded, Frozen, LeaseLost, RotatorError
from rotator.ports import Copy, Entry

ATTEMPTS = 5


@dataclass
class Deletion:
    """Deletes what one rotation made, in one run."""

    rotation: Rotation
    run: Run
    guard: Guard
    steps: list[str] = field(default_factory=list)

    def advance(self) -> Outcome:
        """Remove everything. Never raises an error of ours: the outcome is `Deleted` once nothing is left."""
        if not self.run.act:
            self.steps.append("delete the credential")
            return self._outcome(Result.WAITING, "it is being deleted: the next run deletes its credential")
        try:
            self._remove()
        except DeadlineExceeded as error:
            lasting = "it is being deleted: the next run goes on"
            return replace(self._outcome(Result.WAITING, str(error)), lasting=lasting)
        except LeaseLost as error:
            return self._outcome(Result.HELD, str(error))
        except RotatorError as error:
            return self._outcome(Result.FROZEN, f"it is being deleted, and that cannot go on: {error}")
        return self._outcome(Result.DELETED, "deleted")

    def _remove(self) -> None:
        self._remove_delivered()
        self._remove_ring()
        self._remove_delivered()  # a run that knew nothing of this may have put something back meanwhile

    def _remove_delivered(self) -> None:
        for party in (*self.rotation.holders, *self.rotation.verifiers):
            self.steps += party.remove(self.rotation.ref, self._live, self.guard)

    def _live(self) -> tuple[Copy, ...]:
        entry = self._entry()
        return tuple(entry.copy(v.id) for v in entry.ring.live if v.id in entry.material) if entry else ()

    def _remove_ring(self) -> None:
        for _ in range(ATTEMPTS):
            entry = self._entry()
            if entry is None:
                return
            self.guard()
            with suppress(Conflict, Ambiguous):  # then it is looked at again
                self.rotation.store.remove(entry)
                self.steps.append(f"delete {self.rotation.store.label}")
                return
        raise Frozen(f"{self.rotation.store.label} cannot be deleted: somebody else writes it all the time")

    def _entry(self) -> Entry | None:
        """Return what is stored. A ring that is another's, or cannot be read, is not ours to remove."""
        label = self.rotation.store.label
        try:
            entry = self.rotation.store.load()
        except Unreadable as error:
            raise Frozen(f"the ring in {label} cannot be read: {error}. Remove it by hand") from None
        if entry and entry.ring.rotation != self.rotation.ref:
            raise Frozen(f"{label} holds the ring of {entry.ring.rotation}; it was left untouched")
        if entry and (unsound := defects(entry, self.rotation.credential)):
            raise Frozen(
                f"the ring in {label} cannot be acted upon: {'; '.join(unsound)}. Restore it, or remove it by hand"
            )
        return entry

    def _outcome(self, result: Result, reason: str) -> Outcome:
        parties = (*self.rotation.verifiers, *self.rotation.holders)
        return Outcome(
            rotation=self.rotation.ref,
            result=result,
            reason=reason,
            steps=tuple(self.steps),
            fences={label: fence for party in parties for label, fence in party.fences().items()},
        )
