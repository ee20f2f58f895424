"""Write every value of the Helm chart out, from the comments in its `values.yaml`: `values.md`.

A comment `# -- …` above a key says what it is for. `python -m docs.reference.values` writes the page, with `--check` it
only compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from docs.written import HERE, finish

CHART = HERE.parent / "charts/rotator"
FILE = HERE / "reference/values.md"
HEAD = """\
% Written by docs/reference/values.py from charts/rotator/values.yaml: change the comments there, not this file.

# Every value of the Helm chart

The values have a closed schema: `helm install`, `helm upgrade` and `helm template` reject a name that is not listed
here. [In the cluster](../operate/cluster.md) shows how to use them. The default follows `=`; a value without `=` is
empty by default.
"""
MARK = "# --"


@dataclass(frozen=True)
class Value:
    """One value that the chart takes."""

    path: str
    default: Any
    meaning: str


def texts() -> Mapping[Path, str]:
    """Return the page by its file."""
    return {FILE: page((CHART / "values.yaml").read_text(encoding="utf-8"))}


def page(values: str) -> str:
    """Return the reference as Markdown."""
    return "\n".join([HEAD, *(_entry(value) for value in documented(values))])


def _entry(value: Value) -> str:
    default = "" if value.default is None or value.default == "" else f" = {_written(value.default)}"
    return f"`{value.path}`{default}\n: {value.meaning or 'As in Kubernetes.'}\n"


def documented(values: str) -> Iterator[Value]:
    """Yield the values in their order. ValueError where one has no comment, nor anything that it stands in."""
    root = yaml.compose(values, Loader=yaml.SafeLoader)
    yield from _walk(root, "", values.splitlines(), covered=False)


def _walk(node: Any, path: str, lines: list[str], *, covered: bool) -> Iterator[Value]:
    said = [_comment(lines, key.start_mark.line) for key, _ in node.value]
    for (key, value), meaning in zip(node.value, said, strict=True):
        name = f"{path}.{key.value}".removeprefix(".")
        mapping = isinstance(value, yaml.MappingNode) and bool(value.value) and not value.flow_style
        inner = list(_walk(value, name, lines, covered=covered or bool(meaning))) if mapping else []
        if meaning or (covered and any(said) and not inner):
            yield Value(name, "" if inner else _plain(value), meaning)
        elif not covered and not mapping:
            raise ValueError(f"values.yaml: {name} has no comment `# -- …`")
        yield from inner


def _plain(node: Any) -> Any:
    return yaml.SafeLoader("").construct_object(node, deep=True)


def _comment(lines: list[str], key_line: int) -> str:
    """Return the comment right above a key, from its `# --` on."""
    said: list[str] = []
    for number in range(key_line - 1, -1, -1):
        stripped = lines[number].strip()
        if not stripped.startswith("#"):
            return ""
        said.insert(0, stripped.removeprefix(MARK).removeprefix("#").strip())
        if stripped.startswith(MARK):
            return " ".join(said)
    return ""


def _written(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    finish(texts())
