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

from rotator.kinds import CONFIG_MAP, EVENT, LEASE, POD, ROTATION, ROTATOR, Address, Kind, lease_name
from rotator.policy.model import RotationPolicy
from rotator.vocabulary.footprint import WRITTEN, Touch, Use

Json = dict[str, Any]
WRITE = ("create", "get", "patch")
READ = ("get",)
RESTART = ("get", "patch")
FIND_AND_RESTART = ("get", "list", "patch")
LIST = ("list",)
RBAC = "rbac.authorization.k8s.io"
VERBS = {
    Use.READ: READ,
    **dict.fromkeys(WRITTEN, WRITE),
    Use.TOLD: (*WRITE, "delete"),
    Use.PER_VERSION: (*WRITE, "delete"),
    Use.EDITED: ("get", "patch"),
    Use.LISTED: LIST,
    Use.RESTARTED: RESTART,
}
"""What each use of a Kubernetes object needs, where its name is known."""


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
    touches = [
        Touch(Address(LEASE, home, lease_name(name)), Use.KEPT),
        *(touch for _, touch in policy.footprint),
    ]
    written = {touch.thing for touch in touches if touch.use in WRITTEN}
    for thing, use, _ in touches:
        if isinstance(thing, Address) and not (use is Use.READ and thing in written):
            yield from _of(thing, use, extent, deleted=deleted)


def _of(thing: Address, use: Use, extent: Extent, *, deleted: bool) -> Needed:
    """Yield what is needed for one object, or for all of a kind."""
    verbs, names = VERBS[use], (thing.name,) if thing.name else ()
    if use is Use.RESTARTED and not names:
        verbs = FIND_AND_RESTART
    yield thing.namespace, _rule(thing.kind, verbs, *names)
    if use in WRITTEN and deleted:
        yield thing.namespace, _rule(thing.kind, ("delete",), *names)
    if use in WRITTEN and thing.kind in extent.listed and thing.kind is not LEASE:
        yield thing.namespace, _rule(thing.kind, LIST)


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

    Where Rotations are to be deleted with their credentials, a ClusterRole and its binding stand first. Where sets are served, the
    replicas may see in their own namespace whether the pod of another one is gone.
    """
    made = []
    policies = list(policies)
    if lasting := lasting_rules(policies, extent):
        made += _bound("Cluster", {"name": f"{name}-{account.replace('/', '-')}"}, lasting, account)
    found = rules(policies, extent)
    if any(touch.use is Use.TOLD for p in policies for _, touch in p.footprint):
        home = account.partition("/")[0]
        found[home] = tuple(sorted({*found.get(home, ()), _rule(POD, READ)}))
    for namespace, of in sorted(found.items()):
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
