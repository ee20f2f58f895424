"""One system is one folder: nothing else of the product names it but the registry, and each is whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

import rotator
from rotator.systems.gateway import Gateway
from rotator.systems.istio import Istio
from rotator.systems.kong import Kong
from rotator.systems.provider import Provider
from rotator.systems.registry import FORMS, GATES, PROVIDERS
from rotator.systems.verifier import VerifierKind
from rotator.vocabulary.traversal import ADDRESSES, FILES, named
from rotator.vocabulary.types import Issuer, JobFile, Model, Url, Words
from tests.test_contracts import CONTRACTS

PACKAGE = Path(rotator.__file__).parent
VENDORS = [kind for kind in PROVIDERS if kind.declared_as in {"okta", "entra", "auth0", "hydra"}]
"""Those whose names mean nothing else: `ldap`, `keycloak` and `registration` are protocols and kinds of credentials too."""


def named_in(word: str) -> Iterator[str]:
    """Yield the files of the product that name a system."""
    for file in sorted(PACKAGE.rglob("*.py")):
        if re.search(rf"(?<![a-z]){word}(?![a-z])", file.read_text(encoding="utf-8"), re.IGNORECASE):
            yield str(file.relative_to(PACKAGE))


@pytest.mark.parametrize("kind", VENDORS, ids=lambda kind: kind.declared_as)
def test_nothing_else_names_a_system(kind: type[Provider]) -> None:
    """Its declaration, its client, and the list."""
    folder = f"systems/{kind.declared_as}"
    assert [*named_in(kind.declared_as)] == [
        f"{folder}/__init__.py",
        f"{folder}/client.py",
        "systems/registry.py",
    ]


@pytest.mark.parametrize("kind", PROVIDERS, ids=lambda kind: kind.declared_as)
def test_a_system_is_whole(kind: type[Provider]) -> None:
    """It stands in the folder of its name, can be built, and accepts forms of credentials that there are."""
    assert kind.__module__ == f"rotator.systems.{kind.declared_as}"
    assert callable(import_module(f"{kind.__module__}.client").build)
    assert kind.suits
    assert set(kind.suits) <= FORMS.keys()


def test_the_registry_lists_every_folder() -> None:
    """None lies about that nobody could declare, and none may know another."""
    folders = {file.parent.name for file in (PACKAGE / "systems").glob("*/__init__.py")}
    listed: tuple[type[VerifierKind], ...] = (*PROVIDERS, Gateway, Istio, Kong)
    assert folders == {"kubernetes", "vault", *(kind.declared_as for kind in listed)}
    modules = {kind.__module__ for kind in listed}
    alone = CONTRACTS["systems do not know each other"]["modules"]
    assert set(alone) == {*modules, *(kind.__module__ for kind in GATES)}
    (layers,) = (contract["layers"] for contract in CONTRACTS.values() if contract["type"] == "layers")
    assert modules in [set(re.split(r"[ :]+", layer)) for layer in layers]


def test_whatever_is_an_address_or_a_file_is_found() -> None:
    """By its type, whatever the field is called and however deep it stands: a custom resource may not name it unseen."""

    class Deep(Model):
        unheard_of: list[Url] = Field([])
        maybe: Annotated[JobFile | None, Field(description="x")] = None

    class Odd(Provider):
        elsewhere: Issuer | None = None
        beneath: list[Deep] = Field([])
        text: Words = "https://no.address.example"

    deep = {"unheardOf": ["https://b.example"], "maybe": "/key"}
    declared = Odd.model_validate({"elsewhere": "https://a.example/", "caFile": "/ca.pem", "beneath": [deep]})
    assert {*named(declared, ADDRESSES)} == {"https://a.example/", "https://b.example"}
    assert {*named(declared, FILES)} == {"/ca.pem", "/key"}
