"""Confirmation by whoever installs a version by hand, or by a webhook: where no API is known, and no login can show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rotator.core.machine import Sighting
from rotator.ports import Copy, Deeds, Want


@dataclass
class Confirmation:
    """A verifier that is as it says it is."""

    name: str
    said: Callable[[], frozenset[str]]
    """Returns the ids that are accepted now, as whoever installs them has said."""
    how: str
    """How to say it, for people; `{ids}` stands for what is to be said."""

    def sync(self, want: Want, *, act: bool, fresh: bool) -> Sighting:
        """Look what was said; see `rotator.ports.Party`."""
        del act, fresh  # it is only ever looked at
        wanted = [copy.id for copy in want.copies]
        if self.said() == frozenset(wanted):
            return Sighting(name=self.name, confirmed=True)
        waiting = f"install exactly {', '.join(wanted)}, then say so: {self.how.format(ids=','.join(wanted))}"
        return Sighting(name=self.name, confirmed=False, waiting=waiting)

    def fences(self) -> Mapping[str, str]:
        """Return nothing: nothing is kept."""
        return {}

    def deeds(self) -> Mapping[str, Deeds]:
        """Return nothing: nothing is done."""
        return {}

    def check_free(self, rotation: str) -> None:
        """Nothing can be in the way; see `rotator.ports.Party`."""

    def check_first(self, want: Want) -> None:
        """Nothing is delivered; see `rotator.ports.Party`."""

    def check_next(self, *, adopted: bool) -> None:
        """Nothing is delivered; see `rotator.ports.Party`."""

    def remove(
        self, rotation: str, live: Callable[[], Sequence[Copy]], guard: Callable[[], None]
    ) -> tuple[str, ...]:
        """Nothing was delivered; see `rotator.ports.Party`."""
        del rotation, live, guard
        return ()
