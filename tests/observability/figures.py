"""Figures for tests of metrics, in as few words as possible."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.telemetry.figures import RotationFigures, RunFigures

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def rotation(name: str = "jwt", **changes: Any) -> RotationFigures:
    """Return a healthy rotation that waits for its next version."""
    values: dict[str, Any] = {
        "namespace": "payments",
        "name": name,
        "type": "jwtSigningKey",
        "phase": "Stable",
        "result": "Waiting",
        "revision": 10,
        "accepted_versions": 1,
        "active_since": NOW - 24 * HOUR,
        "period": 720 * HOUR,
        "next": NOW + 696 * HOUR,
        "result_since": NOW - 20 * HOUR,
    }
    return RotationFigures(**(values | changes))


def run(**changes: Any) -> RunFigures:
    """Return a run that went well."""
    values: dict[str, Any] = {
        "ended": NOW,
        "duration": timedelta(seconds=2.5),
        "exit_code": 0,
        "requests": {("kubernetes", "GET", 200): 3, ("vault", "POST", 0): 1},
        "steps": {"stage": 1},
        "results": {"Waiting": 2},
        "skew": {"kubernetes": timedelta(seconds=-0.25)},
    }
    return RunFigures(**(values | changes))
