"""The official Python client with each server."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, watch

from tests.contract.kubernetes_servers import KubernetesServer


@pytest.fixture
def connection(kubernetes: KubernetesServer, tmp_path: Path) -> Any:
    """A client set up from the kubeconfig."""
    setup: Any = config
    made = setup.new_client_from_config(str(kubernetes.kubeconfig(tmp_path / "config")))
    yield made
    made.close()
    made.rest_client.pool_manager.clear()


def test_secrets_live_their_life(connection: Any, namespace: str) -> None:
    """Create, read, replace with a fence, patch, list and delete, as typed objects."""
    core: Any = client.CoreV1Api(connection)
    body = client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"a": "1"})
    made = core.create_namespaced_secret(namespace, body, field_manager="contract")
    assert (made.data, made.type) == ({"a": "MQ=="}, "Opaque")
    assert made.metadata.managed_fields[0].manager == "contract"
    made.string_data = {"a": "2"}
    replaced = core.replace_namespaced_secret("s", namespace, made)
    with pytest.raises(client.ApiException) as refused:
        core.replace_namespaced_secret("s", namespace, made)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")
    patched = core.patch_namespaced_secret("s", namespace, {"metadata": {"labels": {"x": "y"}}})
    assert int(patched.metadata.resource_version) > int(replaced.metadata.resource_version)
    listed = core.list_namespaced_secret(namespace, label_selector="x=y")
    assert [item.metadata.name for item in listed.items] == ["s"]
    core.delete_namespaced_secret("s", namespace)
    with pytest.raises(client.ApiException) as gone:
        core.read_namespaced_secret("s", namespace)
    assert gone.value.status == 404


def test_a_lease_is_held_with_microseconds(connection: Any, namespace: str) -> None:
    """Times of a Lease come back as they were sent."""
    leases: Any = client.CoordinationV1Api(connection)
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
    spec = client.V1LeaseSpec(holder_identity="me", lease_duration_seconds=30, renew_time=moment)
    lease = client.V1Lease(metadata=client.V1ObjectMeta(name="l"), spec=spec)
    assert leases.create_namespaced_lease(namespace, lease).spec.renew_time == moment


def test_a_workload_is_restarted_by_an_annotation(connection: Any, namespace: str) -> None:
    """The client's patch is a strategic merge patch for dictionaries."""
    apps: Any = client.AppsV1Api(connection)
    labels = {"app": "web"}
    pod = client.V1PodSpec(containers=[client.V1Container(name="c", image="i")])
    template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels=labels), spec=pod)
    spec = client.V1DeploymentSpec(selector=client.V1LabelSelector(match_labels=labels), template=template)
    apps.create_namespaced_deployment(namespace, client.V1Deployment(metadata={"name": "web"}, spec=spec))
    change = {"spec": {"template": {"metadata": {"annotations": {"v": "1"}}}}}
    patched = apps.patch_namespaced_deployment("web", namespace, change)
    assert patched.spec.template.metadata.annotations == {"v": "1"}
    assert (patched.metadata.generation, patched.spec.template.spec.containers[0].image) == (2, "i")


def test_a_watch_yields_typed_objects(connection: Any, namespace: str) -> None:
    """Until it is stopped."""
    core: Any = client.CoreV1Api(connection)
    core.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata={"name": "c"}, data={"a": "1"}))
    setup: Any = watch
    watcher, seen = setup.Watch(), []
    for event in watcher.stream(core.list_namespaced_config_map, namespace, timeout_seconds=20):
        seen.append((event["type"], event["object"].metadata.name))
        if event["type"] == "ADDED":
            core.patch_namespaced_config_map("c", namespace, {"data": {"a": "2"}})
        else:
            watcher.stop()
    assert seen == [("ADDED", "c"), ("MODIFIED", "c")]


def test_pages_are_walked_by_their_token(connection: Any, namespace: str) -> None:
    """_continue."""
    core: Any = client.CoreV1Api(connection)
    for number in range(3):
        core.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata={"name": f"c{number}"}))
    names, token = [], None
    while token != "":
        page = core.list_namespaced_config_map(namespace, limit=2, _continue=token)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue or ""  # noqa: SLF001
    assert names == ["c0", "c1", "c2"]


def test_a_token_is_requested_and_reviewed(connection: Any, namespace: str) -> None:
    """TokenRequest and TokenReview, typed."""
    core: Any = client.CoreV1Api(connection)
    core.create_namespaced_service_account(namespace, client.V1ServiceAccount(metadata={"name": "app"}))
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=["vault"]))
    token = core.create_namespaced_service_account_token("app", namespace, request).status.token
    spec = client.V1TokenReviewSpec(token=token, audiences=["vault"])
    reviews: Any = client.AuthenticationV1Api(connection)
    status = reviews.create_token_review(client.V1TokenReview(spec=spec)).status
    assert (status.authenticated, status.user.username) == (True, f"system:serviceaccount:{namespace}:app")


def test_custom_objects_are_dictionaries(connection: Any, namespace: str) -> None:
    """Missing ones are a 404."""
    with pytest.raises(client.ApiException) as missing:
        client.CustomObjectsApi(connection).get_namespaced_custom_object(
            "no.such", "v1", namespace, "things", "x"
        )
    assert missing.value.status == 404


def test_an_event_is_recorded(connection: Any, namespace: str) -> None:
    """On an object, and found by it."""
    core: Any = client.CoreV1Api(connection)
    about = client.V1ObjectReference(kind="Secret", namespace=namespace, name="s")
    event = client.CoreV1Event(
        metadata=client.V1ObjectMeta(generate_name="e-"),
        involved_object=about,
        reason="Rotated",
        type="Normal",
    )
    core.create_namespaced_event(namespace, event)
    found = core.list_namespaced_event(namespace, field_selector="involvedObject.name=s,reason=Rotated")
    assert [item.involved_object.name for item in found.items] == ["s"]
