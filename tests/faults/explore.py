"""Every fault at every call, singly; then pairs, drawn by a seed."""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rotator.sandbox.openbao import OpenBao
from tests.faults.kinds_of_faults import ANYWHERE, Fault, applies
from tests.faults.life import Life, Verdict
from tests.faults.provider_life import ProviderLife
from tests.faults.realm_life import RealmLife
from tests.faults.stage import Bao, Scenario
from tests.faults.token_life import TokenLife
from tests.faults.vendors import VENDORS

TOKENS = tuple(Scenario(kind, store) for kind in ("jwt", "hmac") for store in ("vault", "kubernetes"))
IN_VAULT = ("okta", "entra")
"""The providers that live with either store; the others only with the one that is quicker to ask."""
PROVIDERS = (
    *(Scenario(kind, "kubernetes") for kind in VENDORS),
    *(Scenario(kind, "vault") for kind in IN_VAULT),
)
REALM = Scenario("realmKey", "kubernetes")
SCENARIOS = (*TOKENS, *PROVIDERS, REALM)
SLOW = ("auth0Keys",)
"""Lives with RSA keys: each takes as long as ten others."""


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
    """Yield every fault at every call that it can happen to."""
    for number, call in enumerate(clean.calls):
        for fault in Fault:
            if applies(fault, call):
                yield Schedule(scenario, ((number, fault),))


def pairs(scenario: Scenario, clean: Verdict, count: int, seed: int) -> Iterator[Schedule]:
    """Yield `count` pairs: a fault somewhere, and another soon after it, while the first still hurts."""
    draw = random.Random(f"{seed}-{scenario}")  # noqa: S311 - a schedule, not a secret
    for _ in range(count):
        first = draw.randrange(len(clean.calls))
        second = first + draw.randint(1, 25)
        faults = ANYWHERE if scenario in TOKENS else tuple(Fault)
        yield Schedule(scenario, ((first, draw.choice(faults)), (second, draw.choice(faults))))


_bao: list[Bao] = []


def life(scenario: Scenario, faults: Mapping[int, Fault], name: str) -> Life:
    """Return the life of what lives in `scenario`."""
    if scenario == REALM:
        return RealmLife(_bao[0], scenario, faults, name)
    kind = TokenLife if scenario in TOKENS else ProviderLife
    return kind(_bao[0], scenario, faults, name)


def _name(number: int, schedule: Schedule, prefix: str) -> str:
    """Return the name of a life, from which all that is drawn in it follows; for providers whatever else is lived."""
    if schedule.scenario in TOKENS:
        return f"{prefix}/{number}"
    return f"{prefix}/{hashlib.sha256(schedule.name.encode()).hexdigest()[:16]}"


def _live(job: tuple[Schedule, str]) -> tuple[Schedule, Verdict]:
    schedule, name = job
    return schedule, life(schedule.scenario, dict(schedule.faults), name).live()


def main() -> None:
    """Explore, print progress, and end with the figures."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        server = OpenBao(Path(folder))
        _bao.append(Bao.of(server))
        try:
            figures = _explore(options)
        finally:
            server.stop()
    sys.stdout.write(f"{json.dumps(figures)}\n")
    sys.exit(0 if not figures["violations"] and figures["converged"] == figures["schedules"] else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.faults", description=main.__doc__)
    parser.add_argument("--bounded", action="store_true", help="a sample that fits into CI")
    parser.add_argument("--pairs", type=int, default=1000, help="pairs of faults per scenario")
    parser.add_argument("--sample", type=int, default=0, help="only so many single faults per scenario")
    parser.add_argument(
        "--fault", action="append", default=[], choices=[f.name for f in Fault], help="only these"
    )
    kinds = list(dict.fromkeys(s.kind for s in SCENARIOS))
    parser.add_argument("--kind", action="append", default=[], choices=kinds, help="only these lives")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", action="append", default=[], help="live one schedule by its name; repeatable"
    )
    return parser.parse_args()


def _explore(options: argparse.Namespace) -> Mapping[str, int | float]:
    started = time.monotonic()
    named = [Schedule.named(n) for n in options.only]
    chosen = {s.scenario for s in named} or {s for s in SCENARIOS if s.kind in (options.kind or [s.kind])}
    clean = {s: life(s, {}, f"clean/{s.kind}-{s.store}").live() for s in SCENARIOS if s in chosen}
    for scenario, verdict in clean.items():
        _say(
            f"{scenario.kind} {scenario.store}: a life of {verdict.runs} runs and {len(verdict.calls)} calls"
        )
    schedules = named or _schedules(options, clean)
    points = {(s.scenario, f) for s in schedules for f in s.faults}
    figures = {"points": len(points), "schedules": 0, "converged": 0, "violations": 0, "struck": 0, "runs": 0}
    traffic: Counter[str] = Counter()
    jobs = [(s, _name(n, s, f"life-{options.seed}")) for n, s in enumerate(schedules)]
    _bao[0].drop_connections()
    with multiprocessing.get_context("fork").Pool() as pool:
        for schedule, verdict in pool.imap_unordered(_live, jobs, chunksize=4):
            _count(figures, verdict)
            traffic.update(verdict.figures)
            _tell(schedule, verdict)
            if figures["schedules"] % 250 == 0:
                _say(f"{figures['schedules']} of {len(jobs)} schedules, {figures['violations']} violations")
    for scenario, verdict in clean.items():
        if verdict.violations or not verdict.converged:
            figures["violations"] += 1
            _tell(Schedule(scenario, ()), verdict)
    return {**figures, **traffic, "seconds": round(time.monotonic() - started, 1)}


def _schedules(options: argparse.Namespace, clean: Mapping[Scenario, Verdict]) -> list[Schedule]:
    draw = random.Random(options.seed)  # noqa: S311 - a schedule, not a secret
    chosen: list[Schedule] = []
    for scenario, verdict in clean.items():
        one = [
            s for s in singles(scenario, verdict) if not options.fault or s.faults[0][1].name in options.fault
        ]
        sample, count = options.sample, options.pairs
        if options.bounded:
            most, count = _bounded(scenario)
            sample = sample or most
        chosen += _sampled(one, sample, verdict, draw) if sample else one
        chosen += pairs(scenario, verdict, count, options.seed)
    return list(dict.fromkeys(chosen))


def _bounded(scenario: Scenario) -> tuple[int, int]:
    """Return how many single faults and how many pairs fit into CI."""
    if scenario in TOKENS:
        return 120, 80
    return (3, 1) if scenario.kind in SLOW else (12, 4)


def _sampled(one: list[Schedule], sample: int, verdict: Verdict, draw: random.Random) -> Iterator[Schedule]:
    """Draw some: of a life at a provider every second one at a call to the provider, of which there are few."""
    near = [s for s in one if verdict.calls[s.faults[0][0]].at_provider]
    far = [s for s in one if not verdict.calls[s.faults[0][0]].at_provider]
    half = min(sample // 2, len(near))
    yield from draw.sample(near, half)
    yield from draw.sample(far, min(sample - half, len(far)))


def _count(figures: dict[str, int], verdict: Verdict) -> None:
    figures["schedules"] += 1
    figures["converged"] += verdict.converged
    figures["violations"] += bool(verdict.violations)
    figures["struck"] += verdict.struck
    figures["runs"] += verdict.runs


def _tell(schedule: Schedule, verdict: Verdict) -> None:
    if verdict.violations or not verdict.converged:
        end = "" if verdict.converged else f"did not converge ({verdict.said}); "
        _say(f"{schedule.name}: {end}{verdict.violations[:3]}")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
