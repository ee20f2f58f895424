"""What a run may do in Kubernetes is rendered from the declarations: these rules, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from rotator.kinds import CONFIG_MAP, SECRET
from rotator.policy.model import RotationPolicy
from rotator.policy.permissions import Extent, manifests, rules

QUIET = Extent(listed=(), events=False)
"""Nothing of what can be switched off."""


def declared(name: str = "key", namespace: str = "payments", **spec: Any) -> RotationPolicy:
    """Return a rotation with a list of keys in a ConfigMap and a holder that picks up by itself."""
    whole = {
        "credential": {"jwtSigningKey": {}},
        "every": "30d",
        "overlap": {"tokenTTL": "15m"},
        "store": {"vault": {"mount": "rotator", "path": f"{namespace}/{name}"}},
        "verifiers": [{"jwks": {"configMap": f"{name}-accepted", "maxAge": "5m"}}],
        "holders": [{"secret": {"name": name}}],
        **spec,
    }
    metadata = {"name": name, "namespace": namespace}
    return RotationPolicy.model_validate(
        {"apiVersion": "rotator.dev/v1alpha1", "kind": "Rotation", "metadata": metadata, "spec": whole}
    )


def allowed(*policies: RotationPolicy, extent: Extent = QUIET) -> set[str]:
    """Return every single permission, as `payments: get secrets/key`, `payments: list leases`."""
    return {
        f"{namespace}: {verb} {rule.resource}{'/' + name if name else ''}"
        for namespace, found in rules(policies, extent).items()
        for rule in found
        for verb in rule.verbs
        for name in rule.names or ("",)
    }


def every(verbs: str, where: str, *what: str) -> set[str]:
    """Write permissions out."""
    return {f"{where}: {verb} {each}" for verb in verbs.split() for each in what}


LEASES = every("create get patch", "payments", "leases/rotation-key") | {"payments: list leases"}
SECRET_OF_A_CLIENT = {
    "oauthClient": {"clientId": "payments", "issuer": "https://sso.example.com/realms/acme"}
}
HELD = {"secret": {"name": "sso-admin", "key": "secret"}}


def keycloak(**auth: Any) -> dict[str, Any]:
    """Return what declares a client at Keycloak, and how rotator is let in there."""
    verifier = {"url": "https://sso.example.com", "realm": "acme", "auth": auth}
    return {"credential": SECRET_OF_A_CLIENT, "verifiers": [{"keycloak": verifier}]}


def only(*verifiers: Any, credential: Any = None) -> dict[str, Any]:
    """Return what declares verifiers, and a client or another credential."""
    return {"credential": credential or SECRET_OF_A_CLIENT, "verifiers": list(verifiers)}


NOTHING_ACCEPTED = every("create get patch", "payments", "configmaps/key-accepted")
"""What no run needs that shows nothing to anybody in a ConfigMap."""
PODS = {"payments: list pods"}
"""Who reads an object of ours, and whether it reads it again, is looked at."""
BASE = LEASES | PODS | every("create get patch", "payments", "configmaps/key-accepted", "secrets/key")
FOUND = every("get list patch", "payments", "deployments", "statefulsets", "daemonsets", "rollouts")
RESTART = {"secret": {"name": "key"}}


@pytest.mark.parametrize(
    ("spec", "more"),
    [
        ({}, set()),
        ({"store": {"kubernetes": {}}}, every("create get patch", "payments", "secrets/rotation-key")),
        ({"takeOver": {"secret": {"name": "old", "key": "k"}}}, {"payments: get secrets/old"}),
        ({"takeOver": {"secret": {"name": "key", "key": "k"}}}, set()),
        (
            {"holders": [{"secret": {"name": "key", "namespaces": ["payments", "orders"]}}]},
            every("create get patch", "orders", "secrets/key") | {"orders: list pods"},
        ),
        (
            {"holders": [{**RESTART, "restart": {"workloads": "auto"}}]},
            FOUND | {"payments: list pods"},
        ),
        (
            {"holders": [{**RESTART, "restart": {"workloads": {"matchLabels": {"a": "b"}}}}]},
            FOUND | {"payments: list pods"},
        ),
        (
            {"holders": [{**RESTART, "restart": {"workloads": [{"kind": "StatefulSet", "name": "db"}]}}]},
            every("get patch", "payments", "statefulsets/db") | {"payments: list pods"},
        ),
        (
            {
                "verifiers": [
                    {"jwks": {"configMap": "key-accepted", "maxAge": "5m"}},
                    {"jwks": {"secret": "gateway", "namespace": "edge"}, "restart": {"workloads": "auto"}},
                ]
            },
            every("create get patch", "edge", "secrets/gateway")
            | {p.replace("payments:", "edge:") for p in FOUND}
            | {"edge: list pods"},
        ),
    ],
    ids=[
        "plain",
        "ring",
        "take over",
        "take over a holder",
        "namespaces",
        "auto",
        "labels",
        "named",
        "verifier",
    ],
)
def test_each_part_of_a_declaration_brings_what_it_needs(spec: dict[str, Any], more: set[str]) -> None:
    """Every object by its name, in its namespace, and the verbs that are used on it."""
    assert allowed(declared(**spec)) == BASE | more


OURS = {"clientId": "rotator"}
PROVIDED = {
    "a secret of ours": (keycloak(client={**OURS, "secret": HELD}), {"payments: get secrets/sso-admin"}),
    "a key of ours": (keycloak(client={**OURS, "key": HELD}), {"payments: get secrets/sso-admin"}),
    "a token of ours": (keycloak(token=HELD), {"payments: get secrets/sso-admin"}),
    "a token in a file": (keycloak(token={"file": "/token"}), set()),
    "a token in Vault": (
        keycloak(token={"vault": {"mount": "secret", "path": "sso", "field": "token"}}),
        set(),
    ),
    "our own client": (
        {**keycloak(own={}), "takeOver": {"secret": {"name": "old", "key": "k"}}},
        {"payments: get secrets/old"},
    ),
    "an initial access token": (
        only({"registration": {"token": HELD}}, credential={"oauthClient": {"issuer": "https://a"}}),
        {"payments: get secrets/sso-admin"},
    ),
    "no way in": (only({"hydra": {"url": "https://a"}}), set()),
    "a bind of ours": (
        only(
            {"ldap": {"url": "ldaps://a", "bind": {"dn": "cn=a", "password": HELD}}},
            credential={"ldapPassword": {"accounts": ["cn=b"]}},
        ),
        {"payments: get secrets/sso-admin"},
    ),
    "a token that a holder holds": (keycloak(token={"secret": {"name": "key", "key": "k"}}), set()),
    "what people install": (
        only({"static": {"secret": "handed", "confirmedBy": "Annotation"}}),
        every("create get patch", "payments", "secrets/handed"),
    ),
    "a secret id": (only({"appRole": {}}, credential={"vaultAppRole": {"role": "a"}}), set()),
}


@pytest.mark.parametrize(("spec", "more"), PROVIDED.values(), ids=PROVIDED)
def test_a_provider_needs_nothing_in_kubernetes_but_our_way_in(spec: dict[str, Any], more: set[str]) -> None:
    """The Secret by which rotator is let in is read, and never written; one that it writes anyway is named once."""
    assert allowed(declared(**spec)) == (BASE - NOTHING_ACCEPTED) | more


def test_a_realm_that_signs_needs_nothing_but_our_way_in() -> None:
    """Nobody is handed a key, so no Secret is written."""
    verifier = {"keycloakRealmKeys": {"url": "https://a", "realm": "b", "auth": {"token": HELD}}}
    policy = declared(
        credential={"keycloakRealmKey": {}}, verifiers=[verifier], holders=[{"keycloakRealm": {}}]
    )
    assert allowed(policy) == LEASES | {"payments: get secrets/sso-admin"}


@pytest.mark.parametrize(
    ("extent", "more"),
    [
        (Extent(listed=(CONFIG_MAP,), events=False), {"payments: list configmaps"}),
        (
            Extent(listed=(CONFIG_MAP, SECRET), events=False),
            {"payments: list configmaps", "payments: list secrets"},
        ),
        (Extent(listed=(), events=True), {"payments: create events"}),
        (
            Extent(listed=(), events=False, resources_in=("payments",)),
            {
                "payments: list rotations",
                "payments: get rotations/key",
                "payments: patch rotations/status/key",
            },
        ),
    ],
    ids=["configmaps", "secrets", "events", "custom resources"],
)
def test_what_is_switched_on_brings_its_own(extent: Extent, more: set[str]) -> None:
    """And nothing else; Secrets are listed only where somebody asks for that."""
    assert allowed(declared(), extent=extent) == BASE | more


def test_deletion_is_allowed_only_where_it_is_declared_and_can_be_noticed() -> None:
    """For custom resources with `deletionPolicy: Delete`: the objects that were made, and the finalizer."""
    extent = Extent(listed=(), events=False, resources_in=("payments",))
    kept, deleted = declared(), declared(deletionPolicy="Delete")
    more = every("delete", "payments", "leases/rotation-key", "configmaps/key-accepted", "secrets/key")
    assert allowed(deleted, extent=extent) - allowed(kept, extent=extent) == more | {
        "payments: patch rotations/key"
    }
    assert allowed(deleted) == allowed(kept), "nobody notices that a file is gone"


def test_rotations_share_a_role_and_nothing_is_said_twice() -> None:
    """One Role a namespace, one rule a kind and set of verbs, sorted: a change is a small diff."""
    found = rules([declared("b"), declared("a"), declared("c", "orders")], Extent(events=False))
    assert set(found) == {"payments", "orders"}
    keys = [(r.group, r.resource, r.verbs) for r in found["payments"]]
    assert keys == sorted(set(keys))
    (secrets,) = (r for r in found["payments"] if r.resource == "secrets")
    assert secrets.names == ("a", "b")


def test_a_role_is_bound_to_the_one_account() -> None:
    """Role and RoleBinding in each namespace concerned, the account in its own."""
    made = manifests([declared(), declared("c", "orders")], QUIET, account="ops/rotator", name="jobs")
    assert [(m["kind"], m["metadata"]["namespace"], m["metadata"]["name"]) for m in made] == [
        (kind, namespace, "jobs") for namespace in ("orders", "payments") for kind in ("Role", "RoleBinding")
    ]
    bindings = [m for m in made if m["kind"] == "RoleBinding"]
    for binding in bindings:
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "rotator", "namespace": "ops"}]
        assert binding["roleRef"] == {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            "name": "jobs",
        }
