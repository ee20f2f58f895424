"""How outcomes are shown: a table for people, JSON and YAML for programs. One shape of data behind all three."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from rotator.core.codec import instant
from rotator.core.timing import format_duration
from rotator.engine.outcome import Outcome

COLUMNS = ("ROTATION", "PHASE", "ACTIVE", "AGE", "RESULT", "NEXT", "REASON")
_SHORT_ID = 12


def rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return outcomes as JSON objects with stable keys. Instants are RFC 3339; absent values are null."""
    return [_row(o) for o in outcomes]


def _row(outcome: Outcome) -> dict[str, Any]:
    ring, summary = outcome.ring, outcome.summary
    return {
        "rotation": outcome.rotation,
        "result": str(outcome.result),
        "phase": summary.phase or None,
        "active": summary.active or None,
        "activeSince": instant(summary.active_since) if summary.active_since else None,
        "revision": summary.revision if summary.phase else None,
        "versions": [
            {"id": v.id, "number": v.number, "state": str(v.state), "weak": v.weak} for v in ring.versions
        ]
        if ring
        else [],
        "steps": list(outcome.steps),
        "reason": outcome.reason,
        "waitingOn": list(outcome.waiting_on),
        "next": instant(outcome.until) if outcome.until else None,
    }


def as_json(data: Any) -> str:
    """Write data for programs."""
    return json.dumps(data, indent=2)


def as_yaml(data: Any) -> str:
    """Write data for people who like YAML."""
    import yaml  # noqa: PLC0415 - only for this output

    return str(yaml.safe_dump(data, sort_keys=False)).rstrip()


def as_table(outcomes: Sequence[Outcome], now: datetime, *, steps: bool) -> str:
    """Write one line a rotation, and below it what was done or would be."""
    lines = [_cells(o, now) for o in outcomes]
    widths = [
        max(len(c), *(len(line[i]) for line in lines)) if lines else len(c) for i, c in enumerate(COLUMNS)
    ]
    out = [_line(COLUMNS, widths)]
    for outcome, cells in zip(outcomes, lines, strict=True):
        out.append(_line(cells, widths))
        out += [f"  - {step}" for step in outcome.steps] if steps else []
    return "\n".join(out)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)).rstrip()


def _cells(outcome: Outcome, now: datetime) -> tuple[str, ...]:
    summary = outcome.summary
    age = format_duration(_whole(now - summary.active_since)) if summary.active_since else "-"
    return (
        outcome.rotation,
        summary.phase or "-",
        summary.active[:_SHORT_ID] or "-",
        age,
        str(outcome.result),
        _when(outcome.until, now),
        f"{outcome.reason}{_weakness(outcome)}",
    )


def _weakness(outcome: Outcome) -> str:
    """Say that what is in use is weak, as long as it is."""
    active = outcome.ring.active if outcome.ring else None
    return f"; {active.id} is weak ({active.weak})" if active and active.weak else ""


def _when(until: datetime | None, now: datetime) -> str:
    if until is None:
        return "next run"
    return f"in {format_duration(_whole(until - now))}" if until > now else "now"


def _whole(length: timedelta) -> timedelta:
    return timedelta(seconds=max(0, int(length.total_seconds())))
