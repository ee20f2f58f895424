"""The end of a rotation whose declaration was deleted, where its deletion policy says that the credential goes too.

Holders first, so that nobody new takes it up; then the verifiers, then the ring, then the lease. Each step is harmless
when it is repeated, and the declaration is kept (by a finalizer) until the last: a run that is killed is carried on.
What is not ours is never removed: a document that another rotation or nobody of us wrote, and fields of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rotator.core.codec import Unreadable
from rotator.engine.lease import LeaseHeld, Leases
from rotator.engine.outcome import Outcome, Result
from rotator.engine.rotation import Rotation, Run
from rotator.errors import RotatorError
from rotator.ports import Entry, Party


@dataclass(frozen=True)
class Deletion:
    """Deletes the credentials of rotations."""

    run: Run
    leases: Leases

    def delete(self, rotation: Rotation) -> Outcome:
        """Remove everything that this rotation made; the outcome says `Deleted` once nothing is left."""
        try:
            if not self.run.act:
                return Outcome(rotation=rotation.ref, result=Result.DELETED, steps=("delete the credential",))
            self.run.check(rotation.clock_skew)
            held = self.leases.take(self.leases.absent(rotation.ref))
            steps = self._remove(rotation)
            self.leases.remove(held)
        except LeaseHeld as error:
            return Outcome(
                rotation=rotation.ref, result=Result.HELD, reason=f"another run is at work: {error}"
            )
        except RotatorError as error:
            return Outcome(
                rotation=rotation.ref, result=Result.FROZEN, reason=f"it is to be deleted: {error}"
            )
        return Outcome(rotation=rotation.ref, result=Result.DELETED, reason="deleted", steps=steps)

    def _remove(self, rotation: Rotation) -> tuple[str, ...]:
        entry = self._entry(rotation)
        if entry is None:
            return ()
        steps = (*_removed(rotation.holders, rotation.ref), *_removed(rotation.verifiers, rotation.ref))
        rotation.store.remove(entry)
        return (*steps, f"delete {rotation.store.label}")

    def _entry(self, rotation: Rotation) -> Entry | None:
        """Return what is stored of this rotation; a ring that is another's, or garbage, is not ours to remove."""
        try:
            entry = rotation.store.load()
        except Unreadable:
            return None
        return entry if entry and entry.ring.rotation == rotation.ref else None


def _removed(parties: Sequence[Party], rotation: str) -> tuple[str, ...]:
    return tuple(change for party in parties for change in party.remove(rotation))
