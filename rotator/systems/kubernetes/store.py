"""The ring in a Kubernetes Secret, for clusters without Vault, fenced by its resourceVersion."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rotator.core.reading import Unreadable
from rotator.core.sensitive import Sensitive
from rotator.errors import Conflict, Frozen, NotFound
from rotator.kinds import MANAGED_BY, PREFIX, ROTATOR, SECRET, Address
from rotator.ports import Entry
from rotator.ports.entry import from_fields, to_fields
from rotator.systems.kubernetes.api import Json, KubernetesApi

SECRET_TYPE = f"{PREFIX}/ring"


@dataclass(frozen=True)
class KubernetesStore:
    """Keeps the entry of one rotation in a Secret."""

    api: KubernetesApi
    address: Address

    @property
    def label(self) -> str:
        """`secret payments/rotation-payments-jwt`."""
        return self.address.label

    def load(self) -> Entry | None:
        """Read the entry. Raises Unreadable."""
        try:
            document = self.api.get(SECRET, self.address.namespace, self.address.name)
        except NotFound:
            return None
        return from_fields(_decode(document.get("data") or {}), document["metadata"]["resourceVersion"])

    def check_new(self) -> None:
        """See `rotator.ports.Store`."""

    def save(self, entry: Entry) -> Entry:
        """Create the Secret, or patch it at the resourceVersion it was loaded with."""
        data = {k: base64.b64encode(v.octets()).decode() for k, v in to_fields(entry).items()}
        metadata: Json = {"name": self.address.name, "labels": {MANAGED_BY: ROTATOR}}
        if entry.fence:
            metadata["resourceVersion"] = entry.fence
            changes = {"metadata": metadata, "data": data}
            try:
                answer = self.api.patch(SECRET, self.address.namespace, self.address.name, changes)
            except NotFound as gone:
                raise Conflict(gone.what, "it was deleted in between", code=gone.code) from None
        else:
            answer = self._create({"metadata": metadata, "type": SECRET_TYPE, "data": data})
        return replace(entry, fence=answer["metadata"]["resourceVersion"])

    def erase_history(self, *, act: bool) -> bool:
        """Kubernetes keeps no readable history of an object."""
        del act
        return True

    def remove(self, entry: Entry) -> None:
        """Delete the Secret as it was loaded."""
        with contextlib.suppress(NotFound):
            self.api.delete(SECRET, self.address.namespace, self.address.name, entry.fence)

    def _create(self, document: Json) -> Json:
        try:
            return self.api.create(SECRET, self.address.namespace, document)
        except NotFound:
            raise Frozen(
                f"{self.label} cannot be created: the namespace {self.address.namespace} does not exist. "
                "Create it, or correct the rotation's namespace; nothing was changed"
            ) from None


def _decode(data: Mapping[str, str]) -> dict[str, Sensitive]:
    try:
        return {k: Sensitive(base64.b64decode(v, validate=True)) for k, v in data.items()}
    except ValueError:
        raise Unreadable("a field is no base64") from None
