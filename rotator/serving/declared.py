"""What is declared to be served, over all rotations: which documents, at which addresses, for how long they may be cached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from rotator.policy.model import RotationPolicy
from rotator.systems.jwks import JwksPlace
from rotator.systems.served import ANY, Reader
from rotator.vocabulary.footprint import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One document that is served. Several rotations may share it."""

    name: str
    """Unique among all that is served, for people."""
    place: Place
    key: str
    """The field that holds the set."""
    shared: bool = False
    """Whether several rotations, and others, may have keys in it."""
    ages: Mapping[str, timedelta]
    """By rotation, for how long a verifier may cache it: each lead was computed from its own."""
    readers: Mapping[str, Sequence[Reader]] = field(default_factory=dict)
    """By rotation, who has to be seen to fetch it."""

    @property
    def label(self) -> str:
        """The label of the document, by which replicas and runs name it to each other."""
        return self.place.label

    @property
    def max_age(self) -> timedelta:
        """For how long a verifier may cache what it was answered: no lead is shorter."""
        return min(self.ages.values())


@dataclass(frozen=True, slots=True)
class Set:
    """An address at which a document is served as it is."""

    name: str
    """Of the source."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """An address at which an issuer's configuration is served; its algorithms are those of the set."""

    name: str
    issuer: str
    jwks_uri: str


Route = Set | Configuration
Address = tuple[str, str]
"""A host, or `*`, and a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """All that is to be served."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    """By name."""
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
            name, at, served = place.set_name(policy.home), place.place(policy.home), place.served
            before = sources.get(name)
            ages = {**(before.ages if before else {}), policy.ref: place.max_age}
            readers = {
                **(before.readers if before else {}),
                **({policy.ref: served.readers} if served.readers else {}),
            }
            sources[name] = Source(
                name=name, place=at, key=place.key, shared=place.is_shared, ages=ages, readers=readers
            )
            routes.setdefault((served.authority, served.path), Set(name))
            if served.issuer and served.configuration:
                answer = Configuration(name, served.issuer, served.address)
                routes.setdefault((served.authority, served.configuration), answer)
    return Declared(sources=sources, routes=routes)
