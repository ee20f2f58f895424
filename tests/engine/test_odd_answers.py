"""Answers of an odd shape are the error of the rotation that met them, in words; the others go on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rotator.engine.outcome import Result
from tests.faults.environment import Bao
from tests.faults.transport import Answer
from tests.trial import Trial

KUBERNETES: dict[str, Any] = {"kubernetes": {}}
META = {"name": "key", "namespace": "payments", "resourceVersion": "7"}
LOGIN = "/auth/approle/login"


@pytest.fixture
def trial(bao: Bao) -> Trial:
    """A trial of the test's own."""
    return Trial(bao)


def _kv(**changes: Any) -> dict[str, Any]:
    return {"data": {"data": {}, "metadata": {"version": 1}, **changes}}


@pytest.mark.parametrize(
    ("method", "tail", "answer", "expected"),
    [
        # Vault
        ("POST", LOGIN, {"auth": None}, "auth is missing"),
        ("POST", LOGIN, [], "is no JSON object"),
        ("POST", LOGIN, {"auth": []}, "auth is a list, expected an object"),
        ("POST", LOGIN, {"auth": {"client_token": 7}}, "auth.client_token is a number, expected a text"),
        ("POST", LOGIN, {"auth": {"client_token": "a\r\nb: c"}}, "auth.client_token is no token"),
        ("POST", LOGIN, {"auth": {"client_token": "\u2603"}}, "auth.client_token is no token"),
        ("POST", LOGIN, {"auth": {"client_token": "x", "lease_duration": "abc"}}, "auth.lease_duration is a text"),
        ("POST", LOGIN, {"auth": {"client_token": "x", "lease_duration": 1e30}}, "auth.lease_duration is a number"),
        ("POST", LOGIN, b'{"auth": {"client_token": "x", "lease_duration": 1e400}}', "beyond all bounds"),
        ("POST", LOGIN, b"[" * 100_000, "deeper than"),
        ("GET", "/bad", {"data": []}, "no KV version 2"),
        ("GET", "/bad", {}, "no KV version 2"),
        ("GET", "/bad", _kv(metadata=None), "no KV version 2"),
        ("GET", "/bad", _kv(metadata={"version": "x"}), "no KV version 2"),
        ("GET", "/bad", b'{"data": {"data": {}, "metadata": {"version": 1e400}}}', "beyond all bounds"),
        ("GET", "/bad", _kv(data=["x"]), "no KV version 2"),
        ("GET", "/bad", _kv(data={"ring": {"a": 1}}), "cannot be read"),
        ("GET", "/bad", _kv(data={"ring": "[" * 100_000, "material": "{}"}), "cannot be read"),
        ("GET", "/bad", Answer(404, {}, b'{"data": [1]}'), "HTTP 404, and the answer is odd: data is a list"),
        ("GET", "/bad", Answer(404, {}, b'{"data": {"metadata": {"version": -1}}}'), "data.metadata.version"),
        ("GET", "/bad", Answer(404, {}, b'{"errors": ["namespace not found"]}'), "knows no such namespace"),
        ("GET", "/bad", Answer(404, {}, b'{"errors": ["odd"]}'), "whether anything is there it does not say"),
        ("POST", LOGIN, Answer(404, {}, b'{"errors": ["namespace not found"]}'), "knows no such namespace"),
        ("POST", LOGIN, Answer(404, {}, b'{"errors": ["no handler for route"]}'), "the login was refused (HTTP 404: nothing is mounted there"),
        ("POST", LOGIN, Answer(404, {}, b'{"errors": []}'), "the login was refused (HTTP 404)"),
        ("GET", "/bad", Answer(404, {}, b"<html>"), "HTTP 404, and the answer is odd: it is no JSON"),
        # the Kubernetes API
        ("GET", "/configmaps/bad-accepted", {}, "metadata is missing"),
        ("GET", "/configmaps/bad-accepted", [], "is no JSON object"),
        ("GET", "/configmaps/bad-accepted", {"metadata": []}, "metadata is a list, expected an object"),
        ("GET", "/configmaps/bad-accepted", {"metadata": {**META, "resourceVersion": 7}}, "resourceVersion is a number"),
        ("GET", "/configmaps/bad-accepted", {"metadata": {**META, "annotations": ["x"]}}, "annotations is a list"),
        ("GET", "/configmaps/bad-accepted", {"metadata": {**META, "labels": {"a": {}}}}, "labels.a is an object"),
        ("GET", "/configmaps/bad-accepted", {"metadata": META, "data": "x"}, "data is a text, expected an object"),
        ("GET", "/configmaps/bad-accepted", {"metadata": META, "data": {"jwks.json": 7}}, "is a number, expected a text"),
        ("GET", "/configmaps/bad-accepted", b'{"metadata": {"name": "\\ud800"}}', "half a character"),
        ("GET", "/leases/rotation-bad", {"metadata": None}, "metadata is missing"),
    ],
    ids=lambda value: (repr(value.body) if isinstance(value, Answer) else repr(value))[:70],
)  # fmt: skip
def test_an_odd_answer_is_one_rotations_error(
    trial: Trial, method: str, tail: str, answer: Any, expected: str
) -> None:
    """It is frozen with the reason, nothing is a defect, and the other one goes on."""
    bad, good = trial.policy("bad"), trial.policy("good", store=KUBERNETES)
    if "leases" in tail:
        trial.run(trial.policy("bad", every="31d"))
        trial.answers["PATCH", tail] = Answer(409, {}, b"{}")
    body = answer if isinstance(answer, bytes) else json.dumps(answer, default=str).encode()
    trial.answers[method, tail] = answer if isinstance(answer, Answer) else Answer(200, {}, body)
    report = trial.fleet(bad, good)
    assert [o.result for o in report.outcomes] == [Result.FROZEN, Result.WAITING]
    assert expected in report.outcomes[0].reason
    assert "defect" not in report.outcomes[0].reason


@pytest.mark.parametrize(
    "page",
    [
        {},
        [],
        {"items": None, "metadata": {}},
        {"items": {}, "metadata": {}},
        {"items": [], "metadata": []},
        {"items": [], "metadata": {"continue": 7}},
        {"items": [], "metadata": {"continue": "again"}},
        {"items": [7, None, [], {}, {"metadata": 7}], "metadata": {}},
    ],
    ids=repr,
)
def test_an_odd_list_of_leases_ends_no_run(trial: Trial, page: Any) -> None:
    """Its namespace has the error, or the lease is looked at by itself."""
    trial.answers["GET", "/leases"] = Answer(200, {}, json.dumps(page).encode())
    report = trial.fleet(trial.policy("one", store=KUBERNETES), trial.policy("two"))
    assert {o.result for o in report.outcomes} <= {Result.FROZEN, Result.WAITING}
    assert not [o.reason for o in report.outcomes if "defect" in o.reason or not o.reason]
