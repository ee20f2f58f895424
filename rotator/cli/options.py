"""The options of the command line, and the types of their values."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rotator.core.timing import parse_duration
from rotator.kinds import CONFIG_MAP, CREDENTIALS, SECRET

if TYPE_CHECKING:
    from datetime import timedelta

    from rotator.engine.fleet import Shard
    from rotator.kinds import Kind

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


_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ACCOUNT = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_LABEL = re.compile(r"(?P<key>[A-Za-z0-9._/-]+)\s*==?\s*(?P<value>[A-Za-z0-9._-]*)")


class LabelsType(click.ParamType[Any]):
    """Labels on the command line: `k=v,k2=v2`."""

    name = "labels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Read them, or say what was expected."""
        if isinstance(value, dict):
            return value
        pairs = [_LABEL.fullmatch(part.strip()) for part in value.split(",")] if value else []
        if not all(pairs):
            self.fail(f"{value}: expected k=v,k2=v2", param, ctx)
        return {pair["key"]: pair["value"] for pair in pairs if pair}


class NamespaceType(click.ParamType[Any]):
    """The name of a namespace."""

    name = "namespace"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take it, or say what was expected."""
        if not _NAMESPACE.fullmatch(str(value)):
            self.fail(f"{value}: expected the name of one namespace, as payments", param, ctx)
        return str(value)


class AccountType(click.ParamType[Any]):
    """A service account: `NAMESPACE/NAME`."""

    name = "account"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take it, or say what was expected."""
        namespace, _, account = str(value).partition("/")
        if not (_NAMESPACE.fullmatch(namespace) and _ACCOUNT.fullmatch(account)):
            self.fail(f"{value}: expected NAMESPACE/NAME", param, ctx)
        return str(value)


POLICIES = Path("/etc/rotator/policies")
"""Where a job finds its policies, unless it is told otherwise."""


class KindsType(click.ParamType[Any]):
    """Kinds of targets on the command line: `configmaps,secrets`."""

    name = "kinds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Kind, ...]:
        """Read them, or say what was expected."""
        if not isinstance(value, str):
            return tuple(value)
        known = {kind.plural: kind for kind in (CONFIG_MAP, SECRET)}
        names = [name for name in value.replace(",", " ").split() if name != "none"]
        if unknown := set(names) - known.keys():
            self.fail(f"{', '.join(sorted(unknown))}: expected {', '.join(known)} or none", param, ctx)
        return tuple(known[name] for name in names)


def file_option(command: F) -> F:
    """Add `-f`."""
    return click.option(
        "-f",
        "--policies",
        "paths",
        multiple=True,
        envvar="ROTATOR_POLICIES",
        type=click.Path(path_type=Path),
        help=f"A policy file or a folder of them; repeatable. Default: {POLICIES}, where no custom resources are read. "
        "[env: ROTATOR_POLICIES, parts between colons]",
    )(command)


def paths_option(command: F) -> F:
    """Add `-f`, and where custom resources are read."""
    for option in (
        click.option(
            "--trust-resources",
            is_flag=True,
            envvar="ROTATOR_TRUST_RESOURCES",
            help="Let custom resources name other namespaces, any Vault path, provider, AppRole role and file. "
            "[env: ROTATOR_TRUST_RESOURCES]",
        ),
        click.option(
            "--gate-urls",
            multiple=True,
            envvar="ROTATOR_GATE_URLS",
            metavar="URL",
            help="Below this address the gates and providers of custom resources may ask; repeatable. [env: ROTATOR_GATE_URLS, "
            "parts between blanks]",
        ),
        click.option(
            "--resources-in",
            "namespaces",
            multiple=True,
            type=NamespaceType(),
            envvar="ROTATOR_RESOURCES_IN",
            metavar="NAMESPACE",
            help="Read the Rotations of this namespace; repeatable. [env: ROTATOR_RESOURCES_IN, parts between blanks]",
        ),
        file_option,
    ):
        command = option(command)
    return command


def selector_option(command: F) -> F:
    """Add `-l`."""
    return click.option(
        "-l",
        "--selector",
        type=LabelsType(),
        default="",
        envvar="ROTATOR_SELECTOR",
        help="Only rotations with these labels: k=v,k2=v2. [env: ROTATOR_SELECTOR]",
        metavar="LABELS",
    )(command)


def policy_options(command: F) -> F:
    """Add the options of every verb that reads policies and takes a choice of them."""
    return choice_options(paths_option(command))


def choice_options(command: F) -> F:
    """Add the options that choose among what is declared."""
    for option in (
        selector_option,
        click.option("--type", "kind", type=click.Choice(CREDENTIALS), help="Only this credential kind."),
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


def run_options(command: F) -> F:
    """Add the options of every verb that changes something: how it looks, and who is told."""
    for option in (
        click.option(
            "--metrics-job",
            default="rotator",
            show_default=True,
            envvar="ROTATOR_METRICS_JOB",
            help="The job under which metrics are pushed. [env: ROTATOR_METRICS_JOB]",
        ),
        click.option(
            "--metrics-file",
            type=click.Path(path_type=Path),
            envvar="ROTATOR_METRICS_FILE",
            help="Write metrics to this file, for a textfile collector. [env: ROTATOR_METRICS_FILE]",
        ),
        click.option(
            "--metrics-push",
            metavar="URL",
            envvar="ROTATOR_METRICS_PUSH",
            help="Push metrics to this Pushgateway. [env: ROTATOR_METRICS_PUSH]",
        ),
        click.option(
            "--events/--no-events",
            default=False,
            show_default=True,
            envvar="ROTATOR_EVENTS",
            help="Write Kubernetes Events. [env: ROTATOR_EVENTS]",
        ),
        click.option(
            "--look-every",
            type=DurationType(),
            default="1h",
            show_default=True,
            envvar="ROTATOR_LOOK_EVERY",
            help="Look at least so often at what no list shows. [env: ROTATOR_LOOK_EVERY]",
        ),
        click.option(
            "--list",
            "listed",
            type=KindsType(),
            default="configmaps,secrets",
            show_default=True,
            metavar="KINDS",
            envvar="ROTATOR_LIST",
            help="Kinds of targets to list, to see edits in one request: configmaps, secrets, or none. "
            "[env: ROTATOR_LIST]",
        ),
        click.option(
            "--lease",
            type=DurationType(),
            default="30s",
            show_default=True,
            help="A killed run is waited for so long.",
        ),
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
