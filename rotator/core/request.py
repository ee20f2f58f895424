"""What people and programs ask of a rotation, as a value: the same from a command line, a Job, an annotation."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Verb(StrEnum):
    """What can be asked for."""

    ROTATE = "rotate"
    """Make the next version now, on the safe path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One thing that was asked for. It is honoured at most once per verb, version and reason, whoever asks."""

    reason: str
    """Why, in the words of whoever asks."""
    verb: str = Verb.ROTATE
    """What for; a ring may name verbs of a later rotator."""
    version: str | None = None
    """The id of the version that it is about, where it is about one."""
    by: str = field(default="", compare=False)
    """Who asked: the run that was started for it, or the annotation. Empty: it was not recorded."""

    @property
    def key(self) -> str:
        """A text that is the same for what is honoured once; for `rotate` the reason alone, as it was before there were verbs."""
        return (
            self.reason if self.verb == Verb.ROTATE else f"\t{self.verb}\t{self.version or ''}\t{self.reason}"
        )
