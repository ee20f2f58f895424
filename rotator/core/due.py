"""Why a new version is due: a chain of small functions, each with a reason a machine can read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rotator.core.request import Request
from rotator.core.ring import Ring
from rotator.core.timing import Windows, format_duration


class Reason(StrEnum):
    """Why a version is made. Stable names: they are stored, logged and shown."""

    FIRST = "First"
    TAKEN_OVER = "TakenOver"
    REQUESTED = "Requested"
    WEAK = "Weak"
    SPEC_CHANGED = "SpecChanged"
    AGE = "Age"


LONGEST = 128
"""Characters of a reason that somebody gives."""


def is_reason(text: str) -> bool:
    """Whether `text` will do as a reason for a requested rotation: short, printable, and not blank."""
    return 0 < len(text.strip()) <= len(text) <= LONGEST and text.isprintable()


@dataclass(frozen=True, slots=True)
class Due:
    """A reason for a new version, and the sentence that explains it."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """All that the chain looks at."""

    ring: Ring
    windows: Windows
    spec: str
    request: Request | None
    now: datetime


def no_version(q: Question) -> Due | None:
    """There is no version at all."""
    return None if q.ring.versions else Due(Reason.FIRST, "there is no version yet")


def requested(q: Question) -> Due | None:
    """Somebody asked, with a reason that was not honoured before."""
    if q.request is None or q.request in q.ring.requests:
        return None
    return Due(Reason.REQUESTED, f"requested: {q.request.reason}")


def weak(q: Question) -> Due | None:
    """The active version was taken over though it is weak: it is replaced at once."""
    active = q.ring.active
    return Due(Reason.WEAK, f"{active.id} is weak: {active.weak}") if active and active.weak else None


def spec_changed(q: Question) -> Due | None:
    """The policy asks for another algorithm or size than the active version was made with."""
    active = q.ring.active
    if active is None or active.spec == q.spec:
        return None
    return Due(Reason.SPEC_CHANGED, f"the policy asks for {q.spec}, the active version is {active.spec}")


def too_old(q: Question) -> Due | None:
    """The active version has been active for the whole period."""
    active = q.ring.active
    if active is None or active.activated_at is None or q.now < active.activated_at + q.windows.every:
        return None
    age = format_duration(q.now - active.activated_at)
    return Due(
        Reason.AGE, f"the active version is {age} old, the period is {format_duration(q.windows.every)}"
    )


CHAIN: tuple[Callable[[Question], Due | None], ...] = (no_version, requested, weak, spec_changed, too_old)
"""The reasons, asked in this order; the first answer counts."""


def due(question: Question) -> Due | None:
    """Return the first reason for which a new version is due now, or None."""
    return next((answer for ask in CHAIN if (answer := ask(question))), None)


def next_due(ring: Ring, windows: Windows) -> datetime | None:
    """Return when the active version's period ends, or None where none is active."""
    active = ring.active
    return active.activated_at + windows.every if active and active.activated_at else None
