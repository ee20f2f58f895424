"""After a run: its metrics, to a Pushgateway or a text file. A metric that cannot be told never fails a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rotator.engine.fleet import Shard
from rotator.engine.outcome import Outcome
from rotator.errors import RotatorError
from rotator.telemetry import metrics_out
from rotator.telemetry.figures import RunFigures
from rotator.telemetry.metrics import registry_of
from rotator.telemetry.sources import of_outcome

log = logging.getLogger("rotator")
TIMEOUT = 10.0
"""Seconds that a push may take."""


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Where metrics go. What is pushed replaces what the last run under the same `job` and shard said."""

    metrics_push: str | None = None
    metrics_file: Path | None = None
    metrics_job: str = "rotator"
    shard: Shard | None = None

    def publish(self, run: RunFigures, outcomes: Sequence[Outcome] | None) -> None:
        """Tell what a run did and where its rotations stand; None: it got no further than an error.

        A file is replaced as a whole, so one that tells of the rotations is left alone then, and grows old.
        """
        rotations = None if outcomes is None else [of_outcome(outcome) for outcome in outcomes]
        registry = registry_of(rotations=rotations, run=run)
        grouping = {"shard": f"{self.shard.index}/{self.shard.count}"} if self.shard else {}
        if url := self.metrics_push:
            _harmless(lambda: metrics_out.push(url, self.metrics_job, grouping, registry, TIMEOUT))
        if (file := self.metrics_file) and rotations is not None:
            _harmless(lambda: metrics_out.write_file(str(file), registry))


def _harmless(tell: Callable[[], None]) -> None:
    try:
        tell()
    except RotatorError as error:
        log.warning("metrics could not be told", extra={"reason": str(error)})
