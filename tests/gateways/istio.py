"""A mesh for tests: the definition of RequestAuthentication, and a proxy that is pushed to and drains its connections.

The definition is written from https://istio.io/latest/docs/reference/config/security/request_authentication/, as far as rotator and these tests
use it. The proxy is Envoy under istiod: a change counts on new connections at once, and on connections that were open when they are
drained (`drainDuration`, `--drain-strategy immediate`: the answer to the next request comes from the old rule and closes the connection).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

GROUP = "security.istio.io"
TEXT = {"type": "string"}
_RULE = {
    "type": "object",
    "required": ["issuer"],
    "x-kubernetes-validations": [
        {
            "rule": "!(has(self.jwks) && has(self.jwksUri))",
            "message": "only one of jwks or jwksUri can be set",
        }
    ],
    "properties": {
        "issuer": TEXT,
        "jwks": TEXT,
        "jwksUri": TEXT,
        "audiences": {"type": "array", "items": TEXT},
        "forwardOriginalToken": {"type": "boolean"},
        "fromHeaders": {
            "type": "array",
            "items": {"type": "object", "properties": {"name": TEXT, "prefix": TEXT}},
        },
    },
}
DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"requestauthentications.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {
            "plural": "requestauthentications",
            "singular": "requestauthentication",
            "kind": "RequestAuthentication",
            "shortNames": ["ra"],
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
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "selector": {
                                        "type": "object",
                                        "properties": {
                                            "matchLabels": {"type": "object", "additionalProperties": TEXT}
                                        },
                                    },
                                    "jwtRules": {"type": "array", "items": _RULE},
                                },
                            },
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}


def authentication(namespace: str, name: str, *rules: Mapping[str, Any]) -> dict[str, Any]:
    """Return a RequestAuthentication."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": "api"}}, "jwtRules": [dict(rule) for rule in rules]},
    }


@dataclass
class Proxy:
    """A proxy with connections that stay open."""

    rules: Callable[[], list[Mapping[str, Any]]]
    """Returns the rules as they are stored now."""
    now: Callable[[], datetime]
    issuer: str
    drains: timedelta = timedelta(seconds=45)
    pushed_after: timedelta = timedelta(seconds=10)
    """istiod's longest pause before it pushes."""
    _versions: list[tuple[datetime, frozenset[str]]] = field(default_factory=list)
    """What was pushed, and when."""

    def step(self) -> None:
        """Take what is stored now; an empty or broken set is refused, and the one before stays."""
        kids = self._kids()
        if kids and (not self._versions or self._versions[-1][1] != kids):
            self._versions.append((self.now() + self.pushed_after, kids))

    def may_know(self) -> list[frozenset[str]]:
        """Return every set that a connection may be checked with now: the newest, and all that are being drained."""
        now, known = self.now(), []
        for position, (at, kids) in enumerate(self._versions):
            after = self._versions[position + 1][0] if position + 1 < len(self._versions) else None
            if at <= now and (after is None or after + self.drains > now):
                known.append(kids)
        return known or [kids for _, kids in self._versions[:1]]

    def _kids(self) -> frozenset[str]:
        for rule in self.rules():
            if rule["issuer"] == self.issuer and rule.get("jwks"):
                try:
                    return frozenset(key["kid"] for key in json.loads(rule["jwks"])["keys"])
                except (ValueError, KeyError, TypeError):
                    return frozenset()
        return frozenset()
