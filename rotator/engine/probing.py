"""A verifier that is only seen: it fetches by itself what another one publishes, and is asked whether it knows a version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.core.machine import Sighting
from rotator.ports import Clock, Copy, Deeds, Gateway, Want

SOON = timedelta(minutes=1)
"""For so long after a change a run stays and asks again."""


@dataclass
class Probing:
    """A gateway as a verifier."""

    gateway: Gateway
    clock: Clock
    times: int
    """How many answers in a row must agree: each thread of a proxy may have a cache of its own."""

    @property
    def name(self) -> str:
        """The gateway's name."""
        return self.gateway.name

    def sync(self, want: Want, *, act: bool, fresh: bool) -> Sighting:
        """Ask; see `rotator.ports.Party`.

        While the list is settled, one answer about the version in use is enough. After a change everything accepted has to be known,
        and what is withdrawn unknown, to every endpoint.
        """
        del fresh
        if not want.copies:
            return Sighting(name=self.name, confirmed=True)
        changed = want.settled < want.epoch
        if not act:
            waiting = "only a run asks it" if changed else ""
            return Sighting(name=self.name, confirmed=not changed, waiting=waiting)
        for copy in want.copies if changed else want.copies[-1:]:
            if held := self._unknown(want, copy, changed=changed):
                return held
        for copy in want.withdrawn:
            if held := self._known(want, copy):
                return held
        return Sighting(name=self.name, confirmed=True)

    def _unknown(self, want: Want, copy: Copy, *, changed: bool) -> Sighting | None:
        """Say who does not know a version that is accepted; None: nobody."""
        known = self.gateway.knows(copy, self.times if changed else 1)
        if not (known.not_by or known.waiting or known.failed):
            return None
        said = f"{copy.id} is not known to {_few(known.not_by)} yet"
        failed = known.failed
        if known.not_by and not changed:
            failed = f"{_few(known.not_by)} no longer knows {copy.id}, which is in use: its tokens are refused there"
        return self._held(known.waiting or said, failed, _since(want, copy, "staged_at"))

    def _known(self, want: Want, copy: Copy) -> Sighting | None:
        """Say who still knows a version that was withdrawn; None: nobody."""
        known = self.gateway.knows(copy, self.times)
        if not (known.by or known.waiting or known.failed):
            return None
        said = f"{copy.id} was withdrawn and is still known to {_few(known.by)}"
        return self._held(known.waiting or said, known.failed, _since(want, copy, "withdrawn_at"))

    def _held(self, waiting: str, failed: str, since: datetime | None) -> Sighting:
        soon = since is not None and self.clock.now() < since + SOON
        return Sighting(
            name=self.name, confirmed=False, waiting=waiting, failed=failed, soon=soon and not failed
        )

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


NAMED = 3
"""So many endpoints are named in a sentence."""


def _few(endpoints: Sequence[str]) -> str:
    more = len(endpoints) - NAMED
    return ", ".join(endpoints[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _since(want: Want, copy: Copy, name: str) -> datetime | None:
    found: datetime | None = next((getattr(v, name) for v in want.ring.versions if v.id == copy.id), None)
    return found
