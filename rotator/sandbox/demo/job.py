"""The job, run as a CronJob runs it: a new process each time, some of them killed at points that the seed chooses."""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rotator.errors import RotatorError
from rotator.sandbox.victim import AFTER, BEFORE

MOST_CALLS = 16
"""A run that does something makes at least so many calls to the outside; one that only looks makes fewer."""
TRIES = 3
"""So many runs are armed with one kill point; where none gets that far, the next point is taken."""
PAUSE = 0.15
"""Between the end of a run and the start of the next, in seconds."""
USAGE = 2


@dataclass(frozen=True, slots=True)
class KillPoint:
    """Where a run is killed."""

    call: int
    when: str

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.when} call {self.call}" + ("'s answer is seen" if self.when == AFTER else " is sent")


def kill_points(seed: int) -> Iterator[KillPoint]:
    """Yield the kill points of a seed: always the same, in the same order, without end."""
    choice = random.Random(seed)  # noqa: S311 - it has to repeat
    while True:
        yield KillPoint(choice.randint(1, MOST_CALLS), choice.choice((BEFORE, AFTER)))


@dataclass
class Job:
    """Starts runs one after the other until every rotation has gone far enough."""

    environment: Mapping[str, str]
    context: str
    seed: int
    wanted: Callable[[], Sequence[str]]
    """The rotations that still have to go on."""
    most_kills: int
    runs: int = 0
    kills: list[KillPoint] = field(default_factory=list)
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The last report on each rotation."""
    frozen: list[str] = field(default_factory=list)
    """Every freeze that a run reported, in its words."""
    _process: subprocess.Popen[str] | None = None

    def run(self, stop: threading.Event) -> None:
        """Run until told to stop, or until nothing is left to do."""
        points = kill_points(self.seed)
        point, tries = next(points), 0
        while not stop.wait(PAUSE) and (names := self.wanted()):
            armed = len(self.kills) < self.most_kills
            killed = self._once(names, point if armed else None)
            tries += 1
            if killed:
                self.kills.append(point)
            if killed or tries == TRIES:
                point, tries = next(points), 0

    def end(self) -> None:
        """End the run that is under way."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def command(self, names: Sequence[str], point: KillPoint | None) -> list[str]:
        """Return the command of one run."""
        verb = ["run", "--context", self.context, "--lease", "1s", "--timeout", "1s", "--deadline", "30s", "-o", "json"]
        chosen = itertools.chain.from_iterable(("-n", name) for name in names)
        module = ["rotator"]
        if point:
            module = ["rotator.sandbox.victim", "--kill-at", str(point.call), "--when", point.when, "--"]
        return [sys.executable, "-m", *module, *verb, *chosen]

    def _once(self, names: Sequence[str], point: KillPoint | None) -> bool:
        """Run once; return whether the run was killed."""
        self.runs += 1
        self._process = subprocess.Popen(
            self.command(names, point),
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        out, errors = self._process.communicate()
        code = self._process.returncode
        if point and code == -signal.SIGKILL:
            return True
        if code == USAGE:
            raise RotatorError(f"the job refuses to run: {errors.strip()}")
        self._note(out)
        return False

    def _note(self, out: str) -> None:
        """Keep what a run reported; one that was ended in the middle reports nothing."""
        try:
            rows = json.loads(out)
        except ValueError:
            return
        for row in rows:
            self.reports[row["rotation"]] = row
            if row["result"] == "Frozen":
                self.frozen.append(f"{row['rotation']}: {row['reason']}")
