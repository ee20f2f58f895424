"""The servers that the Kubernetes contract is held against, and a plain HTTP client for them."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from rotator_sandbox.emulator import EmulatorServer
from rotator_sandbox.envtest import ControlPlane

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
DEADLINE = 20.0
KEPT = 30.0
"""Seconds for which a connection that nobody uses is used again; kube-apiserver closes it after 90."""


class KubernetesServer(Protocol):
    """What the suite needs of a server."""

    @property
    def url(self) -> str:
        """Where it listens."""

    @property
    def admin_token(self) -> str:
        """The administrator's token."""

    @property
    def ca_file(self) -> Path | None:
        """What its certificate is verified by."""

    def kubeconfig(self, path: Path, token: str = "") -> Path:
        """Write a kubeconfig."""

    def compact(self) -> None:
        """Forget the history."""


class Emulator(EmulatorServer):
    """The emulator, with the access rules of a real cluster."""

    def __init__(self) -> None:
        super().__init__(rbac=True)

    def compact(self) -> None:
        """Forget the history."""
        self.cluster.compact()


class RealServer(ControlPlane):
    """A real kube-apiserver, whose etcd can be told to compact."""

    def compact(self) -> None:
        """Forget the history, as the API server tells etcd every five minutes."""
        revision = self._etcd("/v3/kv/range", {"key": "Lw=="})["header"]["revision"]
        self._etcd("/v3/kv/compaction", {"revision": revision, "physical": True})

    def _etcd(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(self._etcd_url + path, json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10) as response:
            answer: dict[str, Any] = json.load(response)
            return answer


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata of the object."""
        found: dict[str, Any] = self.body["metadata"]
        return found

    @property
    def version(self) -> str:
        """The resourceVersion of the object or list."""
        return str(self.metadata["resourceVersion"])

    @property
    def names(self) -> list[str]:
        """The names in a list."""
        return [item["metadata"]["name"] for item in self.body["items"]]


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode()


@dataclass
class Api:
    """A client that shows what is on the wire."""

    url: str
    token: str = field(repr=False)
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        self._connection = self._connect()
        self._used = time.monotonic()

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.netloc, timeout=30)
        context = ssl.create_default_context(cafile=self.ca_file)
        return http.client.HTTPSConnection(parts.netloc, timeout=30, context=context)

    @contextmanager
    def as_user(self, token: str) -> Iterator[Api]:
        """Give a client with another token."""
        other = Api(self.url, token, self.ca_file)
        try:
            yield other
        finally:
            other.close()

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()

    def _headers(self, media: str, accept: str) -> dict[str, str]:
        headers = {"Content-Type": media, "Accept": accept, "User-Agent": "contract/1"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return headers

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        media: str = "application/json",
        accept: str = "application/json",
        **query: Any,
    ) -> Answer:
        """Send one request."""
        target = f"{path}?{urlencode(query)}" if query else path
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if time.monotonic() - self._used > KEPT:
            self._connection.close()  # and the next request opens it anew
        self._used = time.monotonic()
        try:
            self._connection.request(method, target, raw, self._headers(media, accept))
            response = self._connection.getresponse()
            return Answer(response.status, _decoded(response.read()), dict(response.headers))
        except OSError:
            self._connection.close()
            raise

    def get(self, path: str, *, accept: str = "application/json", **query: Any) -> Answer:
        """GET."""
        return self.call("GET", path, accept=accept, **query)

    def post(self, path: str, body: object, **query: Any) -> Answer:
        """POST."""
        return self.call("POST", path, body, **query)

    def put(self, path: str, body: object, **query: Any) -> Answer:
        """PUT."""
        return self.call("PUT", path, body, **query)

    def patch(self, path: str, body: object, media: str = MERGE, **query: Any) -> Answer:
        """PATCH."""
        return self.call("PATCH", path, body, media=media, **query)

    def delete(self, path: str, body: object = None, **query: Any) -> Answer:
        """DELETE."""
        return self.call("DELETE", path, body, **query)

    @contextmanager
    def watching(self, path: str, **query: Any) -> Iterator[Iterator[dict[str, Any]]]:
        """Watch, on a connection of its own, and give the events as they come."""
        connection = self._connect()
        target = f"{path}?{urlencode({'watch': 'true', 'timeoutSeconds': 20, **query})}"
        connection.request("GET", target, headers=self._headers("application/json", "application/json"))
        try:
            response = connection.getresponse()
            yield (json.loads(line) for line in response)
        finally:
            connection.close()


def eventually(met: Callable[[], object], what: str) -> None:
    """Poll until a condition is met; fail at the deadline."""
    give_up = time.monotonic() + DEADLINE
    while not met():
        assert time.monotonic() < give_up, what
        time.sleep(0.02)


def forget_rotations(api: Api) -> None:
    """Take away the definition of Rotations with all of them, if a test before has brought it."""
    rotations = "/apis/rotator.dev/v1alpha1"
    found = api.get(f"{rotations}/rotations")
    for item in found.body["items"] if found.status == 200 else ():
        place = f"{rotations}/namespaces/{item['metadata']['namespace']}/rotations/{item['metadata']['name']}"
        api.patch(place, {"metadata": {"finalizers": None}})
    definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rotations.rotator.dev"
    api.delete(definition)
    eventually(lambda: api.get(definition).status == 404, "the definition stays")


def reasons(answer: Answer) -> tuple[int, str]:
    """Give the code and the reason of a failure, having checked that it is a whole Status object."""
    status = answer.body
    assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
    assert status["code"] == answer.status
    assert status["message"]
    return answer.status, status.get("reason", "")


def config_map(name: str, **data: str) -> dict[str, Any]:
    """Give a ConfigMap to create or apply."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def workload(kind: str, name: str, **spec: object) -> dict[str, Any]:
    """Give a Deployment, StatefulSet, DaemonSet or Rollout to create."""
    labels = {"app": name}
    container = {"name": "main", "image": "registry.example/app:1", "env": [{"name": "A", "value": "1"}]}
    version = "argoproj.io/v1alpha1" if kind == "Rollout" else "apps/v1"
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    whole = {"selector": {"matchLabels": labels}, "template": template, **spec}
    if kind != "DaemonSet":
        whole.setdefault("replicas", 2)
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": whole}
