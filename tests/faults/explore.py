"""Every fault at every call, singly; then pairs, drawn by a seed."""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rotator.sandbox.openbao import OpenBao
from tests.faults.kinds_of_faults import Fault, applies
from tests.faults.life import Life, Verdict
from tests.faults.stage import Bao, Scenario

SCENARIOS = tuple(Scenario(kind, store) for kind in ("jwt", "hmac") for store in ("vault", "kubernetes"))


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
        yield Schedule(scenario, ((first, draw.choice(list(Fault))), (second, draw.choice(list(Fault)))))


_bao: list[Bao] = []


def _live(job: tuple[int, Schedule, str]) -> tuple[Schedule, Verdict]:
    number, schedule, prefix = job
    name = f"{prefix}/{number}"
    return schedule, Life(_bao[0], schedule.scenario, dict(schedule.faults), name).live()


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
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", action="append", default=[], help="live one schedule by its name; repeatable"
    )
    return parser.parse_args()


def _explore(options: argparse.Namespace) -> Mapping[str, int | float]:
    started = time.monotonic()
    clean = {s: Life(_bao[0], s, {}, f"clean/{s.kind}-{s.store}").live() for s in SCENARIOS}
    for scenario, verdict in clean.items():
        _say(
            f"{scenario.kind} {scenario.store}: a life of {verdict.runs} runs and {len(verdict.calls)} calls"
        )
    schedules = [Schedule.named(n) for n in options.only] or _schedules(options, clean)
    points = {(s.scenario, f) for s in schedules for f in s.faults}
    figures = {"points": len(points), "schedules": 0, "converged": 0, "violations": 0, "struck": 0, "runs": 0}
    tokens = {"signed": 0, "verified": 0}
    jobs = [(n, s, f"life-{options.seed}") for n, s in enumerate(schedules)]
    _bao[0].drop_connections()
    with multiprocessing.get_context("fork").Pool() as pool:
        for schedule, verdict in pool.imap_unordered(_live, jobs, chunksize=4):
            _count(figures, tokens, verdict)
            _tell(schedule, verdict)
            if figures["schedules"] % 250 == 0:
                _say(f"{figures['schedules']} of {len(jobs)} schedules, {figures['violations']} violations")
    for scenario, verdict in clean.items():
        if verdict.violations or not verdict.converged:
            figures["violations"] += 1
            _tell(Schedule(scenario, ()), verdict)
    return {**figures, **tokens, "seconds": round(time.monotonic() - started, 1)}


def _schedules(options: argparse.Namespace, clean: Mapping[Scenario, Verdict]) -> list[Schedule]:
    sample, count = (options.sample or 120, 80) if options.bounded else (options.sample, options.pairs)
    draw = random.Random(options.seed)  # noqa: S311 - a schedule, not a secret
    chosen = []
    for scenario, verdict in clean.items():
        one = [
            s for s in singles(scenario, verdict) if not options.fault or s.faults[0][1].name in options.fault
        ]
        chosen += draw.sample(one, min(sample, len(one))) if sample else one
        chosen += pairs(scenario, verdict, count, options.seed)
    return list(itertools.chain(chosen))


def _count(figures: dict[str, int], tokens: dict[str, int], verdict: Verdict) -> None:
    figures["schedules"] += 1
    figures["converged"] += verdict.converged
    figures["violations"] += bool(verdict.violations)
    figures["struck"] += verdict.struck
    figures["runs"] += verdict.runs
    tokens["signed"] += verdict.signed
    tokens["verified"] += verdict.verified


def _tell(schedule: Schedule, verdict: Verdict) -> None:
    if verdict.violations or not verdict.converged:
        _say(f"{schedule.name}: {'' if verdict.converged else 'did not converge; '}{verdict.violations[:3]}")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
