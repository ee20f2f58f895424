"""Whole lives of credentials that holders read in encodings and in texts of their own."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rotator.core.sensitive import Sensitive
from rotator.credentials.keys import from_pem, to_jwk, to_pem
from rotator.engine.outcome import Result
from tests.faults.environment import NAMESPACE, Bao
from tests.faults.traffic import text_of
from tests.trial import Trial

DAYS_30 = timedelta(days=30)
RSA = {"jwtSigningKey": {"algorithm": "RS256", "bits": 2048}}
OPAQUE = {"sharedSecret": {"length": 40}}
LIST = [{"acceptedList": {"secret": "key-accepted", "maxAge": "5m"}}]
IN_USE = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
)


@pytest.fixture
def trial(bao: Bao) -> Trial:
    """An empty cluster, an empty path in Vault, and time of its own."""
    return Trial(bao)


def held(trial: Trial, name: str) -> str:
    """Return what the Secret holds under a data key."""
    return text_of(trial.environment.secret("key"), name, secret=True) or ""


def there(trial: Trial, **data: bytes) -> None:
    """Make the Secret that holds the credential in use."""
    encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    trial.environment.ask("POST", path, {"metadata": {"name": "key"}, "data": encoded})


def handing(data: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """Return the one holder, a Secret."""
    return {"holders": [{"secret": {"name": "key", "data": dict(data)}, **more}]}


def thumbprint(pem: str) -> str:
    """Return the id of the key that is written down, in whatever PEM."""
    return to_jwk(to_pem(from_pem(Sensitive(pem)))).thumbprint()


def test_a_key_in_pkcs1_lives_as_any_other(trial: Trial) -> None:
    """Each version stands there as PKCS #1, alone and in JSON, and is the key that verifiers accept."""
    data = {"key": "private_key|pkcs1", "config.json": '{"key": ${private_key|json}}', "kid": "kid"}
    policy = trial.policy(credential=RSA, **handing(data))
    seen = []
    for _ in range(2):
        trial.until_stable(policy)
        pem = held(trial, "key")
        assert pem.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
        assert [thumbprint(pem)] == trial.accepted() == [held(trial, "kid")]
        assert thumbprint(json.loads(held(trial, "config.json"))["key"]) == held(trial, "kid")
        seen.append(pem)
        trial.timeline.pass_by(DAYS_30)
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize(
    "more", [{}, {"restart": {"workloads": "auto", "soak": "0s"}}], ids=["rereads", "restarts"]
)
def test_a_list_has_the_previous_value_while_it_is_accepted(trial: Trial, more: Any) -> None:
    """A text with two versions is `new`, then `new,old`, then `new`; no value but these ever stands there."""
    policy = trial.policy(
        credential=OPAQUE,
        verifiers=LIST,
        **handing({"SECRETS": "${value},${previous.value}", "now": "value"}, **more),
    )
    trial.until_stable(policy)
    first = held(trial, "now")
    assert held(trial, "SECRETS") == first
    before = int(trial.environment.deployment()["metadata"]["generation"])
    trial.timeline.pass_by(DAYS_30)
    lists = [held(trial, "SECRETS")]
    for _ in range(40):
        outcome = trial.run(policy)
        assert outcome.result != Result.FROZEN, outcome.reason
        if held(trial, "SECRETS") != lists[-1]:
            lists.append(held(trial, "SECRETS"))
        if outcome.reason.startswith("the next rotation"):
            break
        trial.wait(outcome)
    second = held(trial, "now")
    assert second != first
    assert lists == [first, f"{second},{first}", second]
    restarts = int(trial.environment.deployment()["metadata"]["generation"]) - before
    assert restarts == (2 if more else 0)


def test_a_list_that_somebody_edits_is_put_right(trial: Trial) -> None:
    """A text is compared as text: an edit of it is a difference, and is repaired."""
    policy = trial.policy(credential=OPAQUE, verifiers=LIST, **handing({"SECRETS": "a=${value|url}"}))
    trial.until_stable(policy)
    right = held(trial, "SECRETS")
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/key"
    trial.environment.ask("PATCH", path, {"data": {"SECRETS": base64.b64encode(b"a=theirs").decode()}})
    assert trial.run(policy).result != Result.FROZEN
    assert held(trial, "SECRETS") == right


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (IN_USE, "private_key|pkcs8"),
        (IN_USE, "private_key|pkcs1"),
        (base64.b64encode(IN_USE), "private_key|base64"),
        (base64.encodebytes(IN_USE), "private_key|base64"),
        (json.dumps(IN_USE.decode()).encode(), "private_key|json"),
        (IN_USE.replace(b"\n", b"\\n"), "private_key|escaped"),
    ],
    ids=["PKCS #8", "PKCS #1", "base64", "base64 in lines", "JSON", "one line"],
)
def test_what_is_taken_over_is_compared_by_the_key_in_its_encoding(
    trial: Trial, theirs: bytes, ours: str
) -> None:
    """It stays as it is until the first rotation, which writes the encoding that is declared."""
    there(trial, key=theirs)
    policy = trial.policy(
        credential=RSA,
        takeOver={"secret": {"name": "key", "key": "key"}},
        **handing({"key": ours, "kid": "kid"}),
    )
    trial.until_stable(policy)
    assert held(trial, "key") == theirs.decode()
    assert trial.accepted() == [held(trial, "kid")] == [thumbprint(IN_USE.decode())]
    trial.timeline.pass_by(DAYS_30)
    trial.until_stable(policy)
    assert held(trial, "key") != theirs.decode()
    assert trial.accepted() == [held(trial, "kid")]


def test_a_value_that_cannot_be_written_so_freezes_before_it_is_taken_over(trial: Trial) -> None:
    """The reason names the field and the encoding, and nothing of the value; nothing is begun."""
    there(trial, theirs=b"it's a secret")
    policy = trial.policy(
        credential=OPAQUE,
        verifiers=LIST,
        takeOver={"secret": {"name": "key", "key": "theirs"}},
        **handing({"ENV": "A=${value|dotenv}"}),
    )
    outcome = trial.run(policy)
    assert outcome.result == Result.FROZEN
    assert "value cannot be written as dotenv: its value holds a quote" in outcome.reason
    assert "it's a" not in outcome.reason
    assert held(trial, "ENV") == ""
