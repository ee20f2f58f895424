"""How outcomes are shown: a table for people, JSON and YAML for programs. One shape of data behind all three."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rotator.core.codec import instant
from rotator.core.timing import format_duration
from rotator.engine.outcome import Outcome, Result
from rotator.errors import HELD
from rotator.late import Late
from rotator.run.request import Mode

if TYPE_CHECKING:
    import yaml

    from rotator.engine.fleet import Report
    from rotator.policy.model import RotationPolicy
    from rotator.run import report as runs
else:
    yaml = Late("yaml")

COLUMNS = ("ROTATION", "PHASE", "ACTIVE", "AGE", "RESULT", "NEXT", "REASON")
_SHORT_ID = 12


def text(done: Report, output: str, *, steps: bool) -> str:
    """Write what became of each rotation; ages are counted to the end of the run, by the API server's time."""
    if output == "table":
        return as_table(done.outcomes, done.ended, steps=steps)
    return _as_data(rows(done.outcomes), output)


def advice(done: runs.Report, mode: Mode) -> str:
    """Say what exit code 3 means, for to Kubernetes a Job that ends with it has failed; empty where it is another."""
    if done.exit_code != HELD:
        return ""
    if mode is Mode.LEAVE:
        return f"not done yet, call it again: {', '.join(done.undone)}"
    if held := [o.rotation for o in done.outcomes if o.result is Result.HELD]:
        return f"another run is at work on {', '.join(held)} and does what is due there: nothing to do (exit {HELD})"
    return f"not begun yet, ask again: {', '.join(done.undone)}"


def checks(policies: Sequence[RotationPolicy], output: str) -> Iterator[str]:
    """Write the windows of good policies, and what they are made of."""
    found = [
        {
            "rotation": p.ref,
            "every": format_duration(p.spec.every),
            "lead": format_duration(p.lead),
            "leastLead": str(p.least_lead),
            "overlap": str(p.overlap),
        }
        for p in policies
    ]
    if output != "table":
        yield _as_data(found, output)
        return
    for row in found:
        yield f"{row['rotation']}: good; every {row['every']}"
        yield f"  lead    {row['lead']}, at least {row['leastLead']}"
        yield f"  overlap {row['overlap']}"


def _as_data(data: Any, output: str) -> str:
    return as_json(data) if output == "json" else as_yaml(data)


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
        "beside": list(outcome.beside),
        "next": instant(outcome.until) if outcome.until else None,
    }


def as_json(data: Any) -> str:
    """Write data for programs."""
    return json.dumps(data, indent=2)


def as_yaml(data: Any) -> str:
    """Write data for people who like YAML."""
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
        out += [f"  = {said}" for said in outcome.beside]
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
