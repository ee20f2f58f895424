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
from rotator.targets.stamp import STAMP_FIELDS

SUFFIXES = (".yaml", ".yml", ".json")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

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
        path = ".".join(str(s) for s in location)
        return f"{self.file}:{self.line(location)}: {path + ': ' if path else ''}{problem}"


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
        nodes = list(yaml.compose_all(text, Loader=_LOADER))
    except (OSError, UnicodeDecodeError) as error:
        return [], [f"{file}: cannot be read ({type(error).__name__}); expected a UTF-8 YAML file"]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else str(file)
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


def _one(document: Document) -> tuple[Declared | None, list[str]]:
    if not isinstance(document.node, yaml.MappingNode):
        return None, [document.at((), "expected a mapping with apiVersion, kind, metadata and spec")]
    if repeated := list(_repeated(document, document.node, ())):
        return None, repeated
    try:
        data: Any = _construct(document.node)
    except yaml.YAMLError as error:
        return None, [document.at((), f"not YAML of plain values: {getattr(error, 'problem', 'unreadable')}")]
    for name, expected in (("apiVersion", "rotator.dev/v1alpha1"), ("kind", "Rotation")):
        if data.get(name) != expected:
            return None, [document.at((name,), f"expected {expected}")]
    try:
        return Declared(RotationPolicy.model_validate(data), document), []
    except ValidationError as error:
        return None, [
            document.at(_location(e["loc"], document), _sentence(e))
            for e in error.errors(include_input=False)
        ]


def _construct(node: yaml.Node) -> Any:
    constructor = yaml.constructor.SafeConstructor()
    return constructor.construct_document(node)


def _repeated(document: Document, node: yaml.Node, location: Location) -> Iterator[str]:
    """YAML forbids repeated keys (1.2.2, section 3.2.1.3), its parsers take the last one silently."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield f"{document.file}:{key.start_mark.line + 1}: {key.value}: given twice; expected once"
            seen.add(key.value)
            yield from _repeated(document, value, (*location, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            yield from _repeated(document, item, (*location, position))


def _location(location: Location, document: Document) -> Location:
    """Drop the steps that pydantic adds for the members of a union and that stand nowhere in the file."""
    node, kept = document.node, []
    for step in location:
        child = _child(node, step)
        if child is not None:
            node = child[1]
            kept.append(step)
        elif isinstance(step, int) or step[0].islower():
            kept.append(step)
    return tuple(kept)


_SENTENCES = {
    "extra_forbidden": "unknown field; see `rotator schema` for what is known",
    "missing": "required, but missing",
}


def _sentence(error: Any) -> str:
    text = _SENTENCES.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
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
        if not shared and verifier.accepted_list:
            yield at(where, "a signing key's verifiers read public keys; expected jwks")
        if shared and shared.encoding == "raw":
            yield at(where, "raw bytes fit in no list; expected encoding base64 or hex")
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
