"""Several declarations beside each other: each name, document, client and account has one owner."""

from __future__ import annotations

from collections.abc import Iterator

from rotator.policy.model import RotationPolicy
from rotator.vocabulary.footprint import Location
from rotator.vocabulary.problems import Problem


class Owners:
    """Which rotation has which name, and what belongs to it."""

    def __init__(self) -> None:
        self._declared: dict[str, str] = {}
        self._owners: dict[str, str] = {}

    def conflicts(self, policy: RotationPolicy) -> Iterator[Problem]:
        """Yield what `policy` claims and another has, or it has twice."""
        if first := self._declared.get(policy.ref):
            yield ("metadata", "name"), f"{policy.ref} is declared twice, first at {first}"
            return
        own: dict[str, str] = {}
        for location, label in _labels(policy):
            where = ".".join(map(str, location))
            if first := own.get(label):
                yield (
                    location,
                    f"{label} is named twice in this rotation, first by {first}; name it once, with all of its data keys",
                )
            elif owner := self._owners.get(label):
                yield location, f"{label} is used already by {owner}; expected one owner"
            own.setdefault(label, where)

    def add(self, policy: RotationPolicy, where: str) -> None:
        """Remember what `policy` claims, and that it was declared at `where`; the first owner stays."""
        if self._declared.setdefault(policy.ref, where) == where:
            for _, label in _labels(policy):
                self._owners.setdefault(label, policy.ref)


def _labels(policy: RotationPolicy) -> Iterator[tuple[Location, str]]:
    """Yield the unique label of each thing that belongs to `policy`, and where it is declared."""
    return ((where, touch.owned) for where, touch in policy.footprint if touch.owned)
