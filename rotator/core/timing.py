"""The sums behind the windows of a rotation. Computed and checked, never guessed.

lead    >= max over verifiers (cache lifetime + propagation) + clock skew
overlap >= longest token or session lifetime + clock skew, counted from the last holder's convergence
every   >  lead + overlap
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|[dhms]))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[dhms])")
LONGEST = timedelta(days=36500)
"""Longer durations are refused: instants that far away cannot be written down."""
REMEMBERED = 1024
"""So many durations are read and written once: the same few stand in thousands of declarations."""


def parse_duration(text: str) -> timedelta:
    """Read a duration such as `30d`, `1h30m`, `90s` or `500ms`, to the millisecond.

    Raises ValueError, naming the form expected, for anything else.
    """
    if not _DURATION.fullmatch(text):
        raise ValueError(
            f"{text!r} is no duration: expected numbers with units d, h, m, s or ms, as 30d or 1h30m"
        )
    seconds = sum(float(n) * _UNITS[unit] for n, unit in _PART.findall(text))
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"too long: expected at most {format_duration(LONGEST)}")
    return timedelta(milliseconds=round(seconds * 1000))


@lru_cache(REMEMBERED)
def format_duration(duration: timedelta) -> str:
    """Write a duration the way `parse_duration` reads it, to the millisecond, largest units first."""
    rest = max(0, round(duration / timedelta(milliseconds=1)))
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


@dataclass(frozen=True, slots=True)
class Sum:
    """A duration and the terms that make it, so that a refusal can write the sum out."""

    terms: tuple[tuple[str, timedelta], ...]

    @property
    def total(self) -> timedelta:
        """The terms added up."""
        return sum((length for _, length in self.terms), timedelta())

    def __str__(self) -> str:
        """Write the sum out, as `5m (cache of jwks a) + 60s (clock skew) = 6m`."""
        terms = " + ".join(f"{format_duration(length)} ({name})" for name, length in self.terms)
        return f"{terms} = {format_duration(self.total)}"


@dataclass(frozen=True, slots=True)
class Staleness:
    """How long after a write one verifier may still work with what was there before."""

    verifier: str
    cache: timedelta
    propagation: timedelta

    @property
    def total(self) -> timedelta:
        """Cache lifetime and propagation together."""
        return self.cache + self.propagation


def least_lead(verifiers: Iterable[Staleness], clock_skew: timedelta) -> Sum:
    """Return the least time between publication and activation: the slowest verifier and the clock skew."""
    slowest = max(verifiers, key=lambda v: v.total, default=None)
    terms = [("clock skew", clock_skew)]
    if slowest:
        terms = [
            (f"cache of {slowest.verifier}", slowest.cache),
            (f"propagation to {slowest.verifier}", slowest.propagation),
            *terms,
        ]
    return Sum(tuple(terms))


def least_overlap(longest_token: timedelta, clock_skew: timedelta) -> Sum:
    """Return the least time from the convergence of the last holder to the withdrawal of the old version."""
    return Sum((("longest token or session lifetime", longest_token), ("clock skew", clock_skew)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The windows of one rotation, ready for the machine."""

    every: timedelta
    lead: timedelta
    overlap: timedelta
    converge: timedelta
    """How long the holders may take to switch before the rotation freezes."""
    first_lead: bool = False
    """Whether the first version waits for the lead too, though no verifier can have a stale cache."""
    forget: timedelta = timedelta()
    """How long after its withdrawal a version may be accepted from a cache, or by a proxy on a connection that was open."""
