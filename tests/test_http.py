"""Requests to providers: what is sent, what is believed, and what never shows."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rotator.clients.clock import RunClock
from rotator.clients.connections import shared, verified
from rotator.clients.http import Http
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.core.sensitive import Sensitive
from rotator.errors import Ambiguous, ClientError, Conflict, Forbidden, NotFound, Rejected, Unavailable
from rotator.ports import Deadline
from rotator_sandbox.certificates import issue
from rotator_sandbox.identity.served import Api, Asked, Said, Served

HIDDEN = "s3cret-of-a-client"


class Echo(Api):
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.says = Said(200, {})
        self.asked: list[Asked] = []
        for method in ("GET", "POST", "PUT", "DELETE"):
            self.route(method, ".*", self._answer)

    def _answer(self, asked: Asked) -> Said:
        self.asked.append(asked)
        return self.says


class Key:
    """Lets us in."""

    def headers(self) -> dict[str, Sensitive]:
        """Return what every request carries."""
        return {"Authorization": Sensitive(f"Bearer {HIDDEN}")}


def client(attempts: int = 1) -> Http:
    """Return a client that asks once."""
    clock = RunClock()
    retry = Retry(clock, Deadline(datetime.now(UTC) + timedelta(minutes=1)), attempts)
    return Http(retry, Meter(clock), system="okta", access=Key())


def test_a_secret_leaves_in_the_body_and_the_header_only() -> None:
    """Proves that `Sensitive` is revealed in documents, forms and headers, and in no message."""
    with Served(Echo()) as served:
        echo = served.api
        assert isinstance(echo, Echo)
        client().send("POST", f"{served.url}/a?x=1", document={"deep": [{"secret": Sensitive(HIDDEN)}]})
        client().send("POST", f"{served.url}/a", form={"secret": Sensitive(HIDDEN), "a b": "ä&"})
        assert echo.asked[0].document == {"deep": [{"secret": HIDDEN}]}
        assert echo.asked[1].form == {"secret": HIDDEN, "a b": "ä&"}
        assert {a.headers["authorization"] for a in echo.asked} == {f"Bearer {HIDDEN}"}
        echo.says = Said(400, {"error": "bad", "error_description": HIDDEN})
        with pytest.raises(Rejected) as caught:
            client().send("POST", f"{served.url}/a?page=2", form={"secret": Sensitive(HIDDEN)})
        assert str(caught.value) == f"POST {served.url}/a: HTTP 400 bad"
        assert caught.value.reason == "bad"


@pytest.mark.parametrize(
    "asks", [{"form": {"secret": Sensitive(HIDDEN)}}, {"document": {"a": [Sensitive(HIDDEN)]}}, {}]
)
def test_a_server_that_sends_a_secret_back_as_its_error_is_not_quoted(asks: dict[str, Any]) -> None:
    """Neither one that it was sent in a body, nor the one that let us in."""
    with Served(Echo()) as served:
        assert isinstance(served.api, Echo)
        for error in ({"error": HIDDEN}, {"errorCode": HIDDEN}, {"error": {"code": HIDDEN}}):
            served.api.says = Said(400, error)
            with pytest.raises(Rejected) as caught:
                client().send("POST", f"{served.url}/a", **asks)
            assert str(caught.value) == f"POST {served.url}/a: HTTP 400"
            assert caught.value.reason == ""


@pytest.mark.parametrize(
    ("said", "expected", "reason"),
    [
        (Said(400, {"error": "invalid_client"}), Rejected, "invalid_client"),
        (Said(401, {"errorCode": "E0000011", "errorSummary": "x"}), Forbidden, "E0000011"),
        (Said(403, {"error": {"code": "Authorization_RequestDenied"}}), Forbidden, "Authorization_RequestDenied"),
        (Said(404), NotFound, ""),
        (Said(409, {"error": "a sentence, which may quote us"}), Conflict, ""),
        (Said(429), Unavailable, ""),
        (Said(500), Ambiguous, ""),
        (Said(302, None, {"Location": "https://elsewhere.example"}), Ambiguous, ""),
        (Said(307, None, {"Location": "https://elsewhere.example"}), Rejected, ""),
        (Said(400, ["no object"]), Rejected, ""),
    ],
)  # fmt: skip
def test_answers_mean_the_same_whoever_gives_them(
    said: Said, expected: type[ClientError], reason: str
) -> None:
    """Proves that status and the server's own word are kept, and that nobody is followed elsewhere."""
    with Served(Echo()) as served:
        echo = served.api
        assert isinstance(echo, Echo)
        echo.says = said
        with pytest.raises(ClientError) as caught:
            client().send("PUT", f"{served.url}/a", document={})
        assert type(caught.value) is expected
        assert (caught.value.code, caught.value.reason) == (said.status, reason)
        assert len(echo.asked) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7", "X-Rate-Limit-Reset": "1", "Date": "Thu, 01 Jan 1970 00:00:00 GMT"}, 7.0),
        ({"X-Rate-Limit-Reset": "90", "Date": "Thu, 01 Jan 1970 00:01:00 GMT"}, 30.0),
        ({"X-Rate-Limit-Reset": "10", "Date": "Thu, 01 Jan 1970 00:01:00 GMT"}, 1.0),
        ({"X-Rate-Limit-Reset": "90"}, None),
        ({"X-Rate-Limit-Reset": "soon", "Date": "Thu, 01 Jan 1970 00:01:00 GMT"}, None),
        ({"X-Rate-Limit-Reset": "90", "Date": "never"}, None),
    ],
)
def test_a_limit_says_when_to_come_again(headers: dict[str, str], seconds: float | None) -> None:
    """Proves that Okta's instant is read by the server's own clock, and garbage as nothing."""
    with Served(Echo()) as served:
        echo = served.api
        assert isinstance(echo, Echo)
        echo.says = Said(429, None, headers)
        with pytest.raises(Unavailable) as caught:
            client().send("POST", f"{served.url}/a")
        assert caught.value.retry_after == seconds


def test_only_what_changes_nothing_is_asked_again() -> None:
    """Proves that a lost answer to a write goes back to the caller (I6), and that one to a read is asked for again."""
    with Served(Echo()) as served:
        echo = served.api
        assert isinstance(echo, Echo)
        echo.says = Said(500)
        for method, read in (("POST", None), ("POST", True), ("GET", None)):
            with pytest.raises(Ambiguous):
                client(2).send(method, f"{served.url}/a", read=read)
        assert [a.method for a in echo.asked] == ["POST", "POST", "POST", "GET", "GET"]


def test_the_systems_bundle_is_loaded_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each rotation at a provider has clients of its own; what verifies the servers of all of them is one thing."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert shared(None) is shared(None)
    assert shared(None).verify_mode is ssl.CERT_REQUIRED
    assert shared(None).check_hostname
    assert verified(None) is not shared(None), "one that gets a client certificate is its owner's alone"
    ca_file = issue(tmp_path).ca
    assert shared(str(ca_file)) is not shared(None)
    by_default = shared(None)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    assert shared(None) is not by_default
    assert shared(None).cert_store_stats()["x509"] == 1
