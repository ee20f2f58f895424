"""What emulated nodes start containers with: fresh copies, and old ones after they have lost the API server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator_sandbox.emulator import HttpCaller, WorkloadController
from rotator_sandbox.emulator.nodes import PODS
from tests.contract.kubernetes_servers import Api, KubernetesServer

Json = dict[str, Any]
CUT = timedelta(seconds=30)


@dataclass
class Place:
    """A namespace with nodes, in which time passes by steps."""

    api: Api
    namespace: str
    controller: WorkloadController
    clock: list[datetime] = field(default_factory=list)

    def path(self, plural: str, name: str = "") -> str:
        """Give the path of a kind's objects, or of one."""
        group = "/apis/apps/v1" if plural in {"deployments", "daemonsets"} else "/api/v1"
        return f"{group}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def keep(self, name: str = "s", **data: str) -> None:
        """Write a Secret whole."""
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self._put("secrets", name, {"data": encoded})

    def keep_map(self, name: str = "s", **data: str) -> None:
        """Write a ConfigMap whole."""
        self._put("configmaps", name, {"data": data})

    def _put(self, plural: str, name: str, body: Json) -> None:
        whole = {"metadata": {"name": name}, **body}
        if self.api.post(self.path(plural), whole).status != 201:
            assert self.api.put(self.path(plural, name), whole).status == 200

    def run(self, container: Json, *volumes: Json, group: str = "containers") -> None:
        """Create a Deployment of one pod."""
        reader = {"name": "reader", "image": "app", **container}
        spec = {"containers": [{"name": "other", "image": "app"}], "volumes": list(volumes)}
        spec[group] = [*spec.get(group, []), reader]
        labels = {"app": "web"}
        template = {"metadata": {"labels": labels}, "spec": spec}
        body = {
            "metadata": {"name": "web"},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
        }
        assert self.api.post(self.path("deployments"), body).status == 201
        self.pass_seconds(3)

    def restart(self, version: str, **spec: Any) -> None:
        """Annotate the pod template, and change its spec."""
        template = {"metadata": {"annotations": {"version": version}}, "spec": spec}
        assert self.api.patch(self.path("deployments", "web"), {"spec": {"template": template}}).status == 200

    def pass_seconds(self, seconds: int) -> None:
        """Take a step a second; of a longer time twenty."""
        for _ in range(min(seconds, 20)):
            self.controller.step()
            self.clock[0] += timedelta(seconds=max(1, seconds / 20))

    def cut_off(self, pods: float, objects: float) -> None:
        """Cut the nodes off: the watches of pods and of objects come back so many seconds late."""
        self.controller.nodes.lose_api(self.clock[0], CUT, lambda what: pods if what == PODS else objects)

    def pods(self) -> list[Json]:
        """Give the pods, the newest last."""
        found: list[Json] = self.api.get(self.path("pods")).body["items"]
        return sorted(found, key=lambda pod: int(pod["metadata"]["resourceVersion"]))

    def pod(self, version: str) -> Json:
        """Give the pod of a restart."""
        return next(p for p in self.pods() if p["metadata"].get("annotations", {}).get("version") == version)

    def started(self, pod: Json | None = None) -> tuple[dict[str, str], dict[str, str]]:
        """Give what the reader of a pod was started with: its environment and its files."""
        held = self.controller.nodes.started(pod or self.pods()[0])["reader"]
        env, files = (
            {name: value.decode() for name, value in part.items()} for part in (held.env, held.files)
        )
        return env, files


@pytest.fixture
def place(kubernetes: KubernetesServer, api: Api, namespace: str) -> Iterator[Place]:
    """Pods become ready in a second, and end in one."""
    clock = [datetime.now(UTC)]
    call = HttpCaller(kubernetes.url, kubernetes.admin_token, kubernetes.ca_file)
    controller = WorkloadController(
        call, clock=lambda: clock[0], seconds_to_ready=1, terminating_seconds=1, namespace=namespace
    )
    made = Place(api, namespace, controller, clock)
    yield made
    api.delete(made.path("deployments", "web"))
    clock[0] += CUT + timedelta(minutes=1)
    made.pass_seconds(4)
    call.close()


def env(kind: str, key: str = "a", **more: Any) -> Json:
    """Read one key by an environment variable."""
    return {"env": [{"name": "K", "valueFrom": {kind: {"name": "s", "key": key, **more}}}]}


def mounted(**more: str) -> Json:
    """Mount the volume."""
    return {"volumeMounts": [{"name": "v", "mountPath": "/etc/s", **more}]}


SECRET = {"name": "v", "secret": {"secretName": "s"}}
MAP = {"name": "v", "configMap": {"name": "s"}}
LISTED = {"name": "v", "secret": {"secretName": "s", "items": [{"key": "a", "path": "deep/b"}]}}
PROJECTED = {
    "name": "v",
    "projected": {
        "sources": [
            {"configMap": {"name": "s", "items": [{"key": "a", "path": "map"}]}},
            {"secret": {"name": "s"}},
            {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        ]
    },
}
FORMS: dict[str, tuple[Json, list[Json], dict[str, str], dict[str, str]]] = {
    "env": (env("secretKeyRef"), [], {"K": "1"}, {}),
    "env of a ConfigMap": (env("configMapKeyRef"), [], {"K": "m"}, {}),
    "env, optional and missing": (env("secretKeyRef", "no", optional=True), [], {}, {}),
    "envFrom": ({"envFrom": [{"secretRef": {"name": "s"}}]}, [], {"a": "1", "b": "2"}, {}),
    "envFrom with a prefix": (
        {"envFrom": [{"prefix": "P_", "configMapRef": {"name": "s"}}]},
        [],
        {"P_a": "m"},
        {},
    ),
    "envFrom, optional and missing": (
        {"envFrom": [{"secretRef": {"name": "no", "optional": True}}]},
        [],
        {},
        {},
    ),
    "a variable before what comes from all": (
        {"env": [{"name": "a", "value": "x"}], "envFrom": [{"secretRef": {"name": "s"}}]},
        [],
        {"a": "x", "b": "2"},
        {},
    ),
    "a folder": (mounted(), [SECRET], {}, {"/etc/s/a": "1", "/etc/s/b": "2"}),
    "a folder of a ConfigMap": (mounted(), [MAP], {}, {"/etc/s/a": "m"}),
    "items": (mounted(), [LISTED], {}, {"/etc/s/deep/b": "1"}),
    "subPath": (mounted(subPath="b"), [SECRET], {}, {"/etc/s": "2"}),
    "a projected folder": (mounted(), [PROJECTED], {}, {"/etc/s/map": "m", "/etc/s/a": "1", "/etc/s/b": "2"}),
}


@pytest.mark.parametrize("group", ["containers", "initContainers"])
@pytest.mark.parametrize("form", FORMS)
def test_a_container_starts_with_what_it_names(place: Place, form: str, group: str) -> None:
    """In every form that a pod may read a Secret or a ConfigMap in."""
    container, volumes, environment, files = FORMS[form]
    place.keep(a="1", b="2")
    place.keep_map(a="m")
    place.run(container, *volumes, group=group)
    assert place.started() == (environment, files)


MISSING: dict[str, tuple[Json, list[Json], str]] = {
    "a Secret": (env("secretKeyRef"), [], "CreateContainerConfigError"),
    "all of a Secret": ({"envFrom": [{"secretRef": {"name": "s"}}]}, [], "CreateContainerConfigError"),
    "a key of a Secret": (env("secretKeyRef", "later"), [], "CreateContainerConfigError"),
    "a Secret to mount": (mounted(), [SECRET], "ContainerCreating"),
    "an item": (
        mounted(),
        [{"name": "v", "secret": {"secretName": "s", "items": [{"key": "later", "path": "l"}]}}],
        "ContainerCreating",
    ),
}


@pytest.mark.parametrize("form", MISSING)
def test_a_container_waits_for_what_is_missing(place: Place, form: str) -> None:
    """The pod says why, is not ready, and starts by itself once it is there."""
    container, volumes, reason = MISSING[form]
    if "later" in str(MISSING[form]):
        place.keep(a="0")
    place.run(container, *volumes)
    (pod,) = place.pods()
    (shown,) = {status["state"]["waiting"]["reason"] for status in pod["status"]["containerStatuses"]}
    assert (pod["status"]["phase"], shown) == ("Pending", reason)
    assert place.controller.nodes.started(pod) == {}
    place.keep(a="1", later="2")
    place.pass_seconds(3)
    (pod,) = place.pods()
    assert pod["status"]["phase"] == "Running"
    assert "1" in str(place.started()) or "2" in str(place.started())


OLD_COPIES: dict[str, tuple[Json, list[Json]]] = {
    "env": (env("secretKeyRef"), []),
    "envFrom": ({"envFrom": [{"secretRef": {"name": "s"}}]}, []),
    "subPath": (mounted(subPath="a"), [SECRET]),
    "a folder": (mounted(), [SECRET]),
}


@pytest.mark.parametrize("form", OLD_COPIES)
@pytest.mark.parametrize(("late", "value"), [((0.0, 50.0), "1"), ((50.0, 0.0), "2")])
def test_a_node_that_was_cut_off_may_start_a_pod_with_an_old_copy(
    place: Place, form: str, late: tuple[float, float], value: str
) -> None:
    """If the watch of pods comes back before that of the object; and the pod is ready, as any other."""
    container, volumes = OLD_COPIES[form]
    place.keep(a="1")
    place.run(container, *volumes)
    place.cut_off(*late)
    place.keep(a="2")
    place.restart("2")
    place.pass_seconds(100)
    (pod,) = place.pods()
    assert pod["metadata"]["annotations"] == {"version": "2"}
    assert {c["type"]: c["status"] for c in pod["status"]["conditions"]}["Ready"] == "True"
    env_and_files = place.started()
    assert [v for part in env_and_files for v in part.values()] == [value]


def test_a_node_hears_of_no_pod_while_it_is_cut_off(place: Place) -> None:
    """New ones do not start, and those that are deleted go on."""
    place.keep(a="1")
    place.run(env("secretKeyRef"))
    (before,) = place.pods()
    place.cut_off(20.0, 0.0)
    place.restart("2")
    place.api.delete(place.path("pods", before["metadata"]["name"]))
    place.pass_seconds(49)
    new = place.pod("2")
    assert place.controller.nodes.started(new) == {}
    assert place.controller.nodes.started(before)
    assert before["metadata"]["name"] in {pod["metadata"]["name"] for pod in place.pods()}
    place.pass_seconds(6)
    (left,) = place.pods()
    assert place.controller.nodes.started(left)


@pytest.mark.parametrize("by", ["env", "items"])
def test_an_old_copy_that_lacks_a_key_holds_the_container_back(place: Place, by: str) -> None:
    """Until the watch is back: then it starts with the new value."""
    place.keep(a="1", one="")
    place.run(env("secretKeyRef") if by == "env" else mounted(), LISTED)
    place.cut_off(0.0, 50.0)
    place.keep(a="2", two="")
    reference = env("secretKeyRef", "two")["env"][0]
    container = {"name": "reader", "image": "app", **(env("secretKeyRef") if by == "env" else mounted())}
    items = [*LISTED["secret"]["items"], {"key": "two", "path": "two"}]  # type: ignore[index]
    if by == "env":
        place.restart("2", containers=[{**container, "env": [*container["env"], {**reference, "name": "F"}]}])
    else:
        volume = {"name": "v", "secret": {"secretName": "s", "items": items}}
        place.restart("2", containers=[container], volumes=[volume])
    place.pass_seconds(40)
    assert place.controller.nodes.started(place.pod("2")) == {}
    place.pass_seconds(45)
    environment, files = place.started(place.pod("2"))
    assert (environment.get("K"), files.get("/etc/s/deep/b")) == (("2", None) if by == "env" else (None, "2"))


def test_files_that_are_mounted_already_do_not_change_while_a_container_is_tried_again(place: Place) -> None:
    """The volume may be older than the environment: a fence by a variable alone does not hold for files."""
    place.keep(a="1")
    place.run(mounted(), SECRET)
    place.cut_off(0.0, 50.0)
    place.keep(a="2", two="")
    container = {"name": "reader", "image": "app", **mounted(), **env("secretKeyRef", "two")}
    place.restart("2", containers=[container])
    place.pass_seconds(100)
    assert place.started() == ({"K": ""}, {"/etc/s/a": "1"})


def test_a_second_loss_keeps_the_oldest_copy(place: Place) -> None:
    """A watch that was not back yet has not seen anything newer."""
    place.keep(a="1")
    place.run(env("secretKeyRef"))
    place.cut_off(0.0, 50.0)
    place.keep(a="2")
    place.pass_seconds(40)
    place.cut_off(0.0, 50.0)
    place.restart("2")
    place.pass_seconds(60)
    assert place.started(place.pod("2")) == ({"K": "1"}, {})


def test_an_object_that_a_node_does_not_know_is_read_from_the_api_server(place: Place) -> None:
    """There is no old copy of what no pod has named before; while it is cut off, it cannot be had."""
    place.keep(a="1")
    place.run(env("secretKeyRef"))
    place.cut_off(0.0, 50.0)
    place.keep("t", a="3")
    named = {"name": "K", "valueFrom": {"secretKeyRef": {"name": "t", "key": "a"}}}
    place.restart("2", containers=[{"name": "reader", "image": "app", "env": [named]}])
    place.pass_seconds(29)
    assert place.controller.nodes.started(place.pod("2")) == {}
    place.pass_seconds(6)
    assert place.started(place.pod("2")) == ({"K": "3"}, {})
