"""What everybody who speaks to the Kubernetes API needs of it. The client is slow to load; this is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from rotator.errors import ClientError
from rotator.kinds import Kind

Json = dict[str, Any]
Odd = Callable[[object, ClientError], None]
"""Told of an object of a list that has an odd shape, and why."""


class KubernetesApi(Protocol):
    """Reads and writes of objects as JSON. Every method raises ClientError; see `rotator.systems.kubernetes.client`."""

    def namespace(self, name: str) -> Json:
        """Read a namespace. Raises NotFound, Forbidden."""
        ...

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """Read one object. Raises NotFound."""
        ...

    def list(
        self,
        kind: Kind,
        namespace: str,
        *,
        selector: str = "",
        metadata_only: bool = False,
        odd: Odd | None = None,
    ) -> Iterator[Json]:
        """Yield the objects that match a label selector; `odd` is told of what is none."""
        ...

    def create(self, kind: Kind, namespace: str, document: Json) -> Json:
        """Create an object. Raises Conflict where the name is taken."""
        ...

    def post(self, kind: Kind, namespace: str, document: Json) -> Json:
        """Create an object whose name no Role can know. Raises Conflict where the name is taken."""
        ...

    def apply(self, kind: Kind, namespace: str, name: str, document: Json) -> Json:
        """Apply fields on the server at `metadata.resourceVersion`. Raises Conflict, Ambiguous, NotFound."""
        ...

    def patch(self, kind: Kind, namespace: str, name: str, changes: Json) -> Json:
        """Apply a merge patch at `metadata.resourceVersion`. Raises Conflict, Ambiguous, NotFound."""
        ...

    def patch_status(self, kind: Kind, namespace: str, name: str, changes: Json) -> Json:
        """Apply a merge patch to the status, likewise."""
        ...

    def delete(self, kind: Kind, namespace: str, name: str, resource_version: str) -> None:
        """Delete an object as it was seen. Raises Conflict, NotFound, Ambiguous."""
        ...
