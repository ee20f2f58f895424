"""What is declared of verifiers that read a document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import ClassVar

from rotator.ports import Clock, Credential, Render, Target
from rotator.systems.part import Shareable
from rotator.systems.served import Served
from rotator.systems.verifier import VerifierKind, milliseconds, needed
from rotator.vocabulary.footprint import Home, Touch, Use
from rotator.vocabulary.places import FETCHED, MOUNTED, Published, delivered

UNKNOWN = timedelta(hours=24)
"""How long verifiers that nobody has looked into may cache what they read."""


Delivered = tuple[Target, Render, Callable[[], str]]
"""What is the rotation's of a document, what says what that is to hold, and what says what others have there."""


class Document(Published, VerifierKind):
    """A document that verifiers read, which rotator delivers."""

    for_one: ClassVar[bool] = False
    seen: ClassVar[bool] = False
    """Whether what is accepted there is seen, so that nothing has to be waited for unless it is said."""

    def render(self, credential: Credential) -> Render:
        """Return what says what the document is to hold."""
        raise NotImplementedError

    @property
    def is_shared(self) -> bool:
        """Whether other rotations deliver to the document too."""
        return False

    def part(self, document: Shareable, credential: Credential, clock: Clock) -> Delivered:
        """Return what of the document is the rotation's."""
        del clock
        return document, self.render(credential), str

    def touches(self, home: Home) -> Iterator[Touch]:
        """It is delivered."""
        yield from delivered(self.place(home), Use.SHARED if self.is_shared else Use.DELIVERED)

    @property
    def serving(self) -> Served | None:
        """How `rotator serve` answers with it; None: it does not."""
        return None

    def titles(self, home: Home) -> tuple[str, ...]:
        """Return the label of the document."""
        return (self.place(home).label,)

    def cache(self, *, restarted: bool) -> timedelta:
        """How long a verifier may cache what it read."""
        if self.max_age is None:
            return timedelta() if restarted or self.seen else UNKNOWN
        return self.max_age

    @property
    def travel(self) -> timedelta:
        """The propagation that counts."""
        if self.propagation is not None:
            return self.propagation
        return FETCHED if self.vault else MOUNTED

    @classmethod
    def stale(cls) -> str:
        """Return, in CEL, the milliseconds for which a verifier may have what was there before."""
        at = f"v.{cls.camel()}"
        unsaid = "0" if cls.seen else f"has(v.restart) ? 0 : {milliseconds(UNKNOWN)}"
        cache = f"has({at}.maxAge) ? {needed(f'{at}.maxAge')} : {unsaid}"
        default = f"has({at}.vault) ? {milliseconds(FETCHED)} : {milliseconds(MOUNTED)}"
        travel = f"has({at}.propagation) ? {needed(f'{at}.propagation')} : {default}"
        return f"({cache}) + ({travel})"
