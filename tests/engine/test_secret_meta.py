"""Labels, annotations, type and fixed texts of a Secret: said where rotator makes it, left alone where others did."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from rotator.engine.outcome import Result
from rotator.policy.model import RotationPolicy
from rotator.policy.rules import unsafe
from tests.faults.environment import NAMESPACE, Bao
from tests.trial import Trial

SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
KONG = {"konghq.com/credential": "jwt"}
MONTH = timedelta(days=30)


@pytest.fixture
def trial(bao: Bao) -> Trial:
    """An empty cluster, an empty path in Vault, and time of its own."""
    return Trial(bao)


def holding(trial: Trial, **secret: Any) -> RotationPolicy:
    """Return a declaration of a holder of which more is said."""
    return trial.policy(
        holders=[{"secret": {"name": "key", "data": {"key": "private_key", "kid": "kid"}, **secret}}]
    )


def found(trial: Trial) -> dict[str, Any]:
    """Return the Secret."""
    document = trial.environment.secret("key")
    assert document
    return dict(document)


def labels(trial: Trial) -> Mapping[str, str]:
    """Return its labels, ours left out."""
    ours = {"app.kubernetes.io/managed-by", "rotator.dev/managed"}
    return {n: v for n, v in found(trial)["metadata"]["labels"].items() if n not in ours}


def test_a_secret_that_rotator_makes_is_as_it_is_declared(trial: Trial) -> None:
    """With its type, its labels and annotations, and the texts that are no secret."""
    texts = {"username": "payments", "password": "none"}
    policy = holding(
        trial, labels=KONG, annotations={"team": "a b"}, type="kubernetes.io/basic-auth", texts=texts
    )
    trial.until_stable(policy)
    secret = found(trial)
    assert (labels(trial), secret["type"]) == (KONG, "kubernetes.io/basic-auth")
    assert secret["metadata"]["annotations"]["team"] == "a b"
    assert base64.b64decode(secret["data"]["username"]) == b"payments"


def test_one_that_others_made_keeps_what_they_say_of_it(trial: Trial) -> None:
    """Its type cannot be changed, and its labels are theirs."""
    theirs = {"metadata": {"name": "key", "labels": {"team": "shop"}}, "type": "Opaque", "data": {}}
    trial.environment.ask("POST", SECRETS, theirs)
    outcome = trial.until_stable(holding(trial, labels={**KONG, "team": "other"}, type="example.com/kind"))
    assert outcome.result is Result.WAITING
    assert (labels(trial), found(trial)["type"]) == ({"team": "shop"}, "Opaque")


def test_a_label_that_is_declared_later_is_added_and_nobody_is_restarted(trial: Trial) -> None:
    """The content is the same, and so is its revision."""
    trial.until_stable(holding(trial))
    before = found(trial)["metadata"]["annotations"]["rotator.dev/content-revision"]
    trial.run(holding(trial, labels=KONG))
    assert labels(trial) == KONG
    assert found(trial)["metadata"]["annotations"]["rotator.dev/content-revision"] == before
    assert trial.run(holding(trial, labels=KONG)).steps == ()


def test_a_label_that_somebody_takes_away_comes_back_once(trial: Trial) -> None:
    """Two who write would go on for ever: the second time a person has to look."""
    policy = holding(trial, labels=KONG)
    trial.until_stable(policy)
    away = {"metadata": {"labels": dict.fromkeys(KONG)}}
    trial.environment.ask("PATCH", f"{SECRETS}/key", away)
    assert any("repair" in step for step in trial.run(policy).steps)
    assert labels(trial) == KONG
    trial.environment.ask("PATCH", f"{SECRETS}/key", away)
    assert trial.run(policy).result is Result.FROZEN


def test_another_type_than_it_has_is_refused_before_a_version_is_made(trial: Trial) -> None:
    """Kubernetes changes no type; the plan says so weeks before."""
    ring = trial.until_stable(holding(trial)).ring
    policy = holding(trial, type="example.com/kind")
    assert "its type is Opaque, example.com/kind is declared" in trial.run(policy, act=False).reason
    trial.timeline.pass_by(MONTH)
    outcome = trial.run(policy)
    assert (outcome.result, outcome.ring) == (Result.FROZEN, ring)


def test_a_text_that_is_edited_in_the_declaration_is_delivered(trial: Trial) -> None:
    """Its readers are told as of any new content."""
    trial.until_stable(holding(trial, texts={"issuer": "one"}))
    trial.until_stable(holding(trial, texts={"issuer": "two"}))
    assert base64.b64decode(found(trial)["data"]["issuer"]) == b"two"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "our label": ({"labels": {"rotator.dev/managed": "false"}}, "labels"),
    "our annotation": ({"annotations": {"rotator.dev/revision": "9"}}, "annotations"),
    "kubectl's annotation": (
        {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
        "annotations",
    ),
    "a token of a service account": ({"type": "kubernetes.io/service-account-token"}, "type"),
    "a bootstrap token": ({"type": "bootstrap.kubernetes.io/token"}, "type"),
    "a certificate": ({"type": "kubernetes.io/tls"}, "type"),
    "a release of Helm": ({"type": "helm.sh/release.v1"}, "type"),
    "our ring": ({"type": "rotator.dev/ring"}, "type"),
    "a login without a name": ({"type": "kubernetes.io/basic-auth"}, "type"),
    "a text for a field": ({"texts": {"kid": "1"}}, "texts"),
    "a text for a field by its own name": ({"texts": {"kid": "1"}, "data": None}, "texts"),
}


@pytest.mark.parametrize(("secret", "field"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_for_people_to_say_is_refused(trial: Trial, secret: dict[str, Any], field: str) -> None:
    """With the field."""
    problems = [where for where, _ in unsafe(holding(trial, **secret))]
    assert problems == [("spec", "holders", 0, "secret", field)]
