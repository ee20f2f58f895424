"""Mounts and paths that no rotation may name, at every place where one may stand: in files, and in custom resources."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotator.errors import PolicyError
from rotator.policy import crd
from rotator.policy.files import load
from rotator.policy.reach import Reach
from rotator.vocabulary.types import AUTH_MOUNT_IS_RESERVED, CEL, VAULT_PATH
from tests.declared_providers import ADMIN, SECRET, VERIFIERS, declaration
from tests.declared_vault import GOOD_MOUNTS, GOOD_PATHS, MESSAGES, MOUNTS, PATHS
from tests.test_policy_files import GOOD
from tests.test_reach import refusal

VAULT = {"mount": "kv", "path": "payments/x"}


def _with(text: str, *places: tuple[tuple[str | int, ...], Any]) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(text)
    for (*above, name), value in places:
        inside: Any = document["spec"]
        for part in above:
            inside = inside[part]
        inside[name] = value
    return document


def _placed(ref: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield, by the place where a Vault document may be named, a declaration with `ref` there."""
    field = {**ref, "field": "value"}
    provider = declaration(SECRET, VERIFIERS["keycloak"].replace(ADMIN, "auth: {}"))
    client = ("verifiers", 0, "keycloak", "auth")
    yield "store.vault", _with(GOOD, (("store",), {"vault": ref}))
    yield "holders.0.vault", _with(GOOD, (("holders",), [{"vault": ref}]))
    yield "verifiers.0.jwks.vault", _with(GOOD, (("verifiers",), [{"jwks": {"vault": ref}}]))
    yield "takeOver.vault", _with(GOOD, (("takeOver",), {"vault": field}))
    yield (
        "verifiers.0.keycloak.auth.client.secret.vault",
        _with(provider, (client, {"client": {"clientId": "rotator", "secret": {"vault": field}}})),
    )


PLACES = [place for place, _ in _placed(VAULT)]


def _problems(folder: Path, document: Any) -> list[str]:
    """Return what is said of a file, without its name and line."""
    file = folder / "rotation.json"
    file.write_text(json.dumps(document))
    try:
        load([file])
    except PolicyError as error:
        return [line.partition(": ")[2] for line in str(error).split("\n")]
    return []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("part", "good"), [("mount", GOOD_MOUNTS), ("path", [f"payments/{p}" for p in GOOD_PATHS] + GOOD_PATHS)]
)
def test_what_is_a_place_for_documents_may_be_declared(
    tmp_path: Path, place: str, part: str, good: list[str]
) -> None:
    """Mounts and paths with names that only resemble those of Vault's own are fine."""
    for value in good:
        document = dict(_placed({**VAULT, part: value}))[place]
        assert (_problems(tmp_path, document), value) == ([], value)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("part", "table"), [("mount", MOUNTS), ("path", PATHS)])
def test_what_is_none_is_refused_in_files_and_in_custom_resources(
    tmp_path: Path, place: str, part: str, table: Mapping[str, str]
) -> None:
    """Each row of the table at each place: the file says so, and the resource as well, whatever its namespace is trusted with."""
    for value, expected in table.items():
        document = dict(_placed({**VAULT, part: value}))[place]
        (said,) = _problems(tmp_path, document)
        assert said.startswith(f"spec.{place}.{part}: {expected}"), (value, said)
        (said,) = refusal(document["spec"], reach=Reach(anywhere=True))
        assert said.startswith(f"spec.{place}.{part}: {expected}"), (value, said)


@pytest.mark.parametrize(
    "mount", ["token", "auth/approle", "approle/role/admin", "token/approle", "..", "a%25", "a\n", ""]
)
def test_the_mount_of_a_login_is_one(tmp_path: Path, mount: str) -> None:
    """`auth/` goes without saying, and tokens have no roles of AppRole."""
    text = declaration(f"vaultAppRole: {{role: rotator, mount: {json.dumps(mount)}}}", "appRole")
    (said,) = _problems(tmp_path, yaml.safe_load(text))
    assert said.startswith("spec.credential.vaultAppRole.mount: expected ")
    assert (AUTH_MOUNT_IS_RESERVED in said) == mount.startswith(("token", "auth", "approle"))


def test_the_api_server_refuses_the_same() -> None:
    """Wherever a mount or a path stands in the custom resource, the pattern and the rules stand beside it."""
    (version,) = crd.definition()["spec"]["versions"]
    found = list(_fields(version["schema"]["openAPIV3Schema"]["properties"]["spec"]))
    assert len(found) > len(PLACES) * 2
    for name, schema in found:
        assert schema["pattern"] == VAULT_PATH
        assert schema["maxLength"]
        assert {rule["message"] for rule in schema[CEL]} == MESSAGES[name]


def _fields(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield the mounts and paths of documents below a schema."""
    properties = schema.get("properties", {})
    if {"mount", "path"} <= properties.keys():
        yield from ((name, properties[name]) for name in MESSAGES)
    for part in (*properties.values(), *([schema["items"]] if "items" in schema else [])):
        yield from _fields(part)
