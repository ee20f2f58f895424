"""What is declared for applications: every declaration is good, says what its application accepts, and makes values by its rule."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography.fernet import Fernet

from docs.reference.applications import DECLARATIONS, Application, read
from rotator.core.sensitive import Sensitive
from rotator.policy.files import load
from rotator.policy.model import RotationPolicy
from rotator.run.wiring import credential_of
from rotator.systems.accepting_holders import accept_one, accept_two
from rotator.systems.forms import parse, render
from tests.consumers.test_applications import IN_JAVASCRIPT, SEVERAL

_, APPLICATIONS = read()
DECLARED = [one for one in APPLICATIONS if one.declaration]
DRAWN = 24
"""Values a rule is tried with: standard base64 of 32 bytes has `+` or `/` in three of four."""


def policy_of(one: Application) -> RotationPolicy:
    """Return the declaration of an application."""
    assert one.declaration
    (policy,) = load([one.declaration])
    return policy


def fields_of(policy: RotationPolicy) -> Mapping[str, Sensitive]:
    """Return the fields of a version just made."""
    credential = credential_of(policy)
    made = credential.make(policy.ref, 1)
    return credential.fields(made.id, made.material)


def delivered(policy: RotationPolicy, *versions: Mapping[str, Sensitive]) -> dict[str, str]:
    """Return what the application reads while these versions are accepted, the active one first."""
    (holder,) = policy.spec.holders
    active, other = versions[0], versions[1] if len(versions) > 1 else {}
    values = {name: render(parse(ours), active, other, other) for name, ours in holder.one.asked.items()}
    return {name: value.reveal() for name, value in values.items() if value is not None}


# --- the declarations ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", DECLARED, ids=lambda one: one.file)
def test_a_declaration_says_what_its_application_accepts(one: Application) -> None:
    """Several: without an outage; one: with it, and people are told what is lost."""
    policy = policy_of(one)
    assert (accept_two(policy), accept_one(policy)) == (one.accepts == "several", one.accepts == "one")
    assert bool(policy.spec.outage) == bool(one.lost) == (one.accepts == "one")
    assert [h.restart is not None for h in policy.spec.holders] == [True]


def test_every_declaration_is_of_an_application() -> None:
    """No file lies about, and each application that is not to be rotated has none."""
    assert {f"{one.file}.yaml" for one in DECLARED} == {file.name for file in DECLARATIONS.iterdir()}
    assert [one.name for one in APPLICATIONS if (one.accepts == "stored") == bool(one.file)] == []


@pytest.mark.parametrize("one", APPLICATIONS, ids=lambda one: one.name)
def test_every_rule_has_a_source(one: Application) -> None:
    """An address of the application's own."""
    assert one.sources
    assert {urlsplit(source).scheme for source in one.sources} == {"https"}


def test_what_is_read_in_the_tests_is_what_the_page_says() -> None:
    """No reader is claimed that is not run."""
    assert {one.file for one in APPLICATIONS if one.reader} == {*SEVERAL, *IN_JAVASCRIPT, "oauth2-proxy"}


# --- the rules -----------------------------------------------------------------------------------------------------


def fernet_keys(read: Mapping[str, str]) -> list[object]:
    """Read the keys as Airflow does: it refuses one that is none."""
    return [Fernet(part.encode()) for part in read["fernet-key"].split(",")]


def setting_and_list(read: Mapping[str, str]) -> list[str]:
    """Read one that signs, and the other one if it is not empty."""
    return [read["SECRET_KEY"], *(key for key in [read["SECRET_KEY_FALLBACKS"]] if key)]


def rails(read: Mapping[str, str]) -> list[str]:
    """Read hexadecimal digits as `rails secret` makes them."""
    found = [read["SECRET_KEY_BASE"], *filter(None, [read["SECRET_KEY_BASE_OTHER"]])]
    assert {len(bytes.fromhex(value)) for value in found} == {64}
    return found


def ory_cookies(read: Mapping[str, str]) -> list[str]:
    """Read one more file of configuration: different texts of at least 16 characters."""
    found: list[str] = yaml.safe_load(read["secrets.yaml"])["secrets"]["cookie"]
    assert all(len(value) >= 16 for value in found)
    assert len(set(found)) == len(found)
    return found


def oauth2_proxy(read: Mapping[str, str]) -> list[bytes]:
    """Read a cookie secret by the rule of oauth2-proxy: pkg/encryption/utils.go, SecretBytes, and pkg/validation/cookie.go."""
    text = read["cookie-secret"]
    bare = text.rstrip("=")
    is_of_urls = re.fullmatch(r"[A-Za-z0-9_-]*", bare)
    key = base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4)) if is_of_urls else b""
    secret = key if len(key) in {16, 24, 32} else text.encode()
    assert len(secret) in {16, 24, 32}, f"cookie_secret is {len(secret)} bytes"
    return [secret]


def superset(read: Mapping[str, str]) -> list[str]:
    """Read the key; the previous one is for the command that encrypts again."""
    assert len(base64.b64decode(read["SUPERSET_SECRET_KEY"])) == 42
    return [read["SUPERSET_SECRET_KEY"]]


RULES: Mapping[str, Callable[[Mapping[str, str]], list[Any]]] = {
    "airflow": fernet_keys,
    "django": setting_and_list,
    "flask": setting_and_list,
    "rails": rails,
    "express-session": lambda read: read["SESSION_SECRETS"].split(","),
    "authjs": lambda read: [*filter(None, [read["AUTH_SECRET_1"], read["AUTH_SECRET"]])],
    "kratos-cookie": ory_cookies,
    "hydra-cookie": ory_cookies,
    "oauth2-proxy": oauth2_proxy,
    "nextauth": lambda read: [read["NEXTAUTH_SECRET"]],
    "superset": superset,
}


@pytest.mark.parametrize("one", DECLARED, ids=lambda one: one.file)
def test_every_value_is_one_by_the_rule_of_its_application(one: Application) -> None:
    """Many are drawn: a rule that some values break would be found. Two stand there while two are accepted."""
    policy = policy_of(one)
    most = 2 if one.accepts == "several" else 1
    versions = [fields_of(policy) for _ in range(DRAWN)]
    for before, after in pairwise(versions):
        assert len(RULES[one.file](delivered(policy, after))) == 1
        assert len(RULES[one.file](delivered(policy, after, before))) == most


def test_standard_base64_is_no_cookie_secret_of_oauth2_proxy() -> None:
    """The rule is a rule: what people meet who use `openssl rand -base64 32` (three of four) is refused here, too."""
    with pytest.raises(AssertionError, match="cookie_secret is 44 bytes"):
        oauth2_proxy({"cookie-secret": base64.b64encode(b"\xff" * 32).decode()})
    assert [len(oauth2_proxy({"cookie-secret": "a" * n})[0]) for n in (16, 32, 43)] == [16, 24, 32]
