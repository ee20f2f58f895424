"""The four patch formats, and server-side apply with its field managers."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.contract.kubernetes_servers import (
    APPLY,
    JSON,
    MERGE,
    STRATEGIC,
    Answer,
    Api,
    config_map,
    reasons,
    workload,
)


@pytest.fixture
def config(api: Api, namespace: str) -> str:
    """The path of a ConfigMap with two entries, a label and an annotation."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    metadata = {"name": "c", "labels": {"l": "1"}, "annotations": {"a/b": "1"}}
    assert api.post(path, {"metadata": metadata, "data": {"x": "1", "y": "2"}}).status == 201
    return f"{path}/c"


@pytest.fixture
def deployment(api: Api, namespace: str) -> str:
    """The path of a Deployment."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert api.post(path, workload("Deployment", "web")).status == 201
    return f"{path}/web"


def test_a_merge_patch_sets_keeps_and_removes(api: Api, config: str) -> None:
    """RFC 7386: null removes, objects merge."""
    patched = api.patch(config, {"data": {"x": None, "z": "3"}, "metadata": {"labels": {"m": "2"}}})
    assert patched.body["data"] == {"y": "2", "z": "3"}
    assert patched.metadata["labels"] == {"l": "1", "m": "2"}


def test_a_json_patch_is_all_or_nothing(api: Api, config: str) -> None:
    """RFC 6902: a test that fails is 422, and nothing before it stays."""
    operations = [
        {"op": "add", "path": "/metadata/annotations/a~1c", "value": "2"},
        {"op": "copy", "from": "/data/x", "path": "/data/w"},
        {"op": "move", "from": "/data/x", "path": "/data/v"},
        {"op": "replace", "path": "/data/y", "value": "9"},
        {"op": "remove", "path": "/metadata/labels"},
        {"op": "test", "path": "/data/w", "value": "1"},
    ]
    patched = api.patch(config, operations, JSON)
    assert patched.body["data"] == {"v": "1", "w": "1", "y": "9"}
    assert patched.metadata["annotations"] == {"a/b": "1", "a/c": "2"}
    assert "labels" not in patched.metadata
    failing = [
        {"op": "add", "path": "/data/n", "value": "1"},
        {"op": "test", "path": "/data/y", "value": "no"},
    ]
    assert reasons(api.patch(config, failing, JSON)) == (422, "Invalid")
    assert "n" not in api.get(config).body["data"]


def test_a_json_patch_can_test_the_version(api: Api, config: str) -> None:
    """A test of /metadata/resourceVersion is a fence."""
    version = api.get(config).version
    guarded = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "replace", "path": "/data/x", "value": "2"},
    ]
    assert api.patch(config, guarded, JSON).status == 200
    assert reasons(api.patch(config, guarded, JSON)) == (422, "Invalid")


@pytest.mark.parametrize(
    ("media", "body", "code"),
    [
        (MERGE, [1], 400),
        (MERGE, b"{nonsense", 400),
        (JSON, {}, 400),
        (JSON, [{"op": "remove", "path": "/data/none"}], 422),
        (JSON, [{"op": "nonsense", "path": "/data/x"}], 422),
        (MERGE, {"metadata": {"name": "other"}}, 400),
        ("application/json", {}, 415),
        ("text/plain", {}, 415),
    ],
)
def test_a_bad_patch_is_refused(api: Api, config: str, media: str, body: object, code: int) -> None:
    """Not understood is 400, does not fit is 422, an unknown format is 415."""
    assert reasons(api.patch(config, body, media))[0] == code


def containers(answer: Answer) -> list[dict[str, Any]]:
    """Give the containers of a workload."""
    found: list[dict[str, Any]] = answer.body["spec"]["template"]["spec"]["containers"]
    return found


def pod_patch(*items: dict[str, Any], **more: object) -> dict[str, Any]:
    """Give a patch of the pods of a workload."""
    return {"spec": {"template": {"spec": {"containers": list(items), **more}}}}


def test_a_strategic_patch_merges_lists_by_key(api: Api, deployment: str) -> None:
    """Containers by name, environment by name, ports by number; null and $patch remove."""
    change = {"name": "main", "env": [{"name": "B", "value": "2"}], "ports": [{"containerPort": 80}]}
    (main,) = containers(api.patch(deployment, pod_patch(change), STRATEGIC))
    assert (main["image"], [each["name"] for each in main["env"]]) == ("registry.example/app:1", ["B", "A"])
    removal = {"name": "main", "env": [{"name": "A", "$patch": "delete"}], "ports": None}
    (main,) = containers(api.patch(deployment, pod_patch(removal), STRATEGIC))
    assert ([each["name"] for each in main["env"]], "ports" in main) == (["B"], False)


def test_a_strategic_patch_orders_and_replaces(api: Api, deployment: str) -> None:
    """$setElementOrder, $patch: replace, and $retainKeys."""
    order = {"$setElementOrder/containers": [{"name": "side"}, {"name": "main"}]}
    both = api.patch(deployment, pod_patch({"name": "side", "image": "i"}, **order), STRATEGIC)
    assert [each["name"] for each in containers(both)] == ["side", "main"]
    only = api.patch(deployment, pod_patch({"$patch": "replace"}, {"name": "new", "image": "i"}), STRATEGIC)
    assert [each["name"] for each in containers(only)] == ["new"]
    strategy = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert api.patch(deployment, strategy, STRATEGIC).body["spec"]["strategy"] == {"type": "Recreate"}


def test_a_merge_patch_replaces_lists(api: Api, deployment: str) -> None:
    """RFC 7386 knows no keys."""
    only = api.patch(deployment, pod_patch({"name": "new", "image": "i"}), MERGE)
    assert [each["name"] for each in containers(only)] == ["new"]


def apply(api: Api, path: str, body: object, manager: str, **query: object) -> Answer:
    """Apply a configuration as a field manager."""
    return api.patch(path, body, APPLY, fieldManager=manager, **query)


def owned(answer: Answer, manager: str) -> dict[str, Any] | None:
    """Give what a manager owns."""
    for entry in answer.metadata["managedFields"]:
        if entry["manager"] == manager:
            found: dict[str, Any] = entry["fieldsV1"]
            return found
    return None


def test_apply_creates_and_then_merges(api: Api, namespace: str) -> None:
    """201 for a new object, 200 after; what is the same keeps the version."""
    path = f"/api/v1/namespaces/{namespace}/configmaps/c"
    made = apply(api, path, config_map("c", a="1"), "one")
    assert (made.status, owned(made, "one")) == (201, {"f:data": {"f:a": {}}})
    assert made.metadata["managedFields"][0]["operation"] == "Apply"
    again = apply(api, path, config_map("c", a="1"), "one")
    assert (again.status, again.version) == (200, made.version)
    assert apply(api, path, config_map("c", b="2"), "two").body["data"] == {"a": "1", "b": "2"}


def test_apply_at_a_version_that_nothing_has_only_creates(api: Api, namespace: str) -> None:
    """201 where nothing is; 409 where something is, the same or not, another's or one's own."""
    path = f"/api/v1/namespaces/{namespace}/configmaps/c"
    new = {**config_map("c", a="1"), "metadata": {"name": "c", "resourceVersion": "1"}}
    made = apply(api, path, new, "one")
    assert (made.status, made.body["data"]) == (201, {"a": "1"})
    for manager, body in (("one", new), ("one", {**new, "data": {"a": "2"}}), ("two", new)):
        assert reasons(apply(api, path, body, manager)) == (409, "Conflict")
    assert api.get(path).version == made.version


def test_apply_removes_what_it_states_no_longer(api: Api, namespace: str) -> None:
    """Unless another manager states it too."""
    path = f"/api/v1/namespaces/{namespace}/configmaps/c"
    apply(api, path, config_map("c", a="1", b="2"), "one")
    apply(api, path, config_map("c", b="2"), "two")
    left = apply(api, path, config_map("c"), "one")
    assert left.body["data"] == {"b": "2"}
    assert owned(left, "two") == {"f:data": {"f:b": {}}}


def test_apply_meets_conflicts_unless_forced(api: Api, namespace: str) -> None:
    """409 names the manager and the fields; force takes them over."""
    path = f"/api/v1/namespaces/{namespace}/configmaps/c"
    apply(api, path, config_map("c", a="1", b="2"), "one")
    refused = apply(api, path, config_map("c", a="9", b="9"), "two")
    assert reasons(refused) == (409, "Conflict")
    assert [cause["field"] for cause in refused.body["details"]["causes"]] == [".data.a", ".data.b"]
    assert {cause["message"] for cause in refused.body["details"]["causes"]} == {'conflict with "one"'}
    forced = apply(api, path, config_map("c", a="9"), "two", force="true")
    assert forced.body["data"] == {"a": "9", "b": "2"}
    assert owned(forced, "one") == {"f:data": {"f:b": {}}}


def test_apply_meets_conflicts_with_updates(api: Api, config: str) -> None:
    """Who updates owns what was changed; apply may state the same value, but not another."""
    api.patch(config, {"data": {"x": "5"}}, fieldManager="someone")
    assert apply(api, config, config_map("c", x="5"), "one").status == 200
    refused = apply(api, config, config_map("c", x="6"), "one")
    assert 'conflict with "someone" using v1: .data.x' in refused.body["message"]


def test_an_update_takes_fields_from_those_who_applied(api: Api, namespace: str) -> None:
    """The field belongs to the last who changed it."""
    path = f"/api/v1/namespaces/{namespace}/configmaps/c"
    apply(api, path, config_map("c", a="1", b="2"), "one")
    changed = api.patch(path, {"data": {"a": "2"}}, fieldManager="someone")
    assert owned(changed, "one") == {"f:data": {"f:b": {}}}
    assert owned(changed, "someone") == {"f:data": {"f:a": {}}}
    entry = next(each for each in changed.metadata["managedFields"] if each["manager"] == "someone")
    assert (entry["operation"], entry["fieldsType"], bool(entry["time"])) == ("Update", "FieldsV1", True)


def test_apply_adds_to_keyed_lists_and_takes_away(api: Api, namespace: str) -> None:
    """Two managers each own a container of one Deployment."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    apply(api, path, workload("Deployment", "web"), "one")
    sidecar = pod_patch({"name": "side", "image": "i"})
    identity = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    both = apply(api, path, {**identity, **sidecar}, "two")
    assert [each["name"] for each in containers(both)] == ["main", "side"]
    assert [each["name"] for each in containers(apply(api, path, identity, "two"))] == ["main"]


@pytest.mark.parametrize(
    ("body", "query", "code"),
    [
        (config_map("c"), {}, 422),
        (config_map("other"), {"fieldManager": "m"}, 400),
        ({"metadata": {"name": "c"}}, {"fieldManager": "m"}, 400),
        (
            {**config_map("c"), "metadata": {"name": "c", "managedFields": [{"manager": "x"}]}},
            {"fieldManager": "m"},
            400,
        ),
    ],
)
def test_a_bad_apply_is_refused(
    api: Api, config: str, body: object, query: dict[str, str], code: int
) -> None:
    """Without a manager, of another name, without a kind, with managed fields of its own."""
    assert reasons(api.patch(config, body, APPLY, **query))[0] == code


SECRET_TYPES: dict[str, tuple[str, dict[str, str], set[str]]] = {
    "any": ("example.com/any", {"a": "x"}, set()),
    "a TLS pair": ("kubernetes.io/tls", {"tls.crt": "x", "tls.key": "y"}, set()),
    "half a TLS pair": ("kubernetes.io/tls", {"tls.crt": "x"}, {"data[tls.key]"}),
    "a pull secret": ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": "{}"}, set()),
    "no document": (
        "kubernetes.io/dockerconfigjson",
        {".dockerconfigjson": "x"},
        {"data[.dockerconfigjson]"},
    ),
    "no object": ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": "[]"}, {"data[.dockerconfigjson]"}),
    "an old pull secret": ("kubernetes.io/dockercfg", {"other": "{}"}, {"data[.dockercfg]"}),
    "a login": ("kubernetes.io/basic-auth", {"password": ""}, set()),
    "no login": ("kubernetes.io/basic-auth", {"a": "x"}, {"data[username]", "data[password]"}),
    "an SSH key": ("kubernetes.io/ssh-auth", {"ssh-privatekey": "x"}, set()),
    "an empty SSH key": ("kubernetes.io/ssh-auth", {"ssh-privatekey": ""}, {"data[ssh-privatekey]"}),
    "no account": (
        "kubernetes.io/service-account-token",
        {"token": "x"},
        {"metadata.annotations[kubernetes.io/service-account.name]"},
    ),
    "the longest key": ("Opaque", {"x" * 253: "x"}, set()),
    "a longer key": ("Opaque", {"x" * 254: "x"}, {f"data[{'x' * 254}]"}),
    "a key with a blank": ("Opaque", {"a b": "x"}, {"data[a b]"}),
    "an empty key": ("Opaque", {"": "x"}, {"data[]"}),
    "a path as a key": ("Opaque", {"a/b": "x"}, {"data[a/b]"}),
    "the folder above": ("Opaque", {"..": "x"}, {"data[..]"}),
    "like the folder above": ("Opaque", {"..a": "x"}, {"data[..a]"}),
    "full": ("Opaque", {"a": "x" * 1048577}, {"data"}),
}


@pytest.mark.parametrize(("kind", "data", "fields"), SECRET_TYPES.values(), ids=SECRET_TYPES)
def test_a_secret_has_what_its_type_asks_for(
    api: Api, namespace: str, kind: str, data: dict[str, str], fields: set[str]
) -> None:
    """Whichever way it comes, and though it is given as `stringData`; each field that is wrong is named."""
    path = f"/api/v1/namespaces/{namespace}/secrets"
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "type": kind,
        "stringData": data,
    }
    for answer in (api.post(path, secret, dryRun="All"), apply(api, f"{path}/s", secret, "m")):
        assert answer.status == (422 if fields else 201)
        causes = (answer.body.get("details") or {}).get("causes") or []
        assert {cause["field"] for cause in causes} == fields


@pytest.mark.parametrize("name", ["Bad_Name", "-x", "x.", "a..b", "a" * 254, "ü"])
@pytest.mark.parametrize("group", ["secrets", "configmaps"])
def test_a_name_that_is_none_is_refused_when_it_is_applied(
    api: Api, namespace: str, name: str, group: str
) -> None:
    """As when it is posted."""
    kind = "Secret" if group == "secrets" else "ConfigMap"
    document = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": {}}
    path = f"/api/v1/namespaces/{namespace}/{group}"
    assert reasons(apply(api, f"{path}/{quote(name)}", document, "m")) == (422, "Invalid")
    assert reasons(api.post(path, document)) == (422, "Invalid")


def test_what_is_applied_as_string_data_stays_when_it_is_applied_no_more(api: Api, namespace: str) -> None:
    """It is written as `data`, and held as `stringData`: so nobody holds the data key."""
    path = f"/api/v1/namespaces/{namespace}/secrets/s"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    made = apply(api, path, {**secret, "stringData": {"a": "x", "b": "y"}, "data": {"a": "eg=="}}, "one")
    assert made.body["data"] == {"a": "eA==", "b": "eQ=="}
    assert "stringData" not in made.body
    assert owned(made, "one") == {"f:data": {"f:a": {}}, "f:stringData": {"f:a": {}, "f:b": {}}}
    left = apply(api, path, {**secret, "stringData": {"b": "y"}, "data": {"a": "eg=="}}, "one")
    assert left.body["data"] == {"a": "eg==", "b": "eQ=="}
    left = apply(api, path, {**secret, "data": {"a": "eg=="}}, "one")
    assert left.body["data"] == {"a": "eg==", "b": "eQ=="}, "it is applied no more, and stays"


@pytest.mark.parametrize("odd", [5, True, ["x"], {"x": "y"}])
@pytest.mark.parametrize("part", ["data", "stringData"])
def test_values_that_are_no_texts_are_refused_when_they_are_applied(
    api: Api, namespace: str, part: str, odd: object
) -> None:
    """500, in words that name the object."""
    path = f"/api/v1/namespaces/{namespace}/secrets/s"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, part: {"a": odd}}
    answer = apply(api, path, secret, "m")
    assert answer.status == 500
    assert answer.body["message"].startswith("failed to create typed patch object (/s; /v1, Kind=Secret): ")
    assert api.get(path).status == 404


def test_force_is_for_apply_only(api: Api, config: str) -> None:
    """422 for force on a merge patch."""
    assert reasons(api.patch(config, {}, MERGE, force="true")) == (422, "Invalid")


def test_a_dry_apply_changes_nothing(api: Api, namespace: str) -> None:
    """201 with the would-be object, and nothing there."""
    path = f"/api/v1/namespaces/{namespace}/configmaps/c"
    assert apply(api, path, config_map("c", a="1"), "one", dryRun="All").status == 201
    assert api.get(path).status == 404
