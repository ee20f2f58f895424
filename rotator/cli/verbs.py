"""The command line: `rotator VERB`. Exit codes: 0 done or waiting as planned, 1 frozen, 2 usage or policy, 3 held."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rotator import __version__
from rotator.cli.options import (
    POLICIES,
    choice_options,
    cluster_options,
    file_option,
    output_option,
    paths_option,
    policy_options,
    run_options,
    selector_option,
)
from rotator.cli.render import crd, rbac, vault
from rotator.errors import PolicyError, RotatorError, SettingsError

if TYPE_CHECKING:
    from rotator.engine.fleet import Report
    from rotator.engine.outcome import Outcome
    from rotator.run.declared import Declared
    from rotator.world import World

USAGE = 2
HELD = 3
EXTRAS = {"demo": "demo"}
"""The verbs of other distributions, and the extra that installs each; no other entry point is loaded."""
GARBAGE = 50_000
"""Objects made between two looks for garbage: a run is short, and nearly all it makes is freed by reference counts."""


class Verbs(click.Group):
    """The verbs of this distribution, and those that another one brings: an entry point in the group `rotator.verbs`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all verbs."""
        return sorted({*super().list_commands(ctx), *EXTRAS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb; one whose distribution is absent says how to install it."""
        if cmd_name not in EXTRAS:
            return super().get_command(ctx, cmd_name)
        with suppress(ModuleNotFoundError, StopIteration):  # of a distribution that is there in part
            verb: click.Command = next(iter(entry_points(group="rotator.verbs", name=cmd_name))).load()
            return verb
        return _absent(cmd_name)


def _absent(name: str) -> click.Command:
    remedy = f"pip install 'rotator[{EXTRAS[name]}]'"

    def refuse() -> None:
        raise SettingsError(
            f"`rotator {name}` is a distribution of its own, which is not installed: {remedy}"
        )

    accepting = {"ignore_unknown_options": True, "allow_extra_args": True}
    return click.Command(name, callback=refuse, help=f"Not installed: {remedy}.", context_settings=accepting)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="rotator")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def cli(*, verbose: bool) -> None:
    """Rotate credentials so that nobody notices: verifiers accept first, holders switch, verifiers forget.

    \b
    Exit codes: 0 done, nothing due, or waiting as planned
                1 a rotation is frozen: both versions are accepted, somebody has to look
                2 usage or policy error, nothing was touched
                3 another run holds the lease, or what was asked for could not begin yet
    """
    from rotator.telemetry.logs import set_up  # noqa: PLC0415 - after the arguments are known to be right

    set_up(verbose=verbose)


@cli.command()
@policy_options
@cluster_options
@run_options
def run(*, output: str, **options: Any) -> None:
    """Advance every rotation that is due. This is what the CronJobs call.

    \b
    Example: rotator run -f policies/ -l team=payments
    """
    report = _advance(act=True, progress=output == "table", **options)
    _show(report, output, steps=True)
    _explain(report)
    sys.exit(report.exit_code)


@cli.command()
@click.argument("name", required=False, envvar="ROTATOR_NAME")
@click.option(
    "--reason",
    required=True,
    envvar="ROTATOR_REASON",
    help="Why. The same reason rotates at most once. [env: ROTATOR_REASON]",
)
@selector_option
@paths_option
@cluster_options
@run_options
def rotate(
    *, name: str | None, reason: str, selector: Mapping[str, str], output: str, **options: Any
) -> None:
    """Start the rotation NAME (NAMESPACE/NAME), or all with some labels, now; at most once per reason.

    It takes the same safe path as any other: this run begins it, and the scheduled runs carry it on.

    \b
    Example: rotator rotate payments/payments-jwt --reason INC-4711
    """
    from rotator.core.due import LONGEST, is_reason  # noqa: PLC0415 - only for this verb

    if not is_reason(reason):
        problem = f"expected a reason of at most {LONGEST} printable characters, as INC-4711"
        raise click.BadParameter(problem, param_hint="--reason")
    if bool(name) == bool(selector):
        raise click.UsageError(
            "which rotation? Expected either NAMESPACE/NAME [env: ROTATOR_NAME], or labels (-l) [env: ROTATOR_SELECTOR]"
        )
    names = (name,) if name else ()
    report = _advance(
        act=True, progress=output == "table", request=reason, names=names, selector=selector, **options
    )
    _show(report, output, steps=True)
    _explain(report)
    waiting = [o.rotation for o in report.outcomes if reason not in o.summary.requests]
    if waiting and not report.exit_code:
        click.echo(f"rotator: not begun yet, ask again: {', '.join(waiting)}", err=True)
    sys.exit(report.exit_code or (HELD if waiting else 0))


@cli.command()
@paths_option
@cluster_options
def leave(*, output: str, **options: Any) -> None:
    """End what only a run can end, before rotator is uninstalled: no Rotation waits for a run any more.

    It carries out the deletions that were asked for (`deletionPolicy: Delete`), and takes rotator's finalizer off all
    other Rotations: their credentials stay as they are. It advances none. Exit code 3: not all is done, call it again.

    \b
    Example: rotator leave --resources-in payments
    """
    if not options["namespaces"]:
        raise click.UsageError("which namespaces? Expected --resources-in [env: ROTATOR_RESOURCES_IN]")
    report = _advance(act=True, leaves=True, **options)
    _show(report, output, steps=True)
    undone = [o.rotation for o in report.outcomes if o.result in {"Waiting", "Held"}]
    if undone and report.exit_code != 1:
        click.echo(f"rotator: not done yet, call it again: {', '.join(undone)}", err=True)
    sys.exit(report.exit_code or (HELD if undone else 0))


@cli.command()
@policy_options
@cluster_options
def plan(*, output: str, **options: Any) -> None:
    """Say what `run` would do now, and why. Changes nothing: it is the same code, with reads only.

    \b
    Example: rotator plan -f policies/ -o yaml
    """
    report = _advance(act=False, **options)
    _show(report, output, steps=True)
    sys.exit(report.exit_code)


@cli.command()
@policy_options
@cluster_options
def status(*, output: str, **options: Any) -> None:
    """One line a rotation: phase, active version, age, what comes next and when, and who is waited for.

    \b
    Example: rotator status -f policies/ -o json
    """
    report = _advance(act=False, tell_last=True, **options)
    _show(report, output, steps=False)
    sys.exit(report.exit_code)


@cli.command()
@file_option
@choice_options
@output_option
def validate(*, paths: Sequence[Path], output: str, **choice: Any) -> None:
    """Check policy files, their windows and what they share. Reads no system.

    \b
    Example: rotator validate -f policies/
    """
    from rotator.cli import report  # noqa: PLC0415 - only for this verb
    from rotator.core.timing import format_duration  # noqa: PLC0415 - as above
    from rotator.run.declared import Declared  # noqa: PLC0415 - as above

    rows = [
        {
            "rotation": p.ref,
            "every": format_duration(p.spec.every),
            "lead": format_duration(p.lead),
            "leastLead": str(p.least_lead),
            "overlap": str(p.overlap),
        }
        for p in Declared(paths=paths or [POLICIES], **choice).chosen()
    ]
    if output == "table":
        for row in rows:
            click.echo(f"{row['rotation']}: good; every {row['every']}")
            click.echo(f"  lead    {row['lead']}, at least {row['leastLead']}")
            click.echo(f"  overlap {row['overlap']}")
    else:
        click.echo(report.as_json(rows) if output == "json" else report.as_yaml(rows))


@cli.command()
def schema() -> None:
    """Print the JSON schema of policy files.

    \b
    Example: rotator schema > rotation.schema.json
    """
    from rotator.cli import report  # noqa: PLC0415 - only for this verb
    from rotator.policy import model  # noqa: PLC0415 - as above

    click.echo(report.as_json(model.json_schema()))


@cli.command()
@paths_option
@click.option("--context", default=None, help="The kubeconfig context; default: the pod's own cluster.")
@click.option(
    "--listen",
    metavar="ADDRESS:PORT",
    help="Serve them on /metrics, with /healthz, until stopped; 0.0.0.0:9464.",
)
def metrics(
    *,
    paths: Sequence[Path],
    namespaces: Sequence[str],
    context: str | None,
    listen: str | None,
    **_: Any,
) -> None:
    """Show the metrics of all rotations from their Leases, once or for a scrape. Reads Leases and nothing else.

    \b
    Example: rotator metrics -f policies/ --listen 0.0.0.0:9464
    """
    from rotator.telemetry import exporter  # noqa: PLC0415 - only for this verb

    files = paths or ([] if namespaces else [POLICIES])
    looking = exporter.Exporter(paths=files, namespaces=namespaces, context=context)
    if listen:
        exporter.serve(looking, listen)
    else:
        click.echo(exporter.text(looking), nl=False)


for command in (crd, rbac, vault):
    cli.add_command(command)

# --- what the verbs share ----------------------------------------------------------------------------------------


def _declared(*, paths: Sequence[Path], namespaces: Sequence[str], **more: Any) -> Declared:
    from rotator.run.declared import Declared  # noqa: PLC0415 - policies load only for verbs that read them

    return Declared(paths=paths or ([] if namespaces else [POLICIES]), namespaces=namespaces, **more)


_METRICS = ("metrics_push", "metrics_file", "metrics_job")
_JOB = ("act", "request", "tell_last", "events", "leaves")
_SYSTEMS = ("context", "deadline", "timeout", "concurrency", "lease", "listed", "look_every")


def _advance(*, progress: bool = False, **options: Any) -> Report:
    """Do a run, or look what it would do. `options` are those of the command line, and what `Job` takes beside them."""

    def taken(names: Sequence[str]) -> dict[str, Any]:
        return {name: options.pop(name) for name in names if name in options}

    metrics, job_options, systems = taken(_METRICS), taken(_JOB), taken(_SYSTEMS)
    # what one asks for by hand says nothing of the scheduled runs, nor of the rotations that it leaves alone
    told = any(metrics.get(m) for m in _METRICS[:2]) and "request" not in job_options
    with (
        ExitStack() as traces,
        _failure_is_told({**metrics, "shard": options.get("shard")} if told else None),
    ):
        declared = _declared(**options)
        files = declared.files()
        from rotator.run.job import Job, Systems  # noqa: PLC0415 - clients load after the policies are known to be good
        from rotator.telemetry.traces import tracing  # noqa: PLC0415 - as above

        span = traces.enter_context(tracing())
        job = Job(declared=declared, systems=Systems(**systems), span=span, **job_options)
        world = job.connect()
        gc.freeze()  # what is loaded by now stays to the end
        gc.set_threshold(GARBAGE)
        gc.enable()
        _end_when_asked(world)
        tell = (_progress if progress else _logging) if job.act else _silent
        try:
            report = job.run(world, files, tell)
            _say_that_it_was_stopped(world)
            if told:
                from rotator.telemetry.publish import Metrics  # noqa: PLC0415 - only where metrics are wanted
                from rotator.telemetry.sources import of_run  # noqa: PLC0415 - as above

                run = of_run(report, world.clock.now(), world.meter.requests, world.meter.skew)
                Metrics(**metrics, shard=declared.shard).publish(run, report.outcomes)
            return report
        finally:
            world.close()


@contextmanager
def _failure_is_told(metrics: Mapping[str, Any] | None) -> Iterator[None]:
    """Publish the exit code of a run that ends with an error, where metrics are wanted."""
    began = datetime.now(UTC)
    try:
        yield
    except RotatorError as error:
        if metrics:
            from rotator.telemetry.figures import RunFigures  # noqa: PLC0415 - only where metrics are wanted
            from rotator.telemetry.publish import Metrics  # noqa: PLC0415 - as above

            now = datetime.now(UTC)
            Metrics(**metrics).publish(
                RunFigures(ended=now, duration=now - began, exit_code=_exit_code(error)), None
            )
        raise


def _exit_code(error: RotatorError) -> int:
    return USAGE if isinstance(error, PolicyError | SettingsError) else 1


def _end_when_asked(world: World) -> None:
    """On the first SIGTERM or Ctrl-C stop at the next safe point and give everything back; on the second, at once."""
    import signal  # noqa: PLC0415 - only for verbs that hold something

    def end(number: int, frame: object) -> None:
        del frame
        world.deadline.end(world.clock.now(), signal.Signals(number).name)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def _say_that_it_was_stopped(world: World) -> None:
    import logging  # noqa: PLC0415 - set up by now

    if world.deadline.signal:
        logging.getLogger("rotator").warning(
            "stopped", extra={"reason": f"{world.deadline.why}; the next run carries on"}
        )


def _silent(total: int) -> Callable[[Outcome], None]:
    del total
    return lambda _: None


def _logging(total: int) -> Callable[[Outcome], None]:
    del total
    return _log


def _log(outcome: Outcome) -> None:
    """Log one outcome with stable keys."""
    import logging  # noqa: PLC0415 - set up by now

    level = logging.ERROR if outcome.result == "Frozen" else logging.INFO
    logging.getLogger("rotator").log(
        level,
        "rotation",
        extra={
            "rotation": outcome.rotation,
            "result": str(outcome.result),
            "reason": outcome.reason,
            "until": outcome.until.isoformat() if outcome.until else None,
            "step": list(outcome.steps),
            "revision": outcome.summary.revision,
        },
    )


def _progress(total: int) -> Callable[[Outcome], None]:
    """Count finished rotations on a terminal; log each where nobody watches."""
    if not sys.stderr.isatty():
        return _log
    done = [0]

    def finished(outcome: Outcome) -> None:
        done[0] += 1
        click.echo(f"\r{done[0]} of {total}  {outcome.rotation:<60.60}", nl=done[0] == total, err=True)

    return finished


def _explain(run: Report) -> None:
    """Say what exit code 3 means: to Kubernetes a Job that ends with it has failed."""
    held = [o.rotation for o in run.outcomes if o.result == "Held"]
    if run.exit_code == HELD:
        said = f"another run is at work on {', '.join(held)} and does what is due there: nothing to do (exit {HELD})"
        click.echo(f"rotator: {said}", err=True)


def _show(run: Report, output: str, *, steps: bool) -> None:
    """Print the outcomes; ages are counted to the end of the run, by the API server's time."""
    from rotator.cli import report  # noqa: PLC0415 - only once there is something to show

    if not run.outcomes:
        click.echo("rotator: no rotation was chosen", err=True)
    if output == "table":
        click.echo(report.as_table(run.outcomes, run.ended, steps=steps))
        return
    rows = report.rows(run.outcomes)
    click.echo(report.as_json(rows) if output == "json" else report.as_yaml(rows))


def main() -> None:
    """Run the command line; an error of ours is one sentence and an exit code, never a traceback."""
    gc.disable()  # loading modules makes no garbage worth looking for
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE)
    except click.Abort:
        sys.exit(130)
    except RotatorError as error:
        click.echo(f"rotator: {error}", err=True)
        sys.exit(_exit_code(error))
