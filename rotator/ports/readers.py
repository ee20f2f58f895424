"""Those who read a document: whether what they have is what it holds now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from rotator.core.machine import Sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a document holds now, for those who read it."""

    value: str
    """Stands for it; what was restarted for it carries this."""
    since: datetime
    """When it was written, by the writer's clock."""
    fields: frozenset[str]
    """The fields of the document that are ours."""
    older: bool
    """Whether somebody may have a copy of an older one."""
    key: str = ""
    """The field whose name stands for it (`rotator.core.fence`); empty: there is none."""
    files: frozenset[str] = frozenset()
    """The other fields that are there, and stay there as long as this content does."""
    alone: bool = False
    """Whether the document holds these and nothing else."""
    restarts: Mapping[str, str] = field(default_factory=dict)
    """What earlier runs have restarted, as `Readers.restarts` said it then: it is not done again."""


class Readers(Protocol):
    """All who read one document, as far as their platform knows them: it restarts them, or only looks at them."""

    @property
    def is_fenced(self) -> bool:
        """Whether they refer to each new content by the name of a field (`rotator.core.fence`), which so has to be written."""
        ...

    @property
    def restarts(self) -> Mapping[str, str]:
        """What was restarted, with the value of the content that it was restarted for."""
        ...

    def sync(self, seen: Sighting, content: Content, *, act: bool, fresh: bool) -> Sighting:
        """See whether all of them have `content`, and restart (only if `act`) who has not and is to be restarted.

        `seen.since` is when the content was there for certain. Returns `seen`, with what is waited for as long as it is not so; of a
        plan, with what would be done and what is believed. `fresh` asks for a new look. Raises Superseded where a
        later run has restarted them, Frozen where a person must decide.
        """
        ...
