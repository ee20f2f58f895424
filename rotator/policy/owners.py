"""Several declarations beside each other: each name, document, client and account has one owner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rotator.policy.model import RotationPolicy
from rotator.vocabulary.footprint import Location
from rotator.vocabulary.problems import Problem


class Owners:
    """Which rotation has which name, and what belongs to it."""

    def __init__(self) -> None:
        self._declared: dict[str, str] = {}
        self._owners: dict[str, str] = {}

    def claim(self, policy: RotationPolicy, where: str, *, refused: bool = False) -> list[Problem]:
        """Return what `policy` claims and another has, or it has twice; give it the rest, as declared at `where`.

        `refused`: one with such a problem is given nothing.
        """
        if first := self._declared.get(policy.ref):
            return [(("metadata", "name"), f"{policy.ref} is declared twice, first at {first}")]
        claimed = list(_labels(policy))
        if (problems := list(self._conflicts(claimed))) and refused:
            return problems
        self._declared[policy.ref] = where
        for _, label in claimed:
            self._owners.setdefault(label, policy.ref)
        return problems

    def _conflicts(self, claimed: Sequence[tuple[Location, str]]) -> Iterator[Problem]:
        own: dict[str, Location] = {}
        for location, label in claimed:
            if first := own.get(label):
                by = ".".join(map(str, first))
                yield (
                    location,
                    f"{label} is named twice in this rotation, first by {by}; name it once, with all of its data keys",
                )
            elif owner := self._owners.get(label):
                yield location, f"{label} is used already by {owner}; expected one owner"
            own.setdefault(label, location)


def _labels(policy: RotationPolicy) -> Iterator[tuple[Location, str]]:
    """Yield the unique label of each thing that belongs to `policy`, and where it is declared."""
    return ((where, touch.owned) for where, touch in policy.footprint if touch.owned)
