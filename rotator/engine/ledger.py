"""What is recorded: loading the ring as it must be, and saving it with compare-and-swap.

A ring that is gone, that is older than what was seen, or that is another's, is never a new beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rotator.core.reading import Unreadable
from rotator.core.ring import Ring
from rotator.core.soundness import problems
from rotator.errors import Ambiguous, ClientError, Conflict, Frozen, RotatorError, Superseded
from rotator.ports import Credential, Entry, Store

ATTEMPTS = 5


@dataclass(frozen=True)
class Ledger:
    """The store of one rotation, and what was last seen in it."""

    store: Store
    credential: Credential
    rotation: str
    last_revision: int
    """The ring's revision when it was last seen; a ring that vanished since is no new beginning."""

    def load(self) -> Entry:
        """Read the entry; an empty one where the rotation is new. Raises Frozen for anything that is not right."""
        label = self.store.label
        try:
            entry = self.store.load()
        except Unreadable as error:
            raise Frozen(
                f"the ring in {label} cannot be read: {error}. Nothing was written. Restore it from a "
                "backup, or run the version of rotator that wrote it"
            ) from None
        if entry is None and self.last_revision:
            raise Frozen(
                f"there is no ring in {label}, yet revision {self.last_revision} was seen there. Nothing was "
                "written. Restore it; to begin anew on purpose, see Backup and restore (docs/declare/stores.md)"
            )
        if entry and entry.ring.rotation != self.rotation:
            raise Frozen(
                f"{label} holds the ring of {entry.ring.rotation}; it was left untouched. "
                "Give each rotation a store path of its own"
            )
        if entry and entry.ring.revision < self.last_revision:
            raise Frozen(
                f"the ring in {label} has revision {entry.ring.revision}, yet {self.last_revision} was seen: "
                "an old copy was restored. Nothing was written. Restore the latest"
            )
        if entry and (unsound := defects(entry, self.credential)):
            raise Frozen(
                f"the ring in {label} cannot be acted upon: {'; '.join(unsound)}. Nothing was written. Restore it from a "
                "backup: see Backup and restore (docs/declare/stores.md)"
            )
        return entry or Entry(ring=Ring(rotation=self.rotation))

    def save(self, entry: Entry) -> Entry:
        """Save with compare-and-swap. After a lost reply, read back who wrote (I6)."""
        last: ClientError | None = None
        for _ in range(ATTEMPTS):
            try:
                return self.store.save(entry)
            except (Conflict, Ambiguous) as error:
                last = error
                found = self._found()
                if found and found.writer == entry.writer and found.ring == entry.ring:
                    return replace(entry, fence=found.fence)
                if (found.fence if found else "") != entry.fence:
                    raise Superseded(f"another run has written {self.store.label}") from None
        raise Frozen(
            f"{self.store.label} did not take our write, tried {ATTEMPTS} times, and nobody else changed it. The last answer: {last}. "
            "It stands as it was"
        )

    def has_moved_on_from(self, entry: Entry) -> bool:
        """Whether another run has recorded something since `entry`; true where that cannot be seen."""
        try:
            found = self.store.load()
        except (RotatorError, Unreadable):
            return True
        return (found.ring.revision if found else 0) != entry.ring.revision

    def _found(self) -> Entry | None:
        try:
            return self.store.load()
        except Unreadable:
            raise Superseded(f"{self.store.label} was overwritten by somebody else") from None


def defects(entry: Entry, credential: Credential) -> list[str]:
    """Say why what was loaded cannot be acted upon, naming versions and never quoting material; empty: it can."""
    return [*problems(entry.ring), *_of_material(entry, credential)]


def _of_material(entry: Entry, credential: Credential) -> Iterator[str]:
    for version in entry.ring.live:
        try:
            if version.id in entry.material:
                credential.check(version, entry.material[version.id])
        except ValueError as error:
            yield f"the material of the version {version.id} cannot be used: {error}"
