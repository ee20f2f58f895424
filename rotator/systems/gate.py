"""What is declared of every gate: a condition that must be seen before a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from rotator.ports import Clock, Gate
from rotator.vocabulary.checks import Check
from rotator.vocabulary.types import Model, to_camel

if TYPE_CHECKING:
    from rotator.clients.http import Http


@dataclass(frozen=True, slots=True)
class GateAt:
    """What a gate is made from."""

    http: Callable[[str | None], Http]
    """Takes the file that servers are verified with; returns a client."""
    lead: timedelta
    """What the policy computed with."""
    clock: Clock


class GateKind(Model):
    """A kind of gate."""

    declared_as: ClassVar[str]
    """Its name among the gates of a declaration, in snake case."""
    reads_public_keys: ClassVar[bool] = False
    """Whether it is of use only for credentials that have a public key."""
    checks: ClassVar[tuple[Check, ...]] = ()
    """What it asks of the rest of the declaration."""

    @classmethod
    def camel(cls) -> str:
        """Return its name as it stands in a declaration: `jwksProbe`."""
        return to_camel(cls.declared_as)

    def build(self, at: GateAt) -> Gate:
        """Return what looks at the condition."""
        raise NotImplementedError
