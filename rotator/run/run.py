"""One run, from a request to a report: read, connect, advance, publish, close.

Whoever starts runs calls `execute`: the command line, and with it the jobs in a cluster.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rotator.errors import RotatorError
from rotator.late import Late
from rotator.run import declared
from rotator.run.request import RunRequest
from rotator.telemetry.logs import log_outcome

if TYPE_CHECKING:
    from rotator.clients.meter import Span
    from rotator.engine.outcome import Outcome
    from rotator.policy.model import RotationPolicy
    from rotator.run import job
    from rotator.run.report import Report
    from rotator.systems.world import World
    from rotator.telemetry import figures, publish, sources, traces
else:  # clients load after the policies are known to be good, and metrics where they are wanted
    job, traces = Late("rotator.run.job"), Late("rotator.telemetry.traces")
    figures, publish = Late("rotator.telemetry.figures"), Late("rotator.telemetry.publish")
    sources = Late("rotator.telemetry.sources")

log = logging.getLogger("rotator")
Stop = Callable[[str], None]
"""Asks a run to end at the next safe point and to give everything back; is called with the name of the signal."""


def logging_each(total: int) -> Callable[[Outcome], None]:
    """Watch a run by logging each outcome."""
    del total
    return log_outcome


def _says_nothing(total: int) -> Callable[[Outcome], None]:
    del total
    return lambda _: None


def execute(
    request: RunRequest,
    *,
    watch: job.Watch = logging_each,
    begun: Callable[[Stop], None] = lambda _: None,
    measured: Callable[[figures.RunFigures], None] | None = None,
    connect: Callable[[RunRequest, Span], World] | None = None,
) -> Report:
    """Do one run, or look what it would do, and return what became of each rotation.

    A run that acts tells `watch` of its outcomes as they come. `begun` is called once when everything is loaded and before
    anything is changed, with what stops the run; `measured` at its end, with its figures. `connect` gives the systems, where they are
    not those of the environment. Metrics are published where the request wants them, of a run that
    fails too. Raises PolicyError and SettingsError where what is asked for is wrong (nothing was touched then), and any other
    RotatorError by which a run ends as a whole; `exit_code` of the error or of the report is that of the run.
    """
    with ExitStack() as tracing, _failure_published(request):
        files = declared.files(request.declarations)
        span = tracing.enter_context(traces.tracing())
        world = connect(request, span) if connect else job.connect(request, span)
        try:
            begun(lambda signal: world.deadline.end(world.clock.now(), signal))
            report = job.Job(request=request, world=world).run(
                files, watch if request.acts else _says_nothing
            )
            _log_that_it_was_stopped(world)
            if request.publishes or measured:
                asked, skew = world.meter.requests, world.meter.skew
                run = sources.of_run(report, world.clock.now(), asked, skew)
                if measured:
                    measured(run)
                if request.publishes:
                    _publish(request, run, report.outcomes)
            return report
        finally:
            world.close()


def all_declared(request: RunRequest) -> list[RotationPolicy]:
    """Return all that files and custom resources declare; a custom resource that is refused needs nothing.

    Raises RotatorError as `execute` does.
    """
    files = declared.files(request.declarations)
    if not request.declarations.namespaces:
        return files
    world = job.connect(request)
    try:
        found = job.Job(request=request, world=world).found(files)
        return [*files, *found.policies, *found.leaving]
    finally:
        world.close()


def _publish(request: RunRequest, run: figures.RunFigures, outcomes: Sequence[Outcome] | None) -> None:
    notices = request.notices
    publish.Metrics(
        metrics_push=notices.metrics_push,
        metrics_file=notices.metrics_file,
        metrics_job=notices.metrics_job,
        shard=request.selection.shard,
    ).publish(run, outcomes)


@contextmanager
def _failure_published(request: RunRequest) -> Iterator[None]:
    """Publish the exit code of a run that ends with an error, where metrics are wanted."""
    began = datetime.now(UTC)
    try:
        yield
    except RotatorError as error:
        if request.publishes:
            now = datetime.now(UTC)
            run = figures.RunFigures(ended=now, duration=now - began, exit_code=error.exit_code)
            _publish(request, run, None)
        raise


def _log_that_it_was_stopped(world: World) -> None:
    if world.deadline.signal:
        log.warning("stopped", extra={"reason": f"{world.deadline.why}; the next run carries on"})
