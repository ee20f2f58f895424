"""The demo from beginning to end."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from rotator.sandbox.demo.figures import Figures
from rotator.sandbox.demo.job import Job
from rotator.sandbox.demo.proof import Dead, Proof
from rotator.sandbox.demo.screen import Moment, Screen
from rotator.sandbox.demo.stage import Stage, stage
from rotator.sandbox.demo.timeline import phases
from rotator.sandbox.demo.traffic import Traffic
from rotator.sandbox.demo.vault import Reader, consumer
from rotator.sandbox.demo.watch import Watch

MOST_KILLS = 12
LONGEST = 150.0
"""Seconds after which rotations that are not done count as not finished."""
FRAME = 0.25
SEEDS = 10_000


def play(*, seed: int | None = None, as_json: bool = False, context: str | None = None) -> int:
    """Run the demo, show it, and return the exit code: 0 where the promise was kept."""
    seed = secrets.randbelow(SEEDS) if seed is None else seed
    began = time.monotonic()
    with Screen(quiet_stdout=as_json) as screen:
        screen.say(f"rotator demo, seed {seed}: starting OpenBao and a Kubernetes API")
        with stage(context, seed) as built:
            show = Show(built, screen, seed)
            try:
                dead = show.run()
            finally:
                show.end()
            figures = show.figures(dead, time.monotonic() - began)
    screen.figures(figures, show.watch.rings, show.started)
    if as_json:
        print(json.dumps(figures.document()))
    return 1 if figures.failures else 0


@dataclass
class Show:
    """One demo on a stage."""

    stage: Stage
    screen: Screen
    seed: int

    def __post_init__(self) -> None:
        """Cast it."""
        built = self.stage
        self.started = datetime.now(UTC)
        delivered, root = consumer(built.bao), Reader(built.bao, built.bao.root_token)
        self.root = Reader(built.bao, built.bao.root_token)
        self.watch = Watch(built.api, built.scenarios, lambda path: root.document("rotator", path))
        self.traffic = Traffic(
            built.api, built.jwks, lambda: delivered.document("secret", "payments/jwt"), self.seed
        )
        self.job = Job(built.environment, built.context, self.seed, self.watch.unfinished, MOST_KILLS)

    def run(self) -> Dead:
        """Rotate under traffic until it is enough, then prove the death of what is old."""
        crew = self.stage.crew
        self.traffic.start()
        crew.repeat(self.watch.look, FRAME, "watch")
        work = crew.start(lambda: self.job.run(crew.stop), "job")
        give_up = time.monotonic() + LONGEST
        while work.is_alive() and time.monotonic() < give_up:
            self._frame("traffic runs, the job is killed now and then")
        self._frame("all is rotated; the last tokens are checked")
        self.traffic.stop_signing()
        self._frame("trying every dead credential")
        if self.watch.unfinished():
            return Dead()
        return Proof(self.traffic, self.watch, self.stage.api, self.root, self.stage.scenarios).prove()

    def end(self) -> None:
        """End the job and all programs."""
        self.stage.crew.stop.set()
        self.job.end()
        self.traffic.stop()

    def figures(self, dead: Dead, duration: float) -> Figures:
        """Return what was measured."""
        watch, job = self.watch, self.job
        return Figures(
            seed=self.seed,
            backends=self.stage.backends,
            duration=duration,
            ledger=self.traffic.ledger,
            dead=dead,
            rotations=sum(watch.destroyed(s.name) for s in self.stage.scenarios),
            unfinished=tuple(watch.unfinished()),
            kills=tuple(str(point) for point in job.kills),
            runs=job.runs,
            restarts_expected=watch.expected_restarts,
            restarts_done=watch.restarts,
            phases=phases(watch.rings),
            frozen=tuple(job.frozen),
        )

    def _frame(self, note: str) -> None:
        """Show one picture, and notice whatever has died."""
        self.stage.crew.check()
        self.traffic.check()
        ledger = self.traffic.ledger
        reports = self.job.reports.items()
        moment = Moment(
            started=self.started,
            rings=dict(self.watch.rings),
            reasons={ref.partition("/")[2]: str(report["reason"]) for ref, report in reports},
            signed=ledger.signed,
            verified=ledger.verified,
            rejected=ledger.rejected,
            kills=len(self.job.kills),
            runs=self.job.runs,
            note=note,
        )
        self.screen.show(moment)
        time.sleep(FRAME)


