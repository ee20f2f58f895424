"""Lists, pages, selectors, representations and watches."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.kubernetes_servers import Api, config_map, reasons

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

NO_PROGRESS = "required storage feature RequestWatchProgress is disabled"
"""etcd tells progress rightly from 3.4.31 and 3.5.13 on; kube-apiserver asks for its version."""


@pytest.fixture
def five(api: Api, namespace: str) -> str:
    """The path of five ConfigMaps c0 to c4, labelled by number and parity."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for number in range(5):
        labels = {"number": str(number), "parity": "odd" if number % 2 else "even"}
        made = api.post(
            path, {"metadata": {"name": f"c{number}", "labels": labels}, "data": {"n": str(number)}}
        )
        assert made.status == 201
    return path


def test_a_list_is_ordered_and_has_a_version(api: Api, five: str) -> None:
    """Items of a typed list carry no kind of their own."""
    listed = api.get(five)
    assert (listed.body["kind"], listed.body["apiVersion"]) == ("ConfigMapList", "v1")
    assert listed.names == ["c0", "c1", "c2", "c3", "c4"]
    assert int(listed.version) > 0
    assert "kind" not in listed.body["items"][0]


def test_a_list_of_a_missing_namespace_is_empty(api: Api) -> None:
    """It is no error."""
    assert api.get("/api/v1/namespaces/no-such-namespace/configmaps").body["items"] == []


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("parity=odd", ["c1", "c3"]),
        ("parity==odd,number=3", ["c3"]),
        ("parity!=odd", ["c0", "c2", "c4"]),
        ("number in (1,2)", ["c1", "c2"]),
        ("number notin (1,2),parity=odd", ["c3"]),
        ("parity", ["c0", "c1", "c2", "c3", "c4"]),
        ("!parity", []),
        ("missing!=x", ["c0", "c1", "c2", "c3", "c4"]),
    ],
)
def test_labels_select(api: Api, five: str, selector: str, names: list[str]) -> None:
    """Equality, sets, existence, and all of them together."""
    assert api.get(five, labelSelector=selector).names == names


def test_fields_select(api: Api, five: str, namespace: str) -> None:
    """metadata.name and metadata.namespace everywhere; type for Secrets; the object of an Event."""
    assert api.get(five, fieldSelector="metadata.name=c3").names == ["c3"]
    assert len(api.get(five, fieldSelector=f"metadata.name!=c3,metadata.namespace={namespace}").names) == 4
    base = f"/api/v1/namespaces/{namespace}"
    api.post(f"{base}/secrets", {"metadata": {"name": "one"}})
    api.post(f"{base}/secrets", {"metadata": {"name": "two"}, "type": "example.com/two"})
    assert api.get(f"{base}/secrets", fieldSelector="type=example.com/two").names == ["two"]
    about = {"kind": "Secret", "name": "one", "namespace": namespace}
    api.post(f"{base}/events", {"metadata": {"name": "e"}, "involvedObject": about})
    assert api.get(
        f"{base}/events", fieldSelector="involvedObject.name=one,involvedObject.kind=Secret"
    ).names == ["e"]
    assert api.get(f"{base}/events", fieldSelector="involvedObject.name=two").names == []


@pytest.mark.parametrize(
    "query",
    [{"labelSelector": "=x"}, {"fieldSelector": "data.n=1"}, {"limit": "many"}, {"continue": "nonsense"}],
)
def test_a_bad_query_is_refused(api: Api, five: str, query: dict[str, str]) -> None:
    """400 BadRequest."""
    assert reasons(api.get(five, **query)) == (400, "BadRequest")


def test_pages_show_one_moment(api: Api, five: str) -> None:
    """Limit and continue: what is created in between is on no page, and all have one version."""
    first = api.get(five, limit=2)
    assert (first.names, first.metadata["remainingItemCount"]) == (["c0", "c1"], 3)
    api.post(five, config_map("c11"))
    api.delete(f"{five}/c3")
    second = api.get(five, limit=2, **{"continue": first.metadata["continue"]})
    third = api.get(five, limit=2, **{"continue": second.metadata["continue"]})
    assert (second.names, third.names) == (["c2", "c3"], ["c4"])
    assert first.version == second.version == third.version
    assert not third.metadata.get("continue")
    assert "remainingItemCount" not in api.get(five, limit=1, labelSelector="parity").metadata


def test_a_version_of_the_future_is_not_known_yet(api: Api, five: str) -> None:
    """504 Timeout with cause ResourceVersionTooLarge."""
    refused = api.get(five, resourceVersion=10**9)
    assert reasons(refused) == (504, "Timeout")
    assert refused.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


def test_an_exact_version_shows_the_past(api: Api, five: str) -> None:
    """resourceVersionMatch=Exact."""
    before = api.get(five).version
    api.post(five, config_map("later"))
    past = api.get(five, resourceVersion=before, resourceVersionMatch="Exact")
    assert (past.names, past.version) == (["c0", "c1", "c2", "c3", "c4"], before)
    assert reasons(api.get(five, resourceVersionMatch="Exact")) == (422, "Invalid")


def test_metadata_can_be_had_alone(api: Api, five: str) -> None:
    """PartialObjectMetadata, single and listed."""
    one = api.get(f"{five}/c1", accept=PARTIAL).body
    assert (one["kind"], one["metadata"]["name"], "data" in one) == ("PartialObjectMetadata", "c1", False)
    listed = api.get(five, accept=PARTIAL_LIST, limit=2)
    assert (listed.body["kind"], listed.names) == ("PartialObjectMetadataList", ["c0", "c1"])
    assert listed.metadata["continue"]


def test_a_table_has_columns_and_rows(api: Api, five: str) -> None:
    """What kubectl shows; each row brings the metadata of its object."""
    shown = api.get(five, accept=TABLE).body
    assert [column["name"] for column in shown["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert shown["rows"][0]["cells"][0] == "c0"
    assert shown["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert api.get(f"{five}/c1", accept=TABLE, includeObject="None").body["rows"][0]["object"] is None


def test_a_collection_can_be_deleted_by_label(api: Api, five: str) -> None:
    """Deletecollection."""
    assert api.delete(five, labelSelector="parity=odd").status == 200
    assert api.get(five).names == ["c0", "c2", "c4"]


def seen(event: dict[str, Any]) -> tuple[str, str]:
    """Give what an event is about."""
    return event["type"], event["object"]["metadata"]["name"]


def test_a_watch_goes_on_from_a_version(api: Api, five: str) -> None:
    """Added, modified and deleted, in order, and with the version of each change."""
    with api.watching(five, resourceVersion=api.get(five).version) as events:
        api.post(five, config_map("new"))
        changed = api.patch(f"{five}/new", {"data": {"a": "1"}})
        api.delete(f"{five}/new")
        added, modified, deleted = (next(events) for _ in range(3))
    assert [seen(each) for each in (added, modified, deleted)] == [
        ("ADDED", "new"),
        ("MODIFIED", "new"),
        ("DELETED", "new"),
    ]
    assert modified["object"] == changed.body
    assert int(deleted["object"]["metadata"]["resourceVersion"]) > int(changed.version)


def test_a_watch_without_a_version_starts_with_what_is_there(api: Api, five: str) -> None:
    """Synthetic ADDED events."""
    with api.watching(five) as events:
        assert [seen(next(events)) for _ in range(5)] == [("ADDED", f"c{number}") for number in range(5)]


def test_a_watch_sees_through_its_selector(api: Api, five: str) -> None:
    """Leaving the selection is DELETED, entering it is ADDED."""
    version = api.get(five).version
    with api.watching(five, resourceVersion=version, labelSelector="parity=odd") as events:
        api.patch(f"{five}/c0", {"data": {"n": "unseen"}})
        api.patch(f"{five}/c1", {"metadata": {"labels": {"parity": "even"}}})
        api.patch(f"{five}/c0", {"metadata": {"labels": {"parity": "odd"}}})
        left, entered = next(events), next(events)
    assert (seen(left), seen(entered)) == (("DELETED", "c1"), ("ADDED", "c0"))
    assert left["object"]["metadata"]["labels"]["parity"] == "odd"


def test_a_watch_ends_in_time(api: Api, five: str) -> None:
    """After timeoutSeconds, with bookmarks at most when nothing happened."""
    version = api.get(five).version
    with api.watching(five, resourceVersion=version, timeoutSeconds=1, allowWatchBookmarks="true") as events:
        kinds = {event["type"] for event in events}
    assert kinds <= {"BOOKMARK"}


def test_initial_events_end_with_a_bookmark(api: Api, five: str) -> None:
    """sendInitialEvents, which informers use in place of a list. On an old etcd kube-apiserver says that it cannot."""
    query = {
        "sendInitialEvents": "true",
        "allowWatchBookmarks": "true",
        "resourceVersionMatch": "NotOlderThan",
    }
    with api.watching(five, **query) as events:
        first = [next(events)]
        if first[0]["type"] == "ERROR" and NO_PROGRESS in first[0]["object"]["message"]:
            pytest.skip(f"NO ETCD PROGRESS: {first[0]['object']['message']}")
        first += [next(events) for _ in range(5)]
    assert [each["type"] for each in first] == ["ADDED"] * 5 + ["BOOKMARK"]
    assert first[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
