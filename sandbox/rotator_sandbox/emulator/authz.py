"""Who may do what: the stored Roles and ClusterRoles and their bindings (RBAC)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .authn import ADMINS, AUTHENTICATED, UNAUTHENTICATED
from .status import forbidden, forbidden_path
from .wire import Object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .authn import User
    from .state import Call, State
    from .target import Target

_GROUP = "rbac.authorization.k8s.io"
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "GET": "get"}


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked of the authoriser: a verb on a resource, or on a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        """The resource with its subresource, as roles name it."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def verb_of(method: str, target: Target, *, watch: bool) -> str:
    """Give the verb that a request to a resource counts as."""
    if method == "GET" and watch:
        return "watch"
    if method == "GET" and not target.name:
        return "list"
    if method == "DELETE":
        return "delete" if target.name else "deletecollection"
    return _VERBS.get(method, method.lower())


def _is_subject(subject: Object, user: User) -> bool:
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "User":
        return name == user.name
    if kind == "Group":
        return name in user.groups
    return user.name == f"system:serviceaccount:{subject.get('namespace', '')}:{name}"


def _rules(state: State, namespace: str, kind: str, name: str) -> list[Object]:
    plural = "roles" if kind == "Role" else "clusterroles"
    key = (namespace if kind == "Role" else "", name)
    stored = state.store.get((_GROUP, plural), key)
    return (stored.object.get("rules") or []) if stored is not None else []


def rules_for(state: State, user: User, namespace: str) -> Iterator[Object]:
    """Give the rules that hold for a user in a namespace."""
    bindings = state.store.select((_GROUP, "clusterrolebindings"))
    if namespace:
        bindings = bindings + state.store.select((_GROUP, "rolebindings"), namespace)
    for (place, _), stored in bindings:
        binding = stored.object
        if any(_is_subject(subject, user) for subject in binding.get("subjects") or []):
            role = binding["roleRef"]
            yield from _rules(state, place, role["kind"], role["name"])


def _allows_resource(rule: Object, wanted: Attributes) -> bool:
    groups, resources = rule.get("apiGroups") or [], rule.get("resources") or []
    names = rule.get("resourceNames") or []
    if "*" not in groups and wanted.group not in groups:
        return False
    if names and wanted.name not in names:
        return False
    if "*" in resources or wanted.full_resource in resources:
        return True
    return bool(wanted.subresource) and f"*/{wanted.subresource}" in resources


def _allows_path(rule: Object, path: str) -> bool:
    return any(
        pattern in {"*", path} or (pattern.endswith("*") and path.startswith(pattern[:-1]))
        for pattern in rule.get("nonResourceURLs") or []
    )


def allows(rule: Object, wanted: Attributes) -> bool:
    """Say whether one PolicyRule allows what is asked."""
    verbs = rule.get("verbs") or []
    if "*" not in verbs and wanted.verb not in verbs:
        return False
    return _allows_path(rule, wanted.path) if wanted.path else _allows_resource(rule, wanted)


def allowed(state: State, user: User, wanted: Attributes) -> bool:
    """Say whether a user may do what is asked."""
    if ADMINS in user.groups:
        return True
    if not state.rbac:
        return AUTHENTICATED in user.groups or bool(wanted.path)
    return any(allows(rule, wanted) for rule in rules_for(state, user, wanted.namespace))


def authorise(call: Call, target: Target | None, *, watch: bool) -> None:
    """Refuse a request that nothing allows (403 Forbidden)."""
    if ADMINS in call.user.groups:
        return
    method, user = call.request.method, call.user
    if target is None:
        wanted = Attributes(_VERBS.get(method, method.lower()), path=call.request.path)
        if not allowed(call.state, user, wanted):
            why = f'User "{user.name}" cannot {wanted.verb}'
            raise forbidden_path(call.request.path, why)
        return
    _authorise(call, target, verb_of(method, target, watch=watch))


def authorise_creation(call: Call, target: Target) -> None:
    """Refuse an apply that would create what its caller may only patch; here a role for names knows the name."""
    if ADMINS not in call.user.groups:
        _authorise(call, target, "create")


def _authorise(call: Call, target: Target, verb: str) -> None:
    kind, user = target.kind, call.user
    place = target.name if kind.plural == "namespaces" else target.namespace
    wanted = Attributes(verb, kind.group, kind.plural, target.subresource, place, _name_of(call, target))
    if not allowed(call.state, user, wanted):
        raise forbidden(kind, target.name, _why(user, wanted, scoped=kind.namespaced))


def _name_of(call: Call, target: Target) -> str:
    """Give the name asked for; a list by metadata.name counts as naming it."""
    selector = call.query.get("fieldSelector", "")
    if target.name or not selector.startswith("metadata.name="):
        return target.name
    return selector.removeprefix("metadata.name=").partition(",")[0].lstrip("=")


def _why(user: User, wanted: Attributes, *, scoped: bool) -> str:
    where = f'in the namespace "{wanted.namespace}"' if scoped and wanted.namespace else ""
    return (
        f'User "{user.name}" cannot {wanted.verb} resource "{wanted.full_resource}" in API group '
        f'"{wanted.group}" {where or "at the cluster scope"}'
    )


def _role(name: str, *rules: Object) -> Object:
    return {"kind": "ClusterRole", "metadata": {"name": name}, "rules": list(rules)}


def _bound(name: str, *groups: str) -> Object:
    return {
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "Group", "name": group} for group in groups],
    }


def _review(group: str, *resources: str) -> Object:
    return {"apiGroups": [group], "resources": list(resources), "verbs": ["create"]}


_READ = ["get", "list", "watch"]
_WRITE = [*_READ, "create", "update", "patch", "delete", "deletecollection"]
_GROUPS = ["", "apps", "batch", "coordination.k8s.io", "discovery.k8s.io"]
_SEEN = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"]
_HEALTH = ["/healthz", "/livez", "/readyz", "/version", "/version/"]

BOOTSTRAP: tuple[Object, ...] = (
    _role(
        "cluster-admin",
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ),
    _role("admin", {"apiGroups": [*_GROUPS, _GROUP], "resources": ["*"], "verbs": _WRITE}),
    _role("edit", {"apiGroups": _GROUPS, "resources": ["*"], "verbs": _WRITE}),
    _role(
        "view",
        {
            "apiGroups": _GROUPS,
            "resources": [
                "configmaps",
                "cronjobs",
                "daemonsets",
                "deployments",
                "endpointslices",
                "events",
                "jobs",
                "leases",
                "pods",
                "replicasets",
                "serviceaccounts",
                "services",
                "statefulsets",
            ],
            "verbs": _READ,
        },
    ),
    _role("system:discovery", {"nonResourceURLs": [*_HEALTH, *_SEEN], "verbs": ["get"]}),
    _role("system:public-info-viewer", {"nonResourceURLs": _HEALTH, "verbs": ["get"]}),
    _role(
        "system:basic-user",
        _review("authorization.k8s.io", "selfsubjectaccessreviews", "selfsubjectrulesreviews"),
        _review("authentication.k8s.io", "selfsubjectreviews"),
    ),
    _role(
        "system:auth-delegator",
        _review("authentication.k8s.io", "tokenreviews"),
        _review("authorization.k8s.io", "subjectaccessreviews"),
    ),
    _bound("cluster-admin", ADMINS),
    _bound("system:discovery", AUTHENTICATED),
    _bound("system:basic-user", AUTHENTICATED),
    _bound("system:public-info-viewer", AUTHENTICATED, UNAUTHENTICATED),
)
"""The ClusterRoles and bindings that every cluster starts with (those that matter here)."""
