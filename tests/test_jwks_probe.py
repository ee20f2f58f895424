"""The JWKS probe against a real HTTP server: what it must see, and what it says when it does not."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rotator.clients.addresses import named, where
from rotator.clients.http import LARGEST, Http
from rotator.clients.meter import Meter
from rotator.clients.retry import ATTEMPTS, Retry
from rotator.core.machine import Sighting
from rotator.errors import SettingsError
from rotator.ports import Deadline
from rotator.systems.jwks_probe import Probe
from rotator_sandbox.certificates import ServerFiles, issue

LEAD = timedelta(minutes=9)
NEW = json.dumps({"keys": [{"kid": "old"}, {"kid": "new"}]})
OLD = json.dumps({"keys": [{"kid": "old"}]})


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the instant."""
        return self.instant

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.instant += timedelta(seconds=seconds)

    def correct(self, by: timedelta) -> None:
        """Move it."""
        self.instant += by


@dataclass(frozen=True)
class Answer:
    """What the server says."""

    body: str | bytes = NEW
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()


@dataclass
class Served:
    """A server that gives its answers in order, the last one for ever."""

    answers: Sequence[Answer]
    url: str = ""
    requests: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def serve(*answers: Answer, tls: ServerFiles | None = None) -> Iterator[Served]:
    """Serve answers on loopback."""
    served = Served(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = served.answers[min(len(served.requests), len(served.answers) - 1)]
            served.requests.append({k.lower(): v for k, v in self.headers.items()})
            body = answer.body.encode() if isinstance(answer.body, str) else answer.body
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    served.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/jwks.json"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def look(
    url: str, *, times: int = 3, ca: Path | None = None, lead: timedelta = LEAD, meter: Meter | None = None
) -> Sighting:
    """Probe once for the version `new`."""
    clock = Clock()
    retry = Retry(clock, Deadline(clock.now() + timedelta(hours=1)))
    http = Http(retry, meter or Meter(clock), ca_file=str(ca) if ca else None)
    return Probe(http, url, times, lead, clock).check("new")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ServerFiles:
    """Make a CA and a server certificate."""
    return issue(tmp_path_factory.mktemp("tls"))


def test_it_opens_when_every_answer_shows_the_key() -> None:
    """Proves the good case: as many requests as asked for, then open."""
    with serve(Answer()) as served:
        seen = look(served.url, times=4)
    assert seen == Sighting(name=f"jwksProbe {served.url}", confirmed=True)
    assert len(served.requests) == 4
    assert served.requests[0]["accept"] == "application/json"


@pytest.mark.parametrize("position", [1, 2, 3])
def test_one_answer_without_the_key_keeps_it_closed(position: int) -> None:
    """Proves that one stale replica is enough to wait, and that the answer is named."""
    answers = [Answer(), Answer(), Answer()]
    answers[position - 1] = Answer(OLD)
    with serve(*answers) as served:
        seen = look(served.url)
    assert not seen.confirmed
    assert not seen.failed
    assert seen.waiting == f"answer {position} of 3 does not show new"
    assert len(served.requests) == position


@pytest.mark.parametrize(
    "body",
    [
        '{"keys": []}',
        "{}",
        '{"keys": null}',
        '{"keys": 5}',
        '{"keys": "new"}',
        '{"keys": {"kid": "new"}}',
        '["new"]',
        '"new"',
        "null",
        "7",
        '{"keys": ["new", 7, null]}',
        '{"keys": [{"x5t": "new"}]}',
        '{"kid": "new"}',
    ],
)
def test_a_document_that_is_no_jwk_set_shows_nothing(body: str) -> None:
    """Proves that any JSON is read without trust: it is waited, never crashed."""
    with serve(Answer(body)) as served:
        assert look(served.url).waiting == "answer 1 of 3 does not show new"


@pytest.mark.parametrize(
    "value",
    [
        "max-age=541",
        "public, max-age=86400",
        "MAX-AGE=541",
        "Max-Age=541",
        "s-maxage=3600, max-age=1",
        "max-age=1,s-maxage=541",
        'max-age="541"',
        "max-age = 541",
        "max-age=99999999999999999999",
    ],
)
def test_a_cache_lifetime_above_the_lead_is_a_failure(value: str) -> None:
    """Proves that a header which breaks the policy's sum is named, however it is written (RFC 9111, section 5.2)."""
    with serve(Answer(headers=[("Cache-Control", value)])) as served:
        seen = look(served.url)
    assert not seen.confirmed
    assert "the lead is only 9m: raise maxAge of the jwks verifier, or lower the header" in seen.failed


def test_an_expiry_above_the_lead_is_a_failure() -> None:
    """A server without Cache-Control may say it by Expires (RFC 9111, section 5.3); the server sends its own Date."""
    expires = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    with serve(Answer(headers=[("Expires", expires)])) as served:
        seen = look(served.url)
        assert "a cache lifetime of " in seen.failed
        assert "the lead is only 9m" in seen.failed
    with serve(Answer(headers=[("Expires", expires), ("Cache-Control", "max-age=60")])) as served:
        assert look(served.url).confirmed


def test_a_cache_on_the_way_that_keeps_it_for_longer_is_a_failure() -> None:
    """Whatever the header allows: an answer of that age shows that the old list was served as long after the change."""
    with serve(Answer(headers=[("Cache-Control", "max-age=60"), ("Age", "541")])) as served:
        assert "a cache on the way has kept it for 9m1s (Age), the lead is only 9m" in look(served.url).failed
    with serve(Answer(headers=[("Cache-Control", "max-age=60"), ("Age", "540")])) as served:
        assert look(served.url).confirmed


def test_the_failure_names_the_lifetime() -> None:
    """Proves that a person reads both figures."""
    with serve(Answer(headers=[("Cache-Control", "max-age=3600")])) as served:
        assert "a cache lifetime of 1h, the lead is only 9m" in look(served.url).failed


def test_every_cache_header_counts() -> None:
    """Proves that a second Cache-Control line does not hide the first (RFC 9110, section 5.3)."""
    with serve(Answer(headers=[("Cache-Control", "max-age=3600"), ("Cache-Control", "public")])) as served:
        assert look(served.url).failed


@pytest.mark.parametrize(
    "value",
    ["max-age=540", "no-store", "", "max-age=", "max-age=soon", "x-max-age=9999", "stale-if-error=9999"],
)
def test_a_cache_lifetime_within_the_lead_is_fine(value: str) -> None:
    """Proves the bound itself, and that other directives say nothing."""
    with serve(Answer(headers=[("Cache-Control", value)])) as served:
        assert look(served.url).confirmed


@pytest.mark.parametrize(
    ("status", "asked"), [(500, ATTEMPTS), (503, ATTEMPTS), (404, 1), (403, 1), (301, 1), (204, 1)]
)
def test_another_status_is_waited_for(status: int, asked: int) -> None:
    """Proves that a failing server closes the gate and is named, and that only what may pass is asked again."""
    headers = [("Location", "http://127.0.0.1:1/")] if status == 301 else []
    with serve(Answer("" if status == 204 else NEW, status, headers)) as served:
        seen = look(served.url)
    assert not seen.confirmed
    assert not seen.failed
    moved = f": {where(served.url)} redirects to 127.0.0.1:1. " if status == 301 else ""
    assert seen.waiting.startswith(f"GET {served.url}: HTTP {status}{moved}")
    assert len(served.requests) == asked


def test_a_server_that_recovers_is_seen() -> None:
    """Proves that a hiccup within the attempts is no reason to wait for the next run."""
    with serve(Answer(status=503), Answer(status=500), Answer()) as served:
        assert look(served.url).confirmed


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<html>", "it is no JSON"),
        ("", "it is no JSON"),
        ('{"keys": [', "it is no JSON"),
        (b"\xff\xfe", "it is no UTF-8"),
    ],
    ids=["HTML", "nothing", "cut off", "bytes"],
)
def test_an_answer_that_is_no_json_is_named(body: str | bytes, why: str) -> None:
    """Proves that a login page in front of the JWKS is told from a missing key, and is not quoted."""
    with serve(Answer(body)) as served:
        assert look(served.url).waiting == f"GET {served.url}: the answer is no JSON document: {why}"


def test_a_huge_answer_is_not_read_to_its_end() -> None:
    """Proves that memory is bounded."""
    with serve(Answer('{"keys": [{"kid": "new"}], "x": "' + "x" * LARGEST + '"}')) as served:
        assert look(served.url).waiting.endswith("the answer is larger than 1048576 bytes")


def test_the_query_is_not_shown() -> None:
    """Proves that a token in the query of a URL stays out of messages of ours that quote the request (I8)."""
    with serve(Answer(OLD, 404)) as served:
        assert "hunter2" not in look(f"{served.url}?token=hunter2").waiting


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://vault:8200/v1", "vault:8200"),
        ("https://user:hunter2@vault", "vault"),
        ("http://[::1]:80/x", "[::1]:80"),
        ("http://host:999999/", "host:999999"),
        ("http://[/", "["),
    ],
)
def test_a_place_is_shown_as_it_was_given_and_without_a_password(address: str, shown: str) -> None:
    """Also one that is none: a message must never fail."""
    assert where(address) == shown


def test_a_refused_connection_is_waited_for() -> None:
    """Proves that a server that is down closes the gate, and that each attempt is counted."""
    with serve(Answer()) as served:
        pass
    meter = Meter(Clock())
    seen = look(served.url, meter=meter)
    assert not seen.confirmed
    assert seen.waiting == f"GET {served.url}: {where(served.url)} was not reached (Connection refused)"
    assert meter.requests == {("http", "GET", 0): ATTEMPTS}


def test_a_server_of_our_ca_is_trusted(files: ServerFiles) -> None:
    """Proves `caFile`."""
    with serve(Answer(), tls=files) as served:
        assert look(served.url, ca=files.ca).confirmed


def test_a_server_of_an_unknown_ca_is_not_trusted(files: ServerFiles) -> None:
    """Proves that TLS is verified: no document is read from a server that nobody vouches for."""
    with serve(Answer(), tls=files) as served:
        seen = look(served.url)
    assert not seen.confirmed
    unknown = "its certificate is not valid here: unable to get local issuer certificate"
    assert (
        seen.waiting
        == f"GET {served.url}: {where(served.url)} was not reached ({unknown}); is its CA in caFile?"
    )
    assert served.requests == []


def test_a_server_of_another_name_is_not_trusted(files: ServerFiles) -> None:
    """Proves that the name is verified too: the certificate is for 127.0.0.1 and localhost."""
    with serve(Answer(), tls=files) as served:
        seen = look(served.url.replace("127.0.0.1", "127.0.0.2"), ca=files.ca)
    assert not seen.confirmed
    assert served.requests == []


@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["missing", "empty", "garbage"])
def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    """Proves that a wrong `caFile` is a sentence that names it."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match="expected a PEM bundle") as caught:
        look("https://127.0.0.1:1/", ca=file)
    assert str(file) in str(caught.value)


def test_a_ca_file_of_an_impossible_name_is_refused() -> None:
    """Proves that what no file can be called is a sentence as well."""
    with pytest.raises(SettingsError, match="expected a PEM bundle"):
        look("https://127.0.0.1:1/", ca=Path("ca\0.pem"))


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://vault", "vault:443"),
        ("https://vault:8200/a", "vault:8200"),
        ("HTTPS://vault/", "vault:443"),
        ("http://localhost", "localhost:80"),
        ("https://[::1]", "[::1]:443"),
        ("https://[::1]:8200", "[::1]:8200"),
        ("ldaps://directory", "directory"),
        ("https://\x1b[31m", "?"),
    ],
)
def test_who_was_not_reached_is_named_with_the_port(address: str, shown: str) -> None:
    """Who left it out does not know which one was asked."""
    assert named(address) == shown
