"""The request of a run as a value: what the options fill, what its defaults are, and what a report makes of it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest

from rotator.cli.options import choice_options, run_options
from rotator.cli.report import advice
from rotator.core.request import Request
from rotator.engine import fleet
from rotator.engine.outcome import Outcome, Result
from rotator.kinds import CONFIG_MAP
from rotator.ports import Summary
from rotator.run import wiring
from rotator.run.report import Report, report_of
from rotator.run.request import (
    POLICIES,
    Connections,
    Declarations,
    FleetSettings,
    Mode,
    Notices,
    RunRequest,
    Selection,
)
from rotator.systems import world
from rotator.systems.kubernetes import lease

ROOT = Path(__file__).parent.parent
LATE = sorted(file for file in (ROOT / "rotator").rglob("*.py") if " = Late(" in file.read_text())


def filled(*arguments: str) -> tuple[RunRequest, str]:
    """Return the request that `rotator run ARGUMENTS` makes of its options, and `-o`."""
    made: list[tuple[RunRequest, str]] = []

    @click.command()
    @choice_options
    @run_options
    def command(request: RunRequest, selection: Selection, *, output: str) -> None:
        made.append((replace(request, selection=selection), output))

    command.main(list(arguments), standalone_mode=False)
    return made[0]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ROTATOR_")]:
        monkeypatch.delenv(name)


def test_the_defaults_of_the_options_are_those_of_the_request() -> None:
    """Whoever makes a request without the command line gets what it does by itself."""
    assert filled() == (RunRequest(), "table")


def test_the_defaults_of_the_request_are_those_of_the_parts_below() -> None:
    """Each number is decided once, however many places it is written at."""
    asked, settings = Connections(), FleetSettings()
    assert (asked.concurrency, asked.timeout.total_seconds()) == (world.CONCURRENCY, world.TIMEOUT)
    assert (settings.lease, settings.look_every) == (lease.LEASE_DURATION, fleet.LOOK_EVERY)
    assert settings.listed == wiring.LISTED


def test_each_option_fills_its_field() -> None:
    """All of them at once, none with its default."""
    given = (
        "-f a -f b --resources-in here --trust-resources --gate-urls https://gate/ "
        "-l k=v -n here/one -n here/two --type sharedSecret --shard 1/3 "
        "--context kind --deadline 5m --timeout 3s --concurrency 2 -o json "
        "--lease 1m --list configmaps --look-every 2h "
        "--events --metrics-push http://gateway:9091 --metrics-file out.prom --metrics-job nightly"
    )
    assert filled(*given.split()) == (
        RunRequest(
            declarations=Declarations(
                paths=(Path("a"), Path("b")),
                namespaces=("here",),
                trust_resources=True,
                gate_urls=("https://gate/",),
            ),
            selection=Selection(
                selector={"k": "v"},
                names=("here/one", "here/two"),
                kind="sharedSecret",
                shard=fleet.Shard(1, 3),
            ),
            connections=Connections(
                context="kind",
                deadline=timedelta(minutes=5),
                timeout=timedelta(seconds=3),
                concurrency=2,
            ),
            fleet=FleetSettings(
                lease=timedelta(minutes=1), listed=(CONFIG_MAP,), look_every=timedelta(hours=2)
            ),
            notices=Notices(
                events=True,
                metrics_push="http://gateway:9091",
                metrics_file=Path("out.prom"),
                metrics_job="nightly",
            ),
        ),
        "json",
    )


@pytest.mark.parametrize(
    ("declarations", "read"),
    [
        (Declarations(), (POLICIES,)),
        (Declarations(namespaces=("here",)), ()),
        (Declarations(paths=(Path("a"),)), (Path("a"),)),
        (Declarations(paths=(Path("a"),), namespaces=("here",)), (Path("a"),)),
    ],
)
def test_the_usual_place_is_read_where_no_other_is_named(
    declarations: Declarations, read: tuple[Path, ...]
) -> None:
    """A file that is named and a namespace that is named both replace it."""
    assert tuple(declarations.files) == read


# --- the report -------------------------------------------------------------------------------------------------------


def report(request: RunRequest, *outcomes: Outcome) -> Report:
    """Return the report of a run with these outcomes."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return report_of(request, fleet.Report(started=now, ended=now, outcomes=outcomes))


def outcome(result: Result, *honoured: str) -> Outcome:
    """Return what became of the rotation a/b."""
    return Outcome(rotation="a/b", result=result, summary=Summary(requests=honoured))


DUE, ASKED, LEAVE = RunRequest(), RunRequest(asked=Request(reason="INC-1")), RunRequest(mode=Mode.LEAVE)
IS_HELD = "another run is at work on a/b and does what is due there: nothing to do (exit 3)"


@pytest.mark.parametrize(
    ("request_", "result", "honoured", "code", "says"),
    [
        (DUE, Result.WAITING, (), 0, ""),
        (DUE, Result.HELD, (), 3, IS_HELD),
        (DUE, Result.FROZEN, (), 1, ""),
        (ASKED, Result.WAITING, ("INC-1",), 0, ""),
        (ASKED, Result.WAITING, ("INC-0",), 3, "not begun yet, ask again: a/b"),
        (ASKED, Result.HELD, (), 3, IS_HELD),
        (ASKED, Result.FROZEN, (), 1, ""),
        (LEAVE, Result.DELETED, (), 0, ""),
        (LEAVE, Result.WAITING, (), 3, "not done yet, call it again: a/b"),
        (LEAVE, Result.HELD, (), 3, "not done yet, call it again: a/b"),
        (LEAVE, Result.REFUSED, (), 1, ""),
    ],
)
def test_a_report_knows_its_exit_code_and_what_3_means(
    request_: RunRequest, result: Result, honoured: tuple[str, ...], code: int, says: str
) -> None:
    """What was asked by hand and is not begun is no success; what a scheduled run waits for is."""
    made = report(request_, outcome(result, *honoured))
    assert made.exit_code == code
    assert advice(made, request_.mode) == says


@pytest.mark.parametrize(
    ("request_", "publishes"),
    [
        (RunRequest(), False),
        (RunRequest(notices=Notices(metrics_push="http://gateway")), True),
        (RunRequest(notices=Notices(metrics_file=Path("out.prom"))), True),
        (RunRequest(notices=Notices(metrics_push="http://gateway"), asked=Request(reason="INC-1")), False),
    ],
)
def test_what_is_asked_by_hand_publishes_nothing(request_: RunRequest, publishes: bool) -> None:
    """It says nothing of the scheduled runs, nor of the rotations that it leaves alone."""
    assert request_.publishes is publishes


# --- what loads late --------------------------------------------------------------------------------------------------


def _imported(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield name and module of each import."""
    for line in body:
        if isinstance(line, ast.ImportFrom):
            yield from ((alias.asname or alias.name, f"{line.module}.{alias.name}") for alias in line.names)
        elif isinstance(line, ast.Import):
            yield from ((alias.asname or alias.name, alias.name) for alias in line.names)


def _late(line: ast.stmt) -> Iterator[tuple[str, str]]:
    """Yield name and module of each `Late`."""
    text = ast.unparse(line)
    assert isinstance(line, ast.Assign), text
    names, values = (
        part.elts if isinstance(part, ast.Tuple) else [part] for part in (line.targets[0], line.value)
    )
    for name, value in zip(names, values, strict=True):
        assert isinstance(value, ast.Call), text
        yield ast.unparse(name), ast.literal_eval(value.args[0])


@pytest.mark.parametrize("file", LATE, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_loads_late_is_what_mypy_sees(file: Path) -> None:
    """Each name stands for one module, at run time and for the types."""
    (block,) = (n for n in ast.parse(file.read_text()).body if isinstance(n, ast.If) and n.orelse)
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    late = [pair for line in block.orelse for pair in _late(line)]
    assert late
    assert set(late) <= set(_imported(block.body))


def test_the_help_loads_no_policy_no_engine_and_no_client() -> None:
    """What people see first comes at once."""
    script = """
import sys
from rotator.cli.verbs import cli
cli(["run", "--help"], standalone_mode=False)
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.splitlines()[-1].split()
    assert "rotator.run.request" in loaded
    slow = ("rotator.policy", "rotator.engine", "rotator.clients", "pydantic", "kubernetes", "yaml")
    assert not [name for name in loaded if name.startswith(slow)]
