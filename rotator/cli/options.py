"""The options of the command line, and the values of a run's request that they fill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from rotator.cli.values import DurationType, KindsType, LabelsType, NamespaceType, ShardType
from rotator.kinds import CREDENTIALS
from rotator.run.request import (
    POLICIES,
    Connections,
    Declarations,
    FleetSettings,
    Notices,
    RunRequest,
    Selection,
    Serving,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., object])
R = TypeVar("R")
T = TypeVar("T", bound="DataclassInstance")
Option = Callable[[Callable[..., Any]], Callable[..., Any]]


def filled(value: type[T], *options: Option) -> Callable[[Callable[Concatenate[T, P], R]], Callable[P, R]]:
    """Return what adds `options` to a command, and hands it a `value` made of them as its first argument.

    `value` is a dataclass; an option fills the field of its name. Of several decorators the lowest fills the first argument.
    """
    names = {field.name for field in fields(value)}

    def decorate(command: Callable[Concatenate[T, P], R]) -> Callable[P, R]:
        @wraps(command)
        def called(*args: P.args, **given: P.kwargs) -> R:
            mine = {name: given.pop(name) for name in names & given.keys()}
            return command(value(**mine), *args, **given)

        for option in options:
            option(called)
        return called

    return decorate


def file_option(command: F) -> F:
    """Add `-f`."""
    return click.option(
        "-f",
        "--policies",
        "paths",
        multiple=True,
        envvar="ROTATOR_POLICIES",
        type=click.Path(path_type=Path),
        help=f"A policy file, or a folder of policy files; repeatable. Default: {POLICIES}, unless custom resources are "
        "read. [env: ROTATOR_POLICIES, separated by colons]",
    )(command)


def paths_option(command: Callable[Concatenate[Declarations, P], R]) -> Callable[P, R]:
    """Add `-f`, and where custom resources are read."""
    options = (
        click.option(
            "--trust-resources",
            is_flag=True,
            envvar="ROTATOR_TRUST_RESOURCES",
            help="Allow custom resources to name other namespaces, and any Vault path, provider, AppRole role and file. "
            "[env: ROTATOR_TRUST_RESOURCES]",
        ),
        click.option(
            "--gate-urls",
            multiple=True,
            envvar="ROTATOR_GATE_URLS",
            metavar="URL",
            help="Allow the gates and providers of custom resources to call addresses below this one; repeatable. "
            "[env: ROTATOR_GATE_URLS, separated by spaces]",
        ),
        click.option(
            "--resources-in",
            "namespaces",
            multiple=True,
            type=NamespaceType(),
            envvar="ROTATOR_RESOURCES_IN",
            metavar="NAMESPACE",
            help="Read the Rotation custom resources of this namespace; repeatable. "
            "[env: ROTATOR_RESOURCES_IN, separated by spaces]",
        ),
        file_option,
    )
    return filled(Declarations, *options)(command)


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


def choice_options(command: Callable[Concatenate[Selection, P], R]) -> Callable[P, R]:
    """Add the options that choose among what is declared."""
    options = (
        selector_option,
        click.option(
            "--type", "kind", type=click.Choice(CREDENTIALS), help="Only rotations of this credential kind."
        ),
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
    )
    return filled(Selection, *options)(command)


def cluster_options(command: Callable[Concatenate[Connections, P], R]) -> Callable[P, R]:
    """Add the options of every verb that speaks to systems."""
    options = (
        click.option(
            "--context",
            default=None,
            help="The kubeconfig context. Default: the pod's own cluster; outside a pod, the current context.",
        ),
        click.option(
            "--deadline",
            type=DurationType(),
            default="10m",
            show_default=True,
            envvar="ROTATOR_DEADLINE",
            help="The run stops at a safe point within this time. [env: ROTATOR_DEADLINE]",
        ),
        click.option(
            "--timeout",
            type=DurationType(),
            default="10s",
            show_default=True,
            help="Maximum duration of one request.",
        ),
        click.option(
            "--concurrency",
            type=click.IntRange(1, 256),
            default=8,
            show_default=True,
            help="Maximum number of rotations processed at the same time.",
        ),
    )
    return filled(Connections, *options)(command)


def notice_options(command: Callable[Concatenate[Notices, P], R]) -> Callable[P, R]:
    """Add the options that say who is told of what a verb changed."""
    options = (
        click.option(
            "--metrics-job",
            default="rotator",
            show_default=True,
            envvar="ROTATOR_METRICS_JOB",
            help="The `job` label of pushed metrics. [env: ROTATOR_METRICS_JOB]",
        ),
        click.option(
            "--metrics-file",
            type=click.Path(path_type=Path),
            envvar="ROTATOR_METRICS_FILE",
            help="Write metrics to this file, for node_exporter's textfile collector. [env: ROTATOR_METRICS_FILE]",
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
    )
    return filled(Notices, *options)(command)


def fleet_options(command: Callable[Concatenate[FleetSettings, P], R]) -> Callable[P, R]:
    """Add the options that say how a verb takes the rotations, and what it looks at."""
    options = (
        click.option(
            "--look-every",
            type=DurationType(),
            default="1h",
            show_default=True,
            envvar="ROTATOR_LOOK_EVERY",
            help="Maximum interval between full checks of targets that list requests do not cover. "
            "[env: ROTATOR_LOOK_EVERY]",
        ),
        click.option(
            "--list",
            "listed",
            type=KindsType(),
            default="configmaps,secrets",
            show_default=True,
            metavar="KINDS",
            envvar="ROTATOR_LIST",
            help="Kinds of targets to list, which shows edits in one request per kind: configmaps, secrets, or none. "
            "[env: ROTATOR_LIST]",
        ),
        click.option(
            "--lease",
            type=DurationType(),
            default="30s",
            show_default=True,
            help="Duration of a Lease: other runs wait this long after a run was killed.",
        ),
    )
    return filled(FleetSettings, *options)(command)


def serving_options(command: Callable[Concatenate[Serving, P], R]) -> Callable[P, R]:
    """Add the options that say when runs begin, and where is answered."""
    options = (
        click.option(
            "--grace",
            type=DurationType(),
            default="25s",
            show_default=True,
            envvar="ROTATOR_GRACE",
            help="After SIGTERM, end within this time: less than the pod's terminationGracePeriodSeconds. [env: ROTATOR_GRACE]",
        ),
        click.option(
            "--drain",
            type=DurationType(),
            default="5s",
            show_default=True,
            envvar="ROTATOR_DRAIN",
            help="After SIGTERM, go on answering for this time, until no requests arrive any more. [env: ROTATOR_DRAIN]",
        ),
        click.option(
            "--refresh",
            type=DurationType(),
            default="5s",
            show_default=True,
            envvar="ROTATOR_REFRESH",
            help="Read the served sets this often. [env: ROTATOR_REFRESH]",
        ),
        click.option(
            "--listen-operator",
            "operator",
            metavar="ADDRESS:PORT",
            default="0.0.0.0:9464",
            show_default=True,
            envvar="ROTATOR_LISTEN_OPERATOR",
            help="Where health, metrics and the page are served. Not for the public. [env: ROTATOR_LISTEN_OPERATOR]",
        ),
        click.option(
            "--listen",
            "public",
            metavar="ADDRESS:PORT",
            default="0.0.0.0:8080",
            show_default=True,
            envvar="ROTATOR_LISTEN",
            help="Where the JWK Sets are served to everybody. [env: ROTATOR_LISTEN]",
        ),
        click.option(
            "--jitter",
            type=DurationType(),
            envvar="ROTATOR_JITTER",
            help="Begin each run up to this much later, so that replicas do not begin together. [env: ROTATOR_JITTER]",
        ),
        click.option(
            "--time-zone",
            metavar="NAME",
            default="UTC",
            show_default=True,
            envvar="ROTATOR_TIME_ZONE",
            help="The time zone of --schedule, as Europe/Berlin. [env: ROTATOR_TIME_ZONE]",
        ),
        click.option(
            "--schedule",
            metavar="CRON",
            envvar="ROTATOR_SCHEDULE",
            help="Begin runs by this cron expression instead of --every: minute, hour, day, month, and the weekday by name. "
            "[env: ROTATOR_SCHEDULE]",
        ),
        click.option(
            "--every",
            type=DurationType(),
            default="1m",
            show_default=True,
            envvar="ROTATOR_EVERY",
            help="Begin a run this often. [env: ROTATOR_EVERY]",
        ),
    )
    return filled(Serving, *options)(command)


def output_option(command: F) -> F:
    """Add `-o`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json", "yaml"]),
        default="table",
        show_default=True,
        help="Output format: table for people, json and yaml for programs.",
    )(command)


def system_options(command: Callable[Concatenate[RunRequest, P], R]) -> Callable[P, R]:
    """Add the options of every verb that speaks to systems, `-o` among them, and hand it a request made of them."""

    @wraps(command)
    def called(
        connections: Connections, declarations: Declarations, /, *args: P.args, **given: P.kwargs
    ) -> R:
        return command(RunRequest(declarations=declarations, connections=connections), *args, **given)

    return paths_option(output_option(cluster_options(called)))


def service_options(command: Callable[Concatenate[RunRequest, P], R]) -> Callable[P, R]:
    """Add the options of a process that does runs: as `run_options`, but for `-o`, for it prints nothing."""

    @wraps(command)
    def called(
        notices: Notices,
        fleet: FleetSettings,
        connections: Connections,
        declarations: Declarations,
        /,
        *args: P.args,
        **given: P.kwargs,
    ) -> R:
        request = RunRequest(declarations=declarations, connections=connections, fleet=fleet, notices=notices)
        return command(request, *args, **given)

    return paths_option(cluster_options(fleet_options(notice_options(called))))


def run_options(command: Callable[Concatenate[RunRequest, P], R]) -> Callable[P, R]:
    """Add the options of every verb that advances rotations, and hand it a request made of them."""

    @wraps(command)
    def called(
        notices: Notices, fleet: FleetSettings, request: RunRequest, /, *args: P.args, **given: P.kwargs
    ) -> R:
        return command(replace(request, fleet=fleet, notices=notices), *args, **given)

    return system_options(fleet_options(notice_options(called)))
