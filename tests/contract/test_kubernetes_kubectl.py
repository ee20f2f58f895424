"""The real kubectl, doing with each server what people do with it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rotator_sandbox.emulator import HttpCaller, WorkloadController
from tests.contract.conftest import Kubectl
from tests.contract.kubernetes_servers import Api, KubernetesServer, config_map, workload


def deployment(**spec: object) -> str:
    """Give a manifest."""
    return yaml.safe_dump(workload("Deployment", "web", **spec))


@pytest.fixture
def rolling(kubernetes: KubernetesServer, namespace: str) -> Iterator[None]:
    """Workloads progress while the test runs."""
    call = HttpCaller(kubernetes.url, kubernetes.admin_token, kubernetes.ca_file)
    controller = WorkloadController(call, seconds_to_ready=0.1, terminating_seconds=0.1, namespace=namespace)
    stop = threading.Event()
    thread = threading.Thread(target=controller.run, args=(stop, 0.05))
    thread.start()
    yield
    stop.set()
    thread.join()
    call.close()


def test_get_shows_a_table(kubectl: Kubectl) -> None:
    """Names, types and counts in columns; a missing name is an error."""
    kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    head, row = kubectl("get", "secrets").splitlines()
    assert head.split() == ["NAME", "TYPE", "DATA", "AGE"]
    assert row.split()[:3] == ["s", "Opaque", "1"]
    assert 'secrets "none" not found' in kubectl("get", "secret", "none", fails=True)


def test_get_writes_yaml_and_json(kubectl: Kubectl) -> None:
    """The whole object."""
    kubectl("create", "configmap", "c", "--from-literal=a=b")
    shown = yaml.safe_load(kubectl("get", "configmap", "c", "-o", "yaml"))
    assert (shown["kind"], shown["data"]) == ("ConfigMap", {"a": "b"})
    assert json.loads(kubectl("get", "configmap", "c", "-o", "json")) == shown


def test_what_kubectl_creates_is_what_it_says(kubectl: Kubectl) -> None:
    """Kinds that kubectl has Go types of are sent in protobuf."""
    kubectl("create", "deployment", "web", "--image=registry.example/app:1", "--replicas=3", "--port=80")
    spec = json.loads(kubectl("get", "deployment", "web", "-o", "json"))["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert (spec["replicas"], container["ports"]) == (3, [{"containerPort": 80, "protocol": "TCP"}])
    kubectl("create", "serviceaccount", "app")
    kubectl("create", "role", "r", "--verb=get", "--resource=secrets", "--resource-name=s")
    kubectl("create", "rolebinding", "r", "--role=r", "--serviceaccount=default:app")
    rules = json.loads(kubectl("get", "role", "r", "-o", "json"))["rules"]
    assert rules == [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["s"], "verbs": ["get"]}]
    assert kubectl("create", "token", "app").count(".") == 2
    assert kubectl("auth", "can-i", "delete", "secrets").strip() == "yes"


def test_apply_creates_changes_and_removes(kubectl: Kubectl) -> None:
    """Client-side apply is a three-way merge against the last applied configuration."""
    assert "created" in kubectl("apply", "-f", "-", stdin=deployment())
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=deployment())
    kubectl("scale", "deployment", "web", "--replicas=4")
    changed = workload("Deployment", "web", minReadySeconds=5)
    changed["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "B", "value": "2"}]
    del changed["spec"]["replicas"]
    assert "configured" in kubectl("apply", "-f", "-", stdin=yaml.safe_dump(changed))
    spec = json.loads(kubectl("get", "deployment", "web", "-o", "json"))["spec"]
    assert spec["template"]["spec"]["containers"][0]["env"] == [{"name": "B", "value": "2"}]
    assert (spec["replicas"], spec["minReadySeconds"]) == (1, 5)
    kubectl("diff", "-f", "-", stdin=yaml.safe_dump(changed))


def test_apply_on_the_server_meets_conflicts(kubectl: Kubectl) -> None:
    """Server-side apply as a manager, and over another one."""
    manifest = yaml.safe_dump(config_map("c", a="1"))
    assert "serverside-applied" in kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
    kubectl("patch", "configmap", "c", "--type=merge", "-p", '{"data":{"a":"2"}}', "--field-manager=someone")
    refused = kubectl("apply", "--server-side", "-f", "-", stdin=manifest, fails=True)
    assert 'conflict with "someone" using v1: .data.a' in refused
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)


def test_a_dry_run_on_the_server_creates_nothing(kubectl: Kubectl) -> None:
    """--dry-run=server."""
    assert "(server dry run)" in kubectl("apply", "--dry-run=server", "-f", "-", stdin=deployment())
    kubectl("get", "deployment", "web", fails=True)


def test_an_unknown_field_is_reported(kubectl: Kubectl) -> None:
    """Since kubectl asks for strict field validation."""
    odd = yaml.safe_dump({**config_map("c"), "bogus": 1})
    assert 'unknown field "bogus"' in kubectl("apply", "-f", "-", stdin=odd, fails=True)


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("merge", '{"spec":{"replicas":5}}'),
        ("strategic", '{"spec":{"replicas":5}}'),
        ("json", '[{"op":"replace","path":"/spec/replicas","value":5}]'),
    ],
)
def test_patch_has_three_types(kubectl: Kubectl, kind: str, patch: str) -> None:
    """And says when nothing changed."""
    kubectl("apply", "-f", "-", stdin=deployment())
    assert "patched" in kubectl("patch", "deployment", "web", f"--type={kind}", "-p", patch)
    assert "no change" in kubectl("patch", "deployment", "web", f"--type={kind}", "-p", patch)
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}") == "5"


def test_annotate_and_label_set_select_and_remove(kubectl: Kubectl) -> None:
    """With the fences that kubectl sets: an existing value needs --overwrite."""
    kubectl("create", "configmap", "c")
    kubectl("annotate", "configmap", "c", "example.com/note=one")
    kubectl("annotate", "configmap", "c", "example.com/note=two", fails=True)
    kubectl("annotate", "configmap", "c", "example.com/note=two", "--overwrite")
    kubectl("label", "configmap", "c", "tier=front")
    assert kubectl("get", "configmaps", "-l", "tier=front", "-o", "name").strip() == "configmap/c"
    kubectl("label", "configmap", "c", "tier-")
    assert "No resources found" in kubectl("get", "configmaps", "-l", "tier")


def test_delete_waits_until_it_is_gone(kubectl: Kubectl) -> None:
    """By name and by label."""
    for name in ("a", "b"):
        kubectl("create", "configmap", name)
        kubectl("label", "configmap", name, "gone=yes")
    assert 'configmap "a" deleted' in kubectl("delete", "configmap", "a", "--timeout=10s")
    kubectl("delete", "configmaps", "-l", "gone=yes", "--timeout=10s")
    kubectl("get", "configmap", "b", fails=True)


def test_a_job_is_made_from_a_cron_job(kubectl: Kubectl) -> None:
    """It is owned by the CronJob and has its template."""
    kubectl(
        "create", "cronjob", "nightly", "--image=registry.example/job:1", "--schedule=0 3 * * *", "--", "run"
    )
    kubectl("create", "job", "now", "--from=cronjob/nightly")
    job = json.loads(kubectl("get", "job", "now", "-o", "json"))
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("CronJob", "nightly", True)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["command"]) == ("registry.example/job:1", ["run"])
    assert job["spec"]["selector"]["matchLabels"] == {
        "batch.kubernetes.io/controller-uid": job["metadata"]["uid"]
    }
    assert "nightly" in kubectl("get", "cronjobs")


@pytest.mark.usefixtures("rolling")
def test_a_rollout_is_followed_to_its_end(kubectl: Kubectl) -> None:
    """By rollout restart and rollout status, and what is left to see."""
    kubectl("apply", "-f", "-", stdin=deployment())
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    kubectl("rollout", "restart", "deployment/web")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=20s")
    pods = json.loads(kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]
    current = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    assert ["kubectl.kubernetes.io/restartedAt" in pod["metadata"]["annotations"] for pod in current] == [
        True,
        True,
    ]
    assert kubectl("get", "deployment", "web").splitlines()[1].split()[:4] == ["web", "2/2", "2", "2"]
    assert "NewReplicaSetAvailable" in kubectl("describe", "deployment", "web")


def test_the_kubeconfig_is_its_owners(kubernetes: KubernetesServer, tmp_path: Path) -> None:
    """It holds a token: nobody else may read it."""
    assert kubernetes.kubeconfig(tmp_path / "config").stat().st_mode & 0o077 == 0


def test_discovery_is_understood(kubectl: Kubectl, api: Api) -> None:
    """Short names, categories and versions come from the server."""
    assert api.get("/version").body["major"] == "1"
    assert "Server Version" in kubectl("version")
    listed = kubectl("api-resources", "--namespaced=true", "-o", "name").split()
    assert {"secrets", "configmaps", "deployments.apps", "leases.coordination.k8s.io"} <= set(listed)
    kubectl("get", "cm,deploy,sts,ds,sa")
    kubectl("get", "all")
