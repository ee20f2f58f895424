"""What goes on for weeks must not end by one defect: it is logged by its name, for its text may hold too much."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import TracebackType
from typing import Self

log = logging.getLogger("rotator")


@dataclass(slots=True)
class Contained:
    """A block that ends early by whatever is raised in it, and no more than that ends."""

    what: str
    """What goes wrong then, as `a look at what is served`."""
    name: str = ""
    """Afterwards: the name of what was raised; empty: nothing."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Contain every exception; what asks the process to end goes on."""
        del trace
        if kind is None or not isinstance(error, Exception):
            return False
        self.name = kind.__name__
        log.error("a defect of rotator", extra={"where": self.what, "reason": self.name})
        return True
