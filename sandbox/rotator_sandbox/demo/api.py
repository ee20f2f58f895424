"""What the demo's own programs ask of the Kubernetes API: the official client, plain JSON documents."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Callable
from typing import Any

import urllib3
from kubernetes import client, config

Json = dict[str, Any]
TIMEOUT = 5.0
NOT_FOUND, CONFLICT = 404, 409
VERSION = "rotator.dev/version"
"""The annotation of an object that says which version it holds."""

_new_client: Callable[..., client.ApiClient] = config.new_client_from_config  # untyped where it is defined


class ApiUnavailableError(Exception):
    """The API server did not answer, or refused."""

    status = 0
    """The HTTP status, if there was one."""


class Api:
    """One cluster, one namespace."""

    def __init__(self, kubeconfig: str | None, context: str, namespace: str) -> None:
        self.namespace = namespace
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the generated client, about itself
            self._client = _new_client(config_file=kubeconfig, context=context)
            self._core: Any = client.CoreV1Api(self._client)
            self._apps: Any = client.AppsV1Api(self._client)

    def version(self) -> str:
        """Return the server's version, as v1.34.1."""
        api: Any = client.VersionApi(self._client)
        return str(_ask(api.get_code)["gitVersion"])

    def values(self, kind: str, name: str) -> dict[str, str] | None:
        """Return the decoded data of a ConfigMap or a Secret; None where there is none."""
        read = (
            self._core.read_namespaced_config_map
            if kind == "ConfigMap"
            else self._core.read_namespaced_secret
        )
        try:
            document = _ask(read, name, self.namespace)
        except _AbsentError:
            return None
        return _decoded(kind, document)

    def held(self, name: str) -> dict[str, str] | None:
        """Return the decoded data of a Secret, and as `version` which version rotator says that it is; None as above."""
        try:
            document = _ask(self._core.read_namespaced_secret, name, self.namespace)
        except _AbsentError:
            return None
        version = (document["metadata"].get("annotations") or {}).get(VERSION, "")
        return {**_decoded("Secret", document), "version": version}

    def everything(self) -> list[dict[str, str]]:
        """Return the decoded data of all ConfigMaps and Secrets."""
        maps = _ask(self._core.list_namespaced_config_map, self.namespace)["items"]
        secrets = _ask(self._core.list_namespaced_secret, self.namespace)["items"]
        return [_decoded("ConfigMap", m) for m in maps] + [_decoded("Secret", s) for s in secrets]

    def pods(self) -> list[Json]:
        """List the pods."""
        return list(_ask(self._core.list_namespaced_pod, self.namespace)["items"])

    def deployments(self) -> list[Json]:
        """List the Deployments."""
        return list(_ask(self._apps.list_namespaced_deployment, self.namespace)["items"])

    def create_namespace(self) -> None:
        """Create the namespace; one that is there already is taken for a left-over, and refused."""
        try:
            _ask(self._core.create_namespace, {"metadata": {"name": self.namespace}})
        except ApiUnavailableError as error:
            hint = (
                "delete it, or choose another seed"
                if error.status == CONFLICT
                else "is this user allowed to?"
            )
            raise ApiUnavailableError(
                f"the namespace {self.namespace} cannot be made ({error}): {hint}"
            ) from None

    def delete_namespace(self) -> None:
        """Delete the namespace and all that is in it."""
        _ask(self._core.delete_namespace, self.namespace)

    def create_deployment(self, document: Json) -> None:
        """Create a Deployment."""
        _ask(self._apps.create_namespaced_deployment, self.namespace, document)

    def create_secret(self, name: str, values: dict[str, str]) -> None:
        """Create a Secret."""
        document = {"metadata": {"name": name}, "stringData": values}
        _ask(self._core.create_namespaced_secret, self.namespace, document)

    def close(self) -> None:
        """Close the connections."""
        self._client.rest_client.pool_manager.clear()


class _AbsentError(Exception):
    pass


def _ask(call: Callable[..., Any], *args: Any) -> Json:
    try:
        answer = call(*args, _preload_content=False, _request_timeout=TIMEOUT)
        return dict(json.loads(answer.data))
    except client.ApiException as error:
        if error.status == NOT_FOUND:
            raise _AbsentError from None
        refused = ApiUnavailableError(f"HTTP {error.status} {error.reason}")
        refused.status = int(error.status or 0)
        raise refused from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ApiUnavailableError(f"no answer from the Kubernetes API ({type(error).__name__})") from None


def _decoded(kind: str, document: Json) -> dict[str, str]:
    data = document.get("data") or {}
    if kind == "ConfigMap":
        return dict(data)
    return {name: base64.b64decode(text).decode(errors="replace") for name, text in data.items()}
