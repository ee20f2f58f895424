"""What metrics are made from: plain figures, so that telemetry knows nothing of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationFigures:
    """Where one rotation stands. All instants are aware; None stands for unknown, and makes no sample."""

    namespace: str
    name: str
    type: str
    """The credential kind as it is declared, such as jwtSigningKey."""
    phase: str = ""
    """A `rotator.core.ring.Phase`; empty where the ring was never seen."""
    result: str = ""
    """How the last run ended for it; empty where no run looked at it yet."""
    revision: int = 0
    accepted_versions: int = 0
    """How many versions the verifiers are to accept now."""
    active_since: datetime | None = None
    period: timedelta
    """The declared `every`; zero stands for unknown."""
    next: datetime | None = None
    """When something is to be done next; None: it is looked at in each run."""
    frozen: bool = False
    result_since: datetime | None = None
    """Since when result and reason are what they are."""
    retire_at: datetime | None = None
    """When the old version stops being accepted; None once it is no longer accepted, or while that is unknown."""
    lease_held: bool = False
    lease_acquired: datetime | None = None
    """When the run that holds the lease took it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """What one run did."""

    ended: datetime
    duration: timedelta
    exit_code: int
    requests: Mapping[tuple[str, str, int], int] = field(default_factory=dict)
    """Requests by system, method and status code; code 0 stands for no answer."""
    steps: Mapping[str, int] = field(default_factory=dict)
    """Recorded steps by `rotator.core.machine.Step`."""
    results: Mapping[str, int] = field(default_factory=dict)
    """Rotations by how the run ended for them."""
    skew: Mapping[str, timedelta] = field(default_factory=dict)
    """By system, how far its clock is ahead of ours; below zero where ours is ahead."""
