"""What Vault may answer about the secret ids of a role instead of what it answers: words, and no belief."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rotator.errors import ClientError, Frozen
from tests.fuzz.roles import (
    ADD,
    AROUND,
    AUTH,
    DESTROY,
    FOUND,
    GOOD,
    LOGIN,
    LOOKUP,
    ROLE_ID,
    SECRET_ID,
    Says,
    acts,
    vault,
)

ACCEPT, FORGET, FREE, LOG_IN = range(4)
WRAPPED = {**AROUND, "data": None, "wrap_info": {"token": "s.wrapped", "ttl": 60}}
LIMITED = "its secret ids end by themselves"


def said(status: int, answer: Any) -> tuple[int, bytes]:
    """Write an answer."""
    return status, answer if isinstance(answer, bytes) else json.dumps(answer).encode()


ROWS: list[tuple[str, int, Any, list[int], str]] = [
    (LOOKUP, 200, {}, [ACCEPT, FORGET], "data is missing"),
    (LOOKUP, 200, WRAPPED, [ACCEPT, FORGET], "data is missing"),
    (LOOKUP, 200, {"data": []}, [ACCEPT, FORGET], "data is a list"),
    (LOOKUP, 200, {"data": {}}, [ACCEPT, FORGET], "data.expiration_time is missing"),
    (LOOKUP, 200, {"data": {**FOUND, "expiration_time": None}}, [ACCEPT, FORGET], "data.expiration_time is missing"),
    (LOOKUP, 200, {"data": {**FOUND, "expiration_time": 7}}, [ACCEPT, FORGET], "data.expiration_time is a number"),
    (LOOKUP, 200, {"data": {**FOUND, "secret_id_num_uses": "0"}}, [ACCEPT, FORGET], "secret_id_num_uses is a text"),
    (LOOKUP, 200, {"data": {**FOUND, "secret_id_num_uses": -1}}, [ACCEPT, FORGET], "secret_id_num_uses is a number"),
    (LOOKUP, 200, {"data": {**FOUND, "secret_id_num_uses": 1e30}}, [ACCEPT, FORGET], "secret_id_num_uses is a number"),
    (LOOKUP, 200, {"data": {**FOUND, "secret_id_num_uses": 5}}, [ACCEPT], f"{LIMITED} .secret_id_num_uses"),
    (LOOKUP, 200, {"data": {**FOUND, "expiration_time": "2027-01-01T00:00:00Z"}}, [ACCEPT], f"{LIMITED} .secret_id_ttl"),
    (LOOKUP, 200, b"<html>", [ACCEPT, FORGET], "no JSON object"),
    (LOOKUP, 200, b"[" * 10_000, [ACCEPT, FORGET], "nested deeper"),
    (LOOKUP, 200, b'{"data": {"expiration_time": 1e400}}', [ACCEPT, FORGET], "beyond all bounds"),
    (LOOKUP, 404, b"<html>", [ACCEPT, FORGET], "HTTP 404, and the answer is odd"),
    (ROLE_ID, 200, {}, [FORGET, FREE, LOG_IN], "data is missing"),
    (ROLE_ID, 200, WRAPPED, [FORGET, FREE, LOG_IN], "data is missing"),
    (ROLE_ID, 200, {"data": {"role_id": ""}}, [FORGET, FREE, LOG_IN], "data.role_id is empty"),
    (ROLE_ID, 200, {"data": {"role_id": 7}}, [FORGET, FREE, LOG_IN], "data.role_id is a number"),
    (ROLE_ID, 200, b"[]", [FORGET, FREE, LOG_IN], "no JSON object"),
    (LOGIN, 200, WRAPPED, [LOG_IN], "auth is missing"),
    (LOGIN, 200, {"auth": {**AUTH, "client_token": "a\nb"}}, [LOG_IN], "client_token is no token"),
    (LOGIN, 200, {"auth": {**AUTH, "lease_duration": -1}}, [LOG_IN], "lease_duration is a number"),
    (LOGIN, 400, {"errors": ["missing secret_id"]}, [LOG_IN], "says nothing about them"),
    (LOGIN, 400, {"errors": ['source address "10.0.0.1" unauthorized by CIDR restrictions on the role']}, [LOG_IN], "secret_id_bound_cidrs"),
    (LOGIN, 400, b"<html>Bad Request</html>", [LOG_IN], "says nothing about them"),
]  # fmt: skip
"""Whose answer, which one, which looks it stops, and the words."""


@pytest.mark.parametrize(("tail", "status", "answer", "stops", "words"), ROWS, ids=range(len(ROWS)))
def test_an_odd_answer_about_a_role_is_no_look(
    tail: str, status: int, answer: Any, stops: list[int], words: str
) -> None:
    """Proves that nothing is believed to be there, to be gone or to be refused by an answer that does not say it."""
    for number in stops:
        says = Says({**{at: said(200, good) for at, good in GOOD.items()}, tail: said(status, answer)})
        with pytest.raises((ClientError, Frozen), match=words) as caught:
            list(acts(vault(says)))[number]()
        assert SECRET_ID not in str(caught.value)
        assert not [path for path in says.asked if path.endswith((ADD, DESTROY))]


@pytest.mark.parametrize("error", ["invalid role or secret ID", "invalid secret id", "invalid role ID"])
def test_a_secret_id_that_is_wrong_is_refused(error: str) -> None:
    """Proves that these words of the server, and they alone, say that a secret id works no more."""
    says = Says({**{at: said(200, good) for at, good in GOOD.items()}, LOGIN: said(400, {"errors": [error]})})
    assert list(acts(vault(says)))[LOG_IN]() is False


def test_what_the_server_says_nothing_of_is_not_there() -> None:
    """Proves that an answer without a word is how Vault says so: nothing is left to withdraw."""
    says = Says({ROLE_ID: said(200, GOOD[ROLE_ID])})
    assert list(acts(vault(says)))[FORGET]() is None
