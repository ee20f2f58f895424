"""Mutual exclusion: one run at a time acts on a rotation, and leaves a memo for the next.

A lease only saves work and shields systems without a fence; what keeps a stale run from doing harm is the fence on
every write (I5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from rotator.ports.memo import Memo


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The lease of one rotation, as it was read."""

    rotation: str
    """`namespace/name`."""
    fence: str = ""
    """What the next write must find unchanged; empty: there is none yet."""
    holder: str = ""
    acquired: datetime | None = None
    """Since when the holder has it."""
    expires: datetime | None = None
    transitions: int = 0
    """How often it has changed hands."""
    memo: Memo = field(default_factory=Memo)


class LeaseHeld(Exception):
    """Another run holds the lease."""


class Leases(Protocol):
    """Takes, renews and gives back the leases of one run."""

    def list(self, namespaces: Iterable[str]) -> Mapping[str, Lease]:
        """Return all our leases in `namespaces`, by rotation: as many requests as there are namespaces. Raises ClientError."""
        ...

    def take(self, lease: Lease) -> Lease:
        """Take the lease. Raises LeaseHeld where another run has it, ClientError where it cannot be written."""
        ...

    def renew(self, lease: Lease) -> Lease:
        """Renew the lease if a good part of it is over. Raises LeaseLost where somebody else has it."""
        ...

    def give_back(self, lease: Lease, memo: Memo) -> None:
        """Leave the memo and give the lease back. Somebody else's lease is left alone."""
        ...

    def remove(self, lease: Lease) -> None:
        """Delete the lease that we hold: its rotation is no more. Raises LeaseLost where somebody else has it."""
        ...
