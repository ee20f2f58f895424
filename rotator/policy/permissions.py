"""What a run may do in Kubernetes: the Roles that some rotations need, and nothing more.

Every object is named, also for `create`: rotator creates by server-side apply, whose address names the object. Three
things cannot be named: a list of leases, of pods and (where they are found by reference or label) of workloads.
Secrets are listed only where that is asked for (`rotator rbac --list secrets`). Rules: https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from rotator.kinds import (
    CONFIG_MAP,
    EVENT,
    LEASE,
    POD,
    ROTATION,
    ROTATOR,
    SECRET,
    WORKLOADS,
    Kind,
    lease_name,
    ring_name,
)
from rotator.policy.model import Restart, RotationPolicy
from rotator.vocabulary.access import secret_sources

Json = dict[str, Any]
WRITE = ("create", "get", "patch")
READ = ("get",)
RESTART = ("get", "patch")
FIND_AND_RESTART = ("get", "list", "patch")
LIST = ("list",)
RBAC = "rbac.authorization.k8s.io"
_WORKLOADS = {kind.name: kind for kind in WORKLOADS}


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """One thing that is allowed in one namespace; no names stands for all objects of the kind."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """Write it as a PolicyRule."""
        rule: Json = {"apiGroups": [self.group], "resources": [self.resource], "verbs": list(self.verbs)}
        return {**rule, "resourceNames": list(self.names)} if self.names else rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What of the optional parts is switched on."""

    listed: Collection[Kind] = (CONFIG_MAP,)
    """Kinds of targets that may be listed, so that edits are seen in one request. Never put SECRET here lightly."""
    events: bool = True
    resources_in: Collection[str] = ()
    """Namespaces in which rotations are read from custom resources, and their status is written."""


Needed = Iterator[tuple[str, Rule]]
"""Rules, each with its namespace."""


def rules(policies: Iterable[RotationPolicy], extent: Extent) -> dict[str, tuple[Rule, ...]]:
    """Return what `policies` need, by namespace: one rule a kind and set of verbs, each object in one of them."""
    names: dict[tuple[str, str, str, tuple[str, ...]], set[str]] = defaultdict(set)
    of_policies = (pair for p in policies for pair in _needed(p, extent))
    for namespace, rule in chain(_of_namespaces(extent), of_policies):
        names[namespace, rule.group, rule.resource, rule.verbs] |= set(rule.names)
    found: dict[str, list[Rule]] = defaultdict(list)
    for (namespace, group, resource, verbs), named in sorted(names.items()):
        found[namespace].append(Rule(group, resource, verbs, tuple(sorted(named))))
    return {namespace: tuple(sorted(of)) for namespace, of in found.items()}


def _of_namespaces(extent: Extent) -> Needed:
    """Yield what is needed where custom resources are read, whether there are any yet or not."""
    for namespace in extent.resources_in:
        yield namespace, _rule(ROTATION, LIST)
        yield namespace, _rule(LEASE, LIST)


def _needed(policy: RotationPolicy, extent: Extent) -> Needed:
    home, name = policy.metadata.namespace, policy.metadata.name
    resource = home in extent.resources_in
    deleted = policy.spec.deletion_policy == "Delete" and resource
    yield home, _rule(LEASE, LIST)
    if extent.events:
        yield home, _rule(EVENT, ("create",))
    if resource:
        yield home, _rule(ROTATION, ("get", "patch") if deleted else READ, name)
        yield home, Rule(ROTATION.group, f"{ROTATION.plural}/status", ("patch",), (name,))
    own = list(_written(policy))
    for name in _read(policy):
        if (home, SECRET, name) not in own:
            yield home, _rule(SECRET, READ, name)
    for namespace, kind, written in own:
        yield namespace, _rule(kind, WRITE, written)
        if deleted:
            yield namespace, _rule(kind, ("delete",), written)
        if kind in extent.listed and kind is not LEASE:
            yield namespace, _rule(kind, LIST)
    for namespace in _read_by_pods(policy):
        yield namespace, _rule(POD, LIST)
    yield from _restarts(policy)


def _written(policy: RotationPolicy) -> Iterator[tuple[str, Kind, str]]:
    """Yield every object that is made and written, as namespace, kind and name."""
    home, spec = policy.metadata.namespace, policy.spec
    yield home, LEASE, lease_name(policy.metadata.name)
    if spec.store.kubernetes:
        yield home, SECRET, ring_name(policy.metadata.name)
    for place in (v.place for v in spec.verifiers if v.place):
        if name := place.config_map or place.secret:
            yield place.namespace or home, CONFIG_MAP if place.config_map else SECRET, name
    for secret in (h.secret for h in spec.holders if h.secret):
        yield from ((namespace, SECRET, secret.name) for namespace in secret.namespaces or [home])


def _read_by_pods(policy: RotationPolicy) -> Iterator[str]:
    """Yield the namespaces in which pods read an object of ours: who of them reads it again, or has switched, is looked at."""
    home, spec = policy.metadata.namespace, policy.spec
    for place in (v.place for v in spec.verifiers if v.place):
        if place.config_map or place.secret:
            yield place.namespace or home
    for secret in (h.secret for h in spec.holders if h.secret):
        yield from secret.namespaces or [home]


def _read(policy: RotationPolicy) -> Iterator[str]:
    """Yield the Secrets of the rotation's namespace that are only read: what is taken over, and our own ways in."""
    taken = policy.spec.take_over and policy.spec.take_over.secret
    if taken:
        yield taken.name
    for verifier in policy.spec.verifiers:
        yield from (source.secret.name for source in secret_sources(verifier.provider) if source.secret)


def _restarts(policy: RotationPolicy) -> Needed:
    home, spec = policy.metadata.namespace, policy.spec
    for verifier in spec.verifiers:
        if verifier.restart:
            namespace = verifier.place.namespace if verifier.place else None
            yield from _restart(namespace or home, verifier.restart)
    for holder in spec.holders:
        if holder.restart:
            for namespace in (holder.secret and holder.secret.namespaces) or [home]:
                yield from _restart(namespace, holder.restart)


def _restart(namespace: str, restart: Restart) -> Needed:
    yield namespace, _rule(POD, LIST)
    if isinstance(restart.workloads, list):
        for workload in restart.workloads:
            yield namespace, _rule(_WORKLOADS[workload.kind], RESTART, workload.name)
    else:
        yield from ((namespace, _rule(kind, FIND_AND_RESTART)) for kind in WORKLOADS)


def _rule(kind: Kind, verbs: tuple[str, ...], *names: str) -> Rule:
    return Rule(kind.group, kind.plural, verbs, names)


def lasting_rules(policies: Iterable[RotationPolicy], extent: Extent) -> tuple[Rule, ...]:
    """Return what outlives a namespace that is being deleted, where a Rotation keeps it until its credential is deleted.

    The Role there goes with all else, in no order. So these are rules of a ClusterRole: to see that a namespace is being
    deleted, to find the Rotations in it, and to let go those of a name.
    """
    kept = [
        p.metadata
        for p in policies
        if p.spec.deletion_policy == "Delete" and p.metadata.namespace in extent.resources_in
    ]
    if not kept:
        return ()
    names = tuple(sorted({m.name for m in kept}))
    return (
        Rule("", "namespaces", READ, tuple(sorted({m.namespace for m in kept}))),
        _rule(ROTATION, ("get", "patch"), *names),
        _rule(ROTATION, LIST),
    )


def manifests(
    policies: Collection[RotationPolicy], extent: Extent, *, account: str, name: str = ROTATOR
) -> list[Json]:
    """Return a Role and its RoleBinding to the service account `account` (NAMESPACE/NAME) for each namespace.

    Where Rotations are to be deleted with their credentials, a ClusterRole and its binding stand first.
    """
    made = []
    if lasting := lasting_rules(policies, extent):
        made += _bound("Cluster", {"name": f"{name}-{account.replace('/', '-')}"}, lasting, account)
    for namespace, of in sorted(rules(policies, extent).items()):
        made += _bound("", {"name": name, "namespace": namespace}, of, account)
    return made


def _bound(scope: str, place: Json, of: Iterable[Rule], account: str) -> list[Json]:
    """Return a Role and its binding, or with the scope `Cluster` a ClusterRole and its."""
    home, _, service_account = account.partition("/")
    metadata = {**place, "labels": {"app.kubernetes.io/name": ROTATOR}}
    return [
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": f"{scope}Role",
            "metadata": metadata,
            "rules": [r.to_json() for r in of],
        },
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": f"{scope}RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": f"{scope}Role", "name": place["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": service_account, "namespace": home}],
        },
    ]
