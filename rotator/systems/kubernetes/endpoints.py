"""The endpoints of a Service, as EndpointSlices name them.

API: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/
"""

from __future__ import annotations

from collections.abc import Iterator

from rotator.errors import Rejected
from rotator.kinds import ENDPOINT_SLICE
from rotator.systems.kubernetes.api import Json, KubernetesApi

OF_SERVICE = "kubernetes.io/service-name"
"""The label of a slice that names its Service."""
MOST = 512
"""Endpoints that are looked at."""


def endpoints(api: KubernetesApi, namespace: str, service: str) -> list[str]:
    """Return the addresses of all pods of a Service that take requests, or still may, in order. Raises ClientError.

    One that is on its way out (`terminating`) and still serves counts: connections may end there.
    """
    found: set[str] = set()
    for each in api.list(ENDPOINT_SLICE, namespace, selector=f"{OF_SERVICE}={service}"):
        found |= set(_addresses(each))
    if len(found) > MOST:
        what = f"GET endpointslices of {namespace}/{service}"
        raise Rejected(what, f"{len(found)} endpoints, and at most {MOST} are asked")
    return sorted(found)


def _addresses(found: Json) -> Iterator[str]:
    if found.get("addressType") == "FQDN":
        return
    for endpoint in found.get("endpoints") or ():
        conditions = endpoint.get("conditions") or {}
        if conditions.get("ready", True) or conditions.get("serving", False):
            yield from endpoint["addresses"][:1]
