"""The rendered Vault policy on a real OpenBao: whole lives with exactly it, nothing beside it, nothing in it to spare."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import hcl2
import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from rotator.clients.clock import RunClock
from rotator.core.sensitive import Sensitive
from rotator.engine.outcome import Outcome, Result
from rotator.errors import Forbidden
from rotator.policy.model import RotationPolicy
from rotator.policy.vault_access import (
    OWN_TOKEN,
    Grant,
    commands,
    consumers,
    grants,
    hcl,
    json_text,
    merged,
)
from rotator.systems.at import reader
from rotator.systems.vault.client import Vault
from rotator.vocabulary.access import SecretSource
from rotator.vocabulary.traversal import parts
from rotator_sandbox.certificates import issue
from rotator_sandbox.emulator import EmulatorServer
from rotator_sandbox.openbao import find_bao, wide_policy
from tests.clusters import over_http
from tests.faults.environment import NAMESPACE, Bao
from tests.faults.transport import Answer, Call, Perform
from tests.trial import Trial
from tests.vaults import address, connected

_names = itertools.count()
EVERY = timedelta(days=30)
RINGS, DELIVERED = "kept-rings", "kept"
"""Mounts that are set to keep ten versions of each document."""


def declared(life: str, rings: str = "rotator", to: str = "secret", **spec: Any) -> RotationPolicy:
    """Return a rotation that uses Vault for all that it can be used for."""
    whole = {
        "credential": {"jwtSigningKey": {"algorithm": "EdDSA"}},
        "takeOver": {"vault": {"mount": to, "path": f"{life}/old", "field": "pem"}},
        "every": "30d",
        "overlap": {"tokenTTL": "15m"},
        "store": {"vault": {"mount": rings, "path": life}},
        "verifiers": [
            {"jwks": {"vault": {"mount": to, "path": f"{life}/jwks"}, "maxAge": "5m", "propagation": "1m"}}
        ],
        "holders": [
            {"secret": {"name": "key"}, "restart": {"workloads": "auto", "timeout": "1h", "soak": "0s"}},
            {"vault": {"mount": to, "path": f"{life}/key"}},
        ],
        **spec,
    }
    metadata = {"name": "key", "namespace": NAMESPACE}
    return RotationPolicy.model_validate(
        {
            "apiVersion": "rotator.dev/v1alpha1",
            "kind": "Rotation",
            "metadata": metadata,
            "spec": {n: v for n, v in whole.items() if v is not None},
        }
    )


# --- what is granted -----------------------------------------------------------------------------------------------

WRITE = ("create", "read", "update")
NOTE = (*WRITE, "patch")
TABLE = {
    "rotator/config": ("read",),
    "secret/config": ("read",),
    "rotator/data/life": WRITE,
    "rotator/destroy/life": ("update",),
    "rotator/metadata/life": WRITE,
    "secret/data/life/jwks": WRITE,
    "secret/data/life/key": WRITE,
    "secret/data/life/old": ("read",),
    "secret/destroy/life/jwks": ("update",),
    "secret/destroy/life/key": ("update",),
    "secret/metadata/life/jwks": NOTE,
    "secret/metadata/life/key": NOTE,
    "auth/token/renew-self": ("update",),
    "auth/token/revoke-self": ("update",),
}


def allowed(found: Iterable[Grant]) -> dict[str, tuple[str, ...]]:
    """Return capabilities by path."""
    return {g.path: g.capabilities for g in found}


def test_each_path_by_itself_with_the_least_that_is_needed() -> None:
    """The ring, each document that is delivered, what is taken over, and the run's own token."""
    assert allowed(grants([declared("life")])) == TABLE


def test_what_is_not_in_vault_needs_nothing_there() -> None:
    """A run that never logs in has no token of its own either."""
    policy = declared(
        "life",
        takeOver=None,
        store={"kubernetes": {}},
        verifiers=[{"jwks": {"configMap": "keys"}}],
        holders=[{"secret": {"name": "key"}}],
    )
    assert grants([policy]) == ()
    assert consumers([policy]) == {}


def test_a_key_that_is_taken_over_where_it_lies_is_named_once() -> None:
    """The path it is read from is the path it is delivered to."""
    policy = declared("life", takeOver={"vault": {"mount": "secret", "path": "life/key", "field": "pem"}})
    (grant,) = (g for g in grants([policy]) if g.path == "secret/data/life/key")
    assert grant.capabilities == WRITE
    assert grant.why == "holders of payments/key; what payments/key takes over"


def test_deletion_adds_delete_on_metadata_and_nothing_else() -> None:
    """Of documents of ours, where they are to go with their declaration; what was taken over stays."""
    assert allowed(grants([declared("life")], deletion=True)) == TABLE
    assert allowed(grants([declared("life", deletionPolicy="Delete")])) == TABLE
    more = allowed(grants([declared("life", deletionPolicy="Delete")], deletion=True))
    ours = {p for p in TABLE if "/metadata/" in p}
    assert more == TABLE | {p: (*TABLE[p], "delete") for p in ours}


def test_no_path_holds_a_wildcard_or_a_template() -> None:
    """What a policy would read as a pattern is refused in a declaration."""
    for path in ("a/*", "a/+/b", "a/{{identity.entity.id}}", 'a"b', "a/../b"):
        with pytest.raises(ValueError, match="pattern"):
            declared(path)


def test_consumers_read_their_document_and_nothing_else() -> None:
    """Who verifies may not read the key that signs: one policy a document."""
    found = consumers([declared("life")])
    assert {name: allowed(of) for name, of in found.items()} == {
        "secret/life/jwks": {"secret/data/life/jwks": ("read",)},
        "secret/life/key": {"secret/data/life/key": ("read",)},
    }


WAYS_IN = {
    "a secret of ours": {"keycloak": {"auth": {"client": {"clientId": "a", "secret": "SOURCE"}}}},
    "a key of ours": {"keycloak": {"auth": {"client": {"clientId": "a", "key": "SOURCE"}}}},
    "a token of ours": {"keycloak": {"auth": {"token": "SOURCE"}}},
}


def at_keycloak(life: str, way: Any, **spec: Any) -> RotationPolicy:
    """Return a rotation of a client at Keycloak, and nothing else in Vault than our way in there, at SOURCE."""
    source = {"vault": {"mount": "secret", "path": f"{life}/ours", "field": "value"}}
    verifier = {"url": "https://sso.example.com", "realm": "acme", **way["keycloak"]}
    whole = json.loads(json.dumps(verifier).replace('"SOURCE"', json.dumps(source)))
    return declared(
        life,
        credential={"oauthClient": {"clientId": "payments", "issuer": "https://sso.example.com/realms/acme"}},
        takeOver=None,
        store={"kubernetes": {}},
        verifiers=[{"keycloak": whole}],
        **{"holders": [{"secret": {"name": "key"}}], **spec},
    )


@pytest.mark.parametrize("way", WAYS_IN.values(), ids=WAYS_IN)
def test_our_way_in_at_a_provider_is_read_and_nothing_else(way: Any) -> None:
    """One path, to read."""
    assert allowed(grants([at_keycloak("life", way)])) == {
        "secret/data/life/ours": ("read",),
        **allowed(OWN_TOKEN),
    }


def test_our_way_in_may_be_what_another_rotation_delivers() -> None:
    """Named once, with both reasons: rotator's own client is rotated like any other."""
    admin = declared("life", takeOver=None, holders=[{"vault": {"mount": "secret", "path": "life/ours"}}])
    (grant,) = (
        g
        for g in grants([at_keycloak("life", WAYS_IN["a token of ours"]), admin])
        if g.path == "secret/data/life/ours"
    )
    assert grant.capabilities == WRITE
    assert grant.why == "our way in at the provider of payments/key; holders of payments/key"


def test_the_secret_ids_of_a_role_need_four_paths() -> None:
    """The role id, to log in with them; and a path each to make one, to ask after one and to end one. No list of them."""
    policy = of_role("life", "payments")
    assert allowed(grants([policy])) == {
        "auth/approle/role/payments/custom-secret-id": ("update",),
        "auth/approle/role/payments/role-id": ("read",),
        "auth/approle/role/payments/secret-id/destroy": ("update",),
        "auth/approle/role/payments/secret-id/lookup": ("update",),
        **allowed(OWN_TOKEN),
    }
    elsewhere = of_role("life", "payments", mount="team/roles")
    assert "auth/team/roles/role/payments/role-id" in allowed(grants([elsewhere]))


def of_role(life: str, role: str, mount: str = "approle", **spec: Any) -> RotationPolicy:
    """Return a rotation of the secret ids of a role, which keeps nothing in Vault."""
    return declared(
        life,
        credential={"vaultAppRole": {"role": role, "mount": mount}},
        takeOver=None,
        store={"kubernetes": {}},
        verifiers=[{"appRole": {}}],
        **{"holders": [{"secret": {"name": "key"}}], **spec},
    )


# --- as text -------------------------------------------------------------------------------------------------------


def read_hcl(text: str) -> dict[str, tuple[str, ...]]:
    """Read a policy with a parser that is not ours."""
    blocks = [b for block in hcl2.loads(text)["path"] for b in block.items()]
    return {json.loads(path): tuple(map(json.loads, body["capabilities"])) for path, body in blocks}


def test_hcl_and_json_say_the_same() -> None:
    """Path by path, in the same order."""
    found = grants([declared("life"), declared("life/two", deletionPolicy="Delete")], deletion=True)
    as_json = {p: tuple(b["capabilities"]) for p, b in json.loads(json_text(found))["path"].items()}
    assert read_hcl(hcl(found)) == as_json == allowed(found)
    assert list(as_json) == [g.path for g in found]


# --- on a real server ----------------------------------------------------------------------------------------------


def login(bao: Bao, policy: str) -> Bao:
    """Return the same server with a role that has exactly `policy`."""
    role, secret = bao.server.app_role(f"exact-{next(_names)}", policy=policy)
    return replace(bao, role=role, secret=secret)


def token_of(bao: Bao) -> str:
    """Log in by hand, and return the token."""
    body = {"role_id": bao.role, "secret_id": bao.secret}
    token: str = bao.server.call("POST", "auth/approle/login", body)["auth"]["client_token"]
    return token


def capabilities(bao: Bao, token: str, paths: Sequence[str]) -> dict[str, list[str]]:
    """Ask the server what a token may do."""
    answer = bao.server.call("POST", "sys/capabilities", {"token": token, "paths": list(paths)})
    return {path: sorted(answer["data"][path]) for path in paths}


BESIDE = (
    "rotator/metadata/",
    "rotator/data/life-2",
    "rotator/data/life/more",
    "rotator/delete/life",
    "rotator/undelete/life",
    "strangers/config",
    "secret/data/life",
    "secret/metadata/life/old",
    "secret/metadata/life",
    "strangers/data/life",
    "sys/mounts",
    "sys/policies/acl/rotator",
    "sys/capabilities-self",
    "auth/token/create",
    "auth/token/lookup-self",
    "auth/approle/role/rotator/secret-id",
    "cubbyhole/notes",
)


@pytest.mark.parametrize("render", [hcl, json_text], ids=["hcl", "json"])
def test_the_server_reads_it_as_it_was_meant(bao: Bao, render: Callable[[Iterable[Grant]], str]) -> None:
    """Each path has exactly its capabilities; everything beside it is denied."""
    exact = login(bao, render(grants([declared("life")])))
    found = capabilities(bao, token_of(exact), [*TABLE, *BESIDE])
    assert found == {p: sorted(c) for p, c in TABLE.items()} | {p: ["deny"] for p in BESIDE}


KINDS = {
    "jwt": {},
    "hmac": {"credential": {"sharedSecret": {"algorithm": "HS256"}}},
    "opaque": {
        "credential": {"sharedSecret": {"length": 40}},
        "verifiers": [
            {"acceptedList": {"vault": {"mount": "secret", "path": "LIFE/accepted"}, "maxAge": "1m"}}
        ],
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_life_with_exactly_the_rendered_policy(bao: Bao, kind: str) -> None:
    """From nothing to the destruction of the first version, edits repaired on the way; all the rest is forbidden."""
    trial = Trial(bao)
    spec = json.loads(json.dumps(KINDS[kind]).replace("LIFE", trial.life))
    policy = declared(trial.life, takeOver=None, **spec)
    trial.bao = login(bao, hcl(grants([policy])))
    trial.until_stable(policy)
    path = f"secret/data/{trial.life}/key"
    first = trial.vault(path)["data"]
    trial.timeline.pass_by(EVERY)
    trial.until_stable(policy)
    second = trial.vault(path)["data"]
    assert first["kid"] != second["kid"]
    assert not [name for name in second if name.startswith("previous_")]
    bao.server.call("DELETE", path)
    for _ in range(3):
        trial.wait(trial.run(policy, request="INC-1"))
    trial.until_stable(policy)
    assert trial.vault(path)["data"]["kid"] not in {first["kid"], second["kid"]}
    assert whatever_else(trial) == []


def whatever_else(trial: Trial) -> list[str]:
    """Try what a run has no use for, and return what was not forbidden."""
    server, life = trial.bao.server, trial.life
    if "strangers/" not in server.call("GET", "sys/mounts")["data"]:
        server.call("POST", "sys/mounts/strangers", {"type": "kv", "options": {"version": "2"}})
    attempts = [
        ("GET", "rotator/data/somebody"),
        ("POST", "rotator/data/somebody"),
        ("GET", f"secret/data/{life}"),
        ("POST", f"secret/data/{life}/key2"),
        ("GET", f"secret/metadata/{life}"),
        ("GET", "strangers/data/key"),
        ("POST", "strangers/data/key"),
        ("LIST", "rotator/metadata/"),
        ("LIST", f"secret/metadata/{life}"),
        ("DELETE", f"rotator/data/{life}"),
        ("DELETE", f"rotator/metadata/{life}"),
        ("DELETE", f"secret/metadata/{life}/key"),
        ("POST", f"rotator/delete/{life}"),
        ("POST", f"rotator/undelete/{life}"),
        ("GET", "strangers/config"),
        ("POST", "rotator/config"),
        ("POST", "secret/config"),
        ("GET", "sys/mounts"),
        ("POST", "sys/mounts/more"),
        ("GET", "sys/policies/acl/rotator"),
        ("PUT", "sys/policies/acl/rotator"),
        ("PUT", "sys/policies/acl/exact"),
        ("GET", "sys/auth"),
        ("GET", "sys/audit"),
        ("PUT", "sys/seal"),
        ("POST", "auth/token/create"),
        ("GET", "auth/token/lookup-self"),
        ("LIST", "auth/token/accessors"),
        ("POST", "auth/approle/role/rotator/secret-id"),
        ("POST", "identity/entity"),
        ("POST", "cubbyhole/notes"),
    ]
    token = token_of(trial.bao)
    assert status_of(trial.bao, token, "GET", f"rotator/data/{life}") == 200
    return [f"{m} {p}" for m, p in attempts if status_of(trial.bao, token, m, p) != 403]


def status_of(bao: Bao, token: str, method: str, path: str) -> int:
    """Ask with a token, and return how the server answers."""
    body = {"data": {}, "options": {}, "versions": [1], "policy": ""} if method in {"POST", "PUT"} else None
    with requests.Session() as http:
        http.trust_env = False
        http.verify = bao.server.ca_file
        http.headers["X-Vault-Token"] = token
        return http.request(method, f"{bao.server.address}/v1/{path}", json=body, timeout=10).status_code


# --- nothing to spare ------------------------------------------------------------------------------------------------


class Rough(Trial):
    """A trial where somebody removes documents while a run is at work."""

    def __init__(self, bao: Bao) -> None:
        super().__init__(bao)
        self.removed_before: dict[tuple[str, str], str] = {}
        """Documents that are removed once, right before a request: by its method and the end of its path."""

    def _middle(self, call: Call, body: bytes, perform: Perform) -> Answer:
        for method, tail in list(self.removed_before):
            if call.method == method and call.path.endswith(tail):
                self.bao.server.call("DELETE", self.removed_before.pop((method, tail)))
        return super()._middle(call, body, perform)


@pytest.fixture(scope="module")
def kept(bao: Bao) -> Bao:
    """The server with mounts that keep versions, as many have been set to."""
    for mount in (RINGS, DELIVERED):
        bao.server.call("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
        _until(lambda mount=mount: _set_to_keep(bao, mount))  # type: ignore[misc]
    return bao


def _set_to_keep(bao: Bao, mount: str) -> bool:
    """Set a mount to keep ten versions; a new one refuses until its upgrade is done."""
    try:
        bao.server.call("POST", f"{mount}/config", {"max_versions": 10})
    except RuntimeError:
        return False
    return True


def _until(done: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 30
    while not done():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def taken_over(bao: Bao, path: str) -> str:
    """Put a key where it is taken over from, and return the line that is secret."""
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    bao.server.call("POST", path, {"data": {"pem": pem}})
    return pem.splitlines()[1]


def complaint(trial: Rough, policy: RotationPolicy) -> str:
    """Live a hard life, and return the first thing that goes worse than it could; empty where nothing does.

    At first a mount deletes what is written there. Then a run is killed after it made the ring's metadata; a second version takes over in a run that outlasts
    half of its token's life; documents are removed under a third; and at last the ring itself.
    """
    first = taken_over(trial.bao, f"{DELIVERED}/data/{trial.life}/old")
    if unseen := _where_nothing_lasts(trial, policy):
        return unseen
    ring = f"{RINGS}/data/{trial.life}"
    trial.answers["POST", f"/v1/{ring}"] = Answer(503, {}, b"{}")
    if "403" in (killed := _run(trial, policy)).reason:
        return killed.reason
    trial.answers.clear()
    return (
        _to_stable(trial, policy)
        or ("" if first in _readable(trial) else "the key that was taken over is not delivered")
        or _outlasting_its_token(trial, policy)
        or ("the first version can be read back" if first in _readable(trial) else "")
        or _removed_underneath(trial, policy)
        or _without_a_ring(trial, policy)
    )


def _where_nothing_lasts(trial: Rough, policy: RotationPolicy) -> str:
    """Mounts that delete what is written there are seen before anything is written."""
    for mount in (RINGS, DELIVERED):
        trial.bao.server.call("POST", f"{mount}/config", {"delete_version_after": "1h"})
        outcome = _run(trial, policy)
        trial.bao.server.call("POST", f"{mount}/config", {"delete_version_after": "0s"})
        if f"the mount {mount} deletes every version" not in outcome.reason:
            return outcome.reason
    return ""


def _run(trial: Rough, policy: RotationPolicy, **how: Any) -> Outcome:
    """Run; a token that outlives the run is a failure."""
    before = _accessors(trial)
    outcome = trial.run(policy, **how)
    if left := _accessors(trial) - before:
        return replace(outcome, result=Result.FROZEN, reason=f"{len(left)} tokens outlive the run")
    return outcome


def _accessors(trial: Rough) -> set[str]:
    return set(trial.bao.server.call("LIST", "auth/token/accessors")["data"]["keys"])


def _to_stable(trial: Rough, policy: RotationPolicy) -> str:
    for _ in range(12):
        outcome = _run(trial, policy)
        if outcome.result is Result.FROZEN:
            return outcome.reason
        if outcome.reason.startswith("the next rotation"):
            return ""
        trial.wait(outcome)
    return f"not stable: {outcome.reason}"


def _outlasting_its_token(trial: Rough, policy: RotationPolicy) -> str:
    """Rotate, with pods that take eight minutes: the token has ten."""
    deployment = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/api"
    told = "sandbox.rotator.dev/rollout"

    def tell(what: str | None) -> None:
        trial.environment.ask("PATCH", deployment, {"metadata": {"annotations": {told: what}}})

    trial.timeline.pass_by(EVERY)
    trial.wait(_run(trial, policy))
    tell("stall")
    at = trial.timeline.now + timedelta(minutes=8)
    trial.timeline.moved.append(lambda: tell(None) if trial.timeline.now >= at else None)
    outcome = _run(trial, policy, deadline=timedelta(minutes=20))
    logins = [c for c in trial.calls if c.path.endswith("/login")]
    if trial.timeline.now < at:
        return f"the run gave up early: {outcome.reason}"
    if len(logins) != 1:
        return f"{len(logins)} logins in one run"
    return _to_stable(trial, policy)


def _readable(trial: Rough) -> str:
    """Read as root what can be read of any version of any document of ours."""
    found = []
    for mount, path in (
        (RINGS, trial.life),
        (DELIVERED, f"{trial.life}/jwks"),
        (DELIVERED, f"{trial.life}/key"),
    ):
        versions = trial.vault(f"{mount}/metadata/{path}")["versions"]
        alive = [n for n, v in versions.items() if not v["destroyed"]]
        found += [trial.vault(f"{mount}/data/{path}?version={n}")["data"] for n in alive]
    return json.dumps(found)


def _removed_underneath(trial: Rough, policy: RotationPolicy) -> str:
    for name in ("jwks", "key"):
        path = f"{DELIVERED}/metadata/{trial.life}/{name}"
        trial.removed_before["PATCH", f"/v1/{path}"] = path
        trial.removed_before["POST", f"/v1/{path}"] = path
    outcome = _run(trial, policy, request="INC-1")
    if outcome.result is Result.FROZEN:
        return outcome.reason
    trial.wait(outcome)
    unstable = _to_stable(trial, policy)
    return unstable or (f"not removed: {trial.removed_before}" if trial.removed_before else "")


def _without_a_ring(trial: Rough, policy: RotationPolicy) -> str:
    """Whoever removes the ring under a run is noticed as such (a conflict), and the next run says what is missing."""
    ring = f"{RINGS}/metadata/{trial.life}"
    trial.removed_before["POST", f"/v1/{RINGS}/data/{trial.life}"] = ring
    for expected in ("has written", "there is no ring"):
        outcome = _run(trial, policy, request="INC-2")
        if expected not in outcome.reason:
            return outcome.reason
    return ""


def exactly(life: str) -> tuple[Grant, ...]:
    """Return what is granted for the hard life of `life`."""
    return grants([declared(life, RINGS, DELIVERED)])


SINGLE = [(position, c) for position, g in enumerate(exactly("LIFE")) for c in g.capabilities]


@pytest.mark.no_cover
def test_a_hard_life_with_exactly_the_rendered_policy(kept: Bao) -> None:
    """With all of it, nothing goes worse than it could."""
    trial = Rough(kept)
    trial.bao = login(kept, hcl(exactly(trial.life)))
    assert complaint(trial, declared(trial.life, RINGS, DELIVERED)) == ""


@pytest.mark.parametrize(
    ("position", "without"),
    SINGLE,
    ids=[f"{exactly('LIFE')[position].path}:{without}" for position, without in SINGLE],
)
@pytest.mark.no_cover
def test_every_single_capability_is_needed(kept: Bao, position: int, without: str) -> None:
    """Take one away, and the same life goes worse; what could be missed would not be rendered."""
    trial = Rough(kept)
    less = list(exactly(trial.life))
    left = tuple(c for c in less[position].capabilities if c != without)
    less[position] = replace(less[position], capabilities=left or ("deny",))
    trial.bao = login(kept, hcl(less))
    assert complaint(trial, declared(trial.life, RINGS, DELIVERED)) != ""


def test_deletion_is_what_removes_a_document(kept: Bao) -> None:
    """Without it a document stays; with it the document goes, history and all."""
    life = f"removed/{next(_names)}"
    policy = declared(life, RINGS, DELIVERED, deletionPolicy="Delete")
    kept.server.call("POST", f"{RINGS}/data/{life}", {"data": {"ring": "{}"}})
    answers = {}
    for deletion in (False, True):
        token = token_of(login(kept, hcl(grants([policy], deletion=deletion))))
        answers[deletion] = status_of(kept, token, "DELETE", f"{RINGS}/metadata/{life}")
    assert answers == {False: 403, True: 204}
    assert status_of(kept, kept.server.root_token, "GET", f"{RINGS}/metadata/{life}") == 404


def test_the_sandbox_policy_is_the_rendered_one_with_stars_for_paths() -> None:
    """What tests with unknown paths run with differs from what users get by the paths alone."""
    policy = declared(
        "life", takeOver=None, verifiers=[{"jwks": {"configMap": "keys"}}], holders=[{"vault": HOLDER}]
    )
    exact = allowed(grants([policy]))
    assert read_hcl(wide_policy()) == {
        p.replace("life", "*") if not p.startswith("auth/") else p: c for p, c in exact.items()
    }


HOLDER = {"mount": "secret", "path": "life"}


def test_merging_keeps_the_order_of_capabilities() -> None:
    """Whatever comes first."""
    both = merged((Grant("a", ("delete", "update"), "x"), Grant("a", ("create",), "y")))
    assert both == (Grant("a", ("create", "update", "delete"), "x; y"),)


# --- providers -------------------------------------------------------------------------------------------------------


def test_our_way_in_is_read_with_exactly_the_rendered_policy(bao: Bao) -> None:
    """And not without it, nor what lies beside it."""
    trial = Trial(bao)
    policy = at_keycloak(trial.life, WAYS_IN["a token of ours"])
    for name in ("ours", "theirs"):
        bao.server.call(
            "POST", f"secret/data/{trial.life}/{name}", {"data": {"value": f"{trial.life}-{name}"}}
        )
    (source,) = (s for s in parts(policy.spec, SecretSource))
    trial.bao = login(bao, hcl(grants([policy])))
    assert reader(trial.world(), policy.home, source)().reveal() == f"{trial.life}-ours"
    beside = at_keycloak(f"{trial.life}/ours", WAYS_IN["a token of ours"])
    (other,) = (s for s in parts(beside.spec, SecretSource))
    with pytest.raises(Forbidden):
        reader(trial.world(), policy.home, other)()
    trial.bao = login(bao, hcl(OWN_TOKEN))
    with pytest.raises(Forbidden):
        reader(trial.world(), policy.home, source)()


def life_of_a_role(trial: Rough, policy: RotationPolicy, role: str) -> str:
    """Rotate the secret ids of a role once, and return the first thing that goes worse than it could.

    A token that a proof brought and that outlives the run counts as one.
    """
    trial.bao.server.call("POST", f"auth/approle/role/{role}", {"token_policies": "none"})
    for _ in range(2):
        for _ in range(12):
            outcome = _run(trial, policy)
            if outcome.result is Result.FROZEN:
                return outcome.reason
            if outcome.reason.startswith("the next rotation"):
                break
            trial.wait(outcome)
        else:
            return f"not stable: {outcome.reason}"
        trial.timeline.pass_by(EVERY)
    left = trial.bao.server.call("LIST", f"auth/approle/role/{role}/secret-id")["data"]["keys"]
    return "" if len(left) == 1 else f"{len(left)} secret ids are left"


def test_secret_ids_live_with_exactly_the_rendered_policy(bao: Bao) -> None:
    """Made, asked after, proven by a login, and ended; nothing else may be done to the role, or to another."""
    trial, role = Rough(bao), f"rotated-{next(_names)}"
    policy = of_role(trial.life, role)
    trial.bao = login(bao, hcl(grants([policy])))
    assert life_of_a_role(trial, policy, role) == ""
    token = token_of(trial.bao)
    attempts = [
        ("GET", f"auth/approle/role/{role}"),
        ("POST", f"auth/approle/role/{role}"),
        ("DELETE", f"auth/approle/role/{role}"),
        ("POST", f"auth/approle/role/{role}/role-id"),
        ("LIST", f"auth/approle/role/{role}/secret-id"),
        ("POST", f"auth/approle/role/{role}/secret-id"),
        ("POST", f"auth/approle/role/{role}/policies"),
        ("POST", f"auth/approle/role/{role}/secret-id-accessor/destroy"),
        ("GET", f"auth/approle/role/{trial.bao.role}/role-id"),
        ("POST", f"auth/approle/role/{trial.bao.role}/custom-secret-id"),
        ("LIST", "auth/approle/role"),
    ]
    assert [f"{m} {p}" for m, p in attempts if status_of(bao, token, m, p) != 403] == []


@pytest.mark.parametrize("without", range(4), ids=("make", "role id", "end", "ask"))
def test_every_single_path_of_a_role_is_needed(bao: Bao, without: int) -> None:
    """Take one away, and the same life goes worse."""
    trial, role = Rough(bao), f"rotated-{next(_names)}"
    policy = of_role(trial.life, role)
    less = list(grants([policy]))
    assert less.pop(without).path.startswith(f"auth/approle/role/{role}/")
    trial.bao = login(bao, hcl(less))
    assert "403" in life_of_a_role(trial, policy, role)


# --- the commands ----------------------------------------------------------------------------------------------------


def set_up(bao: Bao, script: str, folder: Path, **env: str) -> str:
    """Run a script as a person does who has logged in, twice, and return what it prints."""
    (folder / "bin").mkdir()
    (folder / "bin" / "bao").symlink_to(find_bao())
    whole = {
        "PATH": f"{folder}/bin:{os.defpath}",
        "HOME": str(folder),
        "VAULT_ADDR": bao.server.address,
        "VAULT_CACERT": bao.server.ca_file,
        "VAULT_TOKEN": bao.server.root_token,
        **env,
    }
    for _ in range(2):
        done = subprocess.run(
            ["sh", "-eu"],
            input=script,
            env=whole,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    return done.stdout


def works_exactly(vault: Vault, life: str) -> None:
    """Assert that a client may do what the rotation needs, and reads nothing else."""
    fields = {"ring": Sensitive("{}")}
    vault.write_metadata("rotator", life, {"owner": "rotator"}, max_versions=1)
    assert vault.write("rotator", life, fields, cas=0).version == 1
    with pytest.raises(Forbidden):
        vault.read("rotator", f"{life}/more")
    vault.close()


def environment(bao: Bao, method: str, mount: str, **more: str) -> dict[str, str]:
    """Return the environment of a run that logs in at a mount."""
    return address(bao) | {"ROTATOR_VAULT_AUTH": method, "ROTATOR_VAULT_AUTH_MOUNT": mount, **more}


def test_the_commands_set_up_an_app_role(bao: Bao, tmp_path: Path) -> None:
    """They print the role id, and put the secret id in a file that only its owner reads."""
    life, mount, role = f"commands/{next(_names)}", f"approle-{next(_names)}", "scripted-approle"
    script = commands(grants([declared(life)]), role=role, auth="approle", mount=mount)
    printed = set_up(bao, script, tmp_path)
    secret = tmp_path / f"{role}-secret-id"
    assert secret.stat().st_mode & 0o077 == 0
    files = {
        "ROTATOR_VAULT_ROLE": printed.splitlines()[-1],
        "ROTATOR_VAULT_SECRET_ID_FILE": str(secret),
    }
    works_exactly(connected(environment(bao, "approle", mount, **files), RunClock()), life)
    written = bao.server.call("GET", f"auth/{mount}/role/{role}")["data"]
    assert (written["token_policies"], written["token_no_default_policy"]) == ([role], True)
    assert written["token_ttl"] == 15 * 60


def test_the_commands_set_up_a_jwt_role(bao: Bao, tmp_path: Path) -> None:
    """The token of the named service account logs in; that of another one, or for somebody else, does not."""
    life, mount, role = f"commands/{next(_names)}", f"jwt-{next(_names)}", "scripted-jwt"
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "issuer.pem").write_bytes(public)
    script = commands(grants([declared(life)]), role=role, auth="jwt", mount=mount, service_account="ops/rot")
    set_up(bao, script, tmp_path, TRUST="jwt_validation_pubkeys=@issuer.pem")

    def client(subject: str, audience: str) -> Vault:
        now = int(time.time())
        claims = {"sub": subject, "aud": audience, "iat": now, "nbf": now - 60, "exp": now + 300}
        file = tmp_path / f"token-{next(_names)}"
        file.write_text(jwt.encode(claims, key, algorithm="ES256"))
        given = {"ROTATOR_VAULT_ROLE": role, "ROTATOR_VAULT_JWT_FILE": str(file)}
        return connected(environment(bao, "jwt", mount, **given), RunClock())

    works_exactly(client("system:serviceaccount:ops:rot", "vault"), life)
    for subject, audience in (
        ("system:serviceaccount:ops:other", "vault"),
        ("system:serviceaccount:ops:rot", "else"),
    ):
        with pytest.raises(Forbidden):
            client(subject, audience).read("rotator", life)


def test_the_commands_set_up_a_kubernetes_role(bao: Bao, tmp_path: Path) -> None:
    """The cluster is asked whose token it is; the audience counts."""
    life, mount, role = f"commands/{next(_names)}", f"kubernetes-{next(_names)}", "scripted-kubernetes"
    files = issue(tmp_path)
    with EmulatorServer(rbac=True, tls=files) as server:
        api = over_http(server)
        namespace = api.namespace()
        name, other = api.account(namespace), api.account(namespace)
        (tmp_path / "reviewer").write_text(api.admin_token)
        script = commands(
            grants([declared(life)]),
            role=role,
            mount=mount,
            service_account=f"{namespace}/{name}",
        )
        given = {
            "KUBERNETES_HOST": server.url,
            "KUBERNETES_CA": str(files.ca),
            "REVIEWER_JWT": str(tmp_path / "reviewer"),
        }
        set_up(bao, script, tmp_path, **given)

        def client(account: str, audience: str) -> Vault:
            path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
            asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
            made = api.ask("POST", path, {**asked, "spec": {"audiences": [audience]}})
            file = tmp_path / f"token-{next(_names)}"
            file.write_text(made["status"]["token"])
            given = {"ROTATOR_VAULT_ROLE": role, "ROTATOR_VAULT_JWT_FILE": str(file)}
            return connected(environment(bao, "kubernetes", mount, **given), RunClock())

        works_exactly(client(name, "vault"), life)
        for account, audience in ((other, "vault"), (name, "else")):
            with pytest.raises(Forbidden):
                client(account, audience).read("rotator", life)
        api.close()


def test_the_commands_are_for_either_program_and_quote_what_they_are_given() -> None:
    """Names with blanks or signs stay one word."""
    script = commands(OWN_TOKEN, role="a b", auth="approle", program="vault", mount="team/approle")
    assert "vault policy write 'a b' - <<'EOF'" in script
    assert "vault auth enable -path=team/approle approle" in script
    assert "bao" not in script


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"auth": "token"}, "kubernetes, jwt, approle"),
        ({"service_account": "rotator"}, "NAMESPACE/NAME"),
        ({"audience": ""}, "for anybody"),
    ],
    ids=["method", "account", "audience"],
)
def test_what_cannot_be_set_up_is_refused(wrong: dict[str, str], expected: str) -> None:
    """The message says what was expected."""
    with pytest.raises(ValueError, match=expected):
        commands(OWN_TOKEN, **wrong)
