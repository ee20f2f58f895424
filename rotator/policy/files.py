"""Reading policy files: YAML with line numbers, checked one by one and then against each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rotator.errors import PolicyError
from rotator.policy import rules
from rotator.policy.model import RotationPolicy
from rotator.policy.owners import Owners
from rotator.vocabulary.footprint import Location
from rotator.vocabulary.problems import problems, written

SUFFIXES = (".yaml", ".yml", ".json")
_BASE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST = 50
"""How many levels a document may have; the parser in C would end the process at some 100,000."""
MOST = 10_000
"""How many values a document may have, each alias counted as all that it stands for: aliases of aliases grow without end."""
TOO_DEEP = f"nested too deep; expected at most {DEEPEST} levels"
TOO_LARGE = f"too large with all that its aliases stand for; expected at most {MOST} values in a document"
LARGEST = 8 << 20
"""Characters of a file."""
LONGEST = 64
"""Characters of a number, an instant or another value that is no text."""


@lru_cache(maxsize=4096)
def _tag(word: str) -> str:
    """Return what a word without quotes is: a text, a number, an instant, or what else YAML knows."""
    resolver: Any = yaml.resolver.Resolver()
    return str(resolver.resolve(yaml.ScalarNode, word, (True, False)))


class _Loader(_BASE):  # type: ignore[misc,valid-type]
    """A parser that remembers what words are: the same stand in thousands of declarations."""

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> Any:
        """Return the tag of a node that is given none."""
        if value is None or not implicit[0]:
            return _TAGS[kind]
        return _tag(value) if len(value) <= LONGEST else super().resolve(kind, value, implicit)

    def descend_resolver(self, *_: object) -> None:
        """Remember nothing of where a node stands: no tag depends on it."""

    def ascend_resolver(self) -> None:
        """Remember nothing of where a node stands: no tag depends on it."""


@dataclass(frozen=True)
class Document:
    """One YAML document and where it stands."""

    file: Path
    node: yaml.Node

    def line(self, location: Location) -> int:
        """Return the line of `location`, or of the nearest thing above it that exists."""
        node = self.node
        line = node.start_mark.line
        for step in location:
            child = _child(node, step)
            if child is None:
                break
            line, node = child[0].start_mark.line, child[1]
        return int(line) + 1

    def at(self, location: Location, problem: str) -> str:
        """Return `file:line: path: problem`."""
        return self.on(self.line(location), location, problem)

    def on(self, number: int, location: Location, problem: str) -> str:
        """Return the same for a known line."""
        return f"{self.file}:{number}: {written((location, problem))}"


def _child(node: yaml.Node, step: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((k, v) for k, v in node.value if k.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _below(node: yaml.Node, step: int | str) -> yaml.Node | None:
    child = _child(node, step)
    return child[1] if child else None


@dataclass(frozen=True)
class Declared:
    """A rotation and where it was declared."""

    policy: RotationPolicy
    document: Document


def load(paths: Sequence[Path]) -> list[RotationPolicy]:
    """Read all rotations under `paths` (files, or folders of them). Raises PolicyError with every problem found.

    One file after the other: of those that are read, the rotations are kept, and not where each of their lines stands.
    """
    unread: list[str] = []
    unsafe: list[str] = []
    shared: list[str] = []
    policies: list[RotationPolicy] = []
    owners = Owners()
    for file in _files(paths):
        found, wrong = _read(file)
        unread += wrong
        for declared in found:
            unsafe += _unsafe(declared)
            shared += _shared(declared, owners)
            policies.append(declared.policy)
    if wrong := [*unread, *unsafe, *shared]:
        raise PolicyError(*wrong)
    return policies


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = sorted(f for f in path.iterdir() if f.suffix in SUFFIXES and not f.name.startswith("."))
            if not found:
                raise PolicyError(f"{path}: no policy file in this folder; expected files named *.yaml")
            yield from found
        elif path.exists():
            yield path
        else:
            raise PolicyError(f"{path}: no such file; expected a policy file or a folder of them")


def _read(file: Path) -> tuple[list[Declared], list[str]]:
    try:
        with file.open(encoding="utf-8") as opened:
            text = opened.read(LARGEST + 1)
        if problem := _too_much(text):
            return [], [f"{file}:{problem}"]
        nodes = [n for n in yaml.compose_all(text, Loader=_Loader) if n.tag != _NULL]
    except (OSError, UnicodeDecodeError) as error:
        return [], [f"{file}: cannot be read ({type(error).__name__}); expected a UTF-8 YAML file"]
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        return [], [f"{file}:{line}: not YAML: {error.reason}; expected a Rotation"]
    except yaml.YAMLError as error:
        where = f"{file}:{_line(error)}"
        return [], [
            f"{where}: not YAML: {getattr(error, 'problem', None) or 'unreadable'}; expected a Rotation"
        ]
    if not nodes:
        return [], [f"{file}:1: the file is empty; expected at least one document of kind Rotation"]
    declared, unread = [], []
    for node in nodes:
        found, wrong = _one(Document(file, node))
        declared += [found] if found else []
        unread += wrong
    return declared, unread


def _line(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark else 1


class _Sizes:
    """How large and how deep a document is once each alias stands for what it means."""

    def __init__(self) -> None:
        self.open: list[tuple[str | None, int, int]] = []
        """Of each list and mapping around: its anchor, and its nodes and levels so far."""
        self._known: dict[str, tuple[int, int]] = {}

    def node(self, event: yaml.Event) -> None:
        """Take the next part of the document."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._known = {}
        elif isinstance(event, yaml.CollectionStartEvent):
            self.open.append((event.anchor, 1, 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, nodes, levels = self.open.pop()
            if anchor:
                self._known[anchor] = (nodes, levels)
            self._add(nodes, levels)
        elif isinstance(event, yaml.AliasEvent):
            self._add(*self._known.get(event.anchor or "", (1, 0)))
        elif isinstance(event, yaml.ScalarEvent):
            self._add(1, 0)

    def _add(self, nodes: int, levels: int) -> None:
        if self.open:
            anchor, before, depth = self.open[-1]
            self.open[-1] = (anchor, before + nodes, max(depth, levels + 1))

    @property
    def depth(self) -> int:
        """How many levels the deepest part has so far."""
        return max((at + levels for at, (_, _, levels) in enumerate(self.open)), default=0)


def _too_much(text: str) -> str:
    """Return the line where a document becomes too large or too deep, and what is expected. Nothing is built yet."""
    if len(text) > LARGEST:
        return f"1: too large; expected at most {LARGEST} characters in a file"
    if len(text) <= MOST and "*" not in text:
        return ""  # at most as many values as characters; whether they are nested too deep is seen as they are read
    sizes = _Sizes()
    for event in yaml.parse(text, Loader=_Loader):
        sizes.node(event)
        line = int(event.start_mark.line) + 1 if event.start_mark else 1
        if sizes.depth > DEEPEST:
            return f"{line}: {TOO_DEEP}"
        if sizes.open and sizes.open[-1][1] > MOST:
            return f"{line}: {TOO_LARGE}"
    return ""


def _one(document: Document) -> tuple[Declared | None, list[str]]:
    if not isinstance(document.node, yaml.MappingNode):
        return None, [document.at((), "expected a mapping with apiVersion, kind, metadata and spec")]
    data, unplain = _Plain(document).read()
    if unplain:
        return None, unplain
    other = [
        document.at((name,), f"expected {expected}")
        for name, expected in (("apiVersion", "rotator.dev/v1alpha1"), ("kind", "Rotation"))
        if data.get(name) != expected
    ]
    if other:
        return None, other
    try:
        return Declared(RotationPolicy.model_validate(data), document), []
    except ValidationError as error:
        return None, [document.at(*problem) for problem in problems(error, document.node, _below)]


class _Plain:
    """Reads a document, and finds what YAML can say and a declaration cannot.

    Repeated keys, keys that are no text, loops, odd tags. YAML forbids repeated keys (1.2.2, section 3.2.1.3), its parsers
    take the last one silently.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._wrong: list[str] = []
        self._done: dict[int, Any] = {}
        """What was read of each list and mapping: an alias stands for the same."""
        self._merges = False
        """Whether one mapping takes over the pairs of another (`<<`)."""

    def read(self) -> tuple[Any, list[str]]:
        """Return the whole of it as plain values, and what is wrong with it."""
        root = self._document.node
        value = self._value(root, (), frozenset())
        if not self._merges or self._wrong:
            return value, self._wrong
        try:
            return yaml.constructor.SafeConstructor().construct_document(root), []
        except yaml.YAMLError as error:
            problem = f"not YAML of plain values: {getattr(error, 'problem', 'unreadable')}"
            return None, [self._document.on(_line(error), (), problem)]

    def _value(self, node: yaml.Node, location: Location, above: frozenset[int]) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return node.value if node.tag == _STR else self._scalar(node, location)
        if id(node) in above:
            self._note(node, location, "contains itself; expected plain values")
        if id(node) in self._done:
            return self._done[id(node)]
        if len(location) >= DEEPEST:
            self._wrong.append(f"{self._document.file}:{node.start_mark.line + 1}: {TOO_DEEP}")
            return None
        above |= {id(node)}
        if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
            return self._mapping(node, location, above)
        if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
            items = self._done[id(node)] = []
            items += [self._value(n, (*location, at), above) for at, n in enumerate(node.value)]
            return items
        return self._odd(node, location)

    def _mapping(self, node: yaml.MappingNode, location: Location, above: frozenset[int]) -> dict[str, Any]:
        pairs: dict[str, Any] = {}
        self._done[id(node)] = pairs
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if key.tag not in _KEYS:
                self._note(key, (*location, name), "a key that is no text; quote it")
            elif name in pairs:
                self._note(key, (*location, name), "given twice; expected once")
            else:
                self._merges |= key.tag != _STR
                pairs[name] = None
                pairs[name] = self._value(value, (*location, name), above)
        return pairs

    def _scalar(self, node: yaml.ScalarNode, location: Location) -> Any:
        if len(node.value) > LONGEST:
            return self._odd(node, location)
        try:
            value = yaml.constructor.SafeConstructor().construct_document(node)
        except (yaml.YAMLError, ValueError, KeyError, OverflowError, AttributeError):
            return self._odd(node, location)
        return self._odd(node, location) if isinstance(value, float) and not math.isfinite(value) else value

    def _odd(self, node: yaml.Node, location: Location) -> None:
        tag = node.tag.replace(_TAG, "!!")
        self._note(node, location, f"{tag} is no plain value; expected a text, a number, true or false")

    def _note(self, node: yaml.Node, location: Location, problem: str) -> None:
        self._wrong.append(self._document.on(node.start_mark.line + 1, location, problem))


_TAG = "tag:yaml.org,2002:"
_STR, _MAP, _SEQ, _NULL = (f"{_TAG}{name}" for name in ("str", "map", "seq", "null"))
_TAGS = {yaml.ScalarNode: _STR, yaml.MappingNode: _MAP, yaml.SequenceNode: _SEQ}
"""The tags of what is given none, and is no word without quotes."""
_KEYS = {_STR, f"{_TAG}merge"}
"""The tags that a key may have."""


def _unsafe(declared: Declared) -> Iterator[str]:
    for location, problem in rules.unsafe(declared.policy):
        yield declared.document.at(location, problem)
    if declared.policy.spec.deletion_policy != "Retain":
        yield declared.document.at(
            ("spec", "deletionPolicy"), "nobody notices that a file is gone; expected Retain, or nothing"
        )


def _shared(declared: Declared, owners: Owners) -> list[str]:
    """Return what a rotation claims and an earlier one has; from then on what it claims is its own."""
    policy, document = declared.policy, declared.document
    where = f"{document.file}:{document.line(('metadata', 'name'))}"
    return [document.at(location, problem) for location, problem in owners.claim(policy, where)]
