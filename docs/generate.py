"""Write the generated parts of README.md, ARCHITECTURE.md and the pages and the generated manifests, or check them.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from docs.reference import rooms, vault_variables
from rotator.cli.report import as_yaml
from rotator.cli.verbs import cli
from rotator.core.machine import TRANSITIONS, Step, Transition
from rotator.core.ring import State
from rotator.policy.crd import definition
from rotator.policy.files import load
from rotator.systems.forms import ENCODINGS, Encoding

ROOT = Path(__file__).parent.parent
FILES = (
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "docs/reference/environment.md",
    ROOT / "docs/declare/holders.md",
)
CRD = ROOT / "charts/rotator/crds/rotations.rotator.dev.yaml"
_PART = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def diagram() -> str:
    """Draw the table of transitions."""
    lines = ["```mermaid", "stateDiagram-v2", "    direction LR"]
    lines += [f"    {_state(row.source)} --> {_state(row.target)}: {row.step}" for row in _in_order()]
    lines += [
        f"    {State.ACTIVE} --> {State.RETIRING}: activate (its successor)",
        f"    {State.DESTROYED} --> [*]",
        "```",
    ]
    return "\n".join(lines)


def table() -> str:
    """Write the table of transitions out, with what must be true before each step."""
    lines = ["| step | from | to | recorded once |", "|---|---|---|---|"]
    for row in _in_order():
        guards = "; ".join(_sentence(g) for g in row.guards)
        lines.append(f"| **{row.step}** | {row.source or '-'} | {row.target} | {guards} |")
    return "\n".join(lines)


def states() -> str:
    """Write the states out with their meaning."""
    source = (ROOT / "rotator/core/ring.py").read_text(encoding="utf-8")
    found = re.findall(r'^    [A-Z]+ = "(\w+)"\n    """(.+?)"""', source, re.MULTILINE)
    return "\n".join(
        ["| state | meaning [NIST SP 800-57] |", "|---|---|", *(f"| {s} | {m} |" for s, m in found)]
    )


def verbs() -> str:
    """Write the verbs of the command line out."""
    lines = ["| verb | does |", "|---|---|"]
    for name, command in sorted(_commands(cli, "")):
        lines.append(f"| `rotator {name}` | {_first_sentence(command)} |")
    return "\n".join(lines)


def commands_of(group: click.Group) -> Mapping[str, click.Command]:
    """Return the commands of a group by their names, also those that another distribution brings."""
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command}


def _commands(group: click.Group, before: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in commands_of(group).items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def example() -> str:
    """Show the example policy, which is read here, so it is a good one."""
    path = ROOT / "docs/example.yaml"
    load([path])
    return f"```yaml\n{path.read_text(encoding='utf-8').strip()}\n```"


def encodings() -> str:
    """Write the encodings out, by what an application reads."""
    lines = ["| your application reads | declare | written as in |", "|---|---|---|"]
    lines += [f"| {one.reads} | {_declared(one)} | {one.standard} |" for one in ENCODINGS.values()]
    return "\n".join(lines)


def _declared(encoding: Encoding) -> str:
    fields = encoding.of or ("FIELD",)
    return ", ".join(f"`{field}\\|{encoding.name}`" for field in fields)


PARTS: Mapping[str, Callable[[], str]] = {
    "diagram": diagram,
    "transitions": table,
    "states": states,
    "verbs": verbs,
    "example": example,
    "vault-variables": vault_variables.table,
    "rooms": rooms.picture,
    "encodings": encodings,
}


def _in_order() -> list[Transition]:
    return sorted(TRANSITIONS, key=lambda row: list(Step).index(row.step))


def _state(state: State | None) -> str:
    return str(state) if state else "[*]"


def _sentence(guard: Callable[..., object]) -> str:
    text = (guard.__doc__ or "").strip().rstrip(".")
    return text[0].lower() + text[1:]


def _first_sentence(command: click.Command) -> str:
    return (command.help or "").split("\n\n")[0].replace("\n", " ").strip()


def _filled(text: str) -> str:
    return _PART.sub(lambda m: f"{m[1]}{PARTS[m['name']]()}\n{m[3]}", text)


def _wanted() -> dict[Path, str]:
    texts = {file: _filled(file.read_text(encoding="utf-8")) for file in FILES}
    return {
        **texts,
        CRD: f"# Written by `make generate` from the model of the file format.\n{as_yaml(definition())}\n",
    }


def main() -> None:
    """Write, or with `--check` only compare: exit 1 names the files that differ."""
    stale = {
        file: text
        for file, text in _wanted().items()
        if not file.exists() or file.read_text(encoding="utf-8") != text
    }
    if "--check" in sys.argv:
        for file in stale:
            sys.stderr.write(f"{file.relative_to(ROOT)} is not as the code says: run `make generate`\n")
        sys.exit(1 if stale else 0)
    for file, text in stale.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
