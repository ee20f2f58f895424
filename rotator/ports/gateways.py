"""A gateway that is asked whether it knows a version: what is answered, and who answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rotator.ports.credentials import Copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Who of a gateway knows a version."""

    by: tuple[str, ...] = ()
    """The endpoints that do."""
    not_by: tuple[str, ...] = ()
    """The endpoints that do not."""
    waiting: str = ""
    """Why that cannot be seen now."""
    failed: str = ""
    """Why it will never be seen in this way."""


class Gateway(Protocol):
    """Can be asked whether it knows a version, without anything that it would let pass."""

    @property
    def name(self) -> str:
        """Unique among the verifiers, for people."""
        ...

    def knows(self, copy: Copy, times: int) -> Known:
        """Ask each of its endpoints so many times in a row. What fails is told; nothing is raised."""
        ...
