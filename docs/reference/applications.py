"""Write what to declare for which application: `declare/applications.md`, from `applications.toml` and the declarations in examples/.

`python -m docs.reference.applications` writes it, with `--check` it only compares.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from docs.written import HERE, finish

SOURCE = HERE / "declare/applications.toml"
FILE = HERE / "declare/applications.md"
DECLARATIONS = HERE.parent / "examples/applications"
HEAD = """\
% Written by docs/reference/applications.py from applications.toml and examples/applications: change those, not this file.

# Applications

What a secret of an application looks like, and whether the application accepts two at a time, is the application's own rule.
Find yours in the table, copy the declaration below it, and change names, namespace and `tokenTTL`. The rules were read in the
sources named, in {looked}; check them against the version that you run.

{table}

- **several**: every replica accepts the new value before any replica uses it ([holders that accept what they
  use](verifiers.md#holders)), so no session is lost. The pods restart three times in a rotation.
- **one**: the switch is an [outage](outage.md#an-application-that-accepts-one-value) in a window that you declare. The pods
  restart once.
- **stored**: it encrypts stored data that nothing encrypts again. Do not rotate it with rotator, nor with any other tool.

The readers in the last column were run through whole rotations, with sessions shown at every pod at every moment of the
rollouts (`tests/consumers/test_applications.py`). Of the others, the tests hold the values against the rule.

**To take over the value that is in use today**, add [`takeOver`](take-over.md) with the same Secret and data key.

Each declaration is a file in `examples/applications`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What one application reads."""

    name: str
    setting: str
    """What it is called there, in Markdown."""
    accepts: Literal["several", "one", "stored"]
    """How many values at a time; `stored`: it encrypts data that nothing encrypts again."""
    rule: str
    """What a value is, and which one is used."""
    sources: tuple[str, ...]
    """Who says so: addresses of the application's own documentation, code or issues."""
    file: str = ""
    """The declaration, by its name in examples/applications; empty: it is not to be rotated."""
    reader: str = ""
    """What reads whole rotations of it in the tests; empty: its values are held against the rule alone."""
    lost: str = ""
    """What a switch costs."""
    text: str = ""
    """What else people have to know."""
    how: str = ""
    """How the application is made to read it."""
    language: str = ""
    """The language of that."""

    @property
    def declaration(self) -> Path | None:
        """The file of its declaration."""
        return DECLARATIONS / f"{self.file}.yaml" if self.file else None


def read() -> tuple[str, tuple[Application, ...]]:
    """Return when the sources were read, and all applications. Raises TypeError for a field that there is not."""
    said = tomllib.loads(SOURCE.read_text(encoding="utf-8"))
    return said["looked"], tuple(
        Application(**{**one, "sources": tuple(one["sources"])}) for one in said["application"]
    )


def texts() -> Mapping[Path, str]:
    """Return the page by its file."""
    looked, applications = read()
    head = HEAD.format(looked=looked, table=_table(applications))
    return {FILE: "\n".join([head, *(_section(one) for one in applications)])}


def _table(applications: tuple[Application, ...]) -> str:
    rows = [
        "| your application reads | which is | it accepts | declare | read in our tests by |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {one.name}: {one.setting} | {one.rule} | {one.accepts} | {_what(one)} | {one.reader or '-'} |"
        for one in applications
    ]
    return "\n".join(rows)


def _what(one: Application) -> str:
    link = f"#{_anchor(one.name)}"
    if one.declaration is None:
        return f"[nothing]({link})"
    return f"[`{one.file}.yaml`]({link})"


def _anchor(name: str) -> str:
    """Return the anchor of a heading, as GitHub and MyST make it."""
    return "".join(c for c in name.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def _section(one: Application) -> str:
    return "\n".join(_parts(one))


def _parts(one: Application) -> Iterator[str]:
    yield f"## {one.name}\n"
    yield f"{one.setting}: {one.rule}.\n"
    if one.lost:
        yield f"**Lost at each switch**: {one.lost}.\n"
    if one.text:
        yield f"{one.text.strip()}\n"
    if one.declaration:
        yield f"```yaml\n{one.declaration.read_text(encoding='utf-8').strip()}\n```\n"
    if one.how:
        yield f"```{one.language}\n{one.how.strip()}\n```\n"
    yield f"Sources: {', '.join(f'<{source}>' for source in one.sources)}\n"


if __name__ == "__main__":
    finish(texts())
