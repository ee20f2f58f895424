"""Write what rotator is made of: `dependencies.md`, from `dependencies.toml` and what is installed.

`python -m docs.reference.dependencies` writes it, with `--check` it only compares.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from docs.written import HERE, finish

ROOT = HERE.parent
SOURCE = HERE / "reference/dependencies.toml"
FILE = HERE / "reference/dependencies.md"
LOCK = ROOT / "requirements-otel.txt"
"""The larger of the two locks that are shipped; requirements.txt is a part of it."""
HEAD = """\
% Written by docs/reference/dependencies.py from dependencies.toml and the packages' own metadata: change those, not this file.

# Dependencies

All are pinned with hashes (`requirements*.txt`). The months of the last releases were looked up in {checked}. `make test` fails
where one is missing here, and where a last release is older than two years and no reason is given; `make audit` asks the
index.
"""
_LICENCES = {
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
}
"""What some packages write in place of an SPDX id."""
_CLASSIFIED = "License :: OSI Approved :: "


@dataclass(frozen=True, slots=True)
class Table:
    """What dependencies.toml says."""

    checked: str
    """The month in which the last releases were looked up, as 2026-11."""
    direct: Mapping[str, tuple[str, str]]
    """What our code imports: what for, and why this one."""
    development: Mapping[str, str]
    """What developers and CI use: what for."""
    released: Mapping[str, str]
    """The month of each one's last release."""
    old: Mapping[str, str] = field(default_factory=dict)
    """Why one stays that has had no release for long."""

    @classmethod
    def read(cls, text: str) -> Table:
        """Read it. Raises ValueError or TypeError for a file that is none."""
        return cls(**tomllib.loads(text))


def table() -> Table:
    """Return the table as it stands."""
    return Table.read(SOURCE.read_text(encoding="utf-8"))


def locked(lock: Path = LOCK) -> list[Requirement]:
    """Return what a lock pins on this platform."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line.rstrip(" \\")) for line in lines if "==" in line]
    return [each for each in wanted if not each.marker or each.marker.evaluate()]


def licences(said: Message) -> set[str]:
    """Return a package's SPDX ids: those of its expression, else what its licence field says, else its classifiers."""
    if expression := said.get("License-Expression"):
        return set(re.split(r"\s+(?:AND|OR|WITH)\s+|[()]", expression)) - {""}
    classifiers = [str(each) for each in said.get_all("Classifier", [])]
    classified = [each.removeprefix(_CLASSIFIED) for each in classifiers if each.startswith(_CLASSIFIED)]
    named = [said["License"]] if said.get("License") else classified
    return {_LICENCES.get(each, each) for each in named} or {"none is named"}


def texts() -> Mapping[Path, str]:
    """Return the page by its file."""
    return {FILE: page(table())}


def page(said: Table) -> str:
    """Return the page as Markdown."""
    shipped = [each.name for each in locked()]
    brought = [name for name in shipped if name not in said.direct]
    return "\n".join(
        [
            HEAD.format(checked=said.checked),
            "## What our code imports\n",
            "| dependency | what for | why this one | licence | last release |\n|---|---|---|---|---|",
            *(_row(name, *said.direct[name], _licence(name), said.released[name]) for name in said.direct),
            "\n## What those bring\n",
            "| dependency | brought by | licence | last release |\n|---|---|---|---|",
            *(_row(n, ", ".join(_users(n, shipped)), _licence(n), said.released[n]) for n in brought),
            "\n## For development\n",
            "None of these is in the image.\n",
            "| dependency | what for | licence | last release |\n|---|---|---|---|",
            *(_row(n, what, _licence(n), said.released[n]) for n, what in said.development.items()),
            "\n## Old, and why they stay\n",
            "| dependency | last release | why it stays |\n|---|---|---|",
            *(_row(name, said.released[name], why) for name, why in said.old.items()),
            "",
        ]
    )


def _row(name: str, *cells: str) -> str:
    return "| " + " | ".join((f"`{name}`", *cells)) + " |"


def _licence(name: str) -> str:
    said: Any = metadata.metadata(name)
    return ", ".join(sorted(licences(said)))


def _users(name: str, shipped: Iterable[str]) -> Iterator[str]:
    """Yield which of what is shipped asks for one, with whatever Python, by itself and not for an extra."""
    for other in shipped:
        asked = [Requirement(text) for text in metadata.requires(other) or ()]
        if any(canonicalize_name(r.name) == name and "extra" not in str(r.marker) for r in asked):
            yield f"`{other}`"


if __name__ == "__main__":
    finish(texts())
