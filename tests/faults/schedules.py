"""Schedules: which faults happen at which calls of which life."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.environment import Scenario
from tests.faults.kinds_of_faults import ANYWHERE, Fault, applies
from tests.faults.life import Verdict
from tests.faults.sameness import same_as
from tests.faults.vendors import VENDORS

TOKENS = tuple(Scenario(kind, store) for kind in ("jwt", "hmac") for store in ("vault", "kubernetes"))
IN_VAULT = ("okta", "entra")
"""The providers that live with either store; the others only with the one that is quicker to ask."""
PROVIDERS = (
    *(Scenario(kind, "kubernetes") for kind in VENDORS),
    *(Scenario(kind, "vault") for kind in IN_VAULT),
)
REALM = Scenario("realmKey", "kubernetes")
SHARED = Scenario("shared", "kubernetes")
ITSELF = Scenario("itself", "kubernetes")
"""A secret whose holders accept it, too."""
MESH = Scenario("istio", "kubernetes")
KONG = Scenario("kong", "kubernetes")
SERVED = Scenario("served", "kubernetes")
SCENARIOS = (*TOKENS, ITSELF, *PROVIDERS, REALM, SHARED, MESH, KONG, SERVED)


@dataclass(frozen=True)
class Schedule:
    """Faults at numbered calls of one scenario's life."""

    scenario: Scenario
    faults: tuple[tuple[int, Fault], ...]

    @property
    def name(self) -> str:
        """Name it, so that it can be lived again (`--only`)."""
        faults = "+".join(f"{number}.{fault.name}" for number, fault in self.faults)
        return f"{self.scenario.kind}-{self.scenario.store}-{faults or 'none'}"

    @classmethod
    def named(cls, name: str) -> Schedule:
        """Read a name back."""
        kind, store, faults = name.split("-", 2)
        pairs = [f.split(".") for f in faults.split("+")] if faults != "none" else []
        return cls(Scenario(kind, store), tuple((int(n), Fault[f]) for n, f in pairs))


def singles(scenario: Scenario, clean: Verdict) -> Iterator[Schedule]:
    """Yield every fault at every call that it can happen to; each life once."""
    for number, call in enumerate(clean.calls):
        for fault in Fault:
            if applies(fault, call) and same_as(fault, clean, number) is None:
                yield Schedule(scenario, ((number, fault),))


def pairs(scenario: Scenario, clean: Verdict, count: int, seed: int) -> Iterator[Schedule]:
    """Yield `count` pairs: a fault that can happen somewhere, and one soon after it, while the first still hurts.

    Which call comes second, the first fault decides: what cannot happen to it does not, and then the pair is a single one.
    """
    draw = random.Random(f"{seed}-{scenario}")  # noqa: S311 - a schedule, not a secret
    seconds = ANYWHERE if scenario in TOKENS else tuple(Fault)
    for _ in range(count):
        number = draw.randrange(len(clean.calls))
        first = draw.choice([fault for fault in Fault if applies(fault, clean.calls[number])])
        later = number + draw.randint(1, 25)
        yield Schedule(scenario, ((number, first), (later, draw.choice(seconds))))
