"""Every dependency has a row that says why it is there; what nobody releases any more has a reason to stay."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from docs.reference.dependencies import ROOT, Table, locked, table
from tests.supply.releases import EARLY, OLD, months_between

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SANDBOX = tomllib.loads((ROOT / "sandbox/pyproject.toml").read_text(encoding="utf-8"))
OURS = {"rotator", "rotator-sandbox"}
GOOD = Table(
    checked="2026-11",
    direct={"a": ("x", "y")},
    development={"d": "x"},
    released={"a": "2026-01", "b": "2024-11", "d": "2026-01"},
)


def names(requirements: list[str]) -> set[str]:
    """Return the canonical names in a list of requirements."""
    return {str(canonicalize_name(Requirement(text).name)) for text in requirements} - OURS


def declared() -> set[str]:
    """Return what pyproject.toml asks for: what is shipped, and the extras for traces, directories and `serve`."""
    extras = PROJECT["project"]["optional-dependencies"]
    return names(PROJECT["project"]["dependencies"] + extras["otel"] + extras["ldap"] + extras["serve"])


def development() -> set[str]:
    """Return what the groups ask for, and the sandbox. The vendors' SDKs have a lock and a folder of their own."""
    groups = [
        text
        for name, group in PROJECT["dependency-groups"].items()
        for text in group
        if isinstance(text, str) and name != "sdk"
    ]
    return names(groups + SANDBOX["project"]["dependencies"])


def faults(said: Table, shipped: set[str], direct: set[str], developers: set[str]) -> Iterator[str]:
    """Yield what is wrong with a table."""
    for what, has, wanted in (
        ("direct", set(said.direct), direct),
        ("development", set(said.development), developers),
        ("released", set(said.released), shipped | developers),
    ):
        yield from (f"{name} is missing in [{what}]" for name in sorted(wanted - has))
        yield from (f"{name} is in [{what}] and nobody needs it" for name in sorted(has - wanted))
    for name, month in said.released.items():
        age = months_between(month, said.checked)
        if age > OLD and not said.old.get(name):
            yield f"{name} has had no release since {month}: replace it, or say in [old] why it stays"
        if name in said.old and age < EARLY:
            yield f"{name} was released in {month}: it needs no reason in [old]"
    yield from (f"{name} is in [old] only" for name in sorted(set(said.old) - set(said.released)))


def test_the_table_is_whole() -> None:
    """Proves that each has a row, that none is left over, and that what is old has a reason."""
    shipped = {each.name for each in locked()}
    assert list(faults(table(), shipped, declared(), development())) == []


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (GOOD, None),
        (replace(GOOD, direct={}), "a is missing in [direct]"),
        (replace(GOOD, direct={**GOOD.direct, "z": ("", "")}), "z is in [direct] and nobody needs it"),
        (replace(GOOD, development={}), "d is missing in [development]"),
        (replace(GOOD, released={"a": "2026-01", "d": "2026-01"}), "b is missing in [released]"),
        (replace(GOOD, checked="2026-12"), "b has had no release since 2024-11: replace it, or say in [old] why it stays"),
        (replace(GOOD, checked="2026-12", old={"b": "settled"}), None),
        (replace(GOOD, old={"b": "settled"}), None),
        (replace(GOOD, old={"a": "settled"}), "a was released in 2026-01: it needs no reason in [old]"),
        (replace(GOOD, old={"z": "settled"}), "z is in [old] only"),
    ],
)  # fmt: skip
def test_each_fault_is_seen(said: Table, fault: str | None) -> None:
    """Proves that the test above can fail."""
    assert list(faults(said, {"a", "b"}, {"a"}, {"d"})) == ([fault] if fault else [])


def test_every_row_says_something() -> None:
    """Proves that no cell is empty."""
    said = table()
    assert all(what and why for what, why in said.direct.values())
    assert all([*said.development.values(), *said.old.values()])


def imported() -> dict[str, set[str]]:
    """Return the third-party packages that our code imports, by distribution, with the files that do."""
    providers = metadata.packages_distributions()
    found: dict[str, set[str]] = {}
    for file in sorted((ROOT / "rotator").rglob("*.py")):
        for module in _modules(file):
            top = module.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in {"rotator", "_typeshed"}:  # types only
                for name in providers[top]:
                    found.setdefault(canonicalize_name(name), set()).add(file.name)
    return found


def _modules(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


def test_what_is_imported_is_declared() -> None:
    """Proves that nothing is used that only another dependency happens to bring, and nothing declared that is not used.

    The packages of OpenTelemetry share one name; pydantic asks for exactly one version of its core.
    """
    found = {name for name in imported() if not name.startswith("opentelemetry-")} - {"pydantic-core"}
    assert found == {name for name in declared() if not name.startswith("opentelemetry-")}
