"""Reading custom resources: what is taken of an object, what is said of a bad one, and who owns what two of them claim."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotator.errors import PolicyError
from rotator.policy.files import load
from rotator.policy.model import RotationPolicy
from rotator.policy.owners import Owners
from rotator.policy.resources import from_resource
from rotator.vocabulary.problems import written
from tests import declared_providers
from tests.test_policy_files import GOOD, MEANING, SHARED, WINDOWS, Bad, good, problems, put

SERVER_METADATA = {
    "uid": "3b1f",
    "resourceVersion": "7",
    "generation": 2,
    "creationTimestamp": "2030-01-01T00:00:00Z",
    "deletionTimestamp": "2030-01-02T00:00:00Z",
    "deletionGracePeriodSeconds": 0,
    "finalizers": ["rotator.dev/credential"],
    "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
    "ownerReferences": [{"kind": "Application", "name": "a", "apiVersion": "a/v1", "uid": "1"}],
}


def stored(text: str, **metadata: Any) -> dict[str, Any]:
    """Return an object as the API server lists it."""
    document: dict[str, Any] = copy.deepcopy(yaml.safe_load(text))
    document["metadata"] |= SERVER_METADATA | metadata
    document["status"] = {"phase": "Stable", "anything": [1, 2]}
    return document


def refusal(resource: dict[str, Any]) -> list[str]:
    """Return what is said of a custom resource."""
    with pytest.raises(PolicyError) as caught:
        from_resource(resource)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("text", [GOOD, SHARED])
def test_only_the_declaration_is_taken(text: str) -> None:
    """Proves that what the API server adds (uid, finalizers, managedFields, status) is neither refused nor taken."""
    resource = stored(text, labels={"team": "a"}, annotations={"rotator.dev/rotate": "because"})
    policy = from_resource(resource)
    assert policy.metadata.labels == {"team": "a"}
    assert policy.metadata.annotations == {"rotator.dev/rotate": "because"}
    assert policy.spec == RotationPolicy.model_validate(yaml.safe_load(text)).spec


def test_items_of_a_list_have_no_kind() -> None:
    """Proves that apiVersion and kind may be missing, and that others than ours are refused."""
    resource = stored(GOOD)
    del resource["apiVersion"], resource["kind"]
    assert from_resource(resource) == from_resource(stored(GOOD))
    assert refusal({**resource, "kind": "Secret"}) == [
        "rotation payments/payments-jwt: kind: expected 'Rotation'"
    ]


@pytest.mark.parametrize("empty", [None, {}])
def test_missing_labels_are_no_labels(empty: object) -> None:
    """Proves that null stands for none, as some clients write it."""
    policy = from_resource(stored(GOOD, labels=empty, annotations=empty))
    assert (policy.metadata.labels, policy.metadata.annotations) == ({}, {})


def test_all_problems_are_said_with_the_name_of_the_resource() -> None:
    """Proves that one reading names every field that is wrong."""
    text = good("30d", "30").replace("ES256", "XX").replace("{workloads: auto", "{workloads: [{kind: Job}]")
    assert refusal(stored(text)) == [
        (
            "rotation payments/payments-jwt: spec.credential.jwtSigningKey.algorithm: expected 'ES256', 'ES384', 'ES512', "
            "'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512' or 'EdDSA'"
        ),
        "rotation payments/payments-jwt: spec.every: expected a duration such as 30d, 15m or 90s",
        (
            "rotation payments/payments-jwt: spec.holders.0.restart.workloads.0.kind: "
            "expected 'Deployment', 'StatefulSet', 'DaemonSet' or 'Rollout'"
        ),
        "rotation payments/payments-jwt: spec.holders.0.restart.workloads.0.name: required, but missing",
    ]


def test_no_spec_is_said_so() -> None:
    """Proves that an object without a spec is answered in words."""
    resource = stored(GOOD)
    del resource["spec"]
    assert refusal(resource) == ["rotation payments/payments-jwt: spec: required, but missing"]


PROVIDED = [Bad(row.name, row.text, row.expected) for row in declared_providers.REFUSED_AS_RESOURCES]


def _single(rows: list[Bad]) -> list[Bad]:
    between = ("used already", "named twice", "already; expected one document")
    return [row for row in rows if "---" not in row.text and not any(b in str(row.expected) for b in between)]


@pytest.mark.parametrize(
    "row", [pytest.param(r, id=r.name) for r in _single([*WINDOWS, *MEANING, *PROVIDED])]
)
def test_what_fields_mean_together_is_checked_as_in_files(row: Bad) -> None:
    """Proves that windows, kinds and mappings are one piece of code for files and custom resources."""
    found = refusal(stored(row.text))
    assert len(found) == len(row.expected)
    for problem, (_, says) in zip(found, row.expected, strict=True):
        assert problem.startswith("rotation payments/")
        assert says in problem


def test_a_message_stays_on_its_line() -> None:
    """Proves that what a resource holds never breaks or colours our lines."""
    text = good("{name: payments-signing-key}", '{name: k, data: {a: kid, b: "x\\n\\x1b[31m"}}')
    (problem,) = refusal(stored(text))
    assert "unknown field x??[31m;" in problem


# --- who owns what ------------------------------------------------------------------------------------------------


def claims(owners: Owners, text: str) -> list[str]:
    """Return what is wrong with what a declaration claims; where nothing is, it has it from now on."""
    policy = from_resource(stored(text))
    return [written(problem) for problem in owners.claim(policy, f"rotation {policy.ref}", refused=True)]


def test_of_two_that_claim_one_document_the_first_keeps_it() -> None:
    """Proves that the second is told what it cannot have and whose it is, and that the first keeps all it has."""
    owners = Owners()
    other = good("name: payments-jwt,", "name: other,")
    of = "is used already by payments/payments-jwt; expected one owner"
    assert claims(owners, GOOD) == []
    for _ in range(2):
        assert claims(owners, other) == [
            f"spec.store: vault rotator/payments/jwt {of}",
            f"spec.verifiers.0: configmap payments/payments-jwks {of}",
            f"spec.holders.0: secret payments/payments-signing-key {of}",
            f"spec.holders.1: vault secret/payments/jwt {of}",
        ]
    assert claims(owners, SHARED) == []


def test_who_is_refused_owns_nothing() -> None:
    """Proves that a third one is not refused for what only a refused one claims."""
    owners = Owners()
    second = SHARED.replace("name: webhook,", "name: b,").replace("{name: webhook}", "{name: mine}")
    third = second.replace("name: b,", "name: c,").replace("webhook-accepted", "another")
    assert claims(owners, SHARED) == []
    assert len(claims(owners, second)) == 1
    assert claims(owners, third) == []


def test_a_document_twice_in_one_resource_is_said_so() -> None:
    """Proves that a rotation that claims a Secret twice is refused by itself."""
    text = good("{name: payments-signing-key}", "{name: k, namespaces: [a, a]}")
    assert claims(Owners(), text) == [
        "spec.holders.0: secret a/k is named twice in this rotation, first by spec.holders.0; name it once, with all of its data keys"
    ]


def test_two_rotations_of_one_client_are_told_apart_by_nothing_but_the_client() -> None:
    """Proves that a client has one owner, however it is reached and however the addresses are written."""
    first = declared_providers.declaration(declared_providers.SECRET, "keycloak")
    client = "the secret of client payments at https://sso.example.com/realms/acme"
    address = "keycloak https://sso.example.com/realms/acme client payments"
    second = first.replace("name: payments-client", "name: b").replace("{name: payments}", "{name: c}")
    in_other_words = {
        second: [address, client],
        second.replace("url: https://sso.example.com", "url: https://sso.example.com:443"): [address, client],
        second.replace("issuer: https://sso.example.com", "issuer: https://sso.example.com:443"): [
            address,
            client,
        ],
        second.replace("realms/acme}", "realms/acme/}"): [address, client],
        second.replace("url: https://sso.example.com", "url: https://sso.internal"): [client],
        second.replace(declared_providers.VERIFIERS["keycloak"], "static: {secret: b}"): [client],
        second.replace("clientId: payments", "clientId: Payments"): [],
        second.replace(
            "issuer: https://sso.example.com/realms/acme", "issuer: https://sso.example.com/realms/b"
        ).replace("realm: acme", "realm: b"): [],
    }
    for text, taken in in_other_words.items():
        owners = Owners()
        assert claims(owners, first) == []
        found = [problem.split(": ", 1)[1] for problem in claims(owners, text)]
        assert found == [
            f"{label} is used already by payments/payments-client; expected one owner" for label in taken
        ]


def test_the_secret_and_the_key_of_a_client_are_two_credentials() -> None:
    """Proves that they may be rotated side by side: who accepts a key set is named by the set."""
    owners = Owners()
    key = declared_providers.declaration(declared_providers.KEY, "jwks", holder="secret: {name: b}")
    assert claims(owners, declared_providers.declaration(declared_providers.SECRET, "keycloak")) == []
    assert claims(owners, key.replace("name: payments-client", "name: b")) == []


@pytest.mark.parametrize(
    ("url", "accounts", "taken"),
    [
        ("ldaps://ldap.example.com", '"uid=b,dc=org", "uid=payments,dc=org"', "uid=payments,dc=org"),
        ("ldaps://ldap.example.com:636", '"UID = Payments , DC=ORG"', "uid=payments,dc=org"),
        ("ldap://ldap.example.com, startTls: true", '"userid=payments,dc=org"', "uid=payments,dc=org"),
        (
            "ldap://ldap.example.com:389, startTls: true",
            '"0.9.2342.19200300.100.1.1=payments,dc=org"',
            "uid=payments,dc=org",
        ),
        ("ldaps://ldap.example.com", '"uid=b,dc=org"', None),
        ("ldaps://ldap.example.com:1636", '"uid=payments,dc=org"', None),
        ("ldaps://ldap2.example.com", '"uid=payments,dc=org"', None),
        ("ldaps://ldap.example.com", r'"uid=payments\\,dc=org"', None),
    ],
)
def test_each_account_has_one_owner(url: str, accounts: str, taken: str | None) -> None:
    """Proves that lists that overlap are seen, account by account, in all spellings and by both ways of encryption."""

    def of(name: str, url: str, accounts: str) -> str:
        verifier = declared_providers.VERIFIERS["ldap"].replace("ldaps://ldap.example.com", url)
        text = declared_providers.declaration(
            f"ldapPassword: {{accounts: [{accounts}]}}", verifier, holder=f"secret: {{name: {name}}}"
        )
        return text.replace("name: payments-client", f"name: {name}")

    owners = Owners()
    assert claims(owners, of("a", "ldaps://ldap.example.com", '"uid=a,dc=org", "uid=payments,dc=org"')) == []
    expected = f"spec.verifiers.0: ldap ldap.example.com account {taken} is used already by payments/a; expected one owner"
    assert claims(owners, of("b", url, accounts)) == ([expected] if taken else [])


@pytest.mark.parametrize(
    ("form", "verifier", "old", "new"),
    [
        ("oauthClient with a secret", "okta", "clientId: payments", "clientId: b"),
        ("oauthClient with a secret", "entra", "clientId: payments", "clientId: b"),
        ("keycloakRealmKey", "keycloakRealmKeys", "maxAge: 1h", "maxAge: 2h"),
    ],
)
def test_whatever_a_provider_has_one_of_has_one_owner(form: str, verifier: str, old: str, new: str) -> None:
    """Proves it for an app, an application, a role (in any case) and a realm's keys."""
    text = declared_providers.declaration(
        form, declared_providers.VERIFIERS[verifier].replace("realm: acme", "realm: acme, maxAge: 1h")
    )
    second = text.replace("name: payments-client", "name: b").replace("{name: payments}", "{name: c}")
    owners = Owners()
    assert text.count(old) == 1
    assert claims(owners, text) == []
    (problem,) = claims(owners, second.replace(old, new))
    assert "is used already by payments/payments-client; expected one owner" in problem


def test_what_is_registered_anew_belongs_to_nobody_else() -> None:
    """Proves that two rotations may register clients at one issuer, and that keys of two algorithms are two rotations."""
    for form, verifier, old, new in (
        (declared_providers.REGISTERED, "registration", "a", "a"),
        (
            "keycloakRealmKey",
            "keycloakRealmKeys",
            "keycloakRealmKey: {}",
            "keycloakRealmKey: {algorithm: ES256}",
        ),
    ):
        owners = Owners()
        text = declared_providers.declaration(form, verifier)
        second = text.replace("name: payments-client", "name: b").replace("{name: payments}", "{name: c}")
        assert claims(owners, text) == []
        assert claims(owners, second.replace(old, new)) == []


# --- what follows a deletion -------------------------------------------------------------------------------------

DELETE = good("  every: 30d\n", "  every: 30d\n  deletionPolicy: Delete\n")


def test_what_follows_a_deletion_is_no_change_of_what_is_carried_out() -> None:
    """Proves that neither a changed deletion policy, nor the arrival of a field that is left out, makes a new digest.

    The digest that stands here changed once, on purpose: since fields without a value are no part of it, one that a later
    release adds changes no digest, and so no rotation that has been declared is looked at anew because of it.
    """
    kept, deleted = from_resource(stored(GOOD)), from_resource(stored(DELETE))
    assert (kept.spec.deletion_policy, deleted.spec.deletion_policy) == ("Retain", "Delete")
    assert kept.digest == deleted.digest == "eb824fe4fceb8b1c"


def test_a_file_cannot_ask_for_deletion(tmp_path: Path) -> None:
    """Proves that Delete is refused where nobody would notice the deletion, and Retain is not."""
    file = put(tmp_path, DELETE)
    assert problems(file) == [
        f"{file}:8: spec.deletionPolicy: nobody notices that a file is gone; expected Retain, or nothing"
    ]
    assert len(load([put(tmp_path, DELETE.replace("Delete", "Retain"))])) == 1
