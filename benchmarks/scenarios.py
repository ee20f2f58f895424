"""What is measured: one step, many rotations due at once, and nothing due."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import asking, counting, policies, raw, static
from benchmarks.figures import Due, Idle, Served, Step
from benchmarks.policies import Group
from benchmarks.processes import Finished, measure
from benchmarks.traffic import Request, Traffic, summarize, writes
from rotator_sandbox.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.systems import Systems

SCRIPT = Path(__file__).with_name("rotate.sh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How often and how much is measured."""

    pairs: int = 11
    rounds: int = 7
    due: int = 200
    scripted: int = 10
    idle: int = 5
    asked: int = 3000
    """Requests for a JWK Set in a round."""
    concurrency: int = 16
    timeout: int = 5
    """Seconds for one request; a write that an earlier run made counts as taken only after twice so long."""


BOUNDED = Effort(pairs=3, rounds=1, due=40, scripted=3, idle=2, asked=200)


@dataclass(frozen=True, slots=True)
class Bench:
    """Measures on running systems."""

    systems: Systems
    effort: Effort
    tell: Callable[[str], None]

    def step(self) -> Step:
        """One step of a rotation that is in use: make a key, keep it, publish it. Then a lead has to pass.

        Rotator's rotation is due because its policy was edited, the script's because it is called. Both start
        from one active key that is in OpenBao and in the JWKS ConfigMap, and both log in by AppRole.
        """
        group = self._group("step", self.effort.pairs + 1, policies.FIRST)
        self._settle(group)
        scripted = self._group("step-shell", self.effort.pairs)
        self._shell(scripted, scripted.names)
        group.write(policies.CHANGED)
        ours, theirs = [], []
        for number, name in enumerate(group.names[: self.effort.pairs]):
            for side in _in_turn(number):
                if side:
                    ours.append(self._advance(group.file(name), 1).seconds)
                else:
                    theirs.append(self._shell(scripted, [name]).seconds)
            self.tell(f"step {number + 1}: rotator {ours[-1]:.2f} s, shell {theirs[-1]:.2f} s")
        return Step(rotator=ours, shell=theirs, traffic=self._count(group.file(group.names[-1]), 1))

    def due(self) -> Due:
        """First steps of many rotations: make a key, keep it, publish it, hand it to the signing service.

        Neither side waits for a lead, as nobody can have cached a list that was not there.
        """
        counted = self._group("due-counted", self.effort.due)
        traffic = self._count(counted.folder, counted.count)
        plan = {"rotations": self.effort.due, "concurrency": self.effort.concurrency}
        rounds = [self._due_round(number, plan, traffic) for number in range(self.effort.rounds)]
        ours, theirs, bare, loops = zip(*rounds, strict=True)
        return Due(
            rotations=self.effort.due,
            scripted=self.effort.scripted,
            concurrency=self.effort.concurrency,
            rotator=ours,
            shell=theirs,
            raw=bare,
            raw_loop=loops,
            traffic=traffic,
        )

    def idle(self) -> Idle:
        """Nothing due: all rotations are declared, delivered and settled."""
        group = self._group("idle", self.effort.due)
        self._settle(group)
        runs = [self._advance(group.folder, 0) for _ in range(self.effort.idle)]
        self.tell(f"idle: {runs[-1].seconds:.2f} s, {runs[-1].peak_mb:.0f} MB")
        return Idle(
            seconds=[r.seconds for r in runs],
            peak_mb=[r.peak_mb for r in runs],
            traffic=self._count(group.folder, 0),
        )

    def served(self) -> Served:
        """One set, asked for again and again: of `rotator serve`, whose runs go on meanwhile, and of a bare static server."""
        group = self._group("served", 1)
        name = group.names[0]
        text = group.file(name).read_text().replace("maxAge: 5m", "maxAge: 5m, served: {}")
        group.file(name).write_text(text)
        ours, theirs = free_port(), free_port()
        listen = ["--listen", f"127.0.0.1:{ours}", "--listen-operator", f"127.0.0.1:{free_port()}"]
        serve = [sys.executable, "-m", "rotator", "serve", "--every", "5s", *listen, "-f", str(group.folder)]
        body = self.systems.folder / "jwks.json"
        bare = [sys.executable, "-m", static.__name__, str(theirs), str(body)]
        samples: dict[bool, list[float]] = {True: [], False: []}
        with asking.running(serve, self.systems.env, ours) as answered:
            body.write_bytes(answered)
            with asking.running(bare, self.systems.env, theirs):
                for number in range(self.effort.rounds):
                    for side in _in_turn(number):
                        samples[side].append(asking.seconds(ours if side else theirs, self.effort.asked))
        self.tell(
            f"served: {samples[True][-1]:.2f} s for {self.effort.asked}, bare {samples[False][-1]:.2f} s"
        )
        return Served(requests=self.effort.asked, rotator=samples[True], static=samples[False])

    def _due_round(
        self, number: int, plan: dict[str, int], traffic: Sequence[Traffic]
    ) -> tuple[float, float, float, float]:
        group = self._group(f"due-{number}", self.effort.due)
        ours = self._advance(group.folder, group.count)
        scripted = self._group(f"due-shell-{number}", self.effort.scripted)
        theirs = self._shell(scripted, scripted.names)
        bare = self._raw(f"due-raw-{number}", plan, traffic)
        loop = float(bare.output)
        self.tell(
            f"due {number + 1}: rotator {ours.seconds:.2f} s for {group.count}, shell {theirs.seconds:.2f} s "
            f"for {scripted.count}, bare client {bare.seconds:.2f} s, of which writes {loop:.2f} s"
        )
        return ours.seconds, theirs.seconds, bare.seconds, loop

    # --- the sides ------------------------------------------------------------------------------------------

    def _group(self, name: str, count: int, algorithm: str = policies.CHANGED) -> Group:
        group = Group(name, self.systems.folder / "policies" / name, count)
        group.write(algorithm)
        self.systems.namespace(name)
        return group

    def _settle(self, group: Group) -> None:
        """Make first versions, and come again when their holders are sure to have picked them up."""
        rows = json.loads(self._advance(group.folder, group.count).output)
        until = max(datetime.fromisoformat(row["next"]) for row in rows)
        time.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()) + 1)
        self._advance(group.folder, group.count)

    def _advance(self, where: Path, changed: int) -> Finished:
        """Call `rotator run`, and see that as many rotations as expected had something to do."""
        done = measure([sys.executable, "-m", "rotator", *self._run(where)], self.systems.env)
        found = sum(bool(row["steps"]) for row in json.loads(done.output))
        if found != changed:
            raise RuntimeError(
                f"{where}: {found} rotations had steps, expected {changed}: {done.output[:2000]}"
            )
        return done

    def _run(self, where: Path) -> list[str | Path]:
        threads = str(self.effort.concurrency)
        return [
            "run",
            "-o",
            "json",
            "--timeout",
            f"{self.effort.timeout}s",
            "--concurrency",
            threads,
            "-f",
            where,
        ]

    def _count(self, where: Path, changed: int) -> list[Traffic]:
        """Call `rotator run` once more, unmeasured, to count its requests."""
        report = self.systems.folder / "requests.json"
        command = [sys.executable, "-m", counting.__name__, report, *self._run(where)]
        measure(command, self.systems.env)
        traffic = summarize(Request(*r) for r in json.loads(report.read_text()))
        if changed and not writes(traffic):
            raise RuntimeError(
                "no write was counted: rotator sends its requests another way than counting.py reads"
            )
        return traffic

    def _shell(self, group: Group, names: Sequence[str]) -> Finished:
        env = {**self.systems.env, "NAMESPACE": group.name, "STORE": f"bench/{group.name}"}
        return measure(["bash", SCRIPT, *names], env)

    def _raw(self, group: str, plan: dict[str, int], traffic: Sequence[Traffic]) -> Finished:
        self.systems.namespace(group)
        file = self.systems.folder / "plan.json"
        places = {
            "namespace": group,
            "prefix": f"bench/{group}",
            "writes": [asdict(t) for t in writes(traffic)],
        }
        file.write_text(json.dumps(plan | places))
        return measure([sys.executable, "-m", raw.__name__, file], self.systems.env)


def _in_turn(number: int) -> Iterator[bool]:
    """Say who comes first, and who second: A B, then B A."""
    yield number % 2 == 0
    yield number % 2 == 1
