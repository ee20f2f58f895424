"""After a run: its metrics, to a Pushgateway or a text file. A metric that cannot be told never fails a run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from rotator.engine.fleet import Report, Shard
from rotator.errors import RotatorError
from rotator.telemetry import metrics_out
from rotator.telemetry.figures import RunFigures
from rotator.telemetry.metrics import registry_of
from rotator.telemetry.sources import of_outcome

log = logging.getLogger("rotator")
TIMEOUT = 10.0
"""Seconds that a push may take."""


def publish(  # noqa: PLR0913 - what, and where to
    report: Report,
    run: RunFigures,
    *,
    whole: bool,
    shard: Shard | None,
    metrics_push: str | None,
    metrics_file: Path | None,
    metrics_job: str,
) -> None:
    """Tell what a run did and, where it saw the `whole` of what is declared, where every rotation stands.

    What only some rotations were asked for replaces nothing that an earlier run said of the others.
    """
    rotations = [of_outcome(outcome) for outcome in report.outcomes] if whole else None
    registry = registry_of(rotations=rotations, run=run)
    grouping = {"shard": f"{shard.index}/{shard.count}"} if shard else {}
    if metrics_push:
        _harmless("push", lambda: metrics_out.push(metrics_push, metrics_job, grouping, registry, TIMEOUT))
    if metrics_file:
        _harmless("file", lambda: metrics_out.write_file(str(metrics_file), registry))


def _harmless(how: str, tell: Callable[[], None]) -> None:
    try:
        tell()
    except RotatorError as error:
        log.warning("metrics could not be told", extra={"error": how, "reason": str(error)})
