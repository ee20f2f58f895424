"""Whole lives at the cluster and at providers, each answer of which is odd once, in a branch that ends with its run."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from rotator.engine.outcome import Outcome
from tests.faults.environment import Bao, Scenario
from tests.faults.life import Life
from tests.faults.provider_life import ProviderLife
from tests.faults.realm_life import RealmLife
from tests.faults.schedules import REALM
from tests.faults.token_life import TokenLife
from tests.faults.transport import Answer, Call, LostReply, Perform
from tests.fuzz.forks import Fork

KINDS = ("jwt", "okta", "entra", "hydra", "auth0Keys", "keycloak", "registration", REALM.kind)
DEFECT = "a defect of rotator"


def _with_oddities(life: type[Life]) -> Any:
    class Odd(life):  # type: ignore[misc, valid-type]
        """Such a life."""

        fork: Fork

        def _middle(self, call: Call, body: bytes, perform: Perform) -> Answer:
            answer: Answer = super()._middle(call, body, lambda: _held(self.fork, perform))
            return self.fork.at(call, answer)

        def _observe(self) -> None:
            if not self.fork.branched:
                super()._observe()

        def _sniff(self, call: Call, body: bytes) -> None:
            if not self.fork.branched:
                super()._sniff(call, body)

        def _ran(self, outcome: Outcome | None) -> None:
            if self.fork.branched:
                if outcome is None or not outcome.kind:  # what a fleet returns has one
                    self.fork.end(f"traceback: {outcome and outcome.reason}")
                self.fork.end(wrong(outcome))
            super()._ran(outcome)

    return Odd


def _held(fork: Fork, perform: Perform) -> Answer:
    """Let an emulated server answer; what it cannot read it refuses."""
    try:
        return perform()
    except LostReply:
        raise
    except Exception:  # a stand-in may fail at what it is sent in a branch: that is no fault of the product
        if fork.branched:
            return Answer(500, {}, b"{}")
        raise


def wrong(outcome: Outcome) -> str:
    """Say what is wrong with how a run ended: only words are right."""
    return f"traceback: {outcome.reason}" if DEFECT in outcome.reason or not outcome.reason else ""


def live(bao: Bao, number: int, tell: Callable[[str], None]) -> None:
    """Live one life after the other."""
    draw = random.Random(number)  # noqa: S311 - a schedule, not a secret
    order = draw.sample(KINDS, len(KINDS))
    for round_ in range(1000):
        for kind in order:
            scenario = Scenario(kind, "kubernetes")
            of = RealmLife if scenario == REALM else TokenLife if kind == "jwt" else ProviderLife
            made = object.__new__(_with_oddities(of))
            made.fork = Fork(tell, f"{number} {kind} {round_}")
            made.__init__(bao, scenario, {}, f"fuzz/{kind}-{round_}")
            made.live()
