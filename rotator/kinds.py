"""The Kubernetes kinds that we touch, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MANAGED_BY = "app.kubernetes.io/managed-by"
ROTATOR = "rotator"
MANAGED = f"{MANAGED_BY}={ROTATOR}"
"""The label selector of everything that we made."""
PREFIX = "rotator.dev"
"""The prefix of our labels and annotations."""
MARK = f"{PREFIX}/managed"
"""The label of everything that we write to, also where others made it and say so by `app.kubernetes.io/managed-by`."""
MARKED = f"{MARK}=true"
"""The label selector of that."""

DEEDS = f"{PREFIX}/deeds"
"""The annotation of a rotation's Lease that says what was done and is not done again; a person may take it away."""


@dataclass(frozen=True, slots=True)
class SecretMeta:
    """What is said of a Secret beside its data, where rotator makes it."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    type: str = ""
    """Empty: Kubernetes' default, `Opaque`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind, and where the API serves it."""

    name: str
    api: str
    """`v1`, or group/version."""
    plural: str

    @property
    def group(self) -> str:
        """The API group; empty for the core."""
        return self.api.rpartition("/")[0]

    def path(self, namespace: str, name: str = "") -> str:
        """Return the URL path of the collection, or of one object in it."""
        root = "api" if "/" not in self.api else "apis"
        tail = f"/{name}" if name else ""
        return f"/{root}/{self.api}/namespaces/{namespace}/{self.plural}{tail}"

    def __str__(self) -> str:
        """Return the kind's name the way kubectl writes it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Address:
    """Where one object is, or all objects of a kind in a namespace."""

    kind: Kind
    namespace: str
    name: str = ""
    """Empty: all of them."""
    cluster: str = ""
    """Empty: the cluster that the job runs in."""

    @property
    def label(self) -> str:
        """Unique in the fleet, for people: `secret payments/signing-key`."""
        there = f" in {self.cluster}" if self.cluster else ""
        return f"{self.kind} {self.namespace}/{self.name}{there}"


SECRET = Kind("Secret", "v1", "secrets")
CONFIG_MAP = Kind("ConfigMap", "v1", "configmaps")
POD = Kind("Pod", "v1", "pods")
LEASE = Kind("Lease", "coordination.k8s.io/v1", "leases")
DEPLOYMENT = Kind("Deployment", "apps/v1", "deployments")
STATEFUL_SET = Kind("StatefulSet", "apps/v1", "statefulsets")
DAEMON_SET = Kind("DaemonSet", "apps/v1", "daemonsets")
ROLLOUT = Kind("Rollout", "argoproj.io/v1alpha1", "rollouts")

ENDPOINT_SLICE = Kind("EndpointSlice", "discovery.k8s.io/v1", "endpointslices")
KONG_CONSUMER = Kind("KongConsumer", "configuration.konghq.com/v1", "kongconsumers")
REQUEST_AUTHENTICATION = Kind("RequestAuthentication", "security.istio.io/v1", "requestauthentications")
ROTATION = Kind("Rotation", f"{PREFIX}/v1alpha1", "rotations")
EVENT = Kind("Event", "v1", "events")

CREDENTIALS = (
    "jwtSigningKey",
    "sharedSecret",
    "oauthClient",
    "ldapPassword",
    "vaultAppRole",
    "keycloakRealmKey",
)
"""The credential kinds; a test holds them equal to the schema's."""

WORKLOADS = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, ROLLOUT)
"""The kinds that we restart."""


def lease_name(rotation: str) -> str:
    """Return the name of the Lease of the rotation `rotation`, in its namespace."""
    return f"rotation-{rotation}"


def serving_name(rotation: str) -> str:
    """Return the name of the Lease on which all who serve documents of `rotation` say what they serve, in its namespace."""
    return f"serving-{rotation}"


def ring_name(rotation: str) -> str:
    """Return the name of the Secret that keeps the ring of `rotation`, where no Vault does."""
    return f"rotation-{rotation}"
