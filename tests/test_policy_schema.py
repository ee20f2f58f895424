"""The published JSON schema: closed, complete with defaults, and of one mind with the reader of policy files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from rotator.core.timing import parse_duration
from rotator.kinds import CREDENTIALS
from rotator.policy import model as policy
from rotator.policy import rules
from rotator.policy.model import Credential, RotationPolicy
from rotator.systems.forms import SHAPE
from rotator.systems.registry import FORMS, PROVIDERS
from rotator.vocabulary.types import DURATION_PATTERN, PATTERNS
from tests import declared_providers

SCHEMA = policy.json_schema()

GOOD = """\
apiVersion: rotator.dev/v1alpha1
kind: Rotation
metadata: {name: payments-jwt, namespace: payments, labels: {team: payments}}
spec:
  credential:
    jwtSigningKey: {algorithm: RS256, bits: 4096}
  every: 30d
  lead: 1h
  overlap: {tokenTTL: 15m, clockSkew: 60s}
  store:
    vault: {mount: rotator, path: payments/jwt}
  verifiers:
    - jwks: {configMap: payments-jwks, maxAge: 5m}
      restart: {workloads: {matchLabels: {app: a}}}
    - jwks: {vault: {mount: kv, path: a/b}, propagation: 1m}
  holders:
    - secret: {name: payments-signing-key, namespaces: [a, b], data: {tls.key: private_key}}
      restart: {workloads: [{kind: Rollout, name: a}, {name: b}], timeout: 10m, soak: 0s, atOnce: 2}
    - vault: {mount: secret, path: payments/jwt}
      pickUp: 3m
  gates:
    beforeActivate: [{jwksProbe: {url: "https://api.example.com/jwks.json", times: 5, caFile: /ca.pem}}]
"""
SHARED = """\
apiVersion: rotator.dev/v1alpha1
kind: Rotation
metadata: {name: a, namespace: b}
spec:
  credential: {sharedSecret: {length: 40, alphabet: 0123456789abcdef}}
  every: 30d
  overlap: {tokenTTL: 15m}
  store: {kubernetes: {}}
  verifiers: [{acceptedList: {secret: a, format: lines}}]
  holders: [{secret: {name: b}}]
"""


# --- a validator for the part of JSON Schema 2020-12 that pydantic writes -----------------------------------

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_ANNOTATIONS = {"$defs", "$schema", "title", "description", "default", "examples"}


def valid(schema: dict[str, Any], value: Any) -> bool:
    """Say whether `value` is valid; an unknown keyword is an error, so that none is overlooked."""
    return all(
        _CHECKS[word](argument, value, schema)
        for word, argument in schema.items()
        if word not in _ANNOTATIONS
    )


def _is(name: str, value: Any) -> bool:
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _properties(known: dict[str, Any], value: Any, _: Any) -> bool:
    return not isinstance(value, dict) or all(valid(s, value[n]) for n, s in known.items() if n in value)


def _patterns(known: dict[str, Any], value: Any, _: Any) -> bool:
    return not isinstance(value, dict) or all(
        valid(s, v) for p, s in known.items() for n, v in value.items() if re.search(p, n)
    )


def _additional(allowed: Any, value: Any, schema: dict[str, Any]) -> bool:
    if not isinstance(value, dict):
        return True
    patterns = schema.get("patternProperties", {})
    others = [
        v
        for n, v in value.items()
        if n not in schema.get("properties", {}) and not any(re.search(p, n) for p in patterns)
    ]
    return all(allowed is not False and (allowed is True or valid(allowed, v)) for v in others)


_CHECKS: dict[str, Any] = {
    "$ref": lambda ref, v, _: valid(SCHEMA["$defs"][ref.removeprefix("#/$defs/")], v),
    "type": lambda name, v, _: _is(name, v),
    "const": lambda wanted, v, _: v == wanted,
    "enum": lambda wanted, v, _: v in wanted,
    "anyOf": lambda options, v, _: any(valid(o, v) for o in options),
    "oneOf": lambda options, v, _: sum(valid(o, v) for o in options) == 1,
    "not": lambda other, v, _: not valid(other, v),
    "pattern": lambda pattern, v, _: not isinstance(v, str) or bool(re.search(pattern, v)),
    "minLength": lambda least, v, _: not isinstance(v, str) or len(v) >= least,
    "maxLength": lambda most, v, _: not isinstance(v, str) or len(v) <= most,
    "minimum": lambda least, v, _: not isinstance(v, int) or v >= least,
    "maximum": lambda most, v, _: not isinstance(v, int) or v <= most,
    "multipleOf": lambda step, v, _: not isinstance(v, int) or v % step == 0,
    "maxItems": lambda most, v, _: not isinstance(v, list) or len(v) <= most,
    "minItems": lambda least, v, _: not isinstance(v, list) or len(v) >= least,
    "maxProperties": lambda most, v, _: not isinstance(v, dict) or len(v) <= most,
    "minProperties": lambda least, v, _: not isinstance(v, dict) or len(v) >= least,
    "items": lambda item, v, _: not isinstance(v, list) or all(valid(item, i) for i in v),
    "required": lambda names, v, _: not isinstance(v, dict) or all(n in v for n in names),
    "propertyNames": lambda names, v, _: not isinstance(v, dict) or all(valid(names, n) for n in v),
    "properties": _properties,
    "patternProperties": _patterns,
    "additionalProperties": _additional,
}


def read(text: str) -> bool:
    """Say whether the reader of policy files accepts the form of `text`."""
    try:
        RotationPolicy.model_validate(yaml.safe_load(text))
    except ValidationError:
        return False
    return True


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every part of the schema that is a mapping, with its path."""
    if isinstance(schema, dict):
        yield path, schema
        for name, part in schema.items():
            yield from objects(part, f"{path}/{name}")
    elif isinstance(schema, list):
        for position, part in enumerate(schema):
            yield from objects(part, f"{path}/{position}")


# --- the tests ----------------------------------------------------------------------------------------------


def test_every_object_is_closed() -> None:
    """Proves that no object of the schema takes fields it does not know; labels take any text, and say so."""
    for path, part in objects(SCHEMA):
        if part.get("type") == "object":
            closed = part.get("additionalProperties") is False
            labels = part.get("additionalProperties") == {"type": "string"}
            assert closed or (
                labels and path.rpartition("/")[2] in {"labels", "annotations", "matchLabels"}
            ), path


def test_every_field_is_required_or_has_its_default() -> None:
    """Proves that whoever reads the schema knows what a field left out stands for."""
    for path, part in objects(SCHEMA):
        for name, field in part.get("properties", {}).items() if part.get("type") == "object" else ():
            assert name in part.get("required", ()) or "default" in field, f"{path}/{name}"


def test_every_default_is_a_value_that_the_schema_accepts() -> None:
    """Proves that a default can be copied from the schema into a file: durations as 60s, not as PT1M."""
    for path, part in objects(SCHEMA):
        for name, field in part.get("properties", {}).items() if part.get("type") == "object" else ():
            if "default" in field:
                assert valid(field, field["default"]), f"{path}/{name}: {field['default']}"


def test_the_defaults_are_those_of_the_reader() -> None:
    """Proves the published defaults of the windows, by name and value."""

    def default(kind: str, field: str) -> object:
        return SCHEMA["$defs"][kind]["properties"][field]["default"]

    assert parse_duration(str(default("Overlap", "clockSkew"))).total_seconds() == 60
    assert parse_duration(str(default("Restart", "timeout"))).total_seconds() == 600
    assert parse_duration(str(default("Restart", "soak"))).total_seconds() == 10
    assert default("JwtSigningKey", "algorithm") == "ES256"
    assert default("JwtSigningKey", "bits") == 3072
    assert default("Restart", "workloads") == "auto"


def test_what_a_rotation_must_say_is_required() -> None:
    """Proves that the schema asks for what the reader refuses to guess."""
    assert set(SCHEMA["required"]) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(SCHEMA["$defs"]["Metadata"]["required"]) == {"name", "namespace"}
    assert set(SCHEMA["$defs"]["Spec"]["required"]) == {
        "credential",
        "every",
        "overlap",
        "store",
        "verifiers",
        "holders",
    }
    assert SCHEMA["$defs"]["Overlap"]["required"] == ["tokenTTL"]


def test_what_is_named_in_other_places_is_what_the_schema_knows() -> None:
    """Proves that kinds of credentials, providers and the verifiers that suit them are the same lists everywhere."""
    places = {"jwks", "pem", "acceptedList", "static", "holders", "gateway", "istio", "kong"}
    verifiers = {to_camel(name) for name in policy.Verifier.choices()}
    assert {to_camel(name) for name in Credential.choices()} == set(CREDENTIALS)
    assert verifiers == places | {kind.camel() for kind in PROVIDERS}
    assert {verifier for suiting in rules.SUITS.values() for verifier in suiting} == verifiers
    assert {form.partition(" ")[0] for form in rules.SUITS} == set(CREDENTIALS)
    assert set(rules.SUITS) == set(FORMS)
    for kind in PROVIDERS:
        assert SCHEMA["$defs"]["Verifier"]["properties"][kind.camel()]["anyOf"][0] == {
            "$ref": f"#/$defs/{kind.__name__}"
        }


def test_every_pattern_has_its_words() -> None:
    """Proves that nobody is shown a regular expression: what each pattern asks for is said in a sentence."""
    patterns = {p["pattern"] for _, p in objects(SCHEMA) if isinstance(p.get("pattern"), str)}
    assert patterns == PATTERNS.keys() | {DURATION_PATTERN, SHAPE}


def test_every_pattern_means_the_same_in_javascript() -> None:
    """Proves that editors can use the patterns: anchored, and nothing that ECMA-262 lacks."""
    patterns = {p["pattern"] for _, p in objects(SCHEMA) if isinstance(p.get("pattern"), str)}
    assert patterns
    for pattern in patterns:
        assert pattern.startswith("^")
        assert pattern.endswith("$")
        assert "(?" not in pattern
        assert "\\Z" not in pattern


@pytest.mark.parametrize(
    "text",
    [GOOD, SHARED, *declared_providers.ACCEPTED.values()],
    ids=["signing key", "shared secret", *declared_providers.ACCEPTED],
)
def test_schema_and_reader_accept_good_files(text: str) -> None:
    """Proves that an editor with the schema shows no error in a good file."""
    assert valid(SCHEMA, yaml.safe_load(text))
    assert read(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("every: 30d", "evry: 30d"),
        ("every: 30d", "every: 30"),
        ("every: 30d", "every: 30 days"),
        ("every: 30d", "every: ٣d"),
        ("apiVersion: rotator.dev/v1alpha1\n", ""),
        ("kind: Rotation\n", ""),
        ("kind: Rotation\n", "kind: Secret\n"),
        (", namespace: payments,", ","),
        ("name: payments-jwt", "name: Payments"),
        ("name: payments-jwt", "name: " + "a" * 53),
        ("team: payments", "team: 7"),
        ("RS256, bits: 4096", "XX"),
        ("bits: 4096", "bits: 1024"),
        ("bits: 4096", "bits: 4095"),
        ("bits: 4096", "bits: '4096'"),
        ("bits: 4096", "bits: true"),
        ("    vault: {mount: rotator, path: payments/jwt}", "    {}"),
        ("path: payments/jwt}\n  verifiers", "path: ../x}\n  verifiers"),
        ("path: payments/jwt}\n  verifiers", "path: a}\n    kubernetes: {}\n  verifiers"),
        ("configMap: payments-jwks", "configMap: a..b"),
        ("configMap: payments-jwks", "configMap: a, secret: b"),
        ("configMap: payments-jwks, ", ""),
        ("matchLabels: {app: a}", "matchLabels: {}"),
        ("workloads: {matchLabels: {app: a}}", "workloads: all"),
        ("kind: Rollout", "kind: Job"),
        ("atOnce: 2", "atOnce: -1"),
        ("atOnce: 2", "atOnce: 1.5"),
        ("namespaces: [a, b]", "namespaces: []"),
        ("tls.key: private_key", "'a b': private_key"),
        ("tls.key: private_key", "'..': private_key"),
        ("data: {tls.key: private_key}", "data: {}"),
        ("https://api", "ftp://api"),
        ("times: 5", "times: 0"),
        ("times: 5", "times: '5'"),
        ("{url: ", "{uri: "),
    ],
)
def test_schema_and_reader_refuse_the_same(old: str, new: str) -> None:
    """Proves that an editor with the schema shows what the reader will refuse."""
    assert GOOD.count(old) == 1
    text = GOOD.replace(old, new)
    assert not read(text)
    assert not valid(SCHEMA, yaml.safe_load(text))
