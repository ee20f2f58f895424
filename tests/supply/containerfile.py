"""A Containerfile as its instructions, stage by stage: as much of the language as the recipe uses."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_FLAG = re.compile(r"--(?P<name>[a-z-]+)=(?P<value>\S+)\s+")


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continuation lines joined."""

    name: str
    flags: tuple[tuple[str, str], ...]
    text: str

    @classmethod
    def of(cls, line: str) -> Self:
        """Take `NAME --flag=value … text` apart."""
        name, _, text = line.partition(" ")
        flags = []
        text = text.strip() + " "
        while found := _FLAG.match(text):
            flags.append((found["name"], found["value"]))
            text = text[found.end() :]
        return cls(name.upper(), tuple(flags), text.strip())

    @property
    def exec_form(self) -> list[str] | None:
        """The argument list, or None where a shell would read the text."""
        return json.loads(self.text) if self.text.startswith("[") else None

    @property
    def words(self) -> list[str]:
        """The text's words; the last one of a COPY is where to."""
        return self.text.split()

    def flag(self, name: str) -> list[str]:
        """Return all values of a flag."""
        return [value for flag, value in self.flags if flag == name]


@dataclass
class Stage:
    """A FROM and what follows it."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        """Return the instructions of this name."""
        return [each for each in self.instructions if each.name == name]

    def labels(self) -> dict[str, str]:
        """Return all labels."""
        return {
            key: value
            for label in self.all("LABEL")
            for key, value in re.findall(r'(\S+?)="(.*?)"', label.text)
        }


@dataclass
class Containerfile:
    """The arguments before the first stage, and the stages in order; the last one is the image."""

    arguments: list[Instruction]
    stages: list[Stage]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file."""
        lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
        joined = re.sub(r"\\\n", " ", "\n".join(lines))
        recipe = cls([], [])
        for line in filter(str.strip, joined.splitlines()):
            each = Instruction.of(line)
            if each.name == "FROM":
                recipe.stages.append(Stage(each.words[0], each.words[-1] if len(each.words) > 1 else ""))
            else:
                (recipe.stages[-1].instructions if recipe.stages else recipe.arguments).append(each)
        return recipe

    @property
    def image(self) -> Stage:
        """The stage that becomes the image."""
        return self.stages[-1]

    def stage(self, name: str) -> Stage:
        """Return a stage by its name."""
        return next(stage for stage in self.stages if stage.name == name)

    def defaults(self) -> dict[str, set[str]]:
        """Return every argument with the defaults it is given, in whatever stage."""
        given: dict[str, set[str]] = {}
        everywhere = self.arguments + [each for stage in self.stages for each in stage.all("ARG")]
        for each in everywhere:
            name, has_default, default = each.text.partition("=")
            given.setdefault(name, set()).update({default.strip('"')} if has_default else ())
        return given

    def from_context(self) -> set[str]:
        """Return what is copied out of the repository."""
        return {
            source
            for stage in self.stages
            for copy in stage.all("COPY") + stage.all("ADD")
            if not copy.flag("from")
            for source in copy.words[:-1]
        }
