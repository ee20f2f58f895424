"""The table of kinds that are served, and what each one is like."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from .wire import encode

if TYPE_CHECKING:
    from .store import Storage
    from .wire import Object

ALL_VERBS = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)


@dataclass(frozen=True)
class Column:
    """One additional printer column of a custom resource."""

    name: str
    type: str
    path: str
    priority: int = 0
    description: str = ""


@dataclass(frozen=True)
class Custom:
    """What a CustomResourceDefinition says about one of its versions."""

    schema: Object = field(repr=False)
    columns: tuple[Column, ...] = ()
    storage_version: str = ""
    scale: Object | None = None


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind in one version: its names, its scope, and how its writes behave."""

    group: str
    version: str
    plural: str
    name: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    fields: tuple[str, ...] = ("spec", "status")
    generation: bool = False
    unconditional_update: bool = True
    create_on_update: bool = False
    returns_deleted: bool = False
    custom: Custom | None = None

    @cached_property
    def api_version(self) -> str:
        """The apiVersion of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @cached_property
    def storage(self) -> Storage:
        """Where its objects are kept."""
        return (self.group, self.plural)

    @cached_property
    def qualified(self) -> str:
        """The plural with its group, as error messages say it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @cached_property
    def singular(self) -> str:
        """The kind in lower case."""
        return self.name.lower()

    @cached_property
    def prefix(self) -> bytes:
        """How the JSON text of its objects starts."""
        return encode({"kind": self.name, "apiVersion": self.api_version})[:-1] + b","

    @cached_property
    def known_fields(self) -> frozenset[str]:
        """The top-level fields of its objects; others are dropped."""
        return frozenset((*self.fields, "kind", "apiVersion", "metadata"))

    def has(self, subresource: str) -> bool:
        """Say whether it declares the subresource."""
        return subresource in self.subresources


_WORKLOAD = ("status", "scale")
_REVIEW = ("create",)
_RBAC = "rbac.authorization.k8s.io"
_NO_ALL: tuple[str, ...] = ()
_ALL = ("all",)

BUILTIN = (
    Kind(
        "",
        "v1",
        "namespaces",
        "Namespace",
        ("ns",),
        namespaced=False,
        subresources=("status", "finalize"),
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        returns_deleted=True,
    ),
    Kind("", "v1", "secrets", "Secret", fields=("data", "stringData", "type", "immutable")),
    Kind("", "v1", "configmaps", "ConfigMap", ("cm",), fields=("data", "binaryData", "immutable")),
    Kind(
        "",
        "v1",
        "serviceaccounts",
        "ServiceAccount",
        ("sa",),
        fields=("secrets", "imagePullSecrets", "automountServiceAccountToken"),
        subresources=("token",),
        returns_deleted=True,
    ),
    Kind(
        "",
        "v1",
        "pods",
        "Pod",
        ("po",),
        categories=_ALL,
        subresources=("status",),
        generation=True,
        returns_deleted=True,
    ),
    Kind(
        "",
        "v1",
        "events",
        "Event",
        ("ev",),
        fields=(
            "involvedObject",
            "reason",
            "message",
            "source",
            "firstTimestamp",
            "lastTimestamp",
            "count",
            "type",
            "eventTime",
            "series",
            "action",
            "related",
            "reportingComponent",
            "reportingInstance",
        ),
        create_on_update=True,
    ),
    Kind(
        "",
        "v1",
        "services",
        "Service",
        ("svc",),
        categories=_ALL,
        subresources=("status",),
        create_on_update=True,
        returns_deleted=True,
    ),
    Kind(
        "coordination.k8s.io",
        "v1",
        "leases",
        "Lease",
        fields=("spec",),
        unconditional_update=False,
        create_on_update=True,
    ),
    Kind(
        "apps",
        "v1",
        "deployments",
        "Deployment",
        ("deploy",),
        categories=_ALL,
        subresources=_WORKLOAD,
        generation=True,
    ),
    Kind(
        "apps",
        "v1",
        "statefulsets",
        "StatefulSet",
        ("sts",),
        categories=_ALL,
        subresources=_WORKLOAD,
        generation=True,
    ),
    Kind(
        "apps",
        "v1",
        "daemonsets",
        "DaemonSet",
        ("ds",),
        categories=_ALL,
        subresources=("status",),
        generation=True,
    ),
    Kind(
        "apps",
        "v1",
        "replicasets",
        "ReplicaSet",
        ("rs",),
        categories=_ALL,
        subresources=_WORKLOAD,
        generation=True,
    ),
    Kind("batch", "v1", "jobs", "Job", categories=_ALL, subresources=("status",), generation=True),
    Kind(
        "batch",
        "v1",
        "cronjobs",
        "CronJob",
        ("cj",),
        categories=_ALL,
        subresources=("status",),
        generation=True,
    ),
    Kind(_RBAC, "v1", "roles", "Role", fields=("rules",), create_on_update=True),
    Kind(
        _RBAC,
        "v1",
        "rolebindings",
        "RoleBinding",
        fields=("subjects", "roleRef"),
        create_on_update=True,
    ),
    Kind(
        _RBAC,
        "v1",
        "clusterroles",
        "ClusterRole",
        namespaced=False,
        fields=("rules", "aggregationRule"),
        create_on_update=True,
    ),
    Kind(
        _RBAC,
        "v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        namespaced=False,
        fields=("subjects", "roleRef"),
        create_on_update=True,
    ),
    Kind(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        ("crd", "crds"),
        namespaced=False,
        categories=("api-extensions",),
        subresources=("status",),
        generation=True,
        unconditional_update=False,
    ),
    Kind(
        "authentication.k8s.io",
        "v1",
        "tokenreviews",
        "TokenReview",
        namespaced=False,
        verbs=_REVIEW,
    ),
    Kind(
        "authentication.k8s.io",
        "v1",
        "selfsubjectreviews",
        "SelfSubjectReview",
        namespaced=False,
        verbs=_REVIEW,
    ),
    Kind(
        "authorization.k8s.io",
        "v1",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        namespaced=False,
        verbs=_REVIEW,
    ),
    Kind(
        "authorization.k8s.io",
        "v1",
        "subjectaccessreviews",
        "SubjectAccessReview",
        namespaced=False,
        verbs=_REVIEW,
    ),
)


class Registry:
    """The kinds served now: the built-in ones, and those that definitions add."""

    def __init__(self) -> None:
        """Serve the built-in kinds."""
        self._kinds = {(kind.group, kind.version, kind.plural): kind for kind in BUILTIN}
        self._versions = Counter((kind.group, kind.version) for kind in BUILTIN)
        self._served: dict[Storage, list[Kind]] = {kind.storage: [kind] for kind in BUILTIN}

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """Give the kind served at a path."""
        return self._kinds.get((group, version, plural))

    def has_version(self, group: str, version: str) -> bool:
        """Say whether any kind is served in a version of a group."""
        return (group, version) in self._versions

    def by_storage(self, storage: Storage) -> Kind:
        """Give the kind (in its first served version) of what is kept at a place."""
        return self._served[storage][0]

    def by_name(self, api_version: str, name: str) -> Kind | None:
        """Give the kind that an owner reference or a manifest names."""
        for kind in self._kinds.values():
            if kind.name == name and kind.api_version == api_version:
                return kind
        return None

    def every(self) -> list[Kind]:
        """Give all kinds, in a stable order."""
        return list(self._kinds.values())

    def serve(self, storage: Storage, kinds: list[Kind]) -> None:
        """Serve a custom resource in these versions and in no others."""
        self.withdraw(storage)
        for kind in kinds:
            self._kinds[(kind.group, kind.version, kind.plural)] = kind
            self._versions[(kind.group, kind.version)] += 1
        if kinds:
            self._served[storage] = kinds

    def withdraw(self, storage: Storage) -> None:
        """Serve a custom resource no longer."""
        for kind in self._served.pop(storage, []):
            del self._kinds[(kind.group, kind.version, kind.plural)]
            self._versions -= Counter([(kind.group, kind.version)])

    def builtin(self, storage: Storage) -> bool:
        """Say whether a place belongs to a built-in kind."""
        return storage in self._served and self._served[storage][0].custom is None
