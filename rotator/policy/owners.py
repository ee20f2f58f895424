"""Several declarations beside each other: each name, document, client and account has one owner, or is shared by all who name it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rotator.policy.model import RotationPolicy
from rotator.vocabulary.footprint import Endpoint, Location, Touch, Use
from rotator.vocabulary.problems import Problem


class Owners:
    """Which rotation has which name, and what belongs to it."""

    def __init__(self) -> None:
        self._declared: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self._shared: set[str] = set()
        self._answers: dict[str, str] = {}
        self._answered_at: dict[str, frozenset[str]] = {}

    def claim(self, policy: RotationPolicy, where: str, *, refused: bool = False) -> list[Problem]:
        """Return what `policy` claims and another has, or it has twice; give it the rest, as declared at `where`.

        `refused`: one with such a problem is given nothing.
        """
        if first := self._declared.get(policy.ref):
            return [(("metadata", "name"), f"{policy.ref} is declared twice, first at {first}")]
        footprint = list(policy.footprint)
        claimed = [(where, touch) for where, touch in footprint if touch.owned]
        served = [(where, t.thing) for where, t in footprint if isinstance(t.thing, Endpoint)]
        if (
            problems := [*self._conflicts(claimed), *self._answered(served), *self._otherwise(served)]
        ) and refused:
            return problems
        self._declared[policy.ref] = where
        for _, touch in claimed:
            self._owners.setdefault(touch.owned, policy.ref)
        self._shared |= {touch.owned for _, touch in claimed if touch.use is Use.SHARED}
        for _, endpoint in served:
            self._answers.setdefault(endpoint.url, endpoint.document)
            self._answered_at.setdefault(endpoint.document, _addresses(served, endpoint.document))
        return problems

    def _answered(self, served: Sequence[tuple[Location, Endpoint]]) -> Iterator[Problem]:
        """Find addresses that are to be answered with two documents; several rotations may share one document."""
        own: dict[str, str] = {}
        for location, endpoint in served:
            first = self._answers.get(endpoint.url) or own.setdefault(endpoint.url, endpoint.document)
            if endpoint.url and first != endpoint.document:
                yield (
                    location,
                    f"{endpoint.url} is answered with {first} already; expected one document at one address",
                )

    def _otherwise(self, served: Sequence[tuple[Location, Endpoint]]) -> Iterator[Problem]:
        """Find documents that are shared and not served alike: whoever does not serve it waits for no replica."""
        for document, location in {endpoint.document: where for where, endpoint in served}.items():
            first = self._answered_at.get(document)
            if first is not None and first != _addresses(served, document):
                yield (
                    location,
                    f"{document} is shared, and another rotation serves it otherwise; expected the same served in all of them",
                )

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


def _addresses(served: Sequence[tuple[Location, Endpoint]], document: str) -> frozenset[str]:
    return frozenset(endpoint.url for _, endpoint in served if endpoint.document == document)
