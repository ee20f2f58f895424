"""A fixture of the session is set up once: a test module that imports it registers it again, and its server starts twice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _fixtures(module: ast.Module) -> Iterator[str]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and any("fixture" in ast.dump(d) for d in node.decorator_list):
            yield node.name


def _imported(module: ast.Module) -> Iterator[tuple[str, str]]:
    for node in module.body:
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def test_no_test_module_imports_a_fixture() -> None:
    """A conftest makes it known to its folder, `pytest_plugins` to whom asks for it."""
    parsed = {p.relative_to(ROOT): ast.parse(p.read_text("utf-8")) for p in (ROOT / "tests").rglob("*.py")}
    names = {p: ".".join(p.with_suffix("").parts) for p in parsed}
    fixtures = {(names[p], fixture) for p, module in parsed.items() for fixture in _fixtures(module)}
    assert {("tests.providers.real_slapd", "slapd_server_"), ("tests.apis", "kube_apiserver")} <= fixtures
    imported = {p: set(_imported(module)) for p, module in parsed.items() if p.name.startswith("test_")}
    assert {str(p): found & fixtures for p, found in imported.items() if found & fixtures} == {}
