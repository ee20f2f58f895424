"""The CustomResourceDefinition of Rotation: the schema of the file format, in the form that the API server asks for.

It refuses at `kubectl apply` what it can; what it lets pass (`workloads` of a wrong form, which has no one type; names and
documents that two rotations claim) rotator refuses, and says so in the resource's status. It refuses nothing that is
good in a file.

API: apiextensions.k8s.io/v1, structural schemas; rules in CEL, whose estimated cost the bounds on lists and texts keep small.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from rotator.policy.model import Metadata, RotationPolicy, Schema
from rotator.policy.rules import rules_of
from rotator.vocabulary.types import CEL, CONDITIONAL, PATTERNS, Rule

GROUP = "rotator.dev"
VERSION = "v1alpha1"
KIND = "Rotation"
PLURAL = "rotations"

_DROPPED = {"title", "examples", "oneOf", "propertyNames", "patternProperties", CONDITIONAL}
"""What a structural schema does not take; `oneOf` and patterns of keys are rules in CEL."""
_OPAQUE = {"workloads"}
"""Fields of several forms: the API server keeps what stands there, rotator checks it."""


def definition() -> dict[str, Any]:
    """Return the CustomResourceDefinition; no part stands in it twice, or YAML would be full of anchors."""
    whole: dict[str, Any] = json.loads(_definition())
    return whole


@cache
def _definition() -> str:
    """Write it once: pydantic takes half a second to make the schema."""
    whole = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": "rotation",
                "shortNames": ["rot"],
            },
            "conversion": {"strategy": "None"},
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _COLUMNS,
                    "schema": {"openAPIV3Schema": _root()},
                }
            ],
        },
    }
    return json.dumps(whole)


def _column(
    name: str, field: str, describes: str, *, kind: str = "string", wide: bool = False
) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "jsonPath": f".status.{field}",
        "description": describes,
        "priority": 1 if wide else 0,
    }


_COLUMNS = [
    _column("Type", "type", "The kind of credential."),
    _column("Phase", "phase", "What the rotation is doing."),
    _column("Active", "active", "The id of the version that holders use."),
    _column("Age", "activeSince", "Since when it is active.", kind="date"),
    _column("Result", "result", "What the last run made of it."),
    _column("Next", "next", "When something is to be done next."),
    _column("Reason", "reason", "Why it is where it is."),
    _column("Revision", "revision", "How many changes were recorded.", kind="integer", wide=True),
]


# --- spec: the model, transformed --------------------------------------------------------------------------------


def _root() -> dict[str, Any]:
    model = RotationPolicy.model_json_schema(by_alias=True, schema_generator=Schema)
    named = model["$defs"]
    name = named[Metadata.__name__]["properties"]["name"]
    return {
        "type": "object",
        "description": "One credential that rotator rotates: what, when, who accepts it, who uses it.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _structural(model["properties"]["spec"], named),
            "status": _STATUS,
        },
        CEL: [
            Rule(
                f"self.metadata.name.size() <= {name['maxLength']}",
                f"metadata.name: expected at most {name['maxLength']} characters",
            ).as_schema(),
            Rule(
                f"self.metadata.name.matches('{name['pattern']}')",
                f"metadata.name: {PATTERNS[name['pattern']]}",
            ).as_schema(),
        ],
    }


def _structural(schema: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    """Return `schema` without references and alternatives, and with CEL where a structural schema has no word for it."""
    whole = _resolved(schema, named)
    written = {word: value for word, value in whole.items() if word not in _DROPPED}
    if written.get("additionalProperties") is False:
        del written[
            "additionalProperties"
        ]  # what is unknown is pruned, and refused by strict field validation
    if text := _explained(whole):
        written["description"] = text
    if "const" in written:
        written["enum"] = [written.pop("const")]
    if "default" in written and _is_empty(written["default"]):
        del written["default"]  # the same as left out
    if "items" in written:
        written["items"] = _structural(written["items"], named)
    if "properties" in written:
        written["properties"] = {
            name: _opaque(part) if name in _OPAQUE else _structural(part, named)
            for name, part in written["properties"].items()
        }
        for name in whole.get(CONDITIONAL, ()):
            written["properties"][name].pop("default")
    if patterns := whole.get("patternProperties"):
        written |= _mapping(whole, patterns, named)
    return written


def _resolved(schema: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    """Follow references and the one alternative to null; a field's own description continues that of its type."""
    own = {word: value for word, value in schema.items() if word not in {"$ref", "anyOf"}}
    if "anyOf" in schema:
        (other,) = (option for option in schema["anyOf"] if option != {"type": "null"})
        below = _resolved(other, named)
    elif "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        below = _resolved(named[name], named)
        rules = [rule.as_schema() for rule in rules_of(name)]
        below = {**below, CEL: [*below.get(CEL, ()), *rules]} if rules else below
    else:
        return own
    described = [part["description"] for part in (below, own) if "description" in part]
    return {**below, **own, **({"description": " ".join(described)} if described else {})}


def _opaque(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": _explained(schema),
        "default": schema["default"],
        "x-kubernetes-preserve-unknown-fields": True,
    }


def _explained(schema: dict[str, Any]) -> str:
    """Return the description, with what `kubectl explain` does not show: examples, and the default."""
    text = str(schema.get("description", ""))
    if examples := schema.get("examples"):
        text += f" For example {', '.join(examples)}."
    default = schema.get("default")
    if not _is_empty(default) and "efault" not in text:
        text += f" Default: {json.dumps(default) if isinstance(default, bool) else default}."
    return text.strip()


def _is_empty(default: Any) -> bool:
    """Whether a default says nothing: null, or lists and mappings with nothing in them."""
    if isinstance(default, dict):
        return all(_is_empty(value) for value in default.values())
    return default is None or default == []


def _mapping(whole: dict[str, Any], patterns: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    """Return what makes a mapping whose keys have a pattern."""
    ((pattern, value),) = patterns.items()
    longest = whole["propertyNames"]["maxLength"]
    rules = [
        Rule(f"self.all(k, k.matches('{_quoted(pattern)}'))", f"a key is wrong: {PATTERNS[pattern]}"),
        Rule(
            f"self.all(k, k.size() <= {longest})", f"a key is too long: expected at most {longest} characters"
        ),
    ]
    return {
        "additionalProperties": _structural(value, named),
        CEL: [*whole.get(CEL, ()), *(rule.as_schema() for rule in rules)],
    }


def _quoted(text: str) -> str:
    """Return a text as it stands between quotes in CEL."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


# --- status ------------------------------------------------------------------------------------------------------


def _text(describes: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": describes, **more}


def _object(describes: str, *required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "description": describes,
        **({"required": list(required)} if required else {}),
        "properties": properties,
    }


def _list(describes: str, items: dict[str, Any], most: int, **more: Any) -> dict[str, Any]:
    return {"type": "array", "description": describes, "maxItems": most, "items": items, **more}


def _count(describes: str) -> dict[str, Any]:
    return {"type": "integer", "format": "int64", "minimum": 0, "description": describes}


_CONDITION = _object(
    "One aspect of the state, the way tools read it (kubectl wait).",
    "type",
    "status",
    "lastTransitionTime",
    "reason",
    "message",
    type=_text(
        "The aspect: Ready, or Progressing.",
        maxLength=316,
        pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
        r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
    ),
    status=_text("Whether it is so.", enum=["True", "False", "Unknown"]),
    observedGeneration=_count("The generation of the spec that this was said of."),
    lastTransitionTime=_text("When the status changed last.", format="date-time"),
    reason=_text(
        "Why, in one word.", minLength=1, maxLength=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
    ),
    message=_text("Why, in a sentence.", maxLength=32768),
)

_STATUS = _object(
    "What rotator last saw and did. Written by rotator only.",
    observedGeneration=_count("The generation of the spec that the status is about."),
    type=_text("The kind of credential, as jwtSigningKey."),
    phase=_text("What the rotation is doing; Stable where nothing is under way."),
    active=_text("The id of the version that holders use."),
    activeSince=_text("Since when that version is active.", format="date-time"),
    revision=_count("How many changes of the ring were recorded."),
    result=_text("What the last run made of it."),
    reason=_text("Why it is where it is, in a sentence."),
    next=_text("When something is to be done next, as an instant in UTC; absent where that is not known."),
    waitingOn=_list("Who is waited for.", {"type": "string"}, 256, **{"x-kubernetes-list-type": "atomic"}),
    versions=_list(
        "The versions of the credential that still exist, oldest first.",
        _object(
            "One version.",
            "id",
            "number",
            "state",
            id=_text("Its id: for signing keys the kid."),
            number=_count("Its number: 1 for the first."),
            state=_text("Staged, Published, Active, Retiring or Destroyed."),
        ),
        64,
        **{"x-kubernetes-list-type": "atomic"},
    ),
    conditions=_list(
        "Ready: it can be and is carried out. Progressing: a rotation is under way.",
        _CONDITION,
        16,
        **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
)
