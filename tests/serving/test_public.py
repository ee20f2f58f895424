"""What everybody is answered: the declared sets and configurations, with what caches, browsers and proxies go by."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest

from rotator.serving.answers import Answer
from rotator.serving.declared import declared
from tests.faults.environment import Bao
from tests.serving.replica import PATH, Looking, policy
from tests.trial import Trial


@pytest.fixture
def trial(bao: Bao) -> Trial:
    """A trial of the test's own."""
    return Trial(bao)


def serving(trial: Trial, **served: Any) -> Looking:
    """Return a replica that serves the first version of a rotation."""
    made = policy(trial, **served)
    replica = Looking(trial, made).look()
    trial.run(made)
    return replica.look()


def test_a_set_as_verifiers_and_caches_expect_it(trial: Trial) -> None:
    """The media type of a JWK Set, a strong tag, an age that is the declared one, and never a stale answer."""
    answer = serving(trial).ask()
    assert answer.status == HTTPStatus.OK
    assert answer.headers == {
        "Content-Type": "application/jwk-set+json",
        "ETag": f'"{hashlib.sha256(answer.body).hexdigest()}"',
        "Cache-Control": "public, max-age=300, must-revalidate",
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "ETag",
        "X-Content-Type-Options": "nosniff",
    }
    (key,) = json.loads(answer.body)["keys"]
    assert key.keys() == {"kty", "crv", "x", "kid", "use", "alg"}


def test_all_replicas_answer_with_the_same_bytes(trial: Trial) -> None:
    """So a cache in front of them keeps one copy, and its tag is good for all of them."""
    made = policy(trial, issuer="https://api.example.com")
    replicas = [Looking(trial, made, name=name) for name in ("one", "two")]
    for replica in replicas:
        replica.look()
    trial.run(made)
    for path in (PATH, "/.well-known/openid-configuration"):
        one, two = (replica.look().ask(path) for replica in replicas)
        assert one == two
        assert one.status == HTTPStatus.OK


@pytest.mark.parametrize(
    ("none_match", "status"),
    [
        ("{}", HTTPStatus.NOT_MODIFIED),
        ("W/{}", HTTPStatus.NOT_MODIFIED),
        ('"a", {} ,"b"', HTTPStatus.NOT_MODIFIED),
        ("*", HTTPStatus.NOT_MODIFIED),
        ('"a"', HTTPStatus.OK),
        ("", HTTPStatus.OK),
        ("{}x", HTTPStatus.OK),
    ],
)
def test_who_has_it_is_told_so(trial: Trial, none_match: str, status: HTTPStatus) -> None:
    """With the headers that a cache renews its copy by (RFC 9110, section 15.4.5)."""
    replica = serving(trial)
    whole = replica.ask()
    answer = replica.ask(if_none_match=none_match.replace("{}", whole.headers["ETag"]))
    assert answer.status == status
    assert {k: v for k, v in whole.headers.items() if k != "Content-Type"}.items() <= answer.headers.items()
    assert bool(answer.body) == (status == HTTPStatus.OK)


def test_a_browser_may_ask_from_any_page(trial: Trial) -> None:
    """And may send the tag of what it has."""
    answer = serving(trial).ask(method="OPTIONS")
    assert answer.status == HTTPStatus.NO_CONTENT
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert answer.headers["Access-Control-Allow-Headers"] == "If-None-Match"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "PURGE"])
def test_nothing_can_be_changed(trial: Trial, method: str) -> None:
    """What may be asked is said."""
    answer = serving(trial).ask(method=method)
    assert answer.status == HTTPStatus.METHOD_NOT_ALLOWED
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    ["/", "", "*", "/.well-known/jwks.json/", "/.well-known//jwks.json", "/.well-known/JWKS.json", "/metrics", "/livez",
     "/.well-known/openid-configuration", "/.well-known/../.well-known/jwks.json", "/\x00", "/../etc/passwd"],
)  # fmt: skip
def test_nothing_else_is_served_and_no_cache_keeps_that(trial: Trial, path: str) -> None:
    """A cache that keeps a 404 keeps verifiers from their keys."""
    answer = serving(trial).ask(path)
    assert answer.status == HTTPStatus.NOT_FOUND
    assert answer.headers["Cache-Control"] == "no-store"


def test_before_the_set_is_known_the_answer_says_when_to_ask_again(trial: Trial) -> None:
    """That answer is not kept either."""
    replica = Looking(trial, policy(trial)).look()
    answer = replica.ask()
    assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert (answer.headers["Retry-After"], answer.headers["Cache-Control"]) == ("5", "no-store")


def test_the_configuration_of_an_issuer(trial: Trial) -> None:
    """What a verifier of its tokens needs, as kube-apiserver gives it; below the issuer (OpenID Connect Discovery, section 4)."""
    replica = serving(trial, issuer="https://api.example.com:8443/tenant/", path="/keys")
    answer = replica.ask("/tenant/.well-known/openid-configuration")
    assert json.loads(answer.body) == {
        "issuer": "https://api.example.com:8443/tenant/",
        "jwks_uri": "https://api.example.com:8443/keys",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
    }
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "public, max-age=300, must-revalidate"
    assert replica.ask("/keys").status == HTTPStatus.OK
    again = replica.ask("/tenant/.well-known/openid-configuration", if_none_match=answer.headers["ETag"])
    assert again.status == HTTPStatus.NOT_MODIFIED


def _kid(answer: Answer) -> str:
    return str(json.loads(answer.body)["keys"][0]["kid"])


def test_a_host_decides_only_where_several_sets_are_at_one_path(trial: Trial) -> None:
    """So one set answers at its public name and at that of a Service; of two, none answers for the other."""
    one, two = policy(trial, "one", host="a.example"), policy(trial, "two", host="b.example")
    alone, both = Looking(trial, one, name="alone"), Looking(trial, one, two, name="both")
    for replica in (alone, both):
        replica.look()
    trial.fleet(one, two)
    for replica in (alone, both):
        replica.look()
    for host in ("a.example", "rotator-serve.rotator.svc", ""):
        assert _kid(alone.ask(host=host)) == trial.accepted("one")[0]
    assert _kid(both.ask(host="a.example")) == trial.accepted("one")[0]
    assert _kid(both.ask(host="b.example")) == trial.accepted("two")[0]
    assert both.ask(host="c.example").status == HTTPStatus.NOT_FOUND


def test_the_least_age_of_those_who_share_a_document_counts(trial: Trial) -> None:
    """Each lead was computed from its own: the answer never lets anybody cache it for longer than any of them."""
    shared = {"jwks": {"configMap": "one-accepted", "maxAge": "90s", "shared": True, "served": {}}}
    one, two = policy(trial, "one"), trial.policy("two", verifiers=[shared])
    (source,) = declared([one, two]).sources.values()
    assert source.max_age == timedelta(seconds=90)
    assert source.ages.keys() == {one.ref, two.ref}
