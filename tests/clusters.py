"""A Kubernetes API as tests meet it, whoever serves it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from kubernetes import client

from rotator.clients.clock import RunClock
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.ports import Deadline
from rotator.systems.kubernetes.client import Kubernetes, api_client
from rotator_sandbox.emulator import EmulatorServer

RBAC = "rbac.authorization.k8s.io"
_names = itertools.count()


class Served:
    """A Kubernetes API: the product's client on it, and an administrator beside the product."""

    def __init__(
        self,
        connect: Callable[[str], client.ApiClient],
        admin_token: str,
        kubeconfig: Callable[[Path], Path] | None = None,
    ) -> None:
        self._connect = connect
        self.kubeconfig = kubeconfig
        """Writes a kubeconfig of the administrator, where kubectl can reach the API."""
        self._opened: list[client.ApiClient] = []
        self.admin_token = admin_token
        self._admin = self.official(admin_token)

    def official(self, token: str) -> client.ApiClient:
        """Return the official client with a token; it is closed with the API."""
        api = self._connect(token)
        self._opened.append(api)
        return api

    def client(self, token: str = "", *, meter: Meter | None = None, attempts: int = 1) -> Kubernetes:
        """Return the product's client, as the administrator or with `token`."""
        clock = RunClock()
        retry = Retry(clock, Deadline(clock.now() + timedelta(minutes=10)), attempts)
        return Kubernetes(self.official(token or self.admin_token), retry, meter or Meter(clock))

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask as the administrator; None for 404, an AssertionError for any other failure. APPLY is a PATCH of its own."""
        kind = {
            "PATCH": "application/merge-patch+json",
            "APPLY": "application/apply-patch+yaml",
        }.get(method, "application/json")
        method = "PATCH" if method == "APPLY" else method
        headers = {
            "Authorization": f"Bearer {self.admin_token}",
            "Content-Type": kind,
            "Accept": "application/json",
        }
        octets = json.dumps(body).encode() if body is not None else None
        answer = self._admin.rest_client.pool_manager.request(
            method, self._admin.configuration.host + path, headers=headers, body=octets, preload_content=False
        )
        document = json.loads(answer.read())
        if answer.status == 404:
            return None
        assert answer.status < 400, f"{method} {path}: {answer.status}"
        return document

    def namespace(self) -> str:
        """Create a namespace that nobody else uses."""
        name = f"place-{next(_names)}"
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def account(self, namespace: str, *rules: Mapping[str, Any]) -> str:
        """Create a service account that may do what `rules` say in its namespace, and return its name."""
        name = f"account-{next(_names)}"
        core, rbac = f"/api/v1/namespaces/{namespace}", f"/apis/{RBAC}/v1/namespaces/{namespace}"
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        role = {"apiGroup": RBAC, "kind": "Role", "name": name}
        self.ask("POST", f"{core}/serviceaccounts", {"metadata": {"name": name}})
        self.ask("POST", f"{rbac}/roles", {"metadata": {"name": name}, "rules": list(rules)})
        binding = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
        self.ask("POST", f"{rbac}/rolebindings", binding)
        return name

    def token(self, namespace: str, account: str) -> str:
        """Return a new token of a service account."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        token: str = self.ask("POST", path, request)["status"]["token"]
        return token

    def close(self) -> None:
        """Close all connections."""
        for api in self._opened:
            api.rest_client.pool_manager.clear()


def official(url: str, token: str, ca_file: str | None = None) -> client.ApiClient:
    """Return the official client on a server."""
    settings = client.Configuration(proxy="")
    settings.host = url
    settings.ssl_ca_cert = ca_file
    settings.api_key = {"BearerToken": f"Bearer {token}"}
    return api_client(settings)


def over_http(server: EmulatorServer) -> Served:
    """Return a running emulator as a served API."""
    ca_file = str(server.ca_file) if server.ca_file else None
    return Served(lambda token: official(server.url, token, ca_file), server.admin_token)
