"""What a provider noted with a version, and reads again in a later run: somebody may have changed the store meanwhile."""

from __future__ import annotations

from typing import TypeVar

from rotator.core.shapes import Shape
from rotator.errors import Frozen
from rotator.ports import Copy

T = TypeVar("T")


def noted(copy: Copy, name: str, shape: Shape[T]) -> T:
    """Return a note. Raises Frozen where it is none that rotator wrote; never quotes it."""
    try:
        return shape(copy.material[name].reveal())
    except ValueError as error:
        raise Frozen(
            f"the note {name} of the version {copy.id} cannot be read: {error}. Somebody changed it in the store. Nothing "
            "was changed; restore the latest ring"
        ) from None
