"""The command line, killed at a chosen call to the outside: `python -m rotator_sandbox.killable --kill-at 7 … -- run …`.

All that rotator asks of other systems goes through one method of urllib3: the official Kubernetes client calls it,
and so does requests, on which hvac stands. The calls are counted there, and the process sends itself SIGKILL right
before the N-th is sent, or right after its answer has arrived and before anybody has seen it.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import sys
from typing import Any

from urllib3.connectionpool import HTTPConnectionPool

from rotator.cli import verbs as cli

BEFORE, AFTER = "before", "after"


def arm(kill_at: int, when: str) -> None:
    """Make the call number `kill_at` of this process its last; BEFORE: not sent, AFTER: answered, not seen."""
    counter = itertools.count(1)  # next() of it is atomic, so that threads share it
    original = HTTPConnectionPool.urlopen

    def urlopen(pool: HTTPConnectionPool, *args: Any, **options: Any) -> Any:
        fatal = next(counter) == kill_at
        if fatal and when == BEFORE:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = original(pool, *args, **options)
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    HTTPConnectionPool.urlopen = urlopen  # type: ignore[assignment,method-assign]  # this is the point


def main(arguments: list[str]) -> None:
    """Arm, then be the command line."""
    parser = argparse.ArgumentParser(prog="python -m rotator_sandbox.killable")
    parser.add_argument("--kill-at", type=int, required=True, help="the number of the call, from 1")
    parser.add_argument(
        "--when", choices=(BEFORE, AFTER), required=True, help="before it is sent, or after its answer"
    )
    parser.add_argument("command", nargs="+", help="what to run, after --")
    chosen = parser.parse_args(arguments)
    arm(chosen.kill_at, chosen.when)
    sys.argv = ["rotator", *chosen.command]
    cli.main()


if __name__ == "__main__":
    main(sys.argv[1:])
