"""How far a custom resource may reach when its verifier is a provider: every field that could lead elsewhere is tried.

Whoever may create Rotations in one namespace is trusted with that namespace only. Such a rotation is let in at a provider by
what the tenant could read anyway; it must not make the job send anything of the operator's, nor ask where the operator
has not allowed it, nor read a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest
import yaml

from rotator.kinds import Kind
from rotator.policy.crd import definition
from rotator.policy.reach import Reach
from rotator.run.custom_resources import load_resources
from rotator.systems.kubernetes.api import Json, KubernetesApi
from rotator.systems.registry import PROVIDERS
from rotator.vocabulary.types import BASE_URL, FILE, ISSUER_URL, LDAP_URL, PROVIDER_URL, URL, VAULT_PATH
from tests.declared_providers import ACCEPTED, KEY, SECRET, SUITING, declaration, pair

HOME, OTHER = "payments", "orders"
EVIL = "https://evil.example/x"
DIRECTORY = "ldaps://evil.example"
FILE_OF_THE_JOB = "/var/run/secrets/kubernetes.io/serviceaccount/token"
ALLOWED = (
    "https://sso.example.com",
    "https://acme.okta.com",
    "https://graph.microsoft.com",
    "https://acme.eu.auth0.com/",
    "https://hydra-admin.example.com",
    "ldaps://ldap.example.com",
)
"""Where the declarations of the tests ask, as an operator may have allowed it."""
AS_ALLOWED = Reach(gates=ALLOWED)


class Stored:
    """The API server's list of Rotations, as far as one is read; nothing is written."""

    def __init__(self, *specs: Mapping[str, Any]) -> None:
        self._documents = [
            {
                "metadata": {
                    "name": f"r{number}",
                    "namespace": HOME,
                    "creationTimestamp": f"2030-01-01T00:00:0{number}Z",
                },
                "spec": spec,
            }
            for number, spec in enumerate(specs)
        ]

    def list(self, kind: Kind, namespace: str, *, selector: str = "", odd: object = None) -> Iterator[Json]:
        """Yield them."""
        del kind, namespace, selector, odd
        return iter(self._documents)

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """Nothing is read one by one."""
        raise AssertionError((kind, namespace, name))

    def patch(self, kind: Kind, namespace: str, name: str, changes: Json) -> Json:
        """Nothing is written."""
        raise AssertionError((kind, namespace, name, changes))

    def namespace(self, name: str) -> Json:
        """None is asked for."""
        raise AssertionError(name)


def refusal(*specs: Mapping[str, Any], reach: Reach = AS_ALLOWED) -> list[str]:
    """Return why rotations are refused, one entry each."""
    api = cast("KubernetesApi", Stored(*specs))  # as much of it as is asked for
    return [o.reason for o in load_resources(api, [HOME], (), reach).refused]


def spec_of(text: str) -> dict[str, Any]:
    """Return the spec that a declaration has, without files: those are the operator's."""
    spec: dict[str, Any] = yaml.safe_load(
        text.replace("file: /run/secrets/entra.pem", "secret: {name: a, key: b}")
    )["spec"]
    return spec


def at(kind: str) -> dict[str, Any]:
    """Return the spec of a rotation whose verifier is a provider, and which stays where it may."""
    form = next(form for form, verifier in sorted(SUITING, reverse=True) if verifier == kind)
    return spec_of(pair(form, kind))


# --- every field of every provider ---------------------------------------------------------------------------------

_WORDS = {PROVIDER_URL, ISSUER_URL, LDAP_URL, URL, BASE_URL, FILE, VAULT_PATH}
"""What fields are made of that lead somewhere."""


def leading(schema: dict[str, Any], where: str = "") -> Iterator[str]:
    """Yield the fields below a schema that name an address, a file, or a place in Vault."""
    if schema.get("pattern") in _WORDS:
        yield where
    for name, part in schema.get("properties", {}).items():
        yield from leading(part, f"{where}.{name}" if where else name)
    if "items" in schema:
        yield from leading(schema["items"], f"{where}[]")


(_VERSION,) = definition()["spec"]["versions"]
SPEC = _VERSION["schema"]["openAPIV3Schema"]["properties"]["spec"]
_KINDS = SPEC["properties"]["verifiers"]["items"]["properties"]
TRIED = [kind.camel() for kind in PROVIDERS if kind.declared_as != "app_role"]
"""All but the one that is refused whatever it says."""
FIELDS = [(kind, field) for kind in TRIED for field in leading(_KINDS[kind])]


def _client(**more: Any) -> dict[str, Any]:
    return {"auth": {"client": {"clientId": "ours", **more}}}


def _from(source: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return, by where a secret may be read from, what of a provider is changed so that it is `source`."""
    return {
        "auth.client.secret": _client(secret=source),
        "auth.client.key": _client(key=source),
        "auth.token": {"auth": {"token": source}},
        "token": {"token": source},
        "bind.password": {"bind": {"dn": "cn=a", "password": source}},
    }


_HELD = {"secret": {"name": "a", "key": "b"}}
_FAR = {"vault": {"mount": "secret", "path": f"{OTHER}/admin", "field": "a"}}
_ODD = {"vault": {"mount": "team/auth", "path": f"{HOME}/a", "field": "a"}}
ATTACKS: dict[str, tuple[dict[str, Any], str]] = {
    "url": ({"url": EVIL}, f"provider {EVIL}: expected an address below one that the operator allows"),
    "endpoint": ({"endpoint": EVIL}, f"provider {EVIL}: expected an address below one"),
    "auth.client.issuer": (_client(secret=_HELD, issuer=EVIL), f"provider {EVIL}: expected an address below"),
    "caFile": ({"caFile": FILE_OF_THE_JOB}, f"file {FILE_OF_THE_JOB}: a custom resource may name no file"),
    **{
        f"{where}.file": (change, f"file {FILE_OF_THE_JOB}: a custom resource may name no file of the job")
        for where, change in _from({"file": FILE_OF_THE_JOB}).items()
    },
    **{
        f"{where}.vault.path": (change, f"Vault path {OTHER}/admin: expected one that begins with {HOME}/")
        for where, change in _from(_FAR).items()
    },
    **{
        f"{where}.vault.mount": (change, "Vault mount team/auth: expected one without a part such")
        for where, change in _from(_ODD).items()
    },
}
"""By a field of a provider, a change that leads to where a resource may not reach, and what is said of it."""


@pytest.mark.parametrize("kind", TRIED)
def test_what_an_operator_allows_may_be_declared(kind: str) -> None:
    """The declarations that the attacks begin with are good ones, and what is read from one's own namespace is fine."""
    assert refusal(at(kind)) == []


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_no_field_of_a_provider_leads_out(kind: str, field: str) -> None:
    """Each field there is: a new one is missing in the table of attacks, and fails here."""
    change, says = ATTACKS[field]
    if kind == "ldap" and field == "url":
        change, says = {"url": DIRECTORY}, f"provider {DIRECTORY}: expected an address"
    spec = at(kind)
    spec["verifiers"][0][kind] |= change
    (reason,) = refusal(spec)
    assert reason.startswith(says)
    assert "; " not in reason
    assert refusal(spec, reach=Reach(anywhere=True)) == []


def test_no_other_field_of_a_declaration_leads_somewhere_unseen() -> None:
    """All that is not a provider's: each is tried here, or where custom resources were tried before there were providers."""
    assert {
        f for f in leading(SPEC) if not f.startswith(tuple(f"verifiers[].{k.camel()}" for k in PROVIDERS))
    } == {
        "credential.oauthClient.issuer",
        "credential.oauthClient.login.caFile",
        "credential.vaultAppRole.mount",
        "verifiers[].gateway.url",
        "verifiers[].gateway.caFile",
        *(
            f"{where}.{part}"
            for where in (
                "store.vault",
                "takeOver.vault",
                "verifiers[].jwks.vault",
                "verifiers[].pem.vault",
                "verifiers[].acceptedList.vault",
                "verifiers[].static.vault",
                "holders[].vault",
            )
            for part in ("mount", "path")
        ),
        *(
            f"gates.{gate}[].{asked}.{part}"
            for gate in ("beforeActivate", "beforeDestroy")
            for asked in ("jwksProbe", "prometheus")
            for part in ("url", "caFile")
        ),
    }


# --- the rest --------------------------------------------------------------------------------------------------------


def test_without_a_word_of_the_operators_no_provider_is_asked() -> None:
    """Neither the provider nor the issuer; not even Microsoft's own address, which stands in no declaration."""
    for kind in TRIED:
        (reason,) = refusal(at(kind), reach=Reach())
        assert "expected an address below one that the operator allows (--gate-urls)" in reason
    (reason,) = refusal(at("entra"), reach=Reach(gates=("https://sso.example.com",)))
    assert reason.startswith("provider https://graph.microsoft.com: ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https://sso.example.com/realms/acme", EVIL),
        ("https://sso.example.com/realms/acme", "https://sso.example.com.evil.example/realms/acme"),
        ("https://sso.example.com/realms/acme", "https://sso.example.com:8443/realms/acme"),
        ("https://sso.example.com/realms/acme", "https://sso.example.com/realms/acme2"),
        ("https://sso.example.com/realms/acme", "https://sso.example.com/realms/%2e%2e/master"),
        ("https://sso.example.com/realms/acme", "http://localhost:8200/realms/acme"),
    ],
)
def test_a_login_is_tried_only_at_issuers_that_the_operator_allows(old: str, new: str) -> None:
    """By whole parts of the path: what only begins alike is somebody else's realm."""
    allowed = Reach(gates=("https://sso.example.com/realms/acme/", "https://acme.okta.com"))
    good = declaration(SECRET, "okta")
    assert refusal(spec_of(good), reach=allowed) == []
    (reason,) = refusal(spec_of(good.replace(old, new)), reach=allowed)
    assert reason.startswith(f"provider {new}: ")


def test_a_key_set_that_people_read_needs_no_word_but_its_issuer_does() -> None:
    """The proof is a login, wherever the key is shown."""
    (reason,) = refusal(spec_of(declaration(KEY, "jwks").replace("https://sso.example.com", "https://x.y")))
    assert reason.startswith("provider https://x.y/realms/acme: ")


def test_no_file_of_the_job_verifies_an_issuer() -> None:
    """Not by an error's words either would it be learned what a file holds."""
    (reason,) = refusal(spec_of(ACCEPTED["every field of a client"]))
    assert (
        reason
        == "file /ca.pem: a custom resource may name no file of the job (--trust-resources allows others)"
    )


@pytest.mark.parametrize("mount", ["approle", "payments", "payments/approle"])
def test_no_login_of_vault_is_rotated_for_a_tenant(mount: str) -> None:
    """Roles belong to no namespace: whoever rotates the operator's own could log in as the job."""
    text = declaration(f"vaultAppRole: {{role: rotator, mount: {mount}}}", "appRole")
    (reason,) = refusal(spec_of(text))
    assert reason.startswith(f"AppRole role {mount}/rotator: no custom resource may rotate logins of Vault")
    assert refusal(spec_of(text), reach=Reach(anywhere=True)) == []


def test_people_who_install_are_told_in_the_resources_own_namespace() -> None:
    """The list of secrets goes to no other namespace, and to no Vault path of somebody else."""
    there = spec_of(declaration(SECRET, f"static: {{secret: a, namespace: {OTHER}}}"))
    (reason,) = refusal(there)
    assert reason.startswith(f"namespace {OTHER}: a custom resource may only name its own, {HOME}")
    (reason,) = refusal(spec_of(declaration(SECRET, f"static: {{vault: {{mount: kv, path: {OTHER}/a}}}}")))
    assert reason.startswith(f"Vault path {OTHER}/a: ")


def test_two_that_claim_one_client_are_not_both_carried_out() -> None:
    """The older keeps it, however the other one is let in."""
    first = spec_of(declaration(SECRET, "keycloak"))
    second = spec_of(declaration(SECRET, "static: {secret: b}", holder="secret: {name: another}"))
    (reason,) = refusal(first, second)
    assert reason == (
        "spec.credential.oauthClient.clientId: the secret of client payments at https://sso.example.com/realms/acme is used "
        "already by payments/r0; expected one owner"
    )
