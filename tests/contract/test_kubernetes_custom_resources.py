"""Custom resources: what a definition serves, validates, prunes and defaults; and history that has expired."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from rotator_sandbox.emulator import rollout_definition
from tests.contract.kubernetes_servers import APPLY, STRATEGIC, Api, KubernetesServer, eventually, reasons

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ENTRY = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "v": {"type": "string"}},
}
SPEC = {
    "type": "object",
    "required": ["every"],
    "properties": {
        "every": {"type": "string", "minLength": 1, "pattern": "^[0-9]+[dh]$"},
        "keep": {"type": "integer", "minimum": 0, "maximum": 9, "default": 3},
        "mode": {"type": "string", "enum": ["fast", "safe"]},
        "surge": {"x-kubernetes-int-or-string": True},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "entries": {
            "type": "array",
            "items": ENTRY,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    },
}


def definition(group: str) -> dict[str, Any]:
    """Give the definition of Widgets."""
    status = {"type": "object", "properties": {"phase": {"type": "string"}}}
    schema = {"type": "object", "required": ["spec"], "properties": {"spec": SPEC, "status": status}}
    columns = [
        {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
        {"name": "Keep", "type": "integer", "jsonPath": ".spec.keep"},
    ]
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
    }
    names = {"plural": "widgets", "kind": "Widget", "shortNames": ["wi"]}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return {**head, "metadata": {"name": f"widgets.{group}"}, "spec": spec}


def define(api: Api, body: dict[str, Any]) -> None:
    """Create a definition and wait until it is served."""
    assert api.post(DEFINITIONS, body).status == 201
    spec = body["spec"]
    path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    eventually(lambda: api.get(path).status == 200, "the definition is not served")


@pytest.fixture(scope="session")
def group(api: Api) -> Iterator[str]:
    """A group in which Widgets are served."""
    define(api, definition("widgets.example.com"))
    yield "widgets.example.com"
    place = f"{DEFINITIONS}/widgets.widgets.example.com"
    assert api.delete(place).status == 200
    eventually(lambda: api.get(place).status == 404, "the definition stays")


@pytest.fixture
def widgets(group: str, namespace: str) -> str:
    """The path of Widgets in the test's namespace."""
    return f"/apis/{group}/v1/namespaces/{namespace}/widgets"


def widget(name: str = "w", **spec: Any) -> dict[str, Any]:
    """Give a Widget to create."""
    whole = {"every": "30d", **spec}
    return {
        "apiVersion": "widgets.example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": whole,
    }


def test_unknown_fields_are_pruned_and_defaults_are_set(api: Api, widgets: str) -> None:
    """Structural schemas: free-form parts keep everything; a status on create is dropped."""
    free = {"x": {"y": [1, None]}}
    more: dict[str, Any] = {"bogus": 1, "labels": {"a": "b"}, "surge": "5%"}
    made = api.post(widgets, {**widget(free=free, **more), "status": {"phase": "no"}, "top": 1})
    assert made.body["spec"] == {"every": "30d", "keep": 3, "free": free, "labels": {"a": "b"}, "surge": "5%"}
    assert not {"status", "top"} & made.body.keys()
    assert made.metadata["generation"] == 1


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"every": None}, "spec.every"),
        ({"every": 5}, "spec.every"),
        ({"every": "often"}, "spec.every"),
        ({"keep": -1}, "spec.keep"),
        ({"keep": 10}, "spec.keep"),
        ({"keep": "3"}, "spec.keep"),
        ({"mode": "odd"}, "spec.mode"),
        ({"labels": {"a": 1}}, "spec.labels.a"),
        ({"entries": [{"v": "1"}]}, "spec.entries[0].name"),
        ({"entries": [{"name": "a"}, {"name": "a"}]}, "spec.entries[1]"),
        ({"entries": {}}, "spec.entries"),
    ],
)
def test_the_schema_is_enforced(api: Api, widgets: str, spec: dict[str, Any], field: str) -> None:
    """422 with a cause for the field."""
    body = widget()
    body["spec"] = {key: value for key, value in {**body["spec"], **spec}.items() if value is not None}
    refused = api.post(widgets, body)
    assert reasons(refused) == (422, "Invalid")
    assert field in [cause["field"] for cause in refused.body["details"]["causes"]]


def test_a_body_must_be_of_the_kind(api: Api, widgets: str) -> None:
    """Missing or wrong kind, wrong version; unknown fields when Strict is asked for."""
    assert reasons(api.post(widgets, {"metadata": {"name": "w"}, "spec": {"every": "1d"}}))[0] == 400
    assert reasons(api.post(widgets, {**widget(), "kind": "Other"}))[0] == 422
    assert reasons(api.post(widgets, {**widget(), "apiVersion": "widgets.example.com/v9"}))[0] == 400
    assert reasons(api.post(widgets, widget(bogus=1), fieldValidation="Strict"))[0] == 400


def test_updates_are_never_unconditional(api: Api, widgets: str) -> None:
    """PUT needs the resourceVersion; the generation counts changes of the spec."""
    made = api.post(widgets, widget())
    path = f"{widgets}/w"
    assert reasons(api.put(path, widget(every="31d"))) == (422, "Invalid")
    changed = api.put(path, {**made.body, "spec": {"every": "31d"}})
    assert (changed.status, changed.metadata["generation"]) == (200, 2)
    assert reasons(api.put(path, made.body)) == (409, "Conflict")
    assert api.patch(path, {"metadata": {"labels": {"a": "b"}}}).metadata["generation"] == 2


def test_the_status_is_written_apart(api: Api, widgets: str) -> None:
    """Through the subresource only, which changes neither spec nor labels."""
    api.post(widgets, widget())
    change = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"every": "99d"},
        "status": {"phase": "Active", "bogus": 1},
    }
    written = api.patch(f"{widgets}/w/status", change)
    assert (written.body["status"], written.body["spec"]["every"]) == ({"phase": "Active"}, "30d")
    assert "labels" not in written.metadata
    assert written.metadata["generation"] == 1
    assert api.patch(f"{widgets}/w", {"status": {"phase": "Other"}}).body["status"] == {"phase": "Active"}


def test_there_is_no_strategic_patch(api: Api, widgets: str) -> None:
    """415: there are no Go types to say how lists merge."""
    api.post(widgets, widget())
    assert reasons(api.patch(f"{widgets}/w", {}, STRATEGIC)) == (415, "UnsupportedMediaType")


def test_apply_follows_the_list_types_of_the_schema(api: Api, widgets: str) -> None:
    """Keyed lists have an owner for each item."""
    path = f"{widgets}/w"
    for name in ("a", "b"):
        body = widget(entries=[{"name": name, "v": "1"}])
        answer = api.patch(path, body, APPLY, fieldManager=name)
    assert [entry["name"] for entry in answer.body["spec"]["entries"]] == ["a", "b"]
    refused = api.patch(path, widget(entries=[{"name": "a", "v": "2"}]), APPLY, fieldManager="b")
    assert [cause["field"] for cause in refused.body["details"]["causes"]] == ['.spec.entries[name="a"].v']
    left = api.patch(path, widget(), APPLY, fieldManager="a")
    assert left.body["spec"]["entries"] == [{"name": "b", "v": "1"}]


def test_lists_carry_kinds_and_tables_carry_columns(api: Api, widgets: str) -> None:
    """Items of a custom list have kind and apiVersion; declared columns follow the name."""
    api.post(widgets, widget())
    (item,) = api.get(widgets).body["items"]
    assert (item["kind"], item["apiVersion"]) == ("Widget", "widgets.example.com/v1")
    table = api.get(widgets, accept="application/json;as=Table;v=v1;g=meta.k8s.io").body
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Phase", "Keep"]
    assert table["rows"][0]["cells"] == ["w", None, 3]


def test_discovery_shows_what_is_defined(api: Api, group: str) -> None:
    """Group, version, names and subresources."""
    resources = {entry["name"]: entry for entry in api.get(f"/apis/{group}/v1").body["resources"]}
    assert resources.keys() == {"widgets", "widgets/status"}
    assert (resources["widgets"]["kind"], resources["widgets"]["shortNames"]) == ("Widget", ["wi"])
    assert group in [each["name"] for each in api.get("/apis").body["groups"]]


def test_a_definition_must_be_named_by_plural_and_group(api: Api) -> None:
    """422 Invalid."""
    wrong = {**definition("other.example.com"), "metadata": {"name": "wrong"}}
    assert reasons(api.post(DEFINITIONS, wrong)) == (422, "Invalid")


def test_a_definition_that_goes_takes_its_objects(api: Api, namespace: str) -> None:
    """The kind is served no longer."""
    define(api, definition("short.example.com"))
    path = f"/apis/short.example.com/v1/namespaces/{namespace}/widgets"
    assert api.post(path, {**widget(), "apiVersion": "short.example.com/v1"}).status == 201
    assert api.delete(f"{DEFINITIONS}/widgets.short.example.com").status == 200
    eventually(lambda: api.get(path).status == 404, "the definition is still served")


def test_history_expires(kubernetes: KubernetesServer, api: Api, namespace: str) -> None:
    """After compaction old pages are 410 Expired, with a token to go on inconsistently; so are old watches."""
    define(api, definition("old.example.com"))
    path = f"/apis/old.example.com/v1/namespaces/{namespace}/widgets"
    for name in ("a", "b", "c"):
        api.post(path, {**widget(name), "apiVersion": "old.example.com/v1"})
    token = aged(api.get(path, limit=1).metadata["continue"])
    kubernetes.compact()
    gone = api.get(path, limit=1, **{"continue": token})
    assert reasons(gone) == (410, "Expired")
    assert api.get(path, **{"continue": gone.metadata["continue"]}).names == ["b", "c"]
    with api.watching(path, resourceVersion=1) as events:
        event = next(events)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


def aged(token: str) -> str:
    """Give a continue token with the version of long ago."""
    value = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    value["rv"] = 1
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


def test_argo_rollouts_are_served_by_their_definition(api: Api, namespace: str) -> None:
    """Anything goes in the spec; scale works on spec.replicas."""
    define(api, rollout_definition())
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts"
    spec = {
        "replicas": 2,
        "strategy": {"canary": {"steps": [{"setWeight": 20}]}},
        "template": {"anything": True},
    }
    rollout = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "r"},
        "spec": spec,
    }
    assert api.post(path, rollout).body["spec"] == spec
    assert api.patch(f"{path}/r/scale", {"spec": {"replicas": 3}}).body["spec"] == {"replicas": 3}
    assert api.delete(f"{DEFINITIONS}/rollouts.argoproj.io").status == 200
    eventually(lambda: api.get(path).status == 404, "the definition is still served")
