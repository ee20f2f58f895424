"""Who is brought in line with the ring: verifiers and holders, and what has to be seen before a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rotator.core.machine import Sighting
from rotator.core.ring import Ring
from rotator.ports.credentials import Copy
from rotator.ports.documents import Rendered
from rotator.ports.memo import Deeds


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What the ring wants a verifier to accept, or a holder to hold."""

    ring: Ring
    copies: tuple[Copy, ...]
    """Verifiers: all accepted versions, oldest first. Holders: the active one, then the previous one."""
    epoch: int
    """Content that carries an older revision than this is written again, even where it is equal (I5)."""
    settled: int
    """The revision at which all of it was last recorded to be in place, 0 for never. What was written later than
    this has to be seen to work again."""
    drift: bool
    """Whether a difference now can only be somebody else's edit: then it is repaired, and said so."""
    known: Mapping[str, str]
    """The targets that were delivered to before, by label, each with its fence as the last run left it."""
    erase: bool
    """Whether nothing older may be readable any more, version histories included (I8)."""
    deeds: Mapping[str, Deeds] = field(default_factory=dict)
    """What earlier runs did, by the label of the target."""
    withdrawn: tuple[Copy, ...] = ()
    """Verifiers: versions that are not accepted any more, and not yet proven dead."""
    guard: Callable[[], None] = field(default=lambda: None, compare=False, repr=False)
    """Sees that the lease is still ours; raises LeaseLost. Called between a look and a change that has no fence: who was
    overtaken before it stops, who is overtaken after it has decided on what was there before the other run began (I5)."""


class Render(Protocol):
    """Says what a target is to hold."""

    @property
    def names(self) -> Sequence[str]:
        """The fields of the target that are ours."""
        ...

    def __call__(self, want: Want) -> Rendered:
        """Return the fields with their values. Raises ValueError, without quoting it, for what they cannot hold."""
        ...


class Party(Protocol):
    """A verifier or a holder: somebody to be brought in line with the ring, and looked at."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def sync(self, want: Want, *, act: bool, fresh: bool) -> Sighting:
        """Look, write where something differs (only if `act`), and say what was seen.

        `fresh` asks for a new look at what was seen before in the same run. Raises Superseded where the target
        carries a newer revision, Frozen where a person must decide.
        """
        ...

    def fences(self) -> Mapping[str, str]:
        """Return the fence of each target with which it was last seen in place, by label; empty: not in this run."""
        ...

    def deeds(self) -> Mapping[str, Deeds]:
        """Return what the next run has to know was done, by the label of the target; empty: not looked at in this run."""
        ...

    def check_free(self, rotation: str) -> None:
        """Before `rotation` has any version: raise Frozen where something is in the way of the first one."""
        ...

    def check_first(self, want: Want) -> None:
        """Before a version that is taken over is recorded: raise Frozen where `want` could not be delivered."""
        ...

    def check_next(self, *, adopted: bool) -> None:
        """Before any version is made: raise Frozen where what is there could not take it, or not without harm to others.

        `adopted`: the version is one that is in use already, so that no value will change yet.
        """
        ...

    def remove(
        self, rotation: str, live: Callable[[], Sequence[Copy]], guard: Callable[[], None]
    ) -> tuple[str, ...]:
        """Take away what `rotation` delivered, and nothing else; return what was removed.

        `live` reads its versions, with their material as far as it is known, oldest first; it raises Frozen. `guard` is
        called between each look and the removal that follows it, as `Want.guard` is.
        """
        ...


class Gate(Protocol):
    """A condition that must be seen before a step."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def check(self, version_id: str) -> Sighting:
        """Look at it now."""
        ...
