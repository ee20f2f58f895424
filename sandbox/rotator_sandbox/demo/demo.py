"""The demo from beginning to end."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from rotator_sandbox.demo.environment import Environment, started
from rotator_sandbox.demo.figures import Figures, Served
from rotator_sandbox.demo.job import Job
from rotator_sandbox.demo.logins import LogIn
from rotator_sandbox.demo.proof import Dead, Proof
from rotator_sandbox.demo.screen import Moment, Screen
from rotator_sandbox.demo.timeline import phases
from rotator_sandbox.demo.traffic import ReadVault, Traffic
from rotator_sandbox.demo.vault import Reader, consumer
from rotator_sandbox.demo.watch import Watch

MOST_KILLS = 8
"""Of each job."""
LONGEST = 150.0
"""Seconds after which rotations that are not done count as not finished."""
FRAME = 0.25
SEEDS = 10_000


def run(*, seed: int | None = None, as_json: bool = False, context: str | None = None) -> int:
    """Run the demo, show it, and return the exit code: 0 where the promise was kept."""
    seed = secrets.randbelow(SEEDS) if seed is None else seed
    began = time.monotonic()
    with Screen(quiet_stdout=as_json) as screen:
        screen.say(f"rotator demo, seed {seed}: starting OpenBao, a Kubernetes API and an identity provider")
        with started(context, seed) as environment:
            demo = Demo(environment, screen, seed)
            try:
                dead = demo.run()
            finally:
                demo.end()
            figures = demo.figures(dead, time.monotonic() - began)
    screen.figures(figures, demo.watch.in_order(), demo.started)
    if as_json:
        print(json.dumps(figures.document()))
    return 1 if figures.failures else 0


@dataclass
class Demo:
    """Rotations under traffic in an environment, and what was seen of them."""

    environment: Environment
    screen: Screen
    seed: int

    def __post_init__(self) -> None:
        """Make the traffic, the jobs and whoever watches; nothing runs yet."""
        built = self.environment
        self.started = datetime.now(UTC)
        root = Reader(built.bao, built.bao.root_token)
        self.root = Reader(built.bao, built.bao.root_token)
        self.watch = Watch(built.api, built.scenarios, lambda path: root.document("rotator", path))
        delivered = {s.name: self._delivered(s.consumers) for s in built.scenarios if s.consumers}
        self.traffic = Traffic(built.api, built.jwks, built.served, delivered, LogIn(built.realm), self.seed)
        self.jobs = [self._job(kind) for kind in sorted({s.kind for s in built.scenarios})]

    def run(self) -> Dead:
        """Rotate under traffic until it is enough, then prove the death of what is old."""
        workers = self.environment.workers
        self.traffic.start()
        workers.repeat(self.watch.look, FRAME, "watch")
        work = [workers.start(partial(job.run, workers.stop), "job") for job in self.jobs]
        give_up = time.monotonic() + LONGEST
        while any(thread.is_alive() for thread in work) and time.monotonic() < give_up:
            self._frame("traffic runs, the job is killed now and then")
        self._frame("all is rotated; the last tokens are checked")
        self.traffic.stop_signing()
        self._frame("trying every dead credential")
        if self.watch.unfinished():
            return Dead()
        return Proof(
            self.traffic, self.watch, self.environment.api, self.root, self.environment.scenarios
        ).prove()

    def end(self) -> None:
        """End the job and all programs."""
        self.screen.say("ending all that was started")
        self.environment.workers.stop.set()
        for job in self.jobs:
            job.end()
        self.traffic.stop()

    def figures(self, dead: Dead, duration: float) -> Figures:
        """Return what was measured."""
        watch, jobs = self.watch, self.jobs
        return Figures(
            seed=self.seed,
            backends=self.environment.backends,
            duration=duration,
            ledger=self.traffic.ledger,
            dead=dead,
            rotations=sum(watch.destroyed(s.name) for s in self.environment.scenarios),
            unfinished=tuple(watch.unfinished()),
            kills=tuple(f"{job.name} {point}" for job in jobs for point in job.kills),
            runs=sum(job.runs for job in jobs),
            restarts_expected=watch.expected_restarts,
            restarts_done=watch.restarts,
            phases=phases(watch.rings),
            frozen=tuple(reason for job in jobs for reason in job.frozen),
            served=Served(
                replicas=len(self.environment.served.replicas),
                kills=self.environment.served.kills,
                answers=self.environment.served.answers,
            ),
        )

    def _delivered(self, path: str) -> ReadVault:
        """Return what a program does that has its credential from Vault."""
        return partial(consumer(self.environment.bao, path).document, "secret", path)

    def _job(self, kind: str) -> Job:
        """Return the CronJob of one credential kind."""
        wanted = partial(self.watch.unfinished, kind)
        return Job(
            kind,
            self.environment.variables,
            self.environment.context,
            f"{self.seed} {kind}",
            wanted,
            MOST_KILLS,
        )

    def _frame(self, note: str) -> None:
        """Show one picture, and notice whatever has died."""
        self.environment.workers.check()
        self.traffic.check()
        ledger = self.traffic.ledger
        reports = [report for job in self.jobs for report in job.reports.items()]
        moment = Moment(
            started=self.started,
            rings=self.watch.in_order(),
            reasons={ref.partition("/")[2]: str(report["reason"]) for ref, report in reports},
            signed=ledger.signed,
            verified=ledger.verified,
            rejected=ledger.rejected,
            logins=ledger.logins,
            refused=ledger.refused,
            kills=sum(len(job.kills) for job in self.jobs),
            runs=sum(job.runs for job in self.jobs),
            note=note,
        )
        self.screen.show(moment)
        time.sleep(FRAME)
