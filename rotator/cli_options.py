"""The options of the command line, and the types of their values."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rotator.core.timing import parse_duration

if TYPE_CHECKING:
    from datetime import timedelta

    from rotator.engine.fleet import Shard

KINDS = ("jwtSigningKey", "sharedSecret")
"""The credential kinds; a test holds them equal to the schema's (the command line must not load it to say so)."""
F = TypeVar("F", bound=Callable[..., object])


class DurationType(click.ParamType[Any]):
    """A duration on the command line, such as 10m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it, or say what was expected."""
        try:
            length = parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not length:
            self.fail("expected more than 0s", param, ctx)
        return length


class ShardType(click.ParamType[Any]):
    """`I/N`, or `N` with the index from JOB_COMPLETION_INDEX (an Indexed Job)."""

    name = "shard"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        """Read it, or say what was expected."""
        from rotator.engine.fleet import Shard  # noqa: PLC0415 - the engine loads only for verbs that run

        index, slash, count = str(value).rpartition("/")
        if not slash:
            index = os.environ.get("JOB_COMPLETION_INDEX", "")
            if not index:
                self.fail(
                    f"{value}: expected I/N, as 0/4, or N where JOB_COMPLETION_INDEX is set", param, ctx
                )
        if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            self.fail(f"{index}/{count}: expected I/N with 0 <= I < N, as 0/4", param, ctx)
        return Shard(int(index), int(count))


def paths_option(command: F) -> F:
    """Add `-f`."""
    return click.option(
        "-f",
        "--policies",
        "paths",
        multiple=True,
        envvar="ROTATOR_POLICIES",
        default=["/etc/rotator/policies"],
        show_default=True,
        type=click.Path(path_type=Path),
        help="A policy file or a folder of them; repeatable. [env: ROTATOR_POLICIES]",
    )(command)


def policy_options(command: F) -> F:
    """Add the options of every verb that reads policies and takes a choice of them."""
    for option in (
        paths_option,
        click.option(
            "-l",
            "--selector",
            default="",
            help="Only rotations with these labels: k=v,k2=v2.",
            metavar="LABELS",
        ),
        click.option("--type", "kind", type=click.Choice(KINDS), help="Only this credential kind."),
        click.option(
            "-n",
            "--name",
            "names",
            multiple=True,
            help="Only this rotation: NAMESPACE/NAME; repeatable.",
            metavar="REF",
        ),
        click.option(
            "--shard", type=ShardType(), help="Only this share of the rotations: I/N.", metavar="I/N"
        ),
    ):
        command = option(command)
    return command


def cluster_options(command: F) -> F:
    """Add the options of every verb that speaks to systems."""
    for option in (
        click.option(
            "--context", default=None, help="The kubeconfig context; default: the pod's own cluster."
        ),
        click.option(
            "--deadline",
            type=DurationType(),
            default="10m",
            show_default=True,
            envvar="ROTATOR_DEADLINE",
            help="The run ends inside this time.",
        ),
        click.option(
            "--timeout",
            type=DurationType(),
            default="10s",
            show_default=True,
            help="The longest one request may take.",
        ),
        click.option(
            "--concurrency",
            type=click.IntRange(1, 256),
            default=8,
            show_default=True,
            help="Rotations at a time.",
        ),
        output_option,
    ):
        command = option(command)
    return command


def output_option(command: F) -> F:
    """Add `-o`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json", "yaml"]),
        default="table",
        show_default=True,
        help="For people, or for programs.",
    )(command)


def lease_option(command: F) -> F:
    """Add `--lease`."""
    return click.option(
        "--lease",
        type=DurationType(),
        default="30s",
        show_default=True,
        help="A killed run is waited for so long.",
    )(command)
