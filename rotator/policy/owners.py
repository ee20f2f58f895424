"""Several declarations beside each other: each name, document, client and account has one owner, or is shared by all who name it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rotator.policy.model import RotationPolicy
from rotator.vocabulary.footprint import Location, Touch, Use
from rotator.vocabulary.problems import Problem


class Owners:
    """Which rotation has which name, and what belongs to it."""

    def __init__(self) -> None:
        self._declared: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self._shared: set[str] = set()

    def claim(self, policy: RotationPolicy, where: str, *, refused: bool = False) -> list[Problem]:
        """Return what `policy` claims and another has, or it has twice; give it the rest, as declared at `where`.

        `refused`: one with such a problem is given nothing.
        """
        if first := self._declared.get(policy.ref):
            return [(("metadata", "name"), f"{policy.ref} is declared twice, first at {first}")]
        claimed = [(where, touch) for where, touch in policy.footprint if touch.owned]
        if (problems := list(self._conflicts(claimed))) and refused:
            return problems
        self._declared[policy.ref] = where
        for _, touch in claimed:
            self._owners.setdefault(touch.owned, policy.ref)
        self._shared |= {touch.owned for _, touch in claimed if touch.use is Use.SHARED}
        return problems

    def _conflicts(self, claimed: Sequence[tuple[Location, Touch]]) -> Iterator[Problem]:
        own: dict[str, Location] = {}
        for location, touch in claimed:
            label = touch.owned
            if first := own.get(label):
                by = ".".join(map(str, first))
                yield (
                    location,
                    f"{label} is named twice in this rotation, first by {by}; name it once, with all of its data keys",
                )
            elif (owner := self._owners.get(label)) and not self._may_share(touch):
                if touch.use is Use.SHARED or label in self._shared:
                    yield (
                        location,
                        f"{label} is used already by {owner}; expected all of them to share it, or none",
                    )
                else:
                    yield location, f"{label} is used already by {owner}; expected one owner"
            own.setdefault(label, location)

    def _may_share(self, touch: Touch) -> bool:
        return touch.use is Use.SHARED and touch.owned in self._shared
