"""What is declared to be served, over all rotations: which documents, at which addresses, for how long they may be cached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from rotator.policy.model import RotationPolicy
from rotator.systems.jwks import JwksPlace
from rotator.systems.served import ANY
from rotator.vocabulary.footprint import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One document that is served. Several rotations may share it."""

    label: str
    place: Place
    key: str
    """The field that holds the set."""
    ages: Mapping[str, timedelta]
    """By rotation, for how long a verifier may cache it: each lead was computed from its own."""
    is_shared: bool = False
    """Whether several rotations, and others, have keys in it."""

    @property
    def max_age(self) -> timedelta:
        """For how long a verifier may cache what it was answered: no lead is shorter."""
        return min(self.ages.values())


@dataclass(frozen=True, slots=True)
class Set:
    """An address at which a document is served as it is."""

    document: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """An address at which an issuer's configuration is served; its algorithms are those of the set."""

    document: str
    issuer: str
    jwks_uri: str


Route = Set | Configuration
Address = tuple[str, str]
"""A host, or `*`, and a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """All that is to be served."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    """By the label of the document."""
    routes: Mapping[Address, Route] = field(default_factory=dict)

    @property
    def rotations(self) -> frozenset[str]:
        """The rotations whose documents are served."""
        return frozenset(rotation for source in self.sources.values() for rotation in source.ages)

    def route(self, host: str, path: str) -> Route | None:
        """Return what is at an address. A host decides only where several things are at one path.

        So the same set answers at its public name and at that of a Service in the cluster.
        """
        at_path = {address: route for address, route in self.routes.items() if address[1] == path}
        for name in (host, ANY):
            if found := at_path.get((name, path)):
                return found
        return next(iter(at_path.values())) if len(at_path) == 1 else None


def declared(policies: Iterable[RotationPolicy]) -> Declared:
    """Return what `policies` declare. Where two claim one address, the first has it: a check refuses the other."""
    sources: dict[str, Source] = {}
    routes: dict[Address, Route] = {}
    for policy in policies:
        for verifier in policy.spec.verifiers:
            place = verifier.one
            if not isinstance(place, JwksPlace) or place.served is None or place.max_age is None:
                continue
            at, served = place.place(policy.home), place.served
            before = sources.get(at.label)
            ages = {**(before.ages if before else {}), policy.ref: place.max_age}
            sources[at.label] = Source(
                label=at.label, place=at, key=place.key, ages=ages, is_shared=place.is_shared
            )
            routes.setdefault((served.authority, served.path), Set(at.label))
            if served.issuer and served.configuration:
                answer = Configuration(at.label, served.issuer, served.address)
                routes.setdefault((served.authority, served.configuration), answer)
    return Declared(sources=sources, routes=routes)
