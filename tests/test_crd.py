"""The CustomResourceDefinition without a server: it is structural, complete, and says what the file format says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TypeVar

import kubernetes_validate
import pytest
import yaml

from rotator.policy import crd
from rotator.policy import model as policy
from rotator.policy import rules as policy_rules
from rotator.vocabulary import types as policy_types
from rotator.vocabulary.types import CEL, Model, OneOf

Kind = TypeVar("Kind", bound=Model)

DEFINITION = crd.definition()
(VERSION,) = DEFINITION["spec"]["versions"]
ROOT = VERSION["schema"]["openAPIV3Schema"]
FILES = policy.json_schema()

WORDS = {
    "type",
    "format",
    "description",
    "properties",
    "required",
    "items",
    "additionalProperties",
    "enum",
    "default",
    "pattern",
    "minimum",
    "maximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    CEL,
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
}
"""All that the definition uses; each is allowed in a structural schema of apiextensions.k8s.io/v1."""
BOUNDS = {w for w in WORDS if w.startswith(("min", "max"))} | {"pattern", "multipleOf", "enum", "required"}


def parts(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every value that the schema describes, with its path."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from parts(part, f"{path}.{name}" if path else name)
    for word, step in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(word), dict):
            yield from parts(schema[word], path + step)


PARTS = dict(parts(ROOT))


def in_files(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every value that the schema of files describes, the same way."""
    here = {word: value for word, value in schema.items() if word != "anyOf"}
    if "anyOf" in schema:
        (other,) = (o for o in schema["anyOf"] if o != {"type": "null"})
        here = {**other, **here}
    while "$ref" in here:
        here = {**FILES["$defs"][here.pop("$ref").rpartition("/")[2]], **here}
    yield path, here
    for name, part in here.get("properties", {}).items():
        yield from in_files(part, f"{path}.{name}")
    if "items" in here:
        yield from in_files(here["items"], f"{path}[]")
    for value in here.get("patternProperties", {}).values():
        yield from in_files(value, f"{path}{{}}")


SPEC_IN_FILES = dict(in_files(FILES["properties"]["spec"], "spec"))


def test_it_is_a_definition_that_kubernetes_knows() -> None:
    """Proves that every field of the definition is one of apiextensions.k8s.io/v1, strictly."""
    kubernetes_validate.validate(DEFINITION, kubernetes_validate.latest_version(), strict=True)


def test_it_is_named_after_the_resource_and_the_file_format() -> None:
    """Proves that the resource has the group, version and kind that files have."""
    spec = DEFINITION["spec"]
    fields = FILES["properties"]
    assert DEFINITION["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
    assert f"{spec['group']}/{VERSION['name']}" == fields["apiVersion"]["const"]
    assert spec["names"]["kind"] == fields["kind"]["const"]
    assert spec["scope"] == "Namespaced"
    assert spec["names"]["shortNames"] == ["rot"]
    assert spec["conversion"] == {"strategy": "None"}
    assert VERSION["subresources"] == {"status": {}}


def test_it_is_structural() -> None:
    """Proves that no part uses a word that a structural schema does not take, and that each has a type."""
    for path, part in PARTS.items():
        assert part.keys() <= WORDS, path
        assert ("type" in part) != ("x-kubernetes-preserve-unknown-fields" in part), path
        assert part.get("additionalProperties") is not False, path
        assert not ("properties" in part and "additionalProperties" in part), path


def test_only_workloads_take_what_they_do_not_know() -> None:
    """Proves that every other object is closed: what it does not know is pruned, or refused where asked for."""
    opaque = {path for path, part in PARTS.items() if "x-kubernetes-preserve-unknown-fields" in part}
    assert opaque == {"spec.holders[].restart.workloads", "spec.verifiers[].restart.workloads"}


def test_every_field_is_described() -> None:
    """Proves that `kubectl explain` says something of every field."""
    for path, part in PARTS.items():
        if not path.endswith(("[]", "{}")) and path not in {"apiVersion", "kind", "metadata"}:
            assert part["description"].endswith((".", "?")), path


def test_the_fields_of_the_spec_are_those_of_files() -> None:
    """Proves that no field of the file format is missing, and none is new."""
    ours = {path for path in PARTS if path == "spec" or path.startswith("spec.")}
    assert ours == SPEC_IN_FILES.keys()


def test_the_bounds_are_those_of_files() -> None:
    """Proves that each bound, pattern, list of values and required field is the file format's own."""
    for path, part in PARTS.items():
        if path.startswith("spec") and "type" in part:
            ours = {w: v for w, v in part.items() if w in BOUNDS}
            assert ours == {w: v for w, v in SPEC_IN_FILES[path].items() if w in BOUNDS}, path


def test_the_defaults_are_those_of_files_where_they_can_be_written_down() -> None:
    """Proves that no default makes a choice for anybody, and that all others are the file format's own."""
    left_out = set()
    for path, there in SPEC_IN_FILES.items():
        default = there.get("default")
        if path not in PARTS:
            continue
        if "default" in PARTS[path]:
            assert PARTS[path]["default"] == default, path
        elif default is not None:
            left_out.add(path)
    assert left_out == {
        "spec.credential.jwtSigningKey.bits",  # beside ES256 a size is refused
        "spec.credential.oauthClient.algorithm",  # beside a secret an algorithm is refused
        "spec.credential.oauthClient.length",  # beside a key a length is refused
        "spec.verifiers[].registration.redirectUris",  # an empty list
        "spec.verifiers[].registration.responseTypes",
        "spec.gates",  # nothing but two empty lists
        "spec.gates.beforeActivate",
        "spec.gates.beforeDestroy",
    }


def test_no_alternative_has_a_default() -> None:
    """Proves that the API server never chooses for whoever chose nothing, nor beside what was chosen."""
    for path, part in PARTS.items():
        if any(r["message"].startswith("expected exactly one of") for r in part.get(CEL, ())):
            assert not any(
                "default" in p for p in part["properties"].values() if p.get("type") == "object"
            ), path


def below(kind: type[Kind]) -> Iterator[type[Kind]]:
    """Yield a class, and all that are made from it."""
    yield kind
    for part in kind.__subclasses__():
        yield from below(part)


def test_every_choice_has_its_rule() -> None:
    """Proves that each choice of exactly one is a choice of exactly one for the API server too."""
    rules = {rule["message"] for part in PARTS.values() for rule in part.get(CEL, ())}
    choices = [kind for kind in below(OneOf) if kind.__name__ in FILES["$defs"]]
    assert len(choices) >= 8
    for kind in choices:
        assert kind.expectation() in rules, kind


def test_every_rule_of_the_model_is_in_the_definition() -> None:
    """Proves that no rule that stands beside a validator is lost on the way."""
    written = {rule["rule"] for part in PARTS.values() for rule in part.get(CEL, ())}
    used = {kind for kind in below(Model) if kind.__name__ in FILES["$defs"]}
    for kind in used:
        assert {rule.expression for rule in kind.all_rules()} <= written, kind
    assert {check.cel for check in policy_rules.CHECKS if check.cel} <= written


def test_every_class_that_rules_are_about_exists() -> None:
    """Proves that a class that is renamed does not lose its rules silently."""
    assert {check.of for check in policy_rules.CHECKS} <= FILES["$defs"].keys()


def test_messages_are_sentences_on_one_line() -> None:
    """Proves that each rule has a message that the API server takes: no line breaks, at most 2048 characters."""
    for path, part in PARTS.items():
        for rule in part.get(CEL, ()):
            assert re.fullmatch(r"[^\n]{10,2048}", rule["message"]), path
            assert rule.get("fieldPath", ".").startswith("."), path


def test_what_a_list_or_text_of_a_rule_may_cost_is_bounded() -> None:
    """Proves that whatever a rule walks through has a bound, so that its cost can be told beforehand."""
    for path, part in PARTS.items():
        if path.startswith("spec") and CEL in part and part["type"] == "string":
            assert "maxLength" in part, path
        if path.startswith("spec") and part.get("type") == "array":
            assert "maxItems" in part, path
        if path.startswith("spec") and "additionalProperties" in part:
            assert "maxProperties" in part, path


def test_columns_answer_what_people_ask() -> None:
    """Proves the columns, in order, each of a field that the status has, and which of them are shown only with -o wide."""
    columns = [
        (c["name"], c["jsonPath"], c["type"], c["priority"]) for c in VERSION["additionalPrinterColumns"]
    ]
    assert columns == [
        ("Type", ".status.type", "string", 0),
        ("Phase", ".status.phase", "string", 0),
        ("Active", ".status.active", "string", 0),
        ("Age", ".status.activeSince", "date", 0),
        ("Result", ".status.result", "string", 0),
        ("Next", ".status.next", "string", 0),
        ("Reason", ".status.reason", "string", 0),
        ("Revision", ".status.revision", "integer", 1),
    ]
    assert all(path.removeprefix(".") in PARTS for _, path, _, _ in columns)


def test_conditions_are_those_of_kubernetes() -> None:
    """Proves that conditions merge by type, and that each has what tools such as `kubectl wait` read."""
    conditions = PARTS["status.conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert set(conditions["items"]["required"]) == {
        "type",
        "status",
        "lastTransitionTime",
        "reason",
        "message",
    }


def test_the_schema_of_files_has_nothing_of_the_api_server() -> None:
    """Proves that editors see plain JSON Schema."""
    assert not re.search(r'"x-[^"]*":', json.dumps(FILES))


def test_the_definition_is_the_same_each_time() -> None:
    """Proves that making it changes nothing, so that the file made from it is reproducible."""
    assert json.dumps(crd.definition()) == json.dumps(DEFINITION)


def test_yaml_writes_it_without_anchors() -> None:
    """Proves that people can read and patch the file: every part is written out where it stands."""
    assert not re.search(r"[&*]id\d", yaml.safe_dump(DEFINITION))


@pytest.mark.parametrize("text", ["30d", "1d12h", "90s", "500ms", "1.5h", "0s", "1h1h"])
def test_the_bound_of_a_duration_text_leaves_room(text: str) -> None:
    """Proves that what people write is far shorter than the bound."""
    assert len(text) < policy_types.LONGEST_DURATION_TEXT / 2
