"""The job, run as a CronJob runs it: a new process each time, some of them killed at points that the seed chooses."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rotator.errors import RotatorError
from rotator_sandbox.killable import AFTER, BEFORE

FIRST_CALL, LAST_CALL = 2, 18
"""Between these calls runs are killed: one that only looks ends before most of them, one that acts does not."""
LAST_CALLS = {"oauthClient": 34}
"""The last one of other kinds: a run that publishes a client's secret has so many, most of them to its provider."""
TRIES = 3
"""So many runs are armed with one kill point; where none gets that far, the next point is taken."""
PAUSE = 0.15
"""Between the end of a run and the start of the next, in seconds."""
LONGEST_PAUSE = 1.0
"""Where a run has said that nothing is due before."""
REST = 2
"""So many runs after a killed one are left alone, so that kills are spread over the whole life."""
USAGE = 2


@dataclass(frozen=True, slots=True)
class KillPoint:
    """Where a run is killed."""

    call: int
    when: str

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.when} call {self.call}" + ("'s answer is seen" if self.when == AFTER else " is sent")


def kill_points(seed: str, last: int = LAST_CALL) -> Iterator[KillPoint]:
    """Yield the kill points of a seed: always the same, in the same order, without end."""
    choice = random.Random(seed)  # noqa: S311 - it has to repeat
    while True:
        yield KillPoint(choice.randint(FIRST_CALL, last), choice.choice((BEFORE, AFTER)))


@dataclass
class Job:
    """Starts runs one after the other until every rotation has gone far enough."""

    name: str
    environment: Mapping[str, str]
    context: str
    seed: str
    wanted: Callable[[], Sequence[str]]
    """The rotations that still have to go on."""
    most_kills: int
    runs: int = 0
    kills: list[KillPoint] = field(default_factory=list)
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The last report on each rotation."""
    frozen: list[str] = field(default_factory=list)
    """Every freeze that a run reported, in its words, and every run that ended without a report."""
    _last: list[dict[str, Any]] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None
    _starting: threading.Lock = field(default_factory=threading.Lock)
    _ended: bool = False

    def run(self, stop: threading.Event) -> None:
        """Run until told to stop, or until nothing is left to do."""
        points = kill_points(self.seed, LAST_CALLS.get(self.name, LAST_CALL))
        point, tries, rest = next(points), 0, 0
        while not stop.wait(self._pause()) and (names := self.wanted()):
            armed = not rest and len(self.kills) < self.most_kills
            killed = self._once(names, point if armed else None)
            rest = REST if killed else max(0, rest - 1)
            tries += armed
            if killed:
                self.kills.append(point)
            if killed or tries == TRIES:
                point, tries = next(points), 0

    def end(self) -> None:
        """End the run that is under way, and let no other begin."""
        with self._starting:
            self._ended = True
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def command(self, names: Sequence[str], point: KillPoint | None) -> list[str]:
        """Return the command of one run."""
        options = {
            "context": self.context,
            "lease": "1s",
            "timeout": "1s",
            "deadline": "30s",
            "output": "json",
        }
        chosen = [f"--{name}={value}" for name, value in options.items()] + [
            f"--name={name}" for name in names
        ]
        module = ["rotator"]
        if point:
            module = ["rotator_sandbox.killable", "--kill-at", str(point.call), "--when", point.when, "--"]
        return [sys.executable, "-m", *module, "run", *chosen]

    def _once(self, names: Sequence[str], point: KillPoint | None) -> bool:
        """Run once; return whether the run was killed."""
        process = self._start(self.command(names, point))
        if process is None:
            return False
        out, errors = process.communicate()
        self.runs += 1
        self._last = []
        if point and process.returncode == -signal.SIGKILL:
            return not self._ended
        if process.returncode == USAGE:
            raise RotatorError(f"the job refuses to run: {errors.strip()}")
        self._note(out, process.returncode, errors)
        return False

    def _start(self, command: Sequence[str]) -> subprocess.Popen[str] | None:
        with self._starting:
            if self._ended:
                return None
            self._process = subprocess.Popen(
                command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C is for the demo, which ends its runs itself
            )
        return self._process

    def _pause(self) -> float:
        """Return how long to wait before the next run: longer where the last one has said that nothing is due."""
        due = [str(row["next"]) for row in self._last if row["next"]]
        if not due or len(due) < len(self._last):
            return PAUSE
        left = (datetime.fromisoformat(min(due)) - datetime.now(UTC)).total_seconds()
        return min(LONGEST_PAUSE, max(PAUSE, left))

    def _note(self, out: str, code: int, errors: str) -> None:
        """Keep what a run reported, and the last words of one that ended without a report."""
        try:
            self._last = json.loads(out)
        except ValueError:
            if not self._ended:
                words = errors.strip().splitlines() or ["without a word"]
                self.frozen.append(f"a run of {self.name} ended with {code}: {words[-1]}")
            return
        for row in self._last:
            self.reports[row["rotation"]] = row
            if row["result"] == "Frozen":
                self.frozen.append(f"{row['rotation']}: {row['reason']}")
