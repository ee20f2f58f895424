"""What became of one rotation in one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from rotator.core.ring import Ring
from rotator.core.texts import printable
from rotator.ports import Deeds, Summary


class Result(StrEnum):
    """How a run ended for one rotation."""

    WAITING = "Waiting"
    """All that can be done is done; it waits as planned."""
    FROZEN = "Frozen"
    """It cannot go on; both versions are accepted, nothing is lost, a person has to look (I9)."""
    HELD = "Held"
    """Another run is at work on it."""
    IDLE = "Idle"
    """Nothing was due, and the lists show that nobody touched anything."""
    REFUSED = "Refused"
    """What was declared cannot be carried out; nothing was touched."""
    DELETED = "Deleted"
    """The declaration was deleted, and with it the credential, as its deletion policy asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result for one rotation, with what was done and what it waits for."""

    rotation: str
    result: Result
    reason: str = ""
    lasting: str | None = None
    """What stays true when the run is over, where `reason` is about the run alone; empty: what was known before."""
    until: datetime | None = None
    waiting_on: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    """What was recorded and written, in order; in a plan, what would be."""
    beside: tuple[str, ...] = ()
    """What others have in the documents that the rotation shares with them."""
    summary: Summary = field(default_factory=Summary)
    """Empty where the ring could not be read."""
    ring: Ring | None = None
    """None where it was not looked at."""
    fences: Mapping[str, str] = field(default_factory=dict)
    deeds: Mapping[str, Deeds] = field(default_factory=dict)
    """What the next run has to know was done at the targets that were looked at, by label."""
    kind: str = ""
    """The credential kind, as in the policy; empty where the declaration could not be read."""
    every: timedelta = timedelta()
    since: datetime | None = None
    """Since when result and reason are the same; None: not recorded."""
    news: bool = True
    """Whether the run before ended otherwise."""

    def __post_init__(self) -> None:
        """Let no text that others wrote a part of break a line wherever it is shown."""
        object.__setattr__(self, "reason", printable(self.reason))
        object.__setattr__(self, "lasting", None if self.lasting is None else printable(self.lasting))
        object.__setattr__(self, "waiting_on", tuple(printable(name) for name in self.waiting_on))
        object.__setattr__(self, "beside", tuple(printable(said) for said in self.beside))
        object.__setattr__(self, "steps", tuple(printable(step) for step in self.steps))

    @property
    def stays(self) -> str:
        """The reason that holds until the next run."""
        return self.reason if self.lasting is None else self.lasting

    @property
    def last_result(self) -> Result:
        """The result of the last run that looked at it: where nothing was due, it still waits."""
        return Result.WAITING if self.result is Result.IDLE else self.result
