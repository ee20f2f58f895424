"""Many lives for the price of one beginning: each goes on from a fork of the same life, at the call of its first fault.

Everything that a life touches is in the memory of its process, so a fork is a snapshot of it all.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from tests.faults.life import Life, Verdict
from tests.faults.schedules import Schedule

Lived = tuple[Schedule, Verdict]


class Begins(Protocol):
    """Begins a life without faults."""

    def __call__(self) -> Life:
        """Return it."""
        ...


class Branches:
    """The schedules that are still to branch off, by the number of the call at which they do."""

    def __init__(self, schedules: Iterable[Schedule]) -> None:
        self.lived: list[Lived] = []
        self.branch: tuple[Schedule, int] | None = None
        """In a process that has branched off: its schedule, and where to write its verdict."""
        self._at: dict[int, list[Schedule]] = defaultdict(list)
        for schedule in schedules:
            self._at[min(number for number, _ in schedule.faults)].append(schedule)

    def reach(self, life: Life, number: int) -> None:
        """Let all schedules branch off whose first fault is at this call; the life itself goes on without any."""
        for schedule in self._at.pop(number, ()) if self.branch is None else ():
            read, write = os.pipe()
            if (child := os.fork()) == 0:
                os.close(read)
                self.branch = schedule, write
                life.faults = dict(schedule.faults)
                return
            os.close(write)
            with os.fdopen(read, "rb") as answer:
                verdict = answer.read()
            os.waitpid(child, 0)
            self.lived.append((schedule, pickle.loads(verdict) if verdict else _lost()))  # noqa: S301 - our own process

    @property
    def left(self) -> list[Schedule]:
        """The schedules whose call the life did not reach."""
        return [schedule for schedules in self._at.values() for schedule in schedules]


def live(begin: Begins, schedules: Iterable[Schedule]) -> list[Lived]:
    """Live all `schedules` of one scenario; those that strike nothing have the verdict of the life without faults."""
    branches = Branches(schedules)
    life = begin()
    life.reached = branches.reach
    try:
        verdict = replace(life.live(), calls=[])
    except BaseException:
        if branches.branch is None:
            raise
        os._exit(1)  # the verdict stays away, and that is one
    if branches.branch is None:
        return [*branches.lived, *((schedule, verdict) for schedule in branches.left)]
    _, write = branches.branch
    with os.fdopen(write, "wb") as answer:
        answer.write(pickle.dumps(verdict))
    sys.stdout.flush()
    os._exit(0)


def _lost() -> Verdict:
    return Verdict(calls=[], violations=["the life ended in an exception"])
