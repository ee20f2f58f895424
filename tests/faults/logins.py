"""Real logins by everybody who may hold a credential, at every node of its provider."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from tests.faults.timeline import START, Timeline
from tests.faults.traffic import History
from tests.providers.exploration import Lagging

T = TypeVar("T")


class Slow(Lagging[T]):
    """A provider's state on several nodes, to which each change comes at another time: by `within` to all of them."""

    def __init__(self, value: T, timeline: Timeline, draw: random.Random) -> None:
        super().__init__(value)
        self.within = timedelta()
        self._timeline = timeline
        self._draw = draw
        self._changes: list[tuple[datetime, T]] = [(START, value)]
        self._asked: list[T] = []

    @property
    def now(self) -> T:
        """The state as it is."""
        return self._changes[-1][1]

    def change(self, value: T) -> None:
        """Change it."""
        kept = self._changes if self.within else []
        self._changes = [*kept, (self._timeline.now, value)]

    def look(self, who: str) -> T:
        """Return the state as some node shows it: a named one while `ask` lasts."""
        del who
        if self._asked:
            return self._asked[-1]
        return self._at(self._timeline.now - self.within * self._draw.random())

    def nodes(self) -> Iterator[T]:
        """Yield every state that some node may show now; whoever looks meanwhile is shown that one."""
        now = self._timeline.now
        known = [self._at(now - self.within)]
        known += [state for since, state in self._changes if now - self.within < since]
        for state in known:
            self._asked.append(state)
            try:
                yield state
            finally:
                self._asked.pop()

    def _at(self, moment: datetime) -> T:
        return next(
            (state for since, state in reversed(self._changes) if since <= moment), self._changes[0][1]
        )


@dataclass
class Logins:
    """Those who hold the credential, and log in with what they hold."""

    timeline: Timeline
    pick_up: timedelta
    """The most that a holder which reads again by itself may lag behind."""
    pods: Callable[[], Collection[str]]
    """What running pods have read at their start."""
    accepted: Callable[[str], bool]
    """Logs in with what somebody holds, everywhere; beside the product's own code."""
    excused: Callable[[str], bool]
    """Whether somebody else has put an end to it: then it is not ours to keep accepted."""
    held: History = field(default_factory=History)
    """What the document held from which a holder reads again by itself."""
    stopped: bool = False
    tried: int = 0
    refused: list[str] = field(default_factory=list)

    def holders(self, lag: timedelta) -> set[str]:
        """Return what somebody holds now, where those who read again lag behind by as much as `lag`."""
        now = self.timeline.now
        return {*self.pods(), *self.held.between(now - lag, now)}

    def pulse(self, name: Callable[[str], str]) -> None:
        """Log in with all that somebody holds validly now; `name` says which version that is."""
        if self.stopped:
            return
        for held in self.holders(self.pick_up):
            self.tried += 1
            if not self.accepted(held) and not self.excused(held):
                self.refused.append(f"{self.timeline.now}: a valid login with {name(held)} is refused")
