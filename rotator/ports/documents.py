"""Documents that are delivered: what one is to hold, what was seen in it, and where it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rotator.core.sensitive import Sensitive
from rotator.ports.stamp import Stamp


@dataclass(frozen=True, slots=True)
class Rendered:
    """What one target is to hold."""

    current: Mapping[str, Sensitive]
    """Fields of what is in force. Who reads them has to be seen to have read them."""
    previous: Mapping[str, Sensitive | None] = field(default_factory=dict)
    """Fields of the version on its way out; None where there is none."""
    same: Callable[[str, Sensitive, Sensitive], bool] = field(
        default=lambda _, theirs, ours: theirs == ours, compare=False
    )
    """Whether what others wrote in a field means what is to stand there."""
    carriers: frozenset[str] = frozenset()
    """The fields that are the credential itself: where one of them was there before us, others can be added unnoticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A document as it was read."""

    fields: Mapping[str, Sensitive]
    """Only the fields asked for."""
    stamp: Stamp | None
    """None where we never wrote it."""
    fence: str
    """What the next write must name so that it fails if anybody wrote in between."""
    names: frozenset[str] = frozenset()
    """The names of all fields that are there, asked for or not."""
    shaped: frozenset[str] = frozenset()
    """Those asked for that are no texts: objects, lists, numbers."""
    vanishes: str = ""
    """When the system deletes it by itself; empty: never."""
    described: bool = True
    """Whether what is said of it beside its fields is as it was declared."""


class Target(Protocol):
    """One document somewhere: a Kubernetes Secret or ConfigMap, a Vault path."""

    @property
    def label(self) -> str:
        """Unique in the fleet, for people and for the list of fences: `secret payments/key`."""
        ...

    @property
    def takes_bytes(self) -> bool:
        """Whether a field can hold bytes that are no text."""
        ...

    def read(self, names: Sequence[str]) -> Seen | None:
        """Read the fields `names`; None where the document does not exist."""
        ...

    def write(
        self, fields: Mapping[str, Sensitive | None], stamp: Stamp, seen: Seen | None, note: Mapping[str, str]
    ) -> Seen:
        """Set `fields` (None removes one) if the document still is as it was `seen`; leave all others alone.

        `note` is for people: state and instants of the current version. Raises Conflict where somebody wrote in
        between, Ambiguous where the answer was lost.
        """
        ...

    def obstacle(self, names: Sequence[str], *, adopted: bool) -> str:
        """Say why writing the fields `names` into what `read` has shown would be refused, harm others or be undone.

        Empty: nothing is in the way. Asked before a version is made, when nothing has begun yet. `adopted`: the version is one
        that is in use already; as long as it is, others may write the same value, so that they can be told to stop.
        """
        ...

    def last_writer(self, names: Sequence[str]) -> str:
        """Name who wrote the fields `names` last besides rotator, and who keeps the document; empty: it does not say."""
        ...

    def erase_history(self, *, act: bool) -> bool:
        """Make sure that nothing but the current content can be read; return whether that is so."""
        ...

    def remove(self, names: Sequence[str], seen: Seen) -> tuple[str, ...]:
        """Remove our fields `names` and our stamp from the document as it was `seen`, or all of it if that is all.

        Returns the names of the fields that are left. Raises Conflict where somebody wrote in between, Ambiguous where
        the answer was lost.
        """
        ...
