"""Kong's Ingress Controller and proxy for tests, as far as credentials of the `jwt` plugin go.

Written from https://github.com/Kong/kubernetes-ingress-controller (internal/dataplane/kongstate/kongstate.go, synchronizer.go) and
https://github.com/Kong/kong (plugins/jwt/handler.lua): it looks every three seconds; a name on the list that is not there is left out; two
credentials with one `key` remove the whole consumer; a consumer without an ingress class is ignored. The proxy decides per request.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

GROUP = "configuration.konghq.com"
CLASS = "kubernetes.io/ingress.class"
PERIOD = timedelta(seconds=3)
TEXT = {"type": "string"}
DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"kongconsumers.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {
            "plural": "kongconsumers",
            "singular": "kongconsumer",
            "kind": "KongConsumer",
            "shortNames": ["kc"],
        },
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "username": TEXT,
                            "custom_id": TEXT,
                            "credentials": {
                                "type": "array",
                                "items": TEXT,
                                "x-kubernetes-list-type": "set",
                            },
                            "consumerGroups": {"type": "array", "items": TEXT},
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}


def consumer(namespace: str, name: str, *credentials: str, **annotations: str) -> dict[str, Any]:
    """Return a KongConsumer."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "KongConsumer",
        "metadata": {"name": name, "namespace": namespace, "annotations": {CLASS: "kong", **annotations}},
        "username": name,
        "credentials": list(credentials),
    }


@dataclass
class Kong:
    """One controller with its proxy, for one consumer."""

    ask: Callable[..., Any]
    """Asks the API server as an administrator."""
    now: Callable[[], datetime]
    namespace: str
    name: str
    broken: str = ""
    """Why it applies nothing, as while an object of somebody else is wrong."""
    accepted: dict[str, str] = field(default_factory=dict)
    """The PEM of each key that the proxy knows."""
    removed: int = 0
    """How often the whole consumer was removed."""
    dangling: int = 0
    """How often a name on the list led to nothing."""
    _looked: datetime | None = None

    def step(self) -> None:
        """Look, if it is time to."""
        if self._looked and self.now() < self._looked + PERIOD:
            return
        self._looked = self.now()
        at = f"/apis/{GROUP}/v1/namespaces/{self.namespace}/kongconsumers/{self.name}"
        found = self.ask("GET", at)
        if found is None or not found["metadata"].get("annotations", {}).get(CLASS):
            self.accepted = {}
            return
        if self.broken:
            self._tell(at, found, "False", "Invalid", self.broken)
            return
        credentials = [self._credential(name) for name in found.get("credentials", [])]
        self.dangling += credentials.count(None)
        valid = [each for each in credentials if each]
        keys = [each["key"] for each in valid]
        if len(set(keys)) < len(keys):
            self.removed, self.accepted = self.removed + 1, {}
            self._tell(at, found, "False", "Invalid", "conflicting credentials: the consumer is removed")
            return
        self.accepted = {each["key"]: each["rsa_public_key"] for each in valid}
        self._tell(at, found, "True", "Programmed", "Object was successfully configured in Kong.")

    def _credential(self, name: str) -> dict[str, str] | None:
        found = self.ask("GET", f"/api/v1/namespaces/{self.namespace}/secrets/{name}")
        if found is None or found["metadata"].get("labels", {}).get("konghq.com/credential") != "jwt":
            return None
        return {n: base64.b64decode(v).decode() for n, v in found["data"].items()}

    def _tell(self, at: str, found: Any, status: str, reason: str, message: str) -> None:
        condition = {
            "type": "Programmed",
            "status": status,
            "reason": reason,
            "message": message,
            "observedGeneration": found["metadata"]["generation"],
            "lastTransitionTime": self.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if (
            found.get("status", {}).get("conditions", [{}])[0].get("observedGeneration")
            != condition["observedGeneration"]
            or found["status"]["conditions"][0]["status"] != status
        ):
            self.ask("PATCH", f"{at}/status", {"status": {"conditions": [condition]}})
