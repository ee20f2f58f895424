"""The picture of what happened: one bar a version, all on one time axis. Pure functions over rings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean

from rotator.core.ring import Ring, Version

STAGED, PUBLISHED, ACTIVE, RETIRING, DESTROYED, NOTHING = ".", "░", "█", "▒", "x", " "
LEGEND: Mapping[str, str] = {
    STAGED: "staged",
    PUBLISHED: "accepted, not yet used",
    ACTIVE: "in use",
    RETIRING: "still accepted",
    DESTROYED: "destroyed",
}
PHASES = ("publishing", "lead", "switching", "overlap", "withdrawing")
TICK = 10
"""Seconds between two marks of the axis."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One version's line in the picture."""

    rotation: str
    number: int
    cells: str


@dataclass(frozen=True, slots=True)
class Span:
    """What the picture shows: from when, how long, how wide."""

    start: datetime
    length: timedelta
    width: int

    def at(self, cell: int) -> datetime:
        """Return the instant in the middle of a cell."""
        return self.start + self.length * ((cell + 0.5) / self.width)

    def cell(self, moment: datetime) -> int:
        """Return the cell that `moment` is in."""
        return min(self.width - 1, int((moment - self.start) / self.length * self.width))


def bars(rings: Mapping[str, Ring], span: Span, now: datetime) -> list[Bar]:
    """Return the bars of all versions, rotation by rotation, oldest first."""
    return [
        Bar(rotation, version.number, _cells(version, _successor(ring, version), span, now))
        for rotation, ring in rings.items()
        for version in ring.versions
    ]


def _successor(ring: Ring, version: Version) -> Version | None:
    return next((v for v in ring.versions if v.number > version.number and v.activated_at), None)


def _cells(version: Version, successor: Version | None, span: Span, now: datetime) -> str:
    cells = [
        _state(version, successor, span.at(i)) if span.at(i) <= now else NOTHING for i in range(span.width)
    ]
    if version.destroyed_at and version.destroyed_at <= now:
        cells[span.cell(version.destroyed_at)] = DESTROYED
    return "".join(cells)


def _state(version: Version, successor: Version | None, moment: datetime) -> str:
    passed = (
        (version.destroyed_at, NOTHING),
        (successor.activated_at if successor else None, RETIRING),
        (version.activated_at, ACTIVE),
        (version.published_at, PUBLISHED),
        (version.staged_at, STAGED),
    )
    return next((mark for instant, mark in passed if instant and instant <= moment), NOTHING)


def axis(span: Span) -> str:
    """Return the axis: a mark every TICK seconds."""
    line = [NOTHING] * span.width
    for second in range(0, int(span.length.total_seconds()) + 1, TICK):
        label = f"{second}s"
        cell = int(second / span.length.total_seconds() * span.width)
        if cell + len(label) <= span.width:
            line[cell : cell + len(label)] = label
    return "".join(line)


def phases(rings: Mapping[str, Ring]) -> dict[str, float]:
    """Return how many seconds each phase took, on the average over all versions that went through it."""
    taken: dict[str, list[float]] = {}
    for ring in rings.values():
        for phase, length in _phases(ring):
            taken.setdefault(phase, []).append(length.total_seconds())
    return {phase: round(fmean(taken[phase]), 2) for phase in PHASES if phase in taken}


def _phases(ring: Ring) -> Iterator[tuple[str, timedelta]]:
    for before, version in zip((None, *ring.versions), ring.versions, strict=False):
        instants = (
            ("publishing", version.staged_at, version.published_at),
            ("lead", version.published_at if before else None, version.activated_at),
            ("switching", version.activated_at, version.converged_at),
            ("overlap", version.converged_at, before.withdrawn_at if before else None),
            ("withdrawing", version.withdrawn_at, version.destroyed_at),
        )
        yield from ((phase, end - start) for phase, start, end in instants if start and end)
