"""Objects of the Kubernetes API: what is created, refused, changed and deleted, and how it is said."""

from __future__ import annotations

import base64
from email.utils import parsedate_to_datetime

import pytest

from tests.contract.kubernetes_servers import MERGE, Api, config_map, reasons, workload

SECRET = {"metadata": {"name": "s", "labels": {"a": "b"}}, "stringData": {"password": "one"}}


def secrets(namespace: str) -> str:
    """Give the path of Secrets."""
    return f"/api/v1/namespaces/{namespace}/secrets"


def config_maps(namespace: str) -> str:
    """Give the path of ConfigMaps."""
    return f"/api/v1/namespaces/{namespace}/configmaps"


def leases(namespace: str) -> str:
    """Give the path of Leases."""
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


def test_a_new_object_has_what_the_server_adds(api: Api, namespace: str) -> None:
    """Uid, resourceVersion, creation time and defaults; write-only fields are gone."""
    made = api.post(secrets(namespace), SECRET)
    assert made.status == 201
    assert (made.body["kind"], made.body["apiVersion"], made.body["type"]) == ("Secret", "v1", "Opaque")
    assert made.body["data"] == {"password": base64.b64encode(b"one").decode()}
    assert "stringData" not in made.body
    assert {"uid", "resourceVersion", "creationTimestamp"} <= made.metadata.keys()
    assert "generation" not in made.metadata
    assert api.get(f"{secrets(namespace)}/s").body == made.body


def test_every_answer_carries_the_servers_time(api: Api, namespace: str) -> None:
    """The Date header is what clients measure clock skew by."""
    for answer in (api.get(f"{secrets(namespace)}/none"), api.get(secrets(namespace))):
        assert parsedate_to_datetime(answer.headers["Date"]).tzinfo is not None


def test_a_name_is_taken_once(api: Api, namespace: str) -> None:
    """Create of an existing name is 409 AlreadyExists, and says of what."""
    api.post(secrets(namespace), SECRET)
    again = api.post(secrets(namespace), SECRET)
    assert reasons(again) == (409, "AlreadyExists")
    assert again.body["details"] == {"name": "s", "kind": "secrets"}


def test_a_missing_object_is_not_found(api: Api, namespace: str) -> None:
    """404 NotFound for get, patch and delete of what is not there."""
    path = f"{secrets(namespace)}/none"
    for answer in (
        api.get(path),
        api.patch(path, {}),
        api.delete(path),
        api.put(path, {"metadata": {"name": "none"}}),
    ):
        assert reasons(answer) == (404, "NotFound")


def test_nothing_is_created_in_a_missing_namespace(api: Api) -> None:
    """404 NotFound, about the namespace."""
    refused = api.post(secrets("no-such-namespace"), SECRET)
    assert reasons(refused) == (404, "NotFound")
    assert refused.body["details"] == {"name": "no-such-namespace", "kind": "namespaces"}


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        ({"metadata": {"name": "Bad_Name"}}, 422, "Invalid"),
        ({"metadata": {}}, 422, "Invalid"),
        ({"metadata": {"name": "q", "labels": {"a b": "c"}}}, 422, "Invalid"),
        ({"metadata": {"name": "q", "finalizers": ["unqualified"]}}, 422, "Invalid"),
        ({"metadata": {"name": "q"}, "stringData": {"not a key": "x"}}, 422, "Invalid"),
        ({"metadata": {"name": "q"}, "type": "kubernetes.io/tls"}, 422, "Invalid"),
        ({"metadata": {"name": "q"}, "stringData": {"k": "x" * (1 << 20) + "x"}}, 422, "Invalid"),
        ({"metadata": {"name": "q"}, "stringData": {"k": "x" * (3 << 20)}}, 413, "RequestEntityTooLarge"),
        ({"metadata": {"name": "q"}, "data": {"k": "%%%"}}, 400, "BadRequest"),
        ({"metadata": {"name": "q"}, "data": {"k": 1}}, 400, "BadRequest"),
        ({"metadata": {"name": "q", "labels": {"k": 1}}}, 400, "BadRequest"),
        ({"metadata": {"name": "q", "namespace": "other"}}, 400, "BadRequest"),
        ({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "q"}}, 400, "BadRequest"),
        ({"metadata": {"name": "q", "resourceVersion": "5"}}, 500, ""),
        (b"{nonsense", 400, "BadRequest"),
    ],
)
def test_a_bad_object_is_refused(api: Api, namespace: str, body: object, code: int, reason: str) -> None:
    """Syntax is 400, meaning is 422, size is 413 or 422."""
    assert reasons(api.post(secrets(namespace), body)) == (code, reason)


def test_a_refusal_names_the_field(api: Api, namespace: str) -> None:
    """Each complaint is a cause with a reason, a field and a message."""
    refused = api.post(secrets(namespace), {"metadata": {"name": "Bad_Name"}})
    (cause,) = refused.body["details"]["causes"]
    assert (cause["reason"], cause["field"]) == ("FieldValueInvalid", "metadata.name")
    assert refused.body["message"].startswith(
        'Secret "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name"'
    )


def test_an_unknown_field_is_refused_only_on_request(api: Api, namespace: str) -> None:
    """Field validation Strict is 400; otherwise the field is dropped."""
    odd = {"metadata": {"name": "odd"}, "bogus": 1}
    assert reasons(api.post(secrets(namespace), odd, fieldValidation="Strict")) == (400, "BadRequest")
    assert "bogus" not in api.post(secrets(namespace), odd).body


def test_generate_name_makes_a_name(api: Api, namespace: str) -> None:
    """The server appends a suffix to generateName."""
    made = api.post(config_maps(namespace), {"metadata": {"generateName": "some-"}})
    assert made.metadata["name"].startswith("some-")
    assert len(made.metadata["name"]) == len("some-") + 5


def test_what_is_not_served_is_not_found(api: Api, namespace: str) -> None:
    """404 for unknown groups, kinds, subresources and paths."""
    for path in ("/apis/no.such.group/v1/things", "/nothing/here"):
        assert api.get(path).status == 404
    for path in ("/api/v1/things", f"{secrets(namespace)}/s/status"):
        assert reasons(api.get(path)) == (404, "NotFound")


def test_a_verb_that_is_not_offered_is_refused(api: Api, namespace: str) -> None:
    """405 MethodNotAllowed."""
    assert reasons(api.put(secrets(namespace), {})) == (405, "MethodNotAllowed")
    assert reasons(api.post(f"{secrets(namespace)}/s", {})) == (405, "MethodNotAllowed")


def test_a_stale_put_is_a_conflict(api: Api, namespace: str) -> None:
    """Optimistic locking: the resourceVersion of a PUT must be the stored one."""
    first = api.post(config_maps(namespace), config_map("c", a="1"))
    path = f"{config_maps(namespace)}/c"
    assert api.put(path, {**first.body, "data": {"a": "2"}}).status == 200
    refused = api.put(path, {**first.body, "data": {"a": "3"}})
    assert reasons(refused) == (409, "Conflict")
    assert refused.body["message"].startswith(
        'Operation cannot be fulfilled on configmaps "c": the object has been'
    )
    assert api.get(path).body["data"] == {"a": "2"}


def test_a_put_without_a_version_overwrites(api: Api, namespace: str) -> None:
    """Unconditional update of the kinds that allow it."""
    api.post(config_maps(namespace), config_map("c", a="1"))
    assert api.put(f"{config_maps(namespace)}/c", config_map("c", b="2")).body["data"] == {"b": "2"}


def test_a_lease_is_never_updated_unconditionally(api: Api, namespace: str) -> None:
    """A Lease without resourceVersion is 422, a stale one 409, and a new one is created by PUT."""
    path = f"{leases(namespace)}/l"
    lease = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}}
    made = api.put(path, lease)
    assert made.status == 201
    assert reasons(api.put(path, lease)) == (422, "Invalid")
    fresh = {**made.body, "spec": {"holderIdentity": "you"}}
    assert api.put(path, fresh).status == 200
    assert reasons(api.put(path, fresh)) == (409, "Conflict")


def test_a_patch_with_a_stale_version_is_a_conflict(api: Api, namespace: str) -> None:
    """A resourceVersion in a merge patch is a precondition; none is no precondition."""
    first = api.post(config_maps(namespace), config_map("c", a="1"))
    path = f"{config_maps(namespace)}/c"
    stamped = {"metadata": {"resourceVersion": first.version}, "data": {"a": "2"}}
    assert api.patch(path, stamped).status == 200
    assert reasons(api.patch(path, stamped)) == (409, "Conflict")
    assert api.patch(path, {"data": {"a": "3"}}).status == 200


def test_the_uid_of_another_incarnation_is_a_conflict(api: Api, namespace: str) -> None:
    """A PUT with another uid is 409; a patch that sets one is 422."""
    api.post(config_maps(namespace), config_map("c"))
    path, other = f"{config_maps(namespace)}/c", "11111111-2222-3333-4444-555555555555"
    assert reasons(api.put(path, {"metadata": {"name": "c", "uid": other}})) == (409, "Conflict")
    assert reasons(api.patch(path, {"metadata": {"uid": other}})) == (422, "Invalid")


def test_a_write_that_changes_nothing_keeps_the_version(api: Api, namespace: str) -> None:
    """No-op PUT and PATCH are answered with the stored object."""
    made = api.post(secrets(namespace), SECRET)
    path = f"{secrets(namespace)}/s"
    assert api.patch(path, {"stringData": {"password": "one"}}).version == made.version
    assert api.put(path, made.body).version == made.version
    assert api.patch(path, {"stringData": {"password": "two"}}).version != made.version


def test_an_immutable_secret_stays_as_it_is(api: Api, namespace: str) -> None:
    """Neither data nor the flag can be changed; metadata can, and it can be deleted."""
    api.post(secrets(namespace), {**SECRET, "immutable": True})
    path = f"{secrets(namespace)}/s"
    assert reasons(api.patch(path, {"stringData": {"password": "two"}})) == (422, "Invalid")
    assert reasons(api.patch(path, {"immutable": False})) == (422, "Invalid")
    assert api.patch(path, {"metadata": {"labels": {"x": "y"}}}).status == 200
    assert api.delete(path).status == 200


def test_the_type_of_a_secret_is_fixed(api: Api, namespace: str) -> None:
    """422 Invalid on field type."""
    api.post(secrets(namespace), SECRET)
    refused = api.patch(f"{secrets(namespace)}/s", {"type": "other"})
    assert [cause["field"] for cause in refused.body["details"]["causes"]] == ["type"]


def test_delete_honours_its_preconditions(api: Api, namespace: str) -> None:
    """Another uid or resourceVersion is 409, and nothing is deleted."""
    made = api.post(config_maps(namespace), config_map("c"))
    path = f"{config_maps(namespace)}/c"
    for wrong in ({"uid": "11111111-2222-3333-4444-555555555555"}, {"resourceVersion": "1"}):
        assert reasons(api.delete(path, {"preconditions": wrong})) == (409, "Conflict")
    right = {"uid": made.metadata["uid"], "resourceVersion": made.version}
    gone = api.delete(path, {"preconditions": right})
    assert (gone.status, gone.body["status"], gone.body["details"]["uid"]) == (
        200,
        "Success",
        made.metadata["uid"],
    )
    assert api.get(path).status == 404


def test_finalizers_hold_an_object_until_they_are_gone(api: Api, namespace: str) -> None:
    """Delete marks; no finalizer can be added; removing the last one removes the object."""
    path = f"{config_maps(namespace)}/c"
    api.post(config_maps(namespace), {"metadata": {"name": "c", "finalizers": ["example.com/a"]}})
    marked = api.delete(path)
    assert marked.metadata["deletionTimestamp"]
    assert reasons(api.patch(path, {"metadata": {"finalizers": ["example.com/a", "example.com/b"]}})) == (
        422,
        "Invalid",
    )
    assert api.patch(path, {"metadata": {"deletionTimestamp": None}}).metadata["deletionTimestamp"]
    assert api.patch(path, {"metadata": {"finalizers": None}}).status == 200
    assert api.get(path).status == 404


def test_a_dry_run_shows_and_changes_nothing(api: Api, namespace: str) -> None:
    """dryRun=All on create, update, patch and delete."""
    path = f"{config_maps(namespace)}/c"
    assert api.post(config_maps(namespace), config_map("c"), dryRun="All").status == 201
    assert api.get(path).status == 404
    made = api.post(config_maps(namespace), config_map("c", a="1"))
    assert api.patch(path, {"data": {"a": "2"}}, dryRun="All").body["data"] == {"a": "2"}
    assert api.put(path, config_map("c", a="3"), dryRun="All").body["data"] == {"a": "3"}
    assert api.delete(path, dryRun="All").status == 200
    assert api.get(path).body == made.body
    assert reasons(api.delete(path, dryRun="Some")) == (422, "Invalid")


def test_a_dry_run_meets_the_same_conflicts(api: Api, namespace: str) -> None:
    """409 comes before the decision not to write."""
    api.post(config_maps(namespace), config_map("c"))
    assert reasons(api.post(config_maps(namespace), config_map("c"), dryRun="All")) == (409, "AlreadyExists")
    stale = {"metadata": {"resourceVersion": "1"}, "data": {"a": "2"}}
    assert reasons(api.patch(f"{config_maps(namespace)}/c", stale, dryRun="All")) == (409, "Conflict")


def test_a_deployment_is_filled_with_defaults(api: Api, namespace: str) -> None:
    """Strategy, history, deadline, and those of its pods."""
    made = api.post(f"/apis/apps/v1/namespaces/{namespace}/deployments", workload("Deployment", "web"))
    spec = made.body["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    (container,) = spec["template"]["spec"].pop("containers")
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert spec["template"]["spec"] == {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }


def test_the_generation_counts_changes_of_the_spec(api: Api, namespace: str) -> None:
    """Labels and status leave it; the spec moves it."""
    path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets"
    assert api.post(path, workload("StatefulSet", "db")).metadata["generation"] == 1
    path += "/db"
    assert api.patch(path, {"metadata": {"labels": {"x": "y"}}}).metadata["generation"] == 1
    assert api.patch(f"{path}/status", {"status": {"replicas": 1}}).metadata["generation"] == 1
    assert api.patch(path, {"spec": {"replicas": 3}}).metadata["generation"] == 2
    assert api.patch(path, {"spec": {"replicas": 3}}).metadata["generation"] == 2


def test_status_and_spec_are_written_apart(api: Api, namespace: str) -> None:
    """The status subresource leaves the spec, and the object's own path leaves the status."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    api.post(path, {**workload("Deployment", "web"), "status": {"replicas": 9}})
    path += "/web"
    both = {"spec": {"replicas": 7}, "status": {"replicas": 2}}
    through_status = api.patch(f"{path}/status", both).body
    assert (through_status["spec"]["replicas"], through_status["status"]["replicas"]) == (2, 2)
    through_object = api.patch(path, {"spec": {"replicas": 7}, "status": {"replicas": 8}}).body
    assert (through_object["spec"]["replicas"], through_object["status"]["replicas"]) == (7, 2)


def test_a_selector_is_fixed_and_must_match(api: Api, namespace: str) -> None:
    """422 for a selector that misses the template, and for changing it."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    other = {"matchLabels": {"app": "other"}}
    assert reasons(api.post(path, workload("Deployment", "web", selector=other))) == (422, "Invalid")
    api.post(path, workload("Deployment", "web"))
    labels = {"selector": other, "template": {"metadata": {"labels": {"app": "other"}}}}
    assert reasons(api.patch(f"{path}/web", {"spec": labels}, MERGE)) == (422, "Invalid")


@pytest.mark.parametrize("plural", ["deployments", "statefulsets", "replicasets"])
def test_scale_reads_and_writes_the_replicas(api: Api, namespace: str, plural: str) -> None:
    """autoscaling/v1 Scale."""
    kind = {"deployments": "Deployment", "statefulsets": "StatefulSet", "replicasets": "ReplicaSet"}[plural]
    path = f"/apis/apps/v1/namespaces/{namespace}/{plural}"
    api.post(path, workload(kind, "web"))
    scale = api.get(f"{path}/web/scale").body
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == (
        "Scale",
        {"replicas": 2},
        "app=web",
    )
    assert api.patch(f"{path}/web/scale", {"spec": {"replicas": 5}}).body["spec"] == {"replicas": 5}
    scale["metadata"].pop("resourceVersion")
    assert api.put(f"{path}/web/scale", {**scale, "spec": {"replicas": 4}}).status == 200
    assert api.get(f"{path}/web").body["spec"]["replicas"] == 4


def test_a_pod_on_a_node_is_given_time_to_terminate(api: Api, namespace: str) -> None:
    """Delete with grace marks it; delete with grace zero removes it."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": "node"}
    assert api.post(path, {"metadata": {"name": "p"}, "spec": spec}).body["status"]["phase"] == "Pending"
    marked = api.delete(f"{path}/p", gracePeriodSeconds=30)
    assert marked.metadata["deletionGracePeriodSeconds"] == 30
    assert api.get(f"{path}/p").metadata["deletionTimestamp"] == marked.metadata["deletionTimestamp"]
    api.delete(f"{path}/p", gracePeriodSeconds=0)
    assert api.get(f"{path}/p").status == 404


def test_a_namespace_that_goes_away_takes_nothing_new(api: Api, namespace: str) -> None:
    """It is Terminating or gone; creating in it is refused."""
    api.post(config_maps(namespace), {"metadata": {"name": "held", "finalizers": ["example.com/a"]}})
    assert api.delete(f"/api/v1/namespaces/{namespace}").body["status"]["phase"] == "Terminating"
    refused = api.post(config_maps(namespace), config_map("late"))
    assert reasons(refused) == (403, "Forbidden")
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"


def test_the_first_namespaces_cannot_be_deleted(api: Api) -> None:
    """403 Forbidden."""
    assert reasons(api.delete("/api/v1/namespaces/default")) == (403, "Forbidden")
