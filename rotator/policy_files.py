"""Reading policy files: YAML with line numbers, checked one by one and then against each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rotator.core.timing import format_duration
from rotator.errors import PolicyError
from rotator.holders.mapping import PREVIOUS
from rotator.policy import RotationPolicy, holder_labels, place_label, store_label
from rotator.policy_types import PATTERNS
from rotator.targets.stamp import STAMP_FIELDS

SUFFIXES = (".yaml", ".yml", ".json")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST = 50
"""How many levels a document may have; the parser in C would end the process at some 100,000."""

Location = tuple[int | str, ...]


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

    def on(self, line: int, location: Location, problem: str) -> str:
        """Return the same for a known line. What a file holds never breaks or colours our lines."""
        path = ".".join(str(s) for s in location)
        text = f"{path + ': ' if path else ''}{problem}"
        return f"{self.file}:{line}: {''.join(c if c.isprintable() else '?' for c in text)}"


def _child(node: yaml.Node, step: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((k, v) for k, v in node.value if k.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


@dataclass(frozen=True)
class Declared:
    """A rotation and where it was declared."""

    policy: RotationPolicy
    document: Document


def load(paths: Sequence[Path]) -> list[RotationPolicy]:
    """Read all rotations under `paths` (files, or folders of them). Raises PolicyError with every problem found."""
    problems: list[str] = []
    declared: list[Declared] = []
    for file in _files(paths):
        found, wrong = _read(file)
        declared += found
        problems += wrong
    problems += [p for d in declared for p in _unsafe(d)]
    problems += _duplicates(declared)
    if problems:
        raise PolicyError("\n".join(problems))
    return [d.policy for d in declared]


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
        text = file.read_text(encoding="utf-8")
        if line := _too_deep(text):
            return [], [f"{file}:{line}: nested too deep; expected at most {DEEPEST} levels"]
        nodes = [n for n in yaml.compose_all(text, Loader=_LOADER) if n.tag != _NULL]
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
    declared, problems = [], []
    for node in nodes:
        found, wrong = _one(Document(file, node))
        declared += [found] if found else []
        problems += wrong
    return declared, problems


_NULL = "tag:yaml.org,2002:null"


def _line(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark else 1


def _too_deep(text: str) -> int | None:
    """Return the line where the document is nested deeper than `DEEPEST`."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            return int(event.start_mark.line) + 1 if event.start_mark else 1
    return None


def _one(document: Document) -> tuple[Declared | None, list[str]]:
    if not isinstance(document.node, yaml.MappingNode):
        return None, [document.at((), "expected a mapping with apiVersion, kind, metadata and spec")]
    if unplain := list(_unplain(document, document.node, (), frozenset(), set())):
        return None, unplain
    try:
        data: Any = yaml.constructor.SafeConstructor().construct_document(document.node)
    except yaml.YAMLError as error:
        problem = f"not YAML of plain values: {getattr(error, 'problem', 'unreadable')}"
        return None, [document.on(_line(error), (), problem)]
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
        return None, [
            document.at(_location(e["loc"], document), _sentence(e))
            for e in error.errors(include_input=False)
        ]


def _unplain(
    document: Document, node: yaml.Node, location: Location, above: frozenset[int], done: set[int]
) -> Iterator[str]:
    """Find what YAML can say and a declaration cannot: repeated keys, keys that are no text, loops, odd tags.

    YAML forbids repeated keys (1.2.2, section 3.2.1.3), its parsers take the last one silently.
    """
    here = node.start_mark.line + 1
    if id(node) in above:
        yield document.on(here, location, "contains itself; expected plain values")
    if id(node) in done:
        return
    done.add(id(node))
    above |= {id(node)}
    if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
        seen: set[str] = set()
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if key.tag not in {f"{_TAG}str", f"{_TAG}merge"}:
                yield document.on(
                    key.start_mark.line + 1, (*location, name), "a key that is no text; quote it"
                )
            elif name in seen:
                yield document.on(key.start_mark.line + 1, (*location, name), "given twice; expected once")
            else:
                seen.add(name)
                yield from _unplain(document, value, (*location, name), above, done)
    elif isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
        for position, item in enumerate(node.value):
            yield from _unplain(document, item, (*location, position), above, done)
    elif not isinstance(node, yaml.ScalarNode) or not _is_plain(node):
        tag = node.tag.replace(_TAG, "!!")
        yield document.on(
            here, location, f"{tag} is no plain value; expected a text, a number, true or false"
        )


_TAG = "tag:yaml.org,2002:"


def _is_plain(node: yaml.ScalarNode) -> bool:
    if node.tag == f"{_TAG}str":
        return True
    try:
        yaml.constructor.SafeConstructor().construct_document(node)
    except (yaml.YAMLError, ValueError, KeyError):
        return False
    return True


def _location(location: Location, document: Document) -> Location:
    """Drop the steps that pydantic adds for the members of a union and that stand nowhere in the file."""
    node, kept = document.node, []
    for step in location:
        child = _child(node, step)
        if child is not None:
            node = child[1]
            kept.append(step)
        elif isinstance(step, int) or step[:1].islower():
            kept.append(step)
    return tuple(kept)


_SENTENCES = {
    "extra_forbidden": "unknown field; see `rotator schema` for what is known",
    "missing": "required, but missing",
    "model_type": "expected a mapping",
    "dict_type": "expected a mapping",
    "list_type": "expected a list",
    "string_type": "expected a text; put a number or a word such as yes in quotes",
    "int_type": "expected a whole number",
    "bool_type": "expected true or false",
    "invalid_key": "a key that is no text; put it in quotes",
    "literal_error": "expected {expected}",
    "greater_than_equal": "expected at least {ge}",
    "less_than_equal": "expected at most {le}",
    "multiple_of": "expected a multiple of {multiple_of}",
    "too_short": "expected at least {min_length}",
    "string_too_short": "expected at least {min_length} characters",
    "string_too_long": "expected at most {max_length} characters",
}


def _sentence(error: Any) -> str:
    context = error.get("ctx", {})
    text = PATTERNS.get(context.get("pattern", "")) or _SENTENCES.get(error["type"], "").format(**context)
    text = text or str(error["msg"]).removeprefix("Value error, ")
    return text[0].lower() + text[1:]


# --- what a schema cannot say ------------------------------------------------------------------------------------


def _unsafe(declared: Declared) -> Iterator[str]:
    yield from _windows(declared)
    yield from _kinds(declared)
    yield from _mappings(declared)


def _windows(declared: Declared) -> Iterator[str]:
    """Check the sums of design section 3, and write them out where they do not come out."""
    policy, at = declared.policy, declared.document.at
    spec, least = policy.spec, policy.least_lead
    if spec.lead is not None and spec.lead < least.total:
        yield at(("spec", "lead"), f"{format_duration(spec.lead)} is too short; expected at least {least}")
    whole = policy.lead + policy.overlap.total
    if spec.every <= whole:
        yield at(
            ("spec", "every"),
            f"{format_duration(spec.every)} is too short; expected more than lead + overlap = "
            f"{format_duration(policy.lead)} + {format_duration(policy.overlap.total)} = {format_duration(whole)}, "
            f"where lead = {least} and overlap = {policy.overlap}",
        )


def _kinds(declared: Declared) -> Iterator[str]:
    policy, at = declared.policy, declared.document.at
    shared = policy.spec.credential.shared_secret
    for position, verifier in enumerate(policy.spec.verifiers):
        where: Location = ("spec", "verifiers", position)
        place = verifier.place
        if shared and place.config_map:
            yield at(
                where, "a shared secret in a ConfigMap is readable by everybody; expected secret or vault"
            )
        if shared and verifier.jwks and not shared.algorithm:
            yield at(where, "an opaque secret is no JWK; expected acceptedList")
        if shared and shared.encoding == "raw" and place.has_lines:
            yield at(
                (*where, "acceptedList", "format"), "raw bytes are no lines; expected json, or base64 or hex"
            )
        if not shared and verifier.accepted_list:
            yield at(where, "a signing key's verifiers read public keys; expected jwks")
    if shared and shared.encoding == "raw" and any(h.vault for h in policy.spec.holders):
        yield at(("spec", "holders"), "raw bytes do not fit in Vault's text fields; expected base64 or hex")
    gates = policy.spec.gates
    if any(g.jwks_probe for g in (*gates.before_activate, *gates.before_destroy)) and shared:
        yield at(("spec", "gates"), "jwksProbe reads public keys; a shared secret has none")
    if any(g.jwks_probe for g in gates.before_destroy):
        yield at(
            ("spec", "gates", "beforeDestroy"), "jwksProbe shows that a key is there; expected prometheus"
        )


def _mappings(declared: Declared) -> Iterator[str]:
    policy, at = declared.policy, declared.document.at
    known = policy.spec.credential.fields
    for position, holder in enumerate(policy.spec.holders):
        given = holder.secret.data if holder.secret else holder.vault.data if holder.vault else None
        where = ("spec", "holders", position, holder.chosen, "data")
        for theirs, ours in (given or {}).items():
            if ours.removeprefix(PREVIOUS) not in known:
                expected = ", ".join(known)
                yield at(
                    (*where, theirs), f"unknown field {ours}; expected one of {expected}, or {PREVIOUS}FIELD"
                )
            if holder.vault and theirs in STAMP_FIELDS:
                yield at((*where, theirs), f"reserved; expected a name other than {', '.join(STAMP_FIELDS)}")
        if given and all(o.startswith(PREVIOUS) for o in given.values()):
            yield at(where, "only previous fields; expected at least one of the active version")


def _duplicates(declared: Sequence[Declared]) -> Iterator[str]:
    names: dict[str, Declared] = {}
    owners: dict[str, str] = {}
    for one in declared:
        policy = one.policy
        if first := names.get(policy.ref):
            before = f"{first.document.file}:{first.document.line(('metadata', 'name'))}"
            yield one.document.at(("metadata", "name"), f"{policy.ref} is declared twice, first at {before}")
            continue
        names[policy.ref] = one
        for location, label in _labels(policy):
            if label in owners:
                yield one.document.at(
                    location, f"{label} is used already by {owners[label]}; expected one owner"
                )
            owners[label] = policy.ref


def _labels(policy: RotationPolicy) -> Iterator[tuple[Location, str]]:
    yield ("spec", "store"), store_label(policy)
    for position, verifier in enumerate(policy.spec.verifiers):
        yield ("spec", "verifiers", position), place_label(policy, verifier.place)
    for position, holder in enumerate(policy.spec.holders):
        for label in holder_labels(policy, holder):
            yield ("spec", "holders", position), label
