"""What the parts of one declaration mean together: each check in Python, and beside it the same in CEL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rotator.vocabulary.footprint import Location
from rotator.vocabulary.problems import Problem
from rotator.vocabulary.types import Rule

SPEC = "Spec"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a declaration must not say, though every field by itself is well.

    The API server refuses it by `cel` at `kubectl apply`. The CEL never refuses what the check in Python accepts.
    """

    reason: str
    """In one word, for programs: `OutageNeeded`."""
    message: str
    """What was expected."""
    places: Callable[[Any], Iterable[Location]] | None
    """Takes the policy; returns where it says so, below `spec`. None: another check does, whose CEL cannot tell all cases."""
    cel: str = ""
    """True where all is well; `self` is the value of the class `of`. Empty: the API server cannot see it."""
    field: str = ""
    """The field that the API server names, as `.every`."""
    below: str = ""
    """The field below that, which the API server's message begins with."""
    of: str = SPEC
    """The name of the class that the CEL is about."""
    says: Callable[[Any, Location], str] | None = None
    """Takes the policy and a place; returns what is said there with the figures in it. None: the message."""
    written_out: str = ""
    """The same in CEL; the message stands in where it cannot be computed."""

    def problem(self, policy: Any, place: Location) -> Problem:
        """Return what was expected at a place where `policy` says so."""
        return ("spec", *place), self.says(policy, place) if self.says else self.message

    @property
    def rule(self) -> Rule:
        """The same for the API server."""
        message = f"{self.below}: {self.message}" if self.below else self.message
        return Rule(self.cel, message, field=self.field, written_out=self.written_out)


def when(condition: Callable[[Any], object], *place: int | str) -> Callable[[Any], Iterable[Location]]:
    """Return what finds `place` where the condition holds of the policy."""
    return lambda policy: [place] if condition(policy) else []


def each(
    part: str, condition: Callable[[Any, Any], object], *below: int | str
) -> Callable[[Any], Iterable[Location]]:
    """Return what finds each of the verifiers or holders of which the condition holds, beside the policy."""
    return lambda policy: [
        (part, position, *below)
        for position, one in enumerate(getattr(policy.spec, part))
        if condition(policy, one)
    ]


def all_verifiers(condition: str) -> str:
    """Return, in CEL, that `condition` holds for each verifier `v`."""
    return f"self.verifiers.all(v, {condition})"
