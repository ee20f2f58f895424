"""Write what each provider can do, from its declaration: a part of the page of providers.

`python -m docs.reference.providers` writes it, with `--check` it only compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docs.written import HERE, finish
from rotator.policy.model import Credential
from rotator.systems.provider import Provider
from rotator.systems.registry import PROVIDERS
from rotator.vocabulary.credential import CredentialKind

FOLDER = HERE / "declare/providers"
FILE = FOLDER / "capabilities.txt"
HEAD = """\
% Written by docs/reference/providers.py from rotator/systems: change the code, not this file.

| verifier | with | versions | value made by | shows the value | take-over | strategy |
|---|---|---|---|---|---|---|"""

_CLIENT: Mapping[str, Any] = {"oauthClient": {"issuer": "https://sso.example.com", "clientId": "a"}}
_BY_KEY = {"oauthClient": {**_CLIENT["oauthClient"], "authentication": "private_key_jwt"}}
_ONE = {"ldapPassword": {"accounts": ["cn=a"]}}
_TWO = {"ldapPassword": {"accounts": ["cn=a", "cn=b"]}}
_FORMS: Mapping[str, tuple[tuple[str, Mapping[str, Any], Mapping[str, Any]], ...]] = {
    "keycloak": (("", _CLIENT, {}), ("`overlap: false`", _CLIENT, {"overlap": False})),
    "auth0": (("a key", _BY_KEY, {}), ("a secret", _CLIENT, {})),
    "ldap": (
        ("one account", _ONE, {}),
        ("two accounts, in turn", _TWO, {}),
        ("one account, `values: One`", _ONE, {"values": "One"}),
    ),
    "app_role": (("", {"vaultAppRole": {"role": "a"}}, {}),),
    "keycloak_realm_keys": (("", {"keycloakRealmKey": {}}, {}),),
}
"""The forms in which a provider can be declared, where there are several or it is not about a client's secret: in
words, with the credential, and with what is declared of the provider."""
_PAGES = {"app_role": "approle.md", "keycloak_realm_keys": "keycloak-realm-keys.md"}
"""The pages that are not named as the provider is."""


@dataclass(frozen=True)
class Row:
    """A provider in one of its forms."""

    form: str
    """What it is declared with; empty: there is one form only."""
    credential: CredentialKind
    provider: Provider


def rows() -> Iterator[Row]:
    """Yield every form of every provider; what they can do needs no connection."""
    for kind in PROVIDERS:
        for form, credential, declared in _FORMS.get(kind.declared_as, (("", _CLIENT, {}),)):
            made = kind.model_construct(**declared)
            yield Row(form, Credential.model_validate(credential).one, made)


def page_of(provider: Provider) -> str:
    """Return the file of the page about a provider."""
    return _PAGES.get(provider.declared_as, f"{provider.declared_as}.md")


def texts() -> Mapping[Path, str]:
    """Return the table by its file."""
    return {FILE: "\n".join([HEAD, *(_written(row) for row in rows()), ""])}


def _written(row: Row) -> str:
    provider, credential = row.provider, row.credential
    cells = (
        f"[`{provider.camel()}`]({page_of(provider)})",
        row.form,
        _at_a_time(row),
        "the provider" if provider.makes else "rotator",
        _yes(value=provider.shows.holds(provider, credential)),
        _yes(value=provider.takes_over),
        f"**{provider.strategy(credential)}**",
    )
    return "| " + " | ".join(cells) + " |"


def _at_a_time(row: Row) -> str:
    provider, credential = row.provider, row.credential
    if provider.one_slot.holds(provider, credential):
        return "1"
    if provider.alternates.holds(provider, credential) and len(credential.subjects) > 1:
        return str(len(credential.subjects))
    return "any number" if provider.slots is None else str(provider.slots)


def _yes(*, value: bool) -> str:
    return "yes" if value else "no"


if __name__ == "__main__":
    finish(texts())
