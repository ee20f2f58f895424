"""Write every field of a Rotation out, from the JSON schema: `schema.md`.

`python -m docs.reference.schema` writes it, with `--check` it only compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docs.written import HERE, finish
from rotator.policy.model import json_schema
from rotator.vocabulary.types import DATA_KEY, DNS_LABEL, DNS_SUBDOMAIN, DURATION_PATTERN, URL, VAULT_PATH

Json = dict[str, Any]
FILE = HERE / "reference/schema.md"
HEAD = """\
% Written by docs/reference/schema.py from the JSON schema: change the code, not this file.

# Every field of a Rotation

Files and [custom resources](../declare/custom-resources.md) have the same schema. `rotator schema` prints it as JSON
schema, for editors and CI. Unknown fields are rejected. A duration is written as `30d`, `1h30m`, `15m`, `90s` or
`500ms`, always as text. `rotator validate` also checks what a schema cannot express: the sums of the windows, duplicate
names, and combinations that cannot work.
"""
NAMED = {
    DURATION_PATTERN: "duration",
    DNS_LABEL: "name: a-z, 0-9, -",
    DNS_SUBDOMAIN: "name: a-z, 0-9, -, .",
    VAULT_PATH: "path",
    DATA_KEY: "data key",
    URL: "URL",
}
ROOT = "Rotation"
MEANINGS = {
    "apiVersion": "The version of this format.",
    "kind": "What this document, or the workload, is.",
    "name": "Its name.",
    "namespace": "Where it lives, with its Lease.",
    "labels": "For `--selector`.",
    "annotations": "`rotator.dev/rotate: REASON` asks for a rotation, once per reason.",
    "configMap": "The ConfigMap that is written.",
    "secret": "The Secret that is written.",
    "key": "The data key to read.",
    "field": "The field to read.",
    "matchLabels": "All of these labels.",
    "url": "What is asked.",
    "below": "The bound: every value must be less.",
}
"""The meaning of fields that speak for themselves, by name."""


@dataclass
class Section:
    """One mapping, and every place in a Rotation where it stands."""

    name: str
    """Its name among the schema's definitions."""
    paths: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Where it stands first."""
        return self.paths[0] or ROOT


def texts() -> Mapping[Path, str]:
    """Return the page by its file."""
    return {FILE: page(json_schema())}


def page(schema: Json) -> str:
    """Return the reference as Markdown."""
    sections = list(_sections(schema))
    return "\n".join([HEAD, *(_written(section, sections, schema) for section in sections)])


def _sections(schema: Json) -> Iterator[Section]:
    """Walk through the schema, a mapping before what is in it; each mapping once."""
    found: dict[str, Section] = {}
    waiting = [("", "")]
    while waiting:
        name, path = waiting.pop(0)
        known = name in found
        section = found.setdefault(name, Section(name))
        section.paths.append(path)
        inner = [
            (ref, f"{path}.{key}{more}".removeprefix("."))
            for key, value in _properties(name, schema).items()
            for ref, more in _refs(value)
        ]
        waiting = [*inner, *waiting]
        if not known:
            yield section


def _definition(name: str, schema: Json) -> Json:
    definition: Json = schema["$defs"][name] if name else schema
    return definition


def _properties(name: str, schema: Json) -> dict[str, Json]:
    properties: dict[str, Json] = _definition(name, schema).get("properties", {})
    return properties


def _refs(value: Json, more: str = "") -> Iterator[tuple[str, str]]:
    """Yield the mappings that a value may be, and what to add to its path."""
    if "$ref" in value:
        yield value["$ref"].rpartition("/")[2], more
    for key in ("anyOf", "oneOf", "allOf"):
        for option in value.get(key, ()):
            yield from _refs(option, more)
    if "items" in value:
        yield from _refs(value["items"], f"{more}[]")


def _written(section: Section, sections: list[Section], schema: Json) -> str:
    definition = _definition(section.name, schema)
    lines = [f"({_anchor(section)})=", "", f"## {_code(section.title)}", "", _described(definition), ""]
    if len(section.paths) > 1:
        lines += ["The same at " + ", ".join(_code(p) for p in section.paths[1:]) + ".", ""]
    if choices := [o["required"][0] for o in definition.get("oneOf", ()) if "required" in o]:
        lines += ["Exactly one of " + ", ".join(_code(c) for c in choices) + ".", ""]
    if not definition.get("properties"):
        return "\n".join([*lines, "No fields: write `{}`.", ""])
    lines += ["| field | value | default | meaning |", "|---|---|---|---|"]
    required = definition.get("required", ())
    for key, value in definition["properties"].items():
        cells = (
            _code(key),
            _value(value, sections),
            "required" if key in required else _default(value),
            _meaning(value, schema) or MEANINGS.get(key, ""),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _anchor(section: Section) -> str:
    return f"schema-{section.name.lower() or 'rotation'}"


def _code(text: str) -> str:
    return f"`{text}`"


def _described(definition: Json) -> str:
    return str(definition.get("description", "")).partition("\n\n")[0].replace("\n", " ")


def _meaning(value: Json, schema: Json) -> str:
    described = _described(value)
    if not described:
        described = " ".join(_described(_definition(name, schema)) for name, _ in _refs(value))
    return described.replace("|", "\\|")


def _default(value: Json) -> str:
    default = value.get("default")
    return _code(default if isinstance(default, str) else json.dumps(default)) if default is not None else ""


def _value(value: Json, sections: list[Section]) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        section = next(s for s in sections if s.name == name)
        return f"[{name}](#{_anchor(section)})"
    options = [o for key in ("anyOf", "oneOf") for o in value.get(key, ()) if o.get("type") != "null"]
    if options:
        return " or ".join(_value(o, sections) for o in options)
    if "const" in value or "enum" in value:
        return ", ".join(_code(v) for v in value.get("enum", [value.get("const")]))
    return _plain(value, sections)


def _plain(value: Json, sections: list[Section]) -> str:
    if value["type"] == "array":
        return f"list of {_value(value['items'], sections)}"
    if value["type"] in {"integer", "number"}:
        return _number(value)
    words = {"object": "mapping of text to text", "string": "text", "boolean": "true or false"}
    return NAMED.get(value.get("pattern", ""), words[value["type"]])


def _number(value: Json) -> str:
    least, most = value.get("minimum"), value.get("maximum")
    word = "whole number" if value["type"] == "integer" else "number"
    if least is not None and most is not None:
        return f"{word}, {least} to {most}"
    return f"{word}, at least {least}" if least is not None else word


if __name__ == "__main__":
    finish(texts())
