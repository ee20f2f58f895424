"""Write what a provider says of itself out, from the class variables of its declaration: a part of the page "Add a system".

`python -m docs.reference.class_vars` writes it, with `--check` it only compares.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from docs.written import HERE, finish
from rotator.systems.provider import Provider
from rotator.systems.verifier import VerifierKind

FILE = HERE / "declare/providers/class-vars.txt"
HEAD = """\
% Written by docs/reference/class_vars.py from rotator/systems: change the docstrings there, not this file.

| says | type | default | means |
|---|---|---|---|"""


@dataclass(frozen=True)
class ClassVariable:
    """A class variable that a provider may give, and the docstring behind it."""

    name: str
    type: str
    default: str
    """As it is written; empty: there is none."""
    meaning: str


def class_vars() -> Iterator[ClassVariable]:
    """Yield those that the base classes of a provider declare. ValueError where one has no docstring."""
    for base in (VerifierKind, Provider):
        body = [*ast.iter_child_nodes(ast.parse(inspect.getsource(base)).body[0]), ast.Pass()]
        for node, behind in pairwise(body):
            match node:
                case ast.AnnAssign(annotation=ast.Subscript(value=ast.Name("ClassVar"), slice=kind)):
                    yield _read(node, kind, behind)


def texts() -> Mapping[Path, str]:
    """Return the table by its file."""
    return {FILE: "\n".join([HEAD, *(_written(one) for one in class_vars()), ""])}


def _read(node: ast.AnnAssign, kind: ast.expr, behind: ast.AST) -> ClassVariable:
    name, default = ast.unparse(node.target), ast.unparse(node.value) if node.value else ""
    match behind:
        case ast.Expr(value=ast.Constant(value=str() as said)):
            return ClassVariable(name, ast.unparse(kind), default, " ".join(said.split()))
    raise ValueError(f"{name} has no docstring")


def _written(one: ClassVariable) -> str:
    code = (f"`{text}`" if text else "required" for text in (one.name, one.type, one.default))
    cells = (*code, one.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    finish(texts())
