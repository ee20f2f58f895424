"""Every fault at every call, singly; then pairs, drawn by a seed."""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from rotator_sandbox.openbao import OpenBao
from tests.faults.accepting_life import AcceptingLife
from tests.faults.branches import Lived, live
from tests.faults.environment import Bao, Scenario
from tests.faults.gateway_life import KongLife, MeshLife
from tests.faults.kinds_of_faults import Fault
from tests.faults.life import Life, Verdict
from tests.faults.provider_life import ProviderLife
from tests.faults.ready import POOL, make_ready
from tests.faults.realm_life import RealmLife
from tests.faults.schedules import (
    ITSELF,
    KONG,
    MESH,
    REALM,
    SCENARIOS,
    SERVED,
    SHARED,
    TOKENS,
    Schedule,
    pairs,
    singles,
)
from tests.faults.served_life import ServedLife
from tests.faults.shared_life import SharedLife
from tests.faults.token_life import TokenLife
from tests.faults.vendors import VENDORS

BOUND = 120
"""Seconds of exploration in CI."""
FEW, MANY = 12, 200
"""Schedules a job: few where the time may end before all is lived."""

LIVES: Mapping[Scenario, type[RealmLife | TokenLife | AcceptingLife]] = {
    REALM: RealmLife,
    SHARED: SharedLife,
    ITSELF: AcceptingLife,
    MESH: MeshLife,
    KONG: KongLife,
    SERVED: ServedLife,
}
_bao: list[Bao] = []


def life(scenario: Scenario, faults: Mapping[int, Fault], name: str, bao: Bao | None = None) -> Life:
    """Return the life of what lives in `scenario`: at the real OpenBao, if no other is given."""
    POOL.begin()
    bao = bao or _bao[0]
    kind = LIVES.get(scenario) or (TokenLife if scenario in TOKENS else ProviderLife)
    return kind(bao, scenario, faults, name)


def kept(scenario: Scenario, seed: int) -> Life:
    """Return the life without faults from which all others of this seed branch off: all of it is in this process."""
    return life(scenario, {}, _name(scenario, seed), Bao.kept(_bao[0].server.ca_file))


def _name(scenario: Scenario, seed: int) -> str:
    return f"life-{seed}/{scenario.kind}-{scenario.store}"


@dataclass(frozen=True)
class Job:
    """Schedules of one scenario that one process lives."""

    scenario: Scenario
    schedules: tuple[Schedule, ...]
    seed: int
    end: float
    """When it is too late to begin, by the monotonic clock."""


def _live(job: Job) -> list[Lived]:
    """Live a job's schedules, each from where its first fault is."""
    if time.monotonic() > job.end:
        return []
    return live(lambda: kept(job.scenario, job.seed), job.schedules)


def _at_openbao(scenario: Scenario, seed: int, expected: Verdict) -> Verdict:
    """Live a life that needs a Vault once more, at a real OpenBao with exactly the policy that is printed for it."""
    verdict = life(scenario, {}, _name(scenario, seed)).live()
    if verdict.calls != expected.calls:
        verdict.violations.append("OpenBao was asked for something else than the Vault in this process")
    return verdict


def _needs_vault(scenario: Scenario) -> bool:
    return scenario.store == "vault" or (scenario.kind in VENDORS and VENDORS[scenario.kind].in_vault)


def main() -> None:
    """Explore, print progress, and end with the figures."""
    options = _options()
    make_ready()
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
    parser.add_argument(
        "--bounded", action="store_true", help=f"what fits into {BOUND} seconds: another part for each seed"
    )
    parser.add_argument(
        "--seconds", type=int, default=0, help="end so many seconds after the first; 0: when all is lived"
    )
    parser.add_argument("--pairs", type=int, default=200, help="pairs of faults per scenario")
    parser.add_argument("--sample", type=int, default=0, help="only so many single faults per scenario")
    parser.add_argument(
        "--fault", action="append", default=[], choices=[f.name for f in Fault], help="only these"
    )
    kinds = list(dict.fromkeys(s.kind for s in SCENARIOS))
    parser.add_argument("--kind", action="append", default=[], choices=kinds, help="only these lives")
    parser.add_argument("--part", type=_part, default=(1, 1), metavar="K/N", help="only the Kth of N parts")
    parser.add_argument("--seed", type=int, default=None, help="default: a number for each commit")
    parser.add_argument(
        "--only", action="append", default=[], help="live one schedule by its name; repeatable"
    )
    return parser.parse_args()


def _part(text: str) -> tuple[int, int]:
    """Read "K/N". Raises ValueError."""
    part, parts = (int(number) for number in text.split("/"))
    if not 1 <= part <= parts:
        raise ValueError(text)
    return part, parts


def _seed() -> int:
    """Return a number for each commit: every change is explored in another part, and again in the same."""
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout
    return int(found[:6], 16) if found else 1


def _explore(options: argparse.Namespace) -> Mapping[str, int | float]:
    started, seed = time.monotonic(), _seed() if options.seed is None else options.seed
    seconds = options.seconds or (BOUND if options.bounded else 0)
    named = [Schedule.named(n) for n in options.only]
    chosen = {s.scenario for s in named} or {s for s in SCENARIOS if s.kind in (options.kind or [s.kind])}
    clean = {s: kept(s, seed).live() for s in SCENARIOS if s in chosen}
    real = {s: _at_openbao(s, seed, clean[s]) for s in clean if _needs_vault(s)}
    for scenario, verdict in clean.items():
        _say(
            f"{scenario.kind} {scenario.store}: a life of {verdict.runs} runs and {len(verdict.calls)} calls"
        )
    schedules = named or _schedules(options, clean, seed)
    _say(f"seed {seed}: {len(schedules)} schedules")
    figures = {"points": 0, "schedules": 0, "converged": 0, "violations": 0, "struck": 0, "runs": 0}
    traffic: Counter[str] = Counter()
    points: set[tuple[Scenario, tuple[int, Fault]]] = set()
    end = time.monotonic() + seconds if seconds else math.inf
    jobs = _jobs(schedules, seed, end, FEW if seconds else MANY)
    _bao[0].drop_connections()
    with multiprocessing.get_context("fork").Pool() as pool:
        for lived in pool.imap_unordered(_live, jobs):
            for schedule, verdict in lived:
                points |= {(schedule.scenario, fault) for fault in schedule.faults}
                _count(figures, verdict)
                traffic.update(verdict.figures)
                _tell(schedule, verdict)
                if figures["schedules"] % 1000 == 0:
                    _say(f"{figures['schedules']} of {len(schedules)}, {figures['violations']} violations")
    for scenario, verdict in (*clean.items(), *real.items()):
        if verdict.violations or not verdict.converged:
            figures["violations"] += 1
            _tell(Schedule(scenario, ()), verdict)
    lasted = round(time.monotonic() - started, 1)
    return {
        **figures,
        "points": len(points),
        **traffic,
        "of": len(schedules),
        "seed": seed,
        "seconds": lasted,
    }


def _jobs(schedules: Sequence[Schedule], seed: int, end: float, size: int) -> list[Job]:
    """Share the schedules out, in turn from each scenario: whenever the time is over, each has had its part."""
    parts: list[list[Job]] = []
    for scenario in SCENARIOS:
        own = [s for s in schedules if s.scenario == scenario]
        chunks = (tuple(own[at : at + size]) for at in range(0, len(own), size))
        parts.append([Job(scenario, chunk, seed, end) for chunk in chunks])
    return [job for turn in zip_longest(*parts) for job in turn if job]


def _schedules(options: argparse.Namespace, clean: Mapping[Scenario, Verdict], seed: int) -> list[Schedule]:
    draw = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    chosen: list[Schedule] = []
    for scenario, verdict in clean.items():
        one = [
            s for s in singles(scenario, verdict) if not options.fault or s.faults[0][1].name in options.fault
        ]
        count = len(one) // 4 if options.bounded else options.pairs
        own = list(_sampled(one, options.sample, verdict, draw) if options.sample else one)
        own += pairs(scenario, verdict, count, seed)
        if options.bounded or options.seconds:
            draw.shuffle(own)
        chosen += own
    part, parts = options.part
    return list(dict.fromkeys(chosen))[part - 1 :: parts]


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
