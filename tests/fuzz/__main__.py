"""`python -m tests.fuzz`: foreign bytes for every reader; the last line is JSON `{inputs, tracebacks, hangs, others_stopped}`.

Each family of inputs lives in a process of its own, which an alarm ends where one input hangs.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import cast

from rotator_sandbox.openbao import OpenBao
from tests.faults.environment import Bao
from tests.fuzz import beside, directories, lives, readers
from tests.fuzz.beside import STOPPED
from tests.fuzz.forks import HANGS, HUNG

BOUND = 60
"""Seconds in CI."""
LONG = 600
"""Seconds elsewhere."""
SHOWN = 20
"""Findings that are printed in full."""


class Over(BaseException):
    """The time is over."""


class Teller:
    """Sends what came of each input, and ends when the time is over."""

    def __init__(self, to: Connection, end: float) -> None:
        self._to, self._end = to, end

    def __call__(self, wrong: str) -> None:
        """Tell of one input."""
        self._to.send(wrong)
        signal.alarm(HANGS)
        if time.monotonic() > self._end:
            raise Over


def _of_readers(bao: Bao, seed: int, tell: Callable[[str], None]) -> None:
    del bao
    readers.drawn(seed, tell)
    for act in readers.inputs(seed, 0):
        tell(act())


FAMILIES = {
    "readers": _of_readers,
    "lives": lives.live,
    "beside": beside.live,
    "directories": directories.live,
}


def _work(family: str, bao: Bao, seed: int, end: float, to: Connection) -> None:
    logging.disable(logging.CRITICAL)
    signal.alarm(HANGS)
    try:
        FAMILIES[family](bao, seed, Teller(to, end))
    except Over:
        to.send(None)


def _seed() -> int:
    """Return a number for each commit, as for the faults."""
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout
    return int(found[:6], 16) if found else 1


def _explore(bao: Bao, seed: int, seconds: int) -> Counter[str]:
    """Let all families work at once; what ends without having said that its time was over has hung or fallen."""
    figures: Counter[str] = Counter(inputs=0, tracebacks=0, hangs=0, others_stopped=0)
    end, fork = time.monotonic() + seconds, multiprocessing.get_context("fork")
    works = {}
    for family in FAMILIES:
        ours, theirs = fork.Pipe(duplex=False)
        process = fork.Process(target=_work, args=(family, bao, seed, end, theirs))
        process.start()
        theirs.close()
        works[family] = (process, ours)
    open_ = {ours: family for family, (_, ours) in works.items()}
    while open_:
        ready = cast("list[Connection]", wait(list(open_)))
        for said in ready:
            try:
                wrong = said.recv()
            except EOFError:
                family = open_.pop(said)
                process = works[family][0]
                process.join()
                hung = process.exitcode == -signal.SIGALRM
                _note(figures, f"{HUNG if hung else 'traceback: '}{family} ended with {process.exitcode}")
                continue
            if wrong is None:
                works[open_.pop(said)][0].join()
                continue
            figures["inputs"] += 1
            if wrong:
                _note(figures, wrong)
    return figures


def _note(figures: Counter[str], wrong: str) -> None:
    kind = (
        "hangs" if wrong.startswith(HUNG) else "others_stopped" if wrong.startswith(STOPPED) else "tracebacks"
    )
    figures[kind] += 1
    figures["others_stopped"] += kind == "tracebacks" and STOPPED in wrong
    if sum(figures.values()) - figures["inputs"] <= SHOWN:
        sys.stdout.write(f"{wrong}\n")
        sys.stdout.flush()


def main() -> None:
    """Explore, print what is wrong, and end with the figures; exit 1 where something is."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=main.__doc__)
    parser.add_argument("--bounded", action="store_true", help=f"end after {BOUND} seconds instead of {LONG}")
    parser.add_argument("--seconds", type=int, default=0, help="end after so many")
    parser.add_argument("--seed", type=int, default=None, help="default: a number for each commit")
    options = parser.parse_args()
    seed = _seed() if options.seed is None else options.seed
    sys.stdout.write(f"seed {seed}\n")
    with tempfile.TemporaryDirectory() as folder:
        server = OpenBao(Path(folder))
        try:
            bao = Bao.of(server)
            bao.drop_connections()
            figures = _explore(bao, seed, options.seconds or (BOUND if options.bounded else LONG))
        finally:
            server.stop()
    sys.stdout.write(f"{json.dumps(figures)}\n")
    sys.exit(1 if figures["tracebacks"] or figures["hangs"] or figures["others_stopped"] else 0)


if __name__ == "__main__":
    main()
