"""A gateway that fetches by itself is asked with a token that nobody signed, and waited for until it knows, and has forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from pydantic import ValidationError

from rotator.credentials.jwt_signing_key import JwtSigningKey
from rotator.engine.outcome import Outcome
from rotator.policy.model import RotationPolicy
from rotator.policy.permissions import Extent, rules
from rotator.policy.reach import Reach, strays
from rotator.systems.gateway import PRODUCTS, Answers
from rotator.systems.gateway.probe import forged, said
from rotator.systems.registry import maker
from rotator.vocabulary.credential import Beside
from tests.faults.environment import NAMESPACE, Bao
from tests.faults.traffic import text_of
from tests.gateways.remote import Envoy
from tests.providers.served import Said
from tests.trial import Trial

URL = "https://api.example.com/orders"
CACHE = timedelta(minutes=10)
MONTH = timedelta(days=31)
GATEWAY: dict[str, Any] = {"product": "Envoy", "url": URL, "times": 2}
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"


class Site:
    """A rotation whose set is fetched by a gateway, at one address or at each of its pods."""

    def __init__(self, bao: Bao, *pods: str, **gateway: Any) -> None:
        self.trial = Trial(bao)
        self.envoys = {at: self._envoy() for at in (pods or ("api.example.com",))}
        self.trial.apis.update(self.envoys)
        self.policy = policy(self.trial, **gateway)

    def _envoy(self) -> Envoy:
        return Envoy(fetch=self.document, now=lambda: self.trial.timeline.now, cache=CACHE)

    def document(self) -> str:
        """Return the set as it is published."""
        return text_of(self.trial.environment.config_map("key-accepted"), "jwks.json", secret=False) or ""

    def run(self, **how: Any) -> Outcome:
        """Do one run."""
        return self.trial.run(self.policy, **how)

    def stable(self) -> Outcome:
        """Run until the rotation is over."""
        return self.trial.until_stable(self.policy)


def policy(trial: Trial, **gateway: Any) -> RotationPolicy:
    """Return a rotation with a gateway among its verifiers."""
    jwks = {"configMap": "key-accepted", "maxAge": "5m", "propagation": "0s"}
    return trial.policy(verifiers=[{"jwks": jwks}, {"gateway": {**GATEWAY, **gateway}}])


@pytest.fixture
def site(bao: Bao) -> Site:
    """A site of the test's own."""
    return Site(bao)


def one(site: Site) -> Envoy:
    """Return the only gateway."""
    (envoy,) = site.envoys.values()
    return envoy


def test_a_new_key_is_used_once_every_thread_knows_it_and_the_old_one_is_dead_once_none_does(
    site: Site,
) -> None:
    """Each has a cache of its own, which ran out at a time of its own; no token that is valid is refused meanwhile."""
    site.stable()
    old = site.trial.held()
    site.trial.timeline.pass_by(MONTH)
    envoy = one(site)
    envoy.threads[0].until = site.trial.timeline.now + timedelta(minutes=4)
    envoy.threads[1].until = site.trial.timeline.now + timedelta(minutes=9)
    outcome = site.run()
    assert outcome.summary.phase == "Publishing"
    assert f"is not known to {URL} yet" in outcome.reason
    site.trial.timeline.pass_by(timedelta(minutes=5))
    assert site.run().summary.phase == "Publishing", "one of two knows it"
    site.trial.timeline.pass_by(timedelta(minutes=5))
    outcome = site.run()
    assert outcome.summary.phase == "Lead"
    for _ in range(30):
        outcome = site.run()
        if outcome.summary.phase == "Withdrawing":
            break
        site.trial.wait(outcome)
    assert site.trial.held() != old
    assert f"{old} was withdrawn and is still known to {URL}" in outcome.reason
    site.trial.timeline.pass_by(CACHE + timedelta(minutes=2))
    assert site.run().summary.phase == "Stable"


def test_every_pod_is_asked_by_itself(bao: Bao) -> None:
    """A load balancer would answer for one of them; a pod that is not ready takes no requests."""
    site = Site(
        bao, "10.0.0.1:8443", "10.0.0.2:8443", "[fd00::3]:8443", service={"name": "proxy", "port": 8443}
    )
    waits = site.run()
    assert "its Service has no endpoint that takes requests" in waits.reason
    slices(site.trial, "IPv4", ("10.0.0.1", True), ("10.0.0.2", True), ("10.0.0.9", False))
    slices(site.trial, "IPv6", ("fd00::3", True))
    site.stable()
    assert all(envoy.asked for envoy in site.envoys.values())
    site.trial.timeline.pass_by(MONTH)
    late = site.envoys["10.0.0.2:8443"]
    for thread in late.threads:
        thread.until = site.trial.timeline.now + timedelta(hours=1)
    site.run()
    site.trial.timeline.pass_by(timedelta(minutes=30))
    outcome = site.run()
    assert "is not known to 10.0.0.2:8443 yet" in outcome.reason
    assert outcome.summary.phase == "Publishing"


def slices(trial: Trial, family: str, *endpoints: tuple[str, bool]) -> None:
    """Make an EndpointSlice of the Service `proxy`, as the controller does."""
    made = trial.environment.ask(
        "POST",
        SLICES,
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"proxy-{family.lower()}",
                "labels": {"kubernetes.io/service-name": "proxy"},
            },
            "addressType": family,
            "endpoints": [{"addresses": [at], "conditions": {"ready": ready}} for at, ready in endpoints],
            "ports": [{"port": 8443}],
        },
    )
    assert made["kind"] == "EndpointSlice", made["message"]


def test_a_gateway_that_forgets_the_key_in_use_is_a_failure(site: Site) -> None:
    """Its tokens are refused there, now: nobody waits quietly for that."""
    site.stable()
    envoy = one(site)
    for thread in envoy.threads:
        thread.keys, thread.until = [], site.trial.timeline.now + MONTH * 2
    site.trial.timeline.pass_by(timedelta(hours=2))
    outcome = site.run()
    assert str(outcome.result) == "Frozen"
    assert "no longer knows" in outcome.reason
    assert "its tokens are refused there" in outcome.reason


def test_a_quiet_rotation_costs_one_question(site: Site) -> None:
    """And none where lists show that nothing is due."""
    site.stable()
    envoy = one(site)
    envoy.asked.clear()
    site.run()
    assert envoy.asked == []
    site.trial.timeline.pass_by(timedelta(hours=2))
    site.run()
    assert len(envoy.asked) == 1


def test_a_plan_asks_nobody(site: Site) -> None:
    """It says what it waits for."""
    site.stable()
    site.trial.timeline.pass_by(MONTH)
    envoy = one(site)
    envoy.asked.clear()
    planned = site.run(act=False)
    assert not envoy.asked
    assert str(planned.result) != "Frozen"


@pytest.mark.parametrize(
    ("answer", "why", "result"),
    [
        (Said(200, {}), "answers HTTP 200 and let pass a token that nobody signed", "Frozen"),
        (Said(302, {}), "answers HTTP 302 and let pass a token that nobody signed", "Frozen"),
        (Said(400, {}), "answers HTTP 400, and 401 or 403 was expected", "Frozen"),
        (Said(404, {}), "there is no such route yet", "Waiting"),
        (Said(429, {}), "answers HTTP 429", "Waiting"),
        (Said(503, {}), "answers HTTP 503", "Waiting"),
        (Said(401, ""), "without a word about the key", "Frozen"),
        (Said(403, {"message": "Forbidden"}), "without a word about the key", "Frozen"),
        (Said(401, "Jwt issuer is not configured"), "declare gateway.issuer", "Frozen"),
        (Said(403, "Audiences in Jwt are not allowed"), "declare gateway.audience", "Frozen"),
        (Said(401, "Jwks remote fetch is failed"), "cannot fetch the JWK Set itself", "Waiting"),
    ],
)
def test_an_answer_that_tells_nothing(bao: Bao, answer: Said, why: str, result: str) -> None:
    """It is said what it was and what to do; nothing is taken for known or unknown, and the old key stays in use."""
    site = Site(bao)
    site.stable()
    held = site.trial.held()
    site.trial.timeline.pass_by(MONTH)
    one(site).says = answer
    outcome = site.run()
    assert why in outcome.reason
    assert str(outcome.result) == result
    assert site.trial.held() == held


@pytest.mark.parametrize(
    ("status", "text", "known"),
    [
        (401, "Jwt verification fails", True),
        (401, "Jwks doesn't have key to match kid or alg from Jwt", False),
        (401, '{"message":"Invalid signature"}', True),
        (401, '{"message":"No credentials found for given \'kid\'"}', False),
        (403, "<html>Jwt verification fails</html>", True),
        (200, "Jwt verification fails", None),
        (500, "Jwt verification fails", None),
        (401, "Jwt is missing", None),
    ],
)
def test_what_an_answer_says_of_the_key(status: int, text: str, known: bool | None) -> None:
    """The texts of Envoy and Kong; only a refusal counts."""
    assert said(status, text, None).known is known


def test_texts_of_ones_own() -> None:
    """Where one is a part of the other, the longer one counts; those of Envoy count no more."""
    answers = Answers(known="bad token", unknown="bad token: no key")
    assert said(401, "bad token", answers).known is True
    assert said(401, "bad token: no key", answers).known is False
    assert said(401, "Jwt verification fails", answers).known is None


@pytest.mark.parametrize("algorithm", ["RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"])
def test_the_token_is_whole_and_signed_by_nobody(algorithm: str) -> None:
    """Every verifier gets as far as the signature, which has the length that it has to have."""
    declared = JwtSigningKey.model_validate({"algorithm": algorithm})
    credential = maker(declared, Beside(encoding=None, made_by_provider=False))
    made = credential.make("a/b", 1)
    jwk = credential.accepted(made.id, made.material)
    now = datetime(2030, 1, 1, tzinfo=UTC)
    token = forged(jwk, issuer="https://a.example", audience="api", now=now)
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "kid": made.id, "typ": "JWT"}
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["iss"], claims["aud"]) == ("https://a.example", "api")
    assert now.timestamp() < claims["exp"] <= now.timestamp() + 300
    key: Any = serialization.load_pem_private_key(made.material["private_key"].reveal().encode(), None)
    real = jwt.encode({}, key, algorithm=algorithm, headers={"kid": made.id})
    assert len(token.rpartition(".")[2]) == len(real.rpartition(".")[2])
    public: Any = key.public_key()
    unchecked: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, public, algorithms=[algorithm], options=unchecked)


@pytest.mark.parametrize(
    ("gateway", "why"),
    [
        ({"product": "Other"}, "maxAge: how long does it keep a JWK Set?"),
        ({"product": "EdgeStack", "maxAge": "5m"}, "answers: what does it answer with?"),
        ({"product": "Nginx"}, "Input should be"),
        ({"answers": {"known": "a", "unknown": "a"}}, "expected two texts that differ"),
        ({"times": 0}, "greater than or equal to 1"),
    ],
)
def test_what_is_refused(bao: Bao, gateway: dict[str, Any], why: str) -> None:
    """A declaration that leaves open what nobody can know."""
    with pytest.raises(ValidationError) as refused:
        policy(Trial(bao), **gateway)
    assert why in str(refused.value)


@pytest.mark.parametrize("product", [name for name, product in PRODUCTS.items() if product.keeps is not None])
def test_the_lead_is_that_of_the_product(bao: Bao, product: str) -> None:
    """What it keeps a set for, then what connections that were open still go on with."""
    made = policy(Trial(bao), product=product)
    keeps, travel = PRODUCTS[product].keeps, PRODUCTS[product].travel
    assert keeps is not None
    assert made.least_lead.total == max(keeps + travel, timedelta(minutes=5)) + timedelta(seconds=60)
    assert made.forget == made.least_lead.total


def test_the_rights_are_to_list_endpoints_where_a_service_is_named(bao: Bao) -> None:
    """No Role can name EndpointSlices: their names are drawn."""
    for gateway, wanted in (
        ({}, False),
        ({"service": {"name": "proxy", "namespace": "edge", "port": 1}}, True),
    ):
        found = rules([policy(Trial(bao), **gateway)], Extent()).get("edge", ())
        assert [(r.resource, r.verbs) for r in found] == ([("endpointslices", ("list",))] if wanted else [])


@pytest.mark.parametrize(
    ("gateway", "why"),
    [
        ({}, f"{URL}: expected an address below one that the operator allows (--gate-urls)"),
        ({"caFile": "/etc/ca.pem"}, "file /etc/ca.pem: a custom resource may name no file of the job"),
        (
            {"service": {"name": "proxy", "namespace": "edge", "port": 1}},
            f"namespace edge: a custom resource may only name its own, {NAMESPACE}",
        ),
    ],
)
def test_a_custom_resource_reaches_no_further_than_elsewhere(
    bao: Bao, gateway: dict[str, Any], why: str
) -> None:
    """Its namespace, and addresses that the operator allows."""
    assert any(why in stray for stray in strays(policy(Trial(bao), **gateway), Reach()))
    allowed = Reach(gates=("https://api.example.com/",))
    assert not strays(policy(Trial(bao)), allowed) or "Vault path" in strays(policy(Trial(bao)), allowed)[0]


def test_what_it_is_shown_is_no_credential(site: Site) -> None:
    """Header, claims and octets that nobody made."""
    site.stable()
    for token in one(site).asked:
        assert jwt.get_unverified_header(token).keys() == {"alg", "kid", "typ"}
        assert jwt.decode(token, options={"verify_signature": False}).keys() == {"sub", "iat", "nbf", "exp"}
        assert one(site).judge(token) != Said(200, {})
