"""Draw which package of the product imports which, from its imports: a part of ARCHITECTURE.md."""

from __future__ import annotations

from collections.abc import Mapping

import grimp

PACKAGE = "rotator"
_SMALL = {"late", "__main__", PACKAGE}
"""What says nothing of the structure: a helper that loads modules late, the program's name, its version."""


def picture() -> str:
    """Return the arrows; one that others imply is left out."""
    arrows = _arrows()
    lines = ["```mermaid", "flowchart TD"]
    for room in sorted(arrows):
        implied = set[str]().union(*(_below(arrows, other) for other in arrows[room]))
        lines += [f"    {room} --> {other}" for other in sorted(arrows[room] - implied)]
    return "\n".join([*lines, "```"])


def _arrows() -> Mapping[str, frozenset[str]]:
    """Return what each room imports while the program runs."""
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True)
    found: dict[str, set[str]] = {}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            one, other = _room(module), _room(imported)
            if one != other and not {one, other} & _SMALL:
                found.setdefault(one, set()).add(other)
    return {room: frozenset(others) for room, others in found.items()}


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def _below(arrows: Mapping[str, frozenset[str]], room: str) -> set[str]:
    """Return all rooms that one reaches. Raises RecursionError where there is a circle."""
    others = arrows.get(room, frozenset())
    return set(others).union(*(_below(arrows, other) for other in others))
