"""What is declared of verifiers that read a document."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from rotator.ports import Credential, Render
from rotator.systems.verifier import VerifierKind, milliseconds, needed
from rotator.vocabulary.footprint import Home
from rotator.vocabulary.places import FETCHED, MOUNTED, Published

UNKNOWN = timedelta(hours=24)
"""How long verifiers that nobody has looked into may cache what they read."""


class Document(Published, VerifierKind):
    """A document that verifiers read, which rotator delivers."""

    for_one: ClassVar[bool] = False
    seen: ClassVar[bool] = False
    """Whether what is accepted there is seen, so that nothing has to be waited for unless it is said."""

    def render(self, credential: Credential) -> Render:
        """Return what says what the document is to hold."""
        raise NotImplementedError

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
