"""The rule of one issuer in a RequestAuthentication: its keys are rotated, and all else of the object is somebody else's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from rotator.engine.outcome import Outcome
from rotator.policy.model import RotationPolicy
from rotator.policy.permissions import Extent, rules
from rotator.policy.reach import Reach, strays
from tests.faults.environment import NAMESPACE, Bao
from tests.gateways.istio import DEFINITION, GROUP, Proxy, authentication
from tests.trial import Trial

ISSUER = "https://api.example.com"
AT = f"/apis/{GROUP}/v1/namespaces/{NAMESPACE}/requestauthentications"
OTHERS = (
    {"issuer": "https://login.example", "jwksUri": "https://login.example/keys", "audiences": ["a", "b"]},
    {"issuer": "https://old.example", "jwks": '{"keys": [{"kty":"OKP","crv":"Ed25519","x":"AA","kid":"z"}]}'},
)
MONTH = timedelta(days=31)
LABEL = f"requestauthentication {NAMESPACE}/api"


class Mesh:
    """A rotation whose key a mesh checks, and its proxy."""

    def __init__(self, bao: Bao, *found: Mapping[str, Any], **istio: Any) -> None:
        self.trial = Trial(bao)
        made = self.trial.environment.ask(
            "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION
        )
        assert made["kind"] == "CustomResourceDefinition", made
        if found:
            self.ask("POST", AT, authentication(NAMESPACE, "api", *found))
        declared = {"requestAuthentication": "api", "issuer": ISSUER, **istio}
        self.policy: RotationPolicy = self.trial.policy(
            verifiers=[{"istio": declared}],
            overlap={"tokenTTL": "5m", "clockSkew": "10s"},
            holders=[
                {"secret": {"name": "key", "data": {"key": "private_key", "kid": "kid"}}, "pickUp": "1s"}
            ],
        )
        self.proxy = Proxy(rules=self.rules, now=lambda: self.trial.timeline.now, issuer=ISSUER)
        self.trial.timeline.moved.append(self.proxy.step)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask as an administrator."""
        answer = self.trial.environment.ask(method, path, body)
        assert answer is None or answer.get("kind") != "Status" or method == "DELETE", answer
        return answer

    def rules(self) -> list[Mapping[str, Any]]:
        """Return the rules as they stand."""
        found = self.trial.environment.ask("GET", f"{AT}/api")
        return list(found["spec"]["jwtRules"]) if found else []

    def kids(self) -> list[str]:
        """Return the keys of our issuer's rule, in order."""
        (rule,) = (rule for rule in self.rules() if rule["issuer"] == ISSUER)
        return [key["kid"] for key in json.loads(rule.get("jwks", '{"keys": []}'))["keys"]]

    def run(self, **how: Any) -> Outcome:
        """Do one run."""
        return self.trial.run(self.policy, **how)


def ours(**more: Any) -> dict[str, Any]:
    """Return the rule of our issuer, with what its owner has set."""
    return {"issuer": ISSUER, "audiences": ["api"], "forwardOriginalToken": True, **more}


@pytest.fixture
def mesh(bao: Bao) -> Mesh:
    """A mesh of the test's own, with rules of others around ours."""
    return Mesh(bao, OTHERS[0], ours(), OTHERS[1])


def test_a_whole_life_with_connections_that_stay_open(mesh: Mesh) -> None:
    """No key is used that a connection may not know, and none is dead that a connection may still accept."""
    mesh.trial.until_stable(mesh.policy)
    old = mesh.trial.held()
    mesh.trial.timeline.pass_by(MONTH)
    for _ in range(400):
        outcome = mesh.run()
        held, ring = mesh.trial.held(), outcome.ring
        destroyed = {v.id for v in ring.versions if str(v.state) == "Destroyed"} if ring else set()
        for known in mesh.proxy.may_know():
            assert held in known, "a valid token was refused"
            assert not destroyed & known, "a dead one was accepted"
        if outcome.reason.startswith("the next rotation") and held != old:
            break
        mesh.trial.timeline.pass_by(timedelta(seconds=5))
    assert mesh.kids() == [mesh.trial.held()]


def test_all_else_stays_as_it_is(mesh: Mesh) -> None:
    """Rules of others, their order, and what the owner of ours has set beside the keys."""
    before = mesh.ask("GET", f"{AT}/api")
    mesh.trial.until_stable(mesh.policy)
    mesh.trial.timeline.pass_by(MONTH)
    mesh.trial.until_stable(mesh.policy)
    after = mesh.ask("GET", f"{AT}/api")
    assert [r["issuer"] for r in after["spec"]["jwtRules"]] == [
        OTHERS[0]["issuer"],
        ISSUER,
        OTHERS[1]["issuer"],
    ]
    for rule in after["spec"]["jwtRules"]:
        rule.pop("jwks" if rule["issuer"] == ISSUER else "", None)
    assert after["spec"] == before["spec"]
    kept = {
        n: v for n, v in after["metadata"].get("annotations", {}).items() if not n.startswith("rotator.dev/")
    }
    assert kept == before["metadata"].get("annotations", {})


def test_keys_of_others_in_the_rule_stay(bao: Bao) -> None:
    """As in a JWK Set that is shared: a predecessor, or another signer of the same issuer."""
    theirs = {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "theirs"}
    mesh = Mesh(bao, ours(jwks=json.dumps({"keys": [theirs]})))
    outcome = mesh.trial.until_stable(mesh.policy)
    assert mesh.kids() == ["theirs", mesh.trial.held()]
    assert any("others have theirs" in said for said in outcome.beside)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ((), "does not exist. Expected one rule in spec.jwtRules with issuer: https://api.example.com"),
        ((OTHERS[0],), f"{LABEL} has no rule of the issuer {ISSUER}; it was left untouched"),
        ((ours(), ours()), f"{LABEL} has 2 rules of the issuer {ISSUER}; it was left untouched"),
        ((ours(jwksUri="https://api.example.com/keys"),), "Declare jwks and gateway in place of istio"),
        ((ours(jwks="{"),), "cannot be shared"),
        ((ours(jwks='{"keys": {}}'),), "cannot be shared"),
    ],
)
def test_what_is_not_as_it_has_to_be(bao: Bao, found: tuple[Any, ...], why: str) -> None:
    """Nothing is made or written, and it is said what was expected; in a plan as well."""
    mesh = Mesh(bao, *found)
    before = mesh.rules()
    for act in (False, True):
        outcome = mesh.run(act=act)
        assert str(outcome.result) == "Frozen"
        assert why in outcome.reason, outcome.reason
    assert mesh.rules() == before
    assert mesh.trial.held() is None


def test_an_edit_is_put_right_and_the_lead_begins_anew(mesh: Mesh) -> None:
    """Somebody takes the new key out while it is on its way."""
    mesh.trial.until_stable(mesh.policy)
    old = mesh.trial.held()
    mesh.trial.timeline.pass_by(MONTH)
    published = mesh.run()
    assert published.summary.phase == "Lead"
    changed = mesh.rules()
    position = next(i for i, rule in enumerate(changed) if rule["issuer"] == ISSUER)
    keys = json.loads(changed[position]["jwks"])["keys"]
    edited = [dict(rule) for rule in changed]
    edited[position]["jwks"] = json.dumps({"keys": [k for k in keys if k["kid"] == old]})
    mesh.ask("PATCH", f"{AT}/api", {"spec": {"jwtRules": edited}})
    mesh.trial.wait(published)
    outcome = mesh.run()
    assert mesh.trial.held() == old
    assert any("repair (edited by somebody else)" in step for step in outcome.steps)
    assert outcome.until
    assert outcome.until >= mesh.trial.timeline.now + timedelta(seconds=60)
    assert len(mesh.kids()) == 2


def test_a_run_that_looked_before_somebody_wrote_writes_nothing_old(mesh: Mesh) -> None:
    """The list of rules is replaced as a whole, so the version that was read is named with every write."""
    mesh.trial.until_stable(mesh.policy)
    mesh.trial.timeline.pass_by(MONTH)
    struck: list[str] = []
    plain = mesh.trial._middle  # noqa: SLF001 - the only way to stand between two requests

    def between(call: Any, body: bytes, perform: Any) -> Any:
        if call.method == "PATCH" and call.path == f"{AT}/api" and not struck:
            struck.append(call.path)
            added = [*mesh.rules(), {"issuer": "https://new.example", "jwksUri": "https://new.example/keys"}]
            mesh.ask("PATCH", f"{AT}/api", {"spec": {"jwtRules": added}})
        return plain(call, body, perform)

    mesh.trial._middle = between  # type: ignore[method-assign]  # noqa: SLF001
    mesh.run()
    assert struck
    assert mesh.rules()[-1]["issuer"] == "https://new.example"
    assert len(mesh.kids()) == 2


def test_the_lead_is_that_of_a_push(bao: Bao) -> None:
    """Istiod's pause and the drain of the proxies, or what the mesh has set."""
    assert Mesh(bao, ours()).policy.lead == timedelta(seconds=70)
    assert Mesh(bao, ours(), propagation="25s").policy.forget == timedelta(seconds=35)


def test_the_rights_are_to_change_one_object(mesh: Mesh) -> None:
    """It is never made and never deleted; another namespace is beyond a custom resource."""
    found = rules([mesh.policy], Extent())[NAMESPACE]
    (rule,) = (r for r in found if r.group == GROUP)
    assert (rule.resource, rule.verbs, rule.names) == ("requestauthentications", ("get", "patch"), ("api",))
    far = mesh.trial.policy(
        verifiers=[{"istio": {"requestAuthentication": "a", "issuer": "b", "namespace": "edge"}}]
    )
    assert any("namespace edge" in stray for stray in strays(far, Reach()))
