"""Where documents are delivered to, and what becomes of the workloads that read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from rotator.kinds import CONFIG_MAP, POD, SECRET, WORKLOADS, Address
from rotator.vocabulary.footprint import Home, Place, Touch, Use
from rotator.vocabulary.types import Duration, Model, Name, Namespace, OneOf, Positive, VaultRef

MOUNTED = timedelta(minutes=3)
"""Until a kubelet has updated a mounted file: its sync takes up to 90 s (a minute and half of that as jitter), and after an
outage of the API server its watches come back within a minute. https://kubernetes.io/docs/concepts/configuration/configmap/
"""
FETCHED = timedelta(minutes=5)
"""Until those who read Vault have fetched a document again: the interval of its agent, and of the operators."""
_WORKLOADS = {kind.name: kind for kind in WORKLOADS}


class WorkloadName(Model):
    """A workload by name, in the namespace of the target."""

    kind: Literal["Deployment", "StatefulSet", "DaemonSet", "Rollout"] = "Deployment"
    name: Name


class WorkloadSelector(Model):
    """Workloads by their labels."""

    match_labels: Annotated[dict[str, str], Field(min_length=1)]


def _form(value: object) -> str | None:
    if isinstance(value, list):
        return "Names"
    return "Selector" if isinstance(value, dict | WorkloadSelector) else "Auto" if value == "auto" else None


Workloads = Annotated[
    Annotated[Literal["auto"], Tag("Auto")]
    | Annotated[WorkloadSelector, Tag("Selector")]
    | Annotated[list[WorkloadName], Field(min_length=1), Tag("Names")],
    Discriminator(
        _form,
        custom_error_type="workloads",
        custom_error_message="expected auto, a mapping with matchLabels, or a list of names",
    ),
]


class Restart(Model):
    """Restart the workloads that read the target, and wait until every pod has switched."""

    workloads: Workloads = Field(
        "auto", description="auto: all that reference the target; or by label, or by name in this order."
    )
    timeout: Positive = Field(
        timedelta(minutes=10), description="After this the rotation freezes with both versions accepted."
    )
    soak: Duration = Field(timedelta(seconds=10), description="How long all pods must stay ready.")
    at_once: int = Field(
        0, ge=0, le=1000, description="How many workloads may restart at the same time; 0: all."
    )

    def in_namespace(self, namespace: str) -> Iterator[Touch]:
        """Yield what a restart touches in the namespace of a target."""
        yield Touch(Address(POD, namespace), Use.LISTED)
        if isinstance(self.workloads, list):
            for workload in self.workloads:
                kind = _WORKLOADS[workload.kind]
                yield Touch(Address(kind, namespace, workload.name), Use.RESTARTED)
        else:
            yield from (Touch(Address(kind, namespace), Use.RESTARTED) for kind in WORKLOADS)


def delivered(place: Place, use: Use = Use.DELIVERED) -> Iterator[Touch]:
    """Yield what the delivery of a document touches: who of the pods there has read an object is looked at."""
    yield Touch(place, use)
    if isinstance(place, Address):
        yield Touch(Address(POD, place.namespace, cluster=place.cluster), Use.LISTED)


class Published(OneOf):
    """Where a verifier reads: a ConfigMap, a Secret or a Vault path."""

    config_map: Name | None = Field(None, description="The name of a ConfigMap.")
    secret: Name | None = Field(None, description="The name of a Secret.")
    vault: VaultRef | None = None
    namespace: Namespace | None = Field(
        None, description="Of the ConfigMap or Secret. Default: the rotation's namespace."
    )
    max_age: Duration | None = Field(
        None,
        description="How long a verifier may cache what it read. Default: 24h, which suits verifiers nobody has "
        "looked into; 0s where they are restarted, and for static: what is accepted there is seen.",
    )
    propagation: Duration | None = Field(
        None,
        description="From the write to where verifiers read. Default: 3m for ConfigMap and Secret, 5m for Vault.",
    )

    @classmethod
    def extras(cls) -> tuple[str, ...]:
        """Return the optional fields that are no alternatives."""
        return ("namespace", "max_age", "propagation")

    def place(self, home: Home) -> Place:
        """Return where the document is."""
        if self.vault:
            return self.vault.document
        kind, name = (CONFIG_MAP, self.config_map) if self.config_map else (SECRET, self.secret)
        return Address(kind, self.namespace or home.namespace, name or "")

    def touches(self, home: Home) -> Iterator[Touch]:
        """It is delivered."""
        yield from delivered(self.place(home))
