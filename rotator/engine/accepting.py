"""Holders that accept as well what they use: an application that both signs and checks, or encrypts and decrypts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from rotator.core.machine import Sighting
from rotator.engine.delivery import Delivery
from rotator.ports import Copy, Deeds, Want


@dataclass
class AcceptingHolder(Delivery):
    """A holder whose document shows the active version first, and then the other one that is accepted."""

    def sync(self, want: Want, *, act: bool, fresh: bool) -> Sighting:
        """Bring the document in line, whichever of its two roles asks; see `rotator.ports.Party`."""
        return super().sync(_in_both_roles(want), act=act, fresh=fresh)


@dataclass(frozen=True)
class Acceptance:
    """The same holder as a verifier: it is told of a version before it is to use it, and to forget one afterwards."""

    holder: AcceptingHolder

    @property
    def name(self) -> str:
        """For people."""
        return self.holder.name

    def sync(self, want: Want, *, act: bool, fresh: bool) -> Sighting:
        """See that the holder accepts what is wanted; see `rotator.ports.Party`.

        Before the first version it accepts nothing, and while it is to switch it accepts both already. Then the holder's own turn
        comes once every verifier is confirmed (I1), so nothing is written here.
        """
        active = want.ring.active
        if active is None or active.converged_at is None:
            return Sighting(name=self.name, confirmed=True)
        return self.holder.sync(want, act=act, fresh=fresh)

    def fences(self) -> Mapping[str, str]:
        """Return nothing: the holder says it."""
        return {}

    def deeds(self) -> Mapping[str, Deeds]:
        """Return nothing: the holder says it."""
        return {}

    def check_free(self, rotation: str) -> None:
        """Leave it to the holder, which is asked as well."""

    def check_first(self, want: Want) -> None:
        """Leave it to the holder, which is asked as well."""

    def check_next(self, *, adopted: bool) -> None:
        """Leave it to the holder, which is asked as well."""

    def remove(
        self, rotation: str, live: Callable[[], Sequence[Copy]], guard: Callable[[], None]
    ) -> tuple[str, ...]:
        """Leave it to the holder, which is asked as well."""
        del rotation, live, guard
        return ()


def _in_both_roles(want: Want) -> Want:
    """Return what is wanted of a document with two roles: what it uses first, and what counts as new since either changed.

    What is published before its holder is first handed anything is settled nowhere yet.
    """
    ring = want.ring
    first = ring.active.id if ring.active else ""
    settled = max(ring.acceptance_confirmed, ring.holding_confirmed) if ring.holding_confirmed else 0
    return replace(
        want,
        copies=tuple(sorted(want.copies, key=lambda copy: copy.id != first)),
        epoch=max(ring.acceptance_revision, ring.holding_revision),
        settled=settled,
    )
