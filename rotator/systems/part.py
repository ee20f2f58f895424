"""The part of one rotation in a document in which others have parts too: it sees, writes and removes its own and no other.

Its own is what its ring knows, and what its stamp names. A part also says what it is to hold, for only the ring tells what
is its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rotator.core.sensitive import Sensitive
from rotator.errors import Frozen
from rotator.ports import Credential, Seen, Stamp, Target, Want


class Shareable(Target, Protocol):
    """A document that knows the stamps of several rotations."""

    @property
    def sharers(self) -> Mapping[str, Stamp]:
        """The stamps of the rotations that share it, as it was last read."""
        ...

    def remove(
        self, names: Sequence[str], seen: Seen, rest: Mapping[str, Sensitive] = ...
    ) -> tuple[str, ...]:
        """Remove our part; `rest`: what is left of a field that others have a part of."""
        ...


@dataclass
class Part:
    """What the parts of documents have in common."""

    document: Shareable
    credential: Credential
    _ring: frozenset[str] = field(default=frozenset(), init=False)
    """The ids of all versions that there ever were."""
    _raw: Seen | None = field(default=None, init=False, repr=False)
    """The document as it was read or written last."""

    @property
    def label(self) -> str:
        """The label of the document."""
        return self.document.label

    @property
    def takes_bytes(self) -> bool:
        """Whether the document holds bytes."""
        return self.document.takes_bytes

    @property
    def names(self) -> tuple[str, ...]:
        """The fields in which the part is."""
        raise NotImplementedError

    def obstacle(self, names: Sequence[str], *, adopted: bool) -> str:
        """See `rotator.ports.Target`."""
        return self.document.obstacle(names, adopted=adopted)

    def last_writer(self, names: Sequence[str]) -> str:
        """See `rotator.ports.Target`."""
        return self.document.last_writer(names)

    def erase_history(self, *, act: bool) -> bool:
        """See `rotator.ports.Target`."""
        return self.document.erase_history(act=act)

    def beside(self) -> str:
        """Say whose keys stand there as well, for people; empty: nobody's."""
        said = "; ".join(self._owners()) if self._raw else ""
        return f"{self.label}: {said}" if said else ""

    def _owners(self) -> Iterator[str]:
        own = self._own(self._raw.stamp if self._raw else None)
        for rotation, stamp in sorted(self.document.sharers.items()):
            if theirs := [key for key in stamp.keys if key not in own]:
                yield f"{rotation} has {', '.join(theirs)}"

    def _of_others(self) -> dict[str, str]:
        """Return which other rotation has a key, by the key's id."""
        own = self._raw.stamp.rotation if self._raw and self._raw.stamp else ""
        stamps = self.document.sharers.values()
        return {key: stamp.rotation for stamp in stamps if stamp.rotation != own for key in stamp.keys}

    def _check_unclaimed(self, wanted: Iterable[str]) -> None:
        """See, before anything of the rotation stands there, that no other one has the same key: who has it takes it away some day."""
        others = self._of_others()
        for key in wanted:
            if key in others:
                raise Frozen(
                    f"{self.label} has the key {key} already, which belongs to the rotation {others[key]}; it was left untouched. One key "
                    "belongs to one rotation: take it over in one of them only"
                )

    def _learn(self, want: Want) -> None:
        self._ring = frozenset(v.id for v in want.ring.versions)

    def _own(self, stamp: Stamp | None) -> frozenset[str]:
        """Return the ids of what is the rotation's."""
        return self._ring | set(stamp.keys if stamp else ())
