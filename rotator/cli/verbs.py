"""The command line: `rotator VERB`. Exit codes: 0 done or waiting as planned, 1 frozen, 2 usage or policy, 3 held."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from rotator import __version__
from rotator.cli.options import (
    choice_options,
    file_option,
    filled,
    output_option,
    paths_option,
    run_options,
    selector_option,
    service_options,
    serving_options,
    system_options,
)
from rotator.cli.render import crd, rbac, vault
from rotator.core.request import Request
from rotator.errors import USAGE, RotatorError, SettingsError
from rotator.late import Late
from rotator.run import process
from rotator.run.request import Declarations, Mode, RunRequest, Selection, Serving

if TYPE_CHECKING:
    from importlib import metadata

    from rotator.cli import report
    from rotator.core import due
    from rotator.engine.outcome import Outcome
    from rotator.policy import model
    from rotator.run import declared
    from rotator.run import run as runs
    from rotator.telemetry import exporter, logs
else:  # a verb loads what it uses once its arguments are known to be right
    report, due, model = Late("rotator.cli.report"), Late("rotator.core.due"), Late("rotator.policy.model")
    declared, runs = Late("rotator.run.declared"), Late("rotator.run.run")
    exporter, logs = Late("rotator.telemetry.exporter"), Late("rotator.telemetry.logs")
    metadata = Late("importlib.metadata")

EXTRAS = {"demo": "rotator-sandbox"}
"""The verbs of other distributions: each is an extra of its own name, and an entry point of that distribution alone."""


class Verbs(click.Group):
    """The verbs of this distribution, and those of others: entry points in the group `rotator.verbs`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all verbs."""
        return sorted({*super().list_commands(ctx), *EXTRAS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb; one whose distribution is absent says how to install it."""
        if cmd_name not in EXTRAS:
            return super().get_command(ctx, cmd_name)
        with suppress(ModuleNotFoundError, StopIteration):  # of a distribution that is there in part
            brought = metadata.distribution(EXTRAS[cmd_name]).entry_points
            verb: click.Command = next(iter(brought.select(group="rotator.verbs", name=cmd_name))).load()
            return verb
        return _absent(cmd_name)


def _absent(name: str) -> click.Command:
    remedy = f"pip install 'rotator[{name}]'"

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
    """Rotate credentials without rejecting a valid login: verifiers accept first, holders switch, verifiers forget.

    \b
    Exit codes: 0 done, nothing due, or waiting as planned
                1 a rotation is frozen: both versions are accepted, a person has to look
                2 usage or policy error: nothing was changed
                3 another run holds the Lease, or the requested rotation could not begin yet
    """
    logs.set_up(verbose=verbose)


@cli.command()
@choice_options
@run_options
def run(request: RunRequest, selection: Selection, *, output: str) -> None:
    """Advance every rotation that is due. The CronJobs call this.

    \b
    Example: rotator run -f policies/ -l team=payments
    """
    _carry_out(replace(request, selection=selection), output)


@cli.command()
@click.argument("name", required=False, envvar="ROTATOR_NAME")
@click.option(
    "--reason",
    required=True,
    envvar="ROTATOR_REASON",
    help="Why you rotate, as INC-4711. The same reason rotates at most once. [env: ROTATOR_REASON]",
)
@selector_option
@run_options
def rotate(
    request: RunRequest, *, name: str | None, reason: str, selector: Mapping[str, str], output: str
) -> None:
    """Start a rotation now: NAME (NAMESPACE/NAME), or all with the given labels. At most once per reason.

    It takes the same safe path as a scheduled rotation: this run begins it, and the scheduled runs complete it.

    \b
    Example: rotator rotate payments/payments-jwt --reason INC-4711
    """
    if not due.is_reason(reason):
        problem = f"expected a reason of at most {due.LONGEST} printable characters, as INC-4711"
        raise click.BadParameter(problem, param_hint="--reason")
    if bool(name) == bool(selector):
        raise click.UsageError(
            "which rotation? Expected either NAMESPACE/NAME [env: ROTATOR_NAME], or labels (-l) [env: ROTATOR_SELECTOR]"
        )
    selection = Selection(names=(name,) if name else (), selector=selector)
    _carry_out(replace(request, selection=selection, asked=Request(reason=reason)), output)


@cli.command()
@system_options
def leave(request: RunRequest, *, output: str) -> None:
    """Finish deletions and remove rotator's finalizers before you uninstall rotator.

    It carries out the requested deletions (`deletionPolicy: Delete`) and removes rotator's finalizer from all other
    Rotations; their credentials stay as they are. It advances no rotation. Exit code 3: work is left, call it again.

    \b
    Example: rotator leave --resources-in payments
    """
    if not request.declarations.namespaces:
        raise click.UsageError("which namespaces? Expected --resources-in [env: ROTATOR_RESOURCES_IN]")
    _carry_out(replace(request, mode=Mode.LEAVE), output)


@cli.command()
@choice_options
@serving_options
@service_options
def serve(request: RunRequest, serving: Serving, selection: Selection) -> None:
    """Do the runs of the CronJobs in one process, serve JWK Sets to everybody, and health, metrics and a page to operators.

    It ends in order on SIGTERM: the run under way stops at a safe point. Several replicas are safe.

    \b
    Example: rotator serve -f policies/ --every 1m --listen 0.0.0.0:8080
             rotator serve -f policies/ --every 5m --jitter 30s
    """
    process.begin_service()
    sys.exit(_service().serve(replace(request, selection=selection), serving))


@cli.command()
@choice_options
@system_options
def plan(request: RunRequest, selection: Selection, *, output: str) -> None:
    """Show what `run` would do now, and why. Changes nothing: it runs the same code with reads only.

    \b
    Example: rotator plan -f policies/ -o yaml
    """
    _carry_out(replace(request, selection=selection, mode=Mode.PLAN), output)


@cli.command()
@choice_options
@system_options
def status(request: RunRequest, selection: Selection, *, output: str) -> None:
    """Show one line per rotation: phase, active version, age, the next step and its time, and what it waits for.

    \b
    Example: rotator status -f policies/ -o json
    """
    _carry_out(replace(request, selection=selection, mode=Mode.STATUS), output)


@cli.command()
@filled(Declarations, file_option)
@choice_options
@output_option
def validate(selection: Selection, declarations: Declarations, *, output: str) -> None:
    """Check policy files: fields, windows, and objects that two rotations share. Contacts no system.

    \b
    Example: rotator validate -f policies/
    """
    for line in report.checks(declared.chosen(declarations, selection), output):
        click.echo(line)


@cli.command()
def schema() -> None:
    """Print the JSON schema of policy files.

    \b
    Example: rotator schema > rotation.schema.json
    """
    click.echo(report.as_json(model.json_schema()))


@cli.command()
@paths_option
@click.option(
    "--context",
    default=None,
    help="The kubeconfig context. Default: the pod's own cluster; outside a pod, the current context.",
)
@click.option(
    "--listen",
    metavar="ADDRESS:PORT",
    help="Serve the metrics on /metrics (and /healthz) until stopped, as 0.0.0.0:9464.",
)
def metrics(declarations: Declarations, *, context: str | None, listen: str | None) -> None:
    """Print the metrics of all rotations, or serve them for a scrape. Reads Leases and nothing else.

    \b
    Example: rotator metrics -f policies/ --listen 0.0.0.0:9464
    """
    looking = exporter.Exporter(paths=declarations.files, namespaces=declarations.namespaces, context=context)
    if listen:
        exporter.serve(looking, listen)
    else:
        click.echo(exporter.text(looking), nl=False)


for command in (crd, rbac, vault):
    cli.add_command(command)

# --- what the verbs share ----------------------------------------------------------------------------------------


def _carry_out(request: RunRequest, output: str) -> NoReturn:
    """Do what a verb asks for, show what became of it, and end the process with its exit code."""
    counts = output == "table" and request.mode is Mode.ADVANCE and sys.stderr.isatty()
    done = runs.execute(request, watch=_progress if counts else runs.logging_each, begun=process.begin_work)
    if not done.outcomes:
        click.echo("rotator: no rotation was chosen", err=True)
    click.echo(report.text(done, output, steps=request.mode is not Mode.STATUS))
    if advice := report.advice(done, request.mode):
        click.echo(f"rotator: {advice}", err=True)
    sys.exit(done.exit_code)


def _service() -> Any:
    """Load the process that serves, which needs the extra `serve`."""
    try:
        return import_module("rotator.run.serve")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("rotator"):
            raise
        raise SettingsError(
            f"`rotator serve` needs {error.name}, which is not installed. Expected: pip install 'rotator[serve]', or rotator's image, "
            "which has it"
        ) from None


def _progress(total: int) -> Callable[[Outcome], None]:
    """Count finished rotations on a terminal."""
    done = [0]

    def finished(outcome: Outcome) -> None:
        done[0] += 1
        click.echo(f"\r{done[0]} of {total}  {outcome.rotation:<60.60}", nl=done[0] == total, err=True)

    return finished


def main() -> None:
    """Run the command line; an error of ours is one sentence and an exit code, never a traceback."""
    process.begin_loading()
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
        sys.exit(error.exit_code)
    finally:
        process.end()
