"""Services that check tokens at random instants of their life, and often in their last moment."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from dataclasses import dataclass, field

from rotator_sandbox.demo.ledger import Ledger
from rotator_sandbox.demo.tokens import RefusedError, Token
from rotator_sandbox.demo.verifiers import UnreachableError, Verifier

LAST_MOMENT = 0.1
"""Before a token's end, in seconds: a check that begins then is still a check of a valid token."""
LATE_SHARE = 0.4
"""The share of checks that are made in the last moment."""


@dataclass
class Service:
    """One verifier with its queue of tokens, each due at an instant of its own."""

    verifier: Verifier
    ledger: Ledger
    random: random.Random
    _queue: list[tuple[float, int, Token]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def submit(self, token: Token) -> None:
        """Choose the instant at which `token` will be presented."""
        last = self._end(token) - LAST_MOMENT
        now = time.time()
        at = last if self.random.random() < LATE_SHARE else self.random.uniform(now, max(now, last))
        with self._changed:
            heapq.heappush(self._queue, (at, next(self._order), token))
            self._changed.notify()

    def run(self, stop: threading.Event) -> None:
        """Check tokens as they come due."""
        while not stop.is_set():
            if token := self._next():
                self.check(token)

    def idle(self) -> bool:
        """Whether all that was submitted has been checked."""
        return not self._queue

    def check(self, token: Token) -> None:
        """Check one token; refused counts only if it was valid to the end of the check, by the verifier's clock."""
        try:
            self.verifier.check(token.text)
        except UnreachableError:
            self.ledger.give_up()
        except RefusedError as refused:
            now = time.time()
            if now >= self._end(token):
                self.ledger.give_up()
            else:
                self.ledger.refuse(self.verifier.name, token, str(refused), now)
        else:
            self.ledger.accept()

    def _end(self, token: Token) -> float:
        return token.expires + self.verifier.slow

    def _next(self) -> Token | None:
        with self._changed:
            if not self._queue:
                self._changed.wait(0.1)
                return None
            wait = self._queue[0][0] - time.time()
            if wait > 0:
                self._changed.wait(min(wait, 0.1))
                return None
            return heapq.heappop(self._queue)[2]
