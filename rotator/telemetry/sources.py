"""From what a run knows, and from what it left on leases, to figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from rotator.core.machine import Step
from rotator.engine.fleet import Report
from rotator.engine.outcome import Outcome, Result
from rotator.kinds import CREDENTIALS
from rotator.ports import Lease
from rotator.telemetry.figures import RotationFigures, RunFigures

STUCK = {Result.FROZEN, Result.REFUSED}


def of_outcome(outcome: Outcome) -> RotationFigures:
    """Return where a rotation stands after a run."""
    namespace, _, name = outcome.rotation.partition("/")
    summary = outcome.summary
    return RotationFigures(
        namespace=namespace,
        name=name,
        type=outcome.kind,
        phase=summary.phase,
        result=str(outcome.result),
        revision=summary.revision,
        accepted_versions=summary.accepted,
        active_since=summary.active_since,
        period=outcome.every,
        next=outcome.until,
        frozen=outcome.result in STUCK,
        result_since=outcome.since,
        retire_at=summary.retire_at,
    )


def of_lease(lease: Lease) -> RotationFigures:
    """Return where a rotation stands by what the last run left on its lease."""
    namespace, _, name = lease.rotation.partition("/")
    memo = lease.memo
    return RotationFigures(
        namespace=namespace,
        name=name,
        type=memo.type if memo.type in CREDENTIALS else "",
        phase=memo.summary.phase,
        result=memo.outcome,
        revision=memo.summary.revision,
        accepted_versions=memo.summary.accepted,
        active_since=memo.summary.active_since,
        period=memo.every,
        next=memo.due,
        frozen=memo.outcome in STUCK,
        result_since=memo.since,
        retire_at=memo.summary.retire_at,
        lease_held=bool(lease.holder),
        lease_acquired=lease.acquired,
    )


def of_run(
    report: Report,
    ended: datetime,
    requests: Mapping[tuple[str, str, int], int],
    skew: Mapping[str, timedelta],
) -> RunFigures:
    """Return what a run did."""
    return RunFigures(
        ended=ended,
        duration=ended - report.started,
        exit_code=report.exit_code,
        requests=dict(requests),
        steps=_steps(report.outcomes),
        results=Counter(str(o.result) for o in report.outcomes),
        skew=dict(skew),
    )


def _steps(outcomes: Sequence[Outcome]) -> Mapping[str, int]:
    known = {str(step) for step in Step}
    words: Iterable[str] = (step.partition(" ")[0] for o in outcomes for step in o.steps)
    return Counter(word for word in words if word in known)
