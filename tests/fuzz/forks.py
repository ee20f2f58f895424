"""One odd answer in a fork of a run that goes on without it: everything that is emulated is in the memory of the process."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from tests.faults.transport import Answer, Call
from tests.fuzz.oddities import odd, torn

HANGS = 60
"""Seconds of one input after which it hangs: a thousand times what it needs."""
HUNG = "hang: "
Tell = Callable[[str], None]


class Fork:
    """Branches off at an answer, and tells what came of the branch."""

    def __init__(self, tell: Tell, seed: str) -> None:
        self._tell, self._seed, self._number = tell, seed, 0
        self._write: int | None = None
        self._call: Call | None = None
        self._answer = Answer(0, {}, b"")

    @property
    def branched(self) -> bool:
        """Whether this is a branch."""
        return self._write is not None

    def at(self, call: Call, answer: Answer) -> Answer:
        """Branch off; in the branch return an odd answer, and go on with it where the same is asked again."""
        if self.branched:
            return self._answer if call == self._call else answer
        self._number += 1
        read, write = os.pipe()
        if (child := os.fork()) == 0:
            os.close(read)
            signal.alarm(HANGS)
            self._write, self._call = write, call
            self._answer = _odd(random.Random(f"{self._seed} {self._number}"), answer)  # noqa: S311 - a schedule
            return self._answer
        os.close(write)
        with os.fdopen(read, "rb") as said:
            wrong = said.read().decode()
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            wrong = f"{HUNG}{call.method} {call.path}"
        elif os.WEXITSTATUS(status):
            wrong = f"{call.method} {call.path}: the branch ended with {os.WEXITSTATUS(status)}"
        self._tell(wrong)
        return answer

    def end(self, wrong: str) -> NoReturn:
        """End the branch."""
        assert self._write is not None
        where = (
            f"{wrong} after {self._call}: {self._answer.status} {self._answer.body[:300]!r}" if wrong else ""
        )
        os.write(self._write, where.encode(errors="replace"))
        os._exit(0)


def _odd(draw: random.Random, answer: Answer) -> Answer:
    if draw.random() < 0.05:
        return replace(answer, status=draw.choice((200, 204, 206, 299, 304, 400, 404, 409, 422, 500)))
    if draw.random() < 0.05:
        headers = {
            **answer.headers,
            "Date": draw.choice(("soon", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 5_000)),
            "Retry-After": "9" * 400,
        }
        return replace(answer, headers=headers)
    try:
        return replace(answer, body=odd(draw, answer.json), headers=_unmeasured(answer))
    except (ValueError, RecursionError):
        return replace(answer, body=torn(draw, answer.body), headers=_unmeasured(answer))


def _unmeasured(answer: Answer) -> dict[str, str]:
    return {n: v for n, v in answer.headers.items() if n.lower() != "content-length"}
