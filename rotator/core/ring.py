"""The ring: the versions of one rotation, their states and the instants at which things happened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from rotator.core.request import Request


class State(StrEnum):
    """The state of a version; in brackets its name in NIST SP 800-57 part 1 rev. 5, section 7."""

    STAGED = "Staged"
    """Made and stored, nobody else knows it [pre-activation]."""
    PUBLISHED = "Published"
    """Every verifier accepts it, no holder uses it [pre-activation]."""
    ACTIVE = "Active"
    """The holders are to use it [active]."""
    RETIRING = "Retiring"
    """The holders are to leave it, it is still accepted until it is withdrawn [deactivated]."""
    DESTROYED = "Destroyed"
    """No verifier accepts it, the material is gone [destroyed]."""


LONGEST_ID = 512
"""Octets of a version's id: what Vault takes as one value of a path's custom metadata."""


def is_id(text: str) -> bool:
    """Whether `text` will do as the id of a version: it goes into tokens, annotations, logs and onto terminals."""
    return (
        0 < len(text.strip()) <= len(text.encode(errors="surrogatepass")) <= LONGEST_ID and text.isprintable()
    )


LIVE = frozenset({State.STAGED, State.PUBLISHED, State.ACTIVE, State.RETIRING})
"""The states in which a version may be accepted somewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a credential. It names the material, it never holds it.

    All instants are aware datetimes in UTC. The deadlines (`activate_after`, `converge_by`, `destroy_after`,
    `forgotten_by`) are absolute and are stored when a phase is entered (I7).
    """

    id: str
    """The `kid` (RFC 7638) of a signing key, a slow hash of a shared secret, or a hash of rotation and number."""
    number: int
    """1 for the first version of the rotation, then one more each time."""
    state: State
    reason: str
    """Why it was made, as one of the due reasons (`rotator.core.due`)."""
    spec: str
    """A fingerprint of the credential's parameters (algorithm, size) that it was made with."""
    staged_at: datetime
    published_at: datetime | None = None
    activate_after: datetime | None = None
    activated_at: datetime | None = None
    converge_by: datetime | None = None
    converged_at: datetime | None = None
    """When *all* holders were seen to have switched to it. Only this starts the retire clock (I2)."""
    destroy_after: datetime | None = None
    withdrawn_at: datetime | None = None
    """When it left the list of what is accepted: from then on the verifiers are told to forget it."""
    forgotten_by: datetime | None = None
    """When the last cache that was filled before the withdrawal has run out."""
    proven_at: datetime | None = None
    """When no verifier was seen to accept it any more; the material leaves the store in the same write."""
    destroyed_at: datetime | None = None
    weak: str | None = None
    """Why it was taken over though nobody should use it any longer; None: it is as strong as it has to be."""

    @property
    def retire_at(self) -> datetime | None:
        """When it is to be withdrawn, or has left all caches once it is; None: it is proven dead, or its successor has not converged."""
        return None if self.proven_at else self.forgotten_by or self.destroy_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """The versions of one rotation in the order of their numbers, and a revision that only grows.

    What every verifier must accept and every holder must hold is a function of the ring alone, so each change of
    it is a recorded revision, and that revision fences each write (I5).
    """

    rotation: str
    """`namespace/name`."""
    revision: int = 0
    versions: tuple[Version, ...] = ()
    acceptance_revision: int = 0
    """The revision at which the list of accepted versions last changed."""
    acceptance_confirmed: int = 0
    """The revision at which every verifier was last recorded to show it."""
    holding_revision: int = 0
    """The revision at which a version was last made active."""
    holding_confirmed: int = 0
    """The revision at which all holders were last recorded to have switched."""
    requests: tuple[Request, ...] = ()
    """What was asked for and honoured already."""

    def in_state(self, *states: State) -> Version | None:
        """Return the newest version in one of `states`, or None."""
        return next((v for v in reversed(self.versions) if v.state in states), None)

    @property
    def active(self) -> Version | None:
        """The version the holders are to use."""
        return self.in_state(State.ACTIVE)

    @property
    def candidate(self) -> Version | None:
        """The version on its way to activation."""
        return self.in_state(State.STAGED, State.PUBLISHED)

    @property
    def retiring(self) -> Version | None:
        """The version on its way out."""
        return self.in_state(State.RETIRING)

    @property
    def live(self) -> tuple[Version, ...]:
        """The versions that are not destroyed, oldest first."""
        return tuple(v for v in self.versions if v.state in LIVE)

    @property
    def accepted(self) -> tuple[str, ...]:
        """The ids that every verifier must accept: all that live and are not withdrawn, oldest first."""
        return tuple(v.id for v in self.live if v.withdrawn_at is None)

    @property
    def held(self) -> tuple[str, ...]:
        """The ids that holders are handed: the active one, then the previous one while it is accepted."""
        previous = self.retiring if self.retiring and not self.retiring.withdrawn_at else None
        return tuple(v.id for v in (self.active, previous) if v)

    def with_version(self, version: Version) -> Ring:
        """Return this ring with the version of the same number replaced, or `version` appended."""
        others = [v for v in self.versions if v.number != version.number]
        return replace(self, versions=tuple(sorted([*others, version], key=lambda v: v.number)))


class Phase(StrEnum):
    """Where a rotation stands, in one word for people."""

    NEW = "New"
    STABLE = "Stable"
    PUBLISHING = "Publishing"
    LEAD = "Lead"
    SWITCHING = "Switching"
    OVERLAP = "Overlap"
    WITHDRAWING = "Withdrawing"


AT_REST = {Phase.NEW, Phase.STABLE}
"""Phases in which no rotation is under way."""


def phase(ring: Ring) -> Phase:
    """Name the phase that `ring` is in, from its states alone."""
    if candidate := ring.candidate:
        return Phase.PUBLISHING if candidate.state is State.STAGED else Phase.LEAD
    if not ring.active:
        return Phase.NEW
    if not ring.active.converged_at:
        return Phase.SWITCHING
    if retiring := ring.retiring:
        return Phase.WITHDRAWING if retiring.withdrawn_at else Phase.OVERLAP
    return Phase.STABLE
