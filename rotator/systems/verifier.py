"""What is declared of everybody who accepts a credential."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from rotator.vocabulary.checks import Check
from rotator.vocabulary.credential import CredentialKind
from rotator.vocabulary.footprint import Home
from rotator.vocabulary.types import Model, seconds, to_camel


class VerifierKind(Model):
    """A kind of verifier: a document that verifiers read, or a provider that is changed by calls."""

    declared_as: ClassVar[str]
    """Its name among the verifiers of a declaration, in snake case."""
    suits: ClassVar[tuple[str, ...]]
    """The forms of credentials that it accepts (`CredentialKind.forms`)."""
    for_one: ClassVar[bool] = True
    """Whether a version is made for it alone, so that a rotation has at most one of these."""
    waits_at_first: ClassVar[bool] = False
    """Whether the first version waits for the lead too: verifiers may have what was there before it in a cache."""
    by_hand: ClassVar[bool] = False
    """Whether people install versions there."""
    checks: ClassVar[tuple[Check, ...]] = ()
    """What it asks of the rest of the declaration."""

    @classmethod
    def camel(cls) -> str:
        """Return its name as it stands in a declaration: `keycloakRealmKeys`."""
        return to_camel(cls.declared_as)

    def titles(self, home: Home) -> tuple[str, ...]:
        """Return the unique label of the document, or of each client or account there."""
        raise NotImplementedError

    def cache(self, *, restarted: bool) -> timedelta:
        """How long those behind it may go on with what they read; `restarted`: they read again when it changes."""
        raise NotImplementedError

    def lingers(self, *, restarted: bool) -> timedelta:
        """How long after a withdrawal it may still accept what was withdrawn, though it was seen to have been told.

        Those who are restarted are seen to have done so.
        """
        return timedelta() if restarted else self.cache(restarted=restarted) + self.travel

    @property
    def travel(self) -> timedelta:
        """From a change until all of it is as it was told."""
        raise NotImplementedError

    @classmethod
    def stale(cls) -> str:
        """Return, in CEL, the milliseconds for which the verifier `v` of this kind may have what was before."""
        raise NotImplementedError

    def one_slot_for(self, credential: CredentialKind) -> bool:
        """Whether it accepts one version at a time, so that every switch is an outage."""
        del credential
        return False


def needed(duration: str) -> str:
    """Return, in CEL, the milliseconds of a duration that adds to what is needed: halves are rounded down.

    `parse_duration` rounds them to the even number, so that a rule never asks for more than the check.
    """
    return f"int({seconds(duration)} * 1000.0 + 0.499)"


def milliseconds(duration: timedelta) -> int:
    """Return a duration as CEL counts it."""
    return duration // timedelta(milliseconds=1)
