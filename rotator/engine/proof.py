"""Proof by login: the new version is accepted before anybody is handed it, the old one is refused after it.

The old one is tried only once it was withdrawn, and each try is followed by a login with the active one: what counts
failures in a row, to lock an account, never counts far.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.core.machine import Sighting
from rotator.core.timing import format_duration
from rotator.ports import Clock, Copy, Deeds, Login, Want

SETTLES = timedelta(minutes=1)
"""For so long after a change a run stays and asks again: providers have caches."""
PATIENCE = timedelta(minutes=10)
"""A provider that still shows the old state so long after a change is a case for people."""


@dataclass
class Proof:
    """A verifier that is asked by logging in."""

    login: Login
    clock: Clock
    times: int
    """How many logins in a row must agree: what answers is often several nodes, each with a cache."""
    patience: timedelta | None = PATIENCE
    """None: whoever installs the version takes all the time there is."""

    @property
    def name(self) -> str:
        """The login's name."""
        return self.login.name

    def sync(self, want: Want, *, act: bool, fresh: bool) -> Sighting:
        """Log in; see `rotator.ports.Party`."""
        del fresh
        if not want.copies:
            return Sighting(name=self.name, confirmed=True)
        newest = want.copies[-1]
        unproven = want.settled < want.epoch
        if not act:
            waiting = f"only a run logs in, and it goes on once {newest.id} is accepted" if unproven else ""
            return Sighting(name=self.name, confirmed=not unproven, waiting=waiting)
        for attempt in range(1, (self.times if unproven else 1) + 1):
            if not self.login.accepted(newest):
                return self._refused(want, newest, f"login {attempt} with {newest.id} was refused")
        return self._dead(want, newest)

    def fences(self) -> Mapping[str, str]:
        """Return nothing: nothing is kept."""
        return {}

    def deeds(self) -> Mapping[str, Deeds]:
        """Return nothing: nothing is done."""
        return {}

    def check_free(self, rotation: str) -> None:
        """Nothing can be in the way of a login; see `rotator.ports.Party`."""

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

    def _dead(self, want: Want, active: Copy) -> Sighting:
        for old in want.withdrawn:
            for _ in range(self.times):
                accepted = self.login.accepted(old)
                if accepted and self.login.stir(active):
                    accepted = self.login.accepted(old)
                works = self.login.accepted(active)
                if accepted:
                    since = next((v.withdrawn_at for v in want.ring.versions if v.id == old.id), None)
                    return self._waiting(since, f"{old.id} was withdrawn and is still accepted")
                if not works:
                    return Sighting(
                        name=self.name,
                        confirmed=False,
                        failed=f"{old.id} is refused, and so is {active.id}, which is in use: that proves nothing",
                    )
        return Sighting(name=self.name, confirmed=True)

    def _refused(self, want: Want, copy: Copy, said: str) -> Sighting:
        version = next(v for v in want.ring.versions if v.id == copy.id)
        if version.published_at:
            return Sighting(name=self.name, confirmed=False, failed=f"{said}, and it was accepted before")
        return self._waiting(version.staged_at, said)

    def _waiting(self, since: datetime | None, said: str) -> Sighting:
        age = self.clock.now() - since if since else timedelta()
        if self.patience is not None and age > self.patience:
            failed = f"{said}, {format_duration(age)} after the change; it is tried again in every run"
            return Sighting(name=self.name, confirmed=False, failed=failed)
        return Sighting(name=self.name, confirmed=False, waiting=said, soon=age < SETTLES)
