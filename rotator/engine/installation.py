"""Installation of versions at a provider: read what is there, make one call, and read again.

A provider has no fence (I5). So before every call the state is read and then the lease is renewed: a run that was overtaken
before it looked stops, and never takes the other run's work for its own. Nothing is concluded from an answer that can be
read back (I6), and each call is harmless when it comes late or twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rotator.core.machine import Sighting
from rotator.engine.rotation import MOST_CALLS
from rotator.errors import Ambiguous, Conflict, Frozen, NotFound
from rotator.ports import Aim, Blocked, Copy, Deeds, Learned, Provider, Want

SEEN = "seen"
"""Stands for the fence of a provider: no list shows whether somebody changed it."""


@dataclass
class Installation:
    """A verifier that is a provider."""

    provider: Provider
    offer: Callable[[Sequence[Copy]], None] = field(default=lambda _: None)
    """Told, before each look, which versions there are in order of trust: for one that lets itself in by them."""
    one_slot: bool = False
    """Whether the provider accepts one version at a time: then only the newest is asked for."""
    _looked: bool = False

    @property
    def name(self) -> str:
        """The provider's label."""
        return self.provider.label

    def sync(self, want: Want, *, act: bool, fresh: bool) -> Sighting:
        """Look, and make at most one call; see `rotator.ports.Party`. `again`: there may be more to do."""
        del fresh
        if not want.copies:
            raise Frozen(f"{self.name} would be left without any version; nothing was changed there")
        self.offer(_by_trust(want))
        answer = self.provider.next_call(self._aim(want))
        self._looked = True
        if answer is None:
            return Sighting(name=self.name, confirmed=True)
        if isinstance(answer, Blocked):
            return Sighting(name=self.name, confirmed=False, waiting=answer.waiting, until=answer.until)
        if not act:
            waiting = "what comes next depends on its answer"
            return Sighting(name=self.name, confirmed=False, waiting=waiting, changes=(answer.does,))
        want.guard()
        try:
            learned: Learned = answer.run()
        except (Ambiguous, Conflict, NotFound) as error:
            return Sighting(name=self.name, confirmed=False, waiting=str(error), again=True)
        return Sighting(
            name=self.name,
            confirmed=False,
            waiting=f"{answer.does}: not read back yet",
            again=True,
            changes=(answer.does,),
            learned=learned,
        )

    def fences(self) -> Mapping[str, str]:
        """Return a mark that says that it was looked at: a provider has no fence."""
        return {self.name: SEEN if self._looked else ""}

    def deeds(self) -> Mapping[str, Deeds]:
        """Return nothing: what was done is seen at the provider."""
        return {}

    def check_free(self, rotation: str) -> None:
        """Look whether the first version can be installed; see `rotator.ports.Party`."""
        self.provider.check_free(rotation)

    def check_first(self, want: Want) -> None:
        """A provider is asked for the value itself; see `rotator.ports.Party`."""

    def check_next(self, *, adopted: bool) -> None:
        """What a provider cannot take it says when it is asked; see `rotator.ports.Party`."""

    def remove(
        self, rotation: str, live: Callable[[], Sequence[Copy]], guard: Callable[[], None]
    ) -> tuple[str, ...]:
        """Withdraw all versions of `rotation`; see `rotator.ports.Party`."""
        copies = tuple(live())
        if not copies:
            return ()
        self.offer(copies)
        known = frozenset(copy.id for copy in copies)
        aim = Aim(rotation=rotation, accept=(), forget=copies, known=known, settled=False)
        done: list[str] = []
        for _ in range(MOST_CALLS):
            answer = self.provider.next_call(aim)
            if answer is None:
                return tuple(done)
            if isinstance(answer, Blocked):
                raise Frozen(f"{self.name}: {answer.waiting}")
            guard()
            try:
                answer.run()
            except (Ambiguous, Conflict, NotFound):
                continue
            done.append(answer.does)
        raise Frozen(
            f"{self.name} still accepts a version after {MOST_CALLS} calls: somebody else changes it all the time"
        )

    def _aim(self, want: Want) -> Aim:
        newest = -1 if self.one_slot else 0
        return Aim(
            rotation=want.ring.rotation,
            accept=want.copies[newest:],
            forget=(*want.copies[:newest], *want.withdrawn),
            known=frozenset(v.id for v in want.ring.versions),
            settled=want.drift,
        )


def _by_trust(want: Want) -> tuple[Copy, ...]:
    """Return all versions with their material, that first which the holders use."""
    active = want.ring.active
    return tuple(sorted((*want.copies, *want.withdrawn), key=lambda c: active is None or c.id != active.id))
