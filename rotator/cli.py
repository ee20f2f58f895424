"""The command line: `rotator VERB`. Exit codes: 0 done or waiting as planned, 1 frozen, 2 usage or policy, 3 held."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rotator import __version__
from rotator.cli_options import cluster_options, lease_option, output_option, paths_option, policy_options
from rotator.errors import PolicyError, RotatorError, SettingsError

if TYPE_CHECKING:
    from datetime import timedelta

    from rotator.engine.fleet import Report, Shard
    from rotator.engine.outcome import Outcome
    from rotator.engine.rotation import Rotation
    from rotator.policy import RotationPolicy
    from rotator.wiring import World

USAGE = 2
GARBAGE = 50_000
"""Objects made between two looks for garbage: a run is short, and nearly all it makes is freed by reference counts."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="rotator")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def cli(*, verbose: bool) -> None:
    """Rotate credentials so that nobody notices: verifiers accept first, holders switch, verifiers forget.

    \b
    Exit codes: 0 done, nothing due, or waiting as planned
                1 a rotation is frozen: both versions are accepted, somebody has to look
                2 usage or policy error, nothing was touched
                3 another run holds the lease
    """
    from rotator.telemetry.logs import set_up  # noqa: PLC0415 - after the arguments are known to be right

    set_up(verbose=verbose)


@cli.command()
@policy_options
@cluster_options
@lease_option
def run(*, lease: timedelta, output: str, **options: Any) -> None:
    """Advance every rotation that is due. This is what the CronJobs call.

    \b
    Example: rotator run -f policies/ -l team=payments
    """
    report = _advance(act=True, lease=lease, progress=output == "table", **options)
    _show(report.outcomes, output, steps=True)
    sys.exit(report.exit_code)


@cli.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why. The same reason rotates at most once.")
@paths_option
@cluster_options
@lease_option
def rotate(*, name: str, reason: str, lease: timedelta, output: str, **options: Any) -> None:
    """Start the rotation NAME (NAMESPACE/NAME) now, on the same safe path; at most once per reason.

    \b
    Example: rotator rotate payments/payments-jwt --reason INC-4711
    """
    if not reason.strip():
        raise click.BadParameter("expected a reason, as INC-4711", param_hint="--reason")
    report = _advance(
        act=True, lease=lease, request=reason, names=(name,), progress=output == "table", **options
    )
    _show(report.outcomes, output, steps=True)
    sys.exit(report.exit_code)


@cli.command()
@policy_options
@cluster_options
def plan(*, output: str, **options: Any) -> None:
    """Say what `run` would do now, and why. Changes nothing: it is the same code, with reads only.

    \b
    Example: rotator plan -f policies/ -o yaml
    """
    report = _advance(act=False, **options)
    _show(report.outcomes, output, steps=True)
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
    _show(report.outcomes, output, steps=False)
    sys.exit(report.exit_code)


@cli.command()
@policy_options
@output_option
def validate(*, output: str, **options: Any) -> None:
    """Check policy files, their windows and what they share. Reads no system.

    \b
    Example: rotator validate -f policies/
    """
    from rotator import report  # noqa: PLC0415 - only for this verb
    from rotator.core.timing import format_duration  # noqa: PLC0415 - as above

    rows = [
        {
            "rotation": p.ref,
            "every": format_duration(p.spec.every),
            "lead": format_duration(p.lead),
            "leastLead": str(p.least_lead),
            "overlap": str(p.overlap),
        }
        for p in _policies(**options)
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
    from rotator import policy, report  # noqa: PLC0415 - only for this verb

    click.echo(report.as_json(policy.json_schema()))


@cli.command()
@click.option("--seed", type=click.IntRange(min=0), default=None, help="Repeat a demo: the same kill points.")
@click.option("--json", "as_json", is_flag=True, help="The figures as one JSON object, on the last line.")
@click.option("--context", default=None, help="Use this cluster of your kubeconfig; default: one of our own.")
def demo(*, seed: int | None, as_json: bool, context: str | None) -> None:
    """See it work on this machine: real servers, real traffic, a job that is killed, and the proof.

    \b
    Example: rotator demo --seed 7
    """
    from rotator.sandbox.demo import play  # noqa: PLC0415 - needs the extra `demo`, which no other verb does

    sys.exit(play(seed=seed, as_json=as_json, context=context))


# --- what the verbs share ----------------------------------------------------------------------------------------


def _policies(
    *,
    paths: Sequence[Path],
    selector: str = "",
    kind: str | None = None,
    names: Sequence[str] = (),
    shard: Shard | None = None,
) -> list[RotationPolicy]:
    """Read all policies, then keep those that were asked for. All are checked: a bad one is never skipped over."""
    from rotator.policy_files import load  # noqa: PLC0415 - pydantic and yaml load only for verbs that read policies

    policies = load(paths)
    wanted = _labels(selector)
    chosen = [
        p
        for p in policies
        if wanted.items() <= p.metadata.labels.items()
        and (not names or p.ref in names)
        and (not shard or shard.has(p.ref))
        and (not kind or p.kind_name == kind)
    ]
    if unknown := set(names) - {p.ref for p in policies}:
        known = ", ".join(p.ref for p in policies)
        raise SettingsError(f"no rotation {', '.join(sorted(unknown))}; declared: {known}")
    return chosen


_LABEL = re.compile(r"(?P<key>[A-Za-z0-9._/-]+)\s*==?\s*(?P<value>[A-Za-z0-9._-]*)")


def _labels(selector: str) -> dict[str, str]:
    parts = [part.strip() for part in selector.split(",")] if selector else []
    pairs = [_LABEL.fullmatch(part) for part in parts]
    if not all(pairs):
        raise click.BadParameter(f"{selector}: expected k=v,k2=v2", param_hint="--selector")
    return {pair["key"]: pair["value"] for pair in pairs if pair}


def _advance(  # noqa: PLR0913 - the options of the command line
    *,
    act: bool,
    context: str | None,
    deadline: timedelta,
    timeout: timedelta,
    concurrency: int,
    lease: timedelta | None = None,
    request: str | None = None,
    tell_last: bool = False,
    progress: bool = False,
    **chosen: Any,
) -> Report:
    policies = _policies(**chosen)
    from rotator import wiring  # noqa: PLC0415 - clients load after the policies are known to be good

    world = wiring.world(
        context=context, deadline=deadline, timeout=timeout.total_seconds(), concurrency=concurrency
    )
    gc.freeze()  # what is loaded by now stays to the end
    gc.set_threshold(GARBAGE)
    gc.enable()
    finished = _progress(len(policies)) if progress else _log
    _end_when_asked(world)
    try:
        fleet = wiring.fleet(
            world,
            act=act,
            concurrency=concurrency,
            lease=lease or wiring.LEASE,
            tell_last=tell_last,
            finished=finished if act else _silent,
        )
        return fleet.advance(_wired(world, policies, request))
    finally:
        world.close()


def _end_when_asked(world: World) -> None:
    """On the first SIGTERM or Ctrl-C stop at the next safe point and give everything back; on the second, at once."""
    import signal  # noqa: PLC0415 - only for verbs that hold something

    def end(number: int, frame: object) -> None:
        del frame
        world.deadline.end(world.clock.now())
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def _wired(world: World, policies: Sequence[RotationPolicy], request: str | None) -> list[Rotation]:
    from rotator import wiring  # noqa: PLC0415 - as above

    return [wiring.rotation(world, p, request=request) for p in policies]


def _silent(outcome: Outcome) -> None:
    del outcome


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


def _show(outcomes: Sequence[Outcome], output: str, *, steps: bool) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415 - beside its only use

    from rotator import report  # noqa: PLC0415 - only once there is something to show

    if output == "table":
        click.echo(report.as_table(outcomes, datetime.now(UTC), steps=steps))
        return
    rows = report.rows(outcomes)
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
    except (PolicyError, SettingsError) as error:
        click.echo(f"rotator: {error}", err=True)
        sys.exit(USAGE)
    except RotatorError as error:
        click.echo(f"rotator: {error}", err=True)
        sys.exit(1)
