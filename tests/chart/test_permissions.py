"""What the chart allows: exactly what the rotations need, each object by its name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.policy import permissions
from rotator.policy.model import RotationPolicy
from tests.chart.charts import RELEASE, Allowed, Json, allowed, of_kind, of_rules, render
from tests.chart.variants import GATEWAYS, PROVIDERS, ROTATIONS, SEEN, VARIANTS, VAULT, Values

LISTED = {
    "leases",
    "configmaps",
    "pods",
    "deployments",
    "statefulsets",
    "daemonsets",
    "rollouts",
    "rotations",
    "endpointslices",
}
"""What may be listed: nothing that holds a secret."""
LASTING = {
    ("", "namespaces", "get"),
    ("rotator.dev", "rotations", "get", "patch"),
    ("rotator.dev", "rotations", "list"),
}
"""What a ClusterRole may allow, where Rotations are to go with their credentials: the first two by name."""
FOUND = {"deployments", "statefulsets", "daemonsets", "rollouts"}
"""What may be restarted without being named, where it is found by reference or label."""


def policies(values: Values, namespace: str = "jobs") -> list[RotationPolicy]:
    """Return the rotations of some values, as the program reads them."""
    return [
        RotationPolicy.model_validate(
            {
                "apiVersion": "rotator.dev/v1alpha1",
                "kind": "Rotation",
                "metadata": {"namespace": namespace, **{k: v for k, v in r.items() if k != "spec"}},
                "spec": r["spec"],
            }
        )
        for r in values["rotations"]
    ]


def needed(of: list[RotationPolicy], **extent: Any) -> set[Allowed]:
    """Return what the program says that rotations need."""
    found = permissions.rules(of, permissions.Extent(**extent))
    return {
        one for namespace, rules in found.items() for one in of_rules(namespace, [r.to_json() for r in rules])
    }


def check_least_privilege(documents: list[Json]) -> None:
    """Nothing cluster-wide but what outlives a namespace, nothing a wildcard, and no Secret met but by its name."""
    for role in of_kind(documents, "ClusterRole"):
        assert {(r["apiGroups"][0], *r["resources"], *r["verbs"]) for r in role["rules"]} == LASTING
        assert [r["resources"][0] for r in role["rules"] if not r.get("resourceNames")] == ["rotations"]
    roles = {(r["metadata"]["namespace"], r["metadata"]["name"]): r for r in of_kind(documents, "Role")}
    for binding in of_kind(documents, "RoleBinding"):
        assert binding["roleRef"]["kind"] == "Role"
        assert (binding["metadata"]["namespace"], binding["roleRef"]["name"]) in roles
        (subject,) = binding["subjects"]
        assert (subject["kind"], subject["namespace"]) == ("ServiceAccount", "jobs")
    for role in roles.values():
        for one in of_rules(role["metadata"]["namespace"], role["rules"]):
            assert "*" not in f"{one.group}{one.resource}{one.verb}{one.name}"
            assert one.verb not in {"watch", "deletecollection", "escalate", "bind", "impersonate", "update"}
            if one.resource == "secrets":
                assert one.name
            if not one.name:
                assert (
                    (one.verb == "list" and one.resource in LISTED)
                    or (one.resource in FOUND and one.verb in {"get", "patch"})
                    or (one.resource, one.verb) == ("events", "create")
                    or (one.namespace, one.resource, one.verb)
                    == ("jobs", "pods", "get")  # the other replicas of serve
                )


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_no_variant_allows_more_than_names(values: Values) -> None:
    """Whatever is switched on."""
    check_least_privilege(render(values))


@pytest.mark.parametrize("values", [ROTATIONS, PROVIDERS, GATEWAYS, VARIANTS["example"], VARIANTS["vault"]])
def test_the_chart_allows_what_the_program_asks_for(values: Values) -> None:
    """`rotator rbac` and the chart say the same, each in its own words."""
    assert allowed(render(values)) == needed(policies(values))


def test_what_is_switched_off_is_not_allowed() -> None:
    """No lists of ConfigMaps, no Events."""
    values = {**ROTATIONS, "rbac": {"list": []}, "events": False}
    assert allowed(render(values)) == needed(policies(values), listed=(), events=False)


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_custom_resources_get_what_is_named_for_them(policy: str) -> None:
    """What `targets` name is what the program would need for such Rotations."""
    jwks = {"configMap": "orders-jwks", "maxAge": "5m", "served": {}}
    spec = {**ROTATIONS["rotations"][1]["spec"], "deletionPolicy": policy}
    spec["verifiers"] = [*spec["verifiers"], {"jwks": jwks}]
    rotation = {"name": "orders", "namespace": "orders", "spec": spec}
    target = {
        "namespace": "orders",
        "rotations": ["orders"],
        "secrets": ["rotation-orders", "007", "1e3"],
        "readSecrets": ["0x1f"],
        "configMaps": ["orders-jwks"],
        "served": ["orders"],
        "restarts": True,
    }
    resources = {
        "enabled": True,
        "namespaces": ["orders"],
        "allowDeletion": policy == "Delete",
        "targets": [target],
    }
    rendered = render({"customResources": resources})
    assert allowed(rendered) == needed(policies({"rotations": [rotation]}), resources_in=["orders"])
    extent = permissions.Extent(resources_in=["orders"])
    lasting = permissions.lasting_rules(policies({"rotations": [rotation]}), extent)
    found = {one for role in of_kind(rendered, "ClusterRole") for one in of_rules("", role["rules"])}
    assert found == set(of_rules("", [r.to_json() for r in lasting]))
    bound = [
        (b["roleRef"]["name"], b["subjects"][0]["name"]) for b in of_kind(rendered, "ClusterRoleBinding")
    ]
    assert bound == ([("rotator-jobs", "rotator")] if policy == "Delete" else [])


def test_the_exporter_lists_leases_and_nothing_else() -> None:
    """It is no way to a Secret."""
    values = {**ROTATIONS, **SEEN, "customResources": {"enabled": True, "namespaces": ["orders"]}}
    found = allowed(render(values), f"{RELEASE}-exporter")
    homes = {"payments", "123", "jobs", "orders"}
    assert found == {Allowed(n, "coordination.k8s.io", "leases", "list") for n in homes}


def test_the_jobs_and_the_exporter_are_different_accounts() -> None:
    """Who scrapes has no right of who rotates."""
    subjects = {
        b["roleRef"]["name"]: b["subjects"][0]["name"]
        for b in of_kind(render(VARIANTS["seen"]), "RoleBinding")
    }
    assert subjects == {"rotator": "rotator", "rotator-exporter": "scraped"}


# --- any rotations ------------------------------------------------------------------------------------------------

label = st.sampled_from(["a", "b-c", "0", "12", "1e3", "0x1f", "null", "true", "payments"])
name = st.one_of(label, st.sampled_from(["a.b", "1.5", "2024-01-01", "key-accepted"]))
namespaces = st.sampled_from(["payments", "orders", "123", "jobs"])
vault = st.fixed_dictionaries({"mount": st.just("secret"), "path": label})
workload = st.fixed_dictionaries(
    {"name": name}, optional={"kind": st.sampled_from(["Deployment", "StatefulSet", "DaemonSet", "Rollout"])}
)
named_workloads = st.lists(workload, min_size=1, max_size=2)
selected = st.just({"matchLabels": {"app": "web"}})
restart = st.fixed_dictionaries(
    {}, optional={"workloads": st.one_of(st.just("auto"), selected, named_workloads)}
)
named_restart = st.fixed_dictionaries({"workloads": st.one_of(selected, named_workloads)})
verifier = st.one_of(
    *(
        st.fixed_dictionaries(
            {"acceptedList": st.fixed_dictionaries({field: value}, optional={"namespace": namespaces})},
            optional={"restart": how},
        )
        for field, value, how in (
            ("configMap", name, restart),
            ("secret", name, restart),
            ("vault", vault, named_restart),
        )
    )
)
secret_holder = st.fixed_dictionaries(
    {
        "secret": st.fixed_dictionaries(
            {"name": name},
            optional={"namespaces": st.lists(namespaces, min_size=1, max_size=2, unique=True)},
        )
    },
    optional={"restart": restart},
)
vault_holder = st.fixed_dictionaries(
    {"vault": vault},
    optional={"restart": named_restart},
)
take_over = st.one_of(
    st.fixed_dictionaries({"secret": st.fixed_dictionaries({"name": name, "key": st.just("key")})}),
    st.fixed_dictionaries(
        {"vault": st.fixed_dictionaries({"mount": st.just("secret"), "path": label, "field": st.just("f")})}
    ),
)
spec = st.fixed_dictionaries(
    {
        "credential": st.just({"sharedSecret": {}}),
        "every": st.just("30d"),
        "overlap": st.just({"tokenTTL": "15m"}),
        "store": st.one_of(st.just({"kubernetes": {}}), st.fixed_dictionaries({"vault": vault})),
        "verifiers": st.lists(verifier, min_size=1, max_size=2),
        "holders": st.lists(st.one_of(secret_holder, vault_holder), min_size=1, max_size=2),
    },
    optional={"takeOver": take_over},
)
rotation = st.fixed_dictionaries({"name": label, "spec": spec}, optional={"namespace": namespaces})
rotations = st.lists(
    rotation, min_size=1, max_size=3, unique_by=lambda r: (r.get("namespace", "jobs"), r["name"])
)


@settings(max_examples=150)
@given(rotations)
def test_any_rotations_get_what_they_need_and_nothing_more(declared: list[Json]) -> None:
    """Whatever they are called, wherever they deliver, whomever they restart."""
    values = {"rotations": declared, **VAULT, "exporter": {"enabled": True}}
    documents = render(values)
    check_least_privilege(documents)
    assert allowed(documents) == needed(policies(values))
