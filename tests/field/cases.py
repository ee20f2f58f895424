"""What a case is, and all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.field.place import Place

Act = Callable[[Place], None]


@dataclass(frozen=True)
class Case:
    """One thing that people meet: the function declares, makes the world, and says what is right."""

    name: str
    act: Act

    @property
    def right(self) -> str:
        """The right outcome in one sentence."""
        return (self.act.__doc__ or "").splitlines()[0]


CASES: list[Case] = []


def case(name: str) -> Callable[[Act], Act]:
    """Add a case under the name that rows and `--only` know it by."""

    def added(act: Act) -> Act:
        CASES.append(Case(name, act))
        return act

    return added
