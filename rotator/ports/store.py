"""Where the ring is kept."""

from __future__ import annotations

from typing import Protocol

from rotator.ports.entry import Entry


class Store(Protocol):
    """Keeps one rotation's ring and material in one document, so that both change in one write."""

    @property
    def label(self) -> str:
        """For people: `vault rotator/payments/jwt`."""
        ...

    def load(self) -> Entry | None:
        """Read it; None where there is none. Raises `reading.Unreadable` for garbage."""
        ...

    def check_new(self) -> None:
        """Before the first save: raise Frozen where the system cannot keep a ring safely. Writes nothing."""
        ...

    def save(self, entry: Entry) -> Entry:
        """Write it if it still carries `entry.fence`; Conflict otherwise, Ambiguous where the answer was lost."""
        ...

    def erase_history(self, *, act: bool) -> bool:
        """Make sure that no older copy of the document can be read; return whether that is so."""
        ...

    def remove(self, entry: Entry) -> None:
        """Delete the document with ring, material and history. One that is gone already is no error."""
        ...
