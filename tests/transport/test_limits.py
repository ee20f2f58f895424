"""Every request has a limit for the whole of it, in time and in size, whatever a server does.

The servers here never stop: a test ends because the client does.
"""

from __future__ import annotations

import gzip
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from rotator.clients.clock import RunClock
from rotator.clients.retry import Retry
from rotator.errors import Ambiguous, ClientError, Unavailable
from rotator_sandbox.certificates import issue
from tests.transport.servers import Act, Greet, OverTls, drip, drip_beneath, flood, silence
from tests.transport.speakers import EVERY, SPEAKERS, TOKEN, retrying

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LONG = HEAD + b"Content-Length: 1000000000000\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
RECORD = b"\x17\x03\x03\x40\x00"
"""The head of a record of TLS, of the largest size (RFC 8446, section 5.2)."""

SLOW: dict[str, Act] = {
    "nothing": silence,
    "the status": drip(b"0", b"HTTP/1.1 200 OK"),
    "a header": drip(b"x", HEAD + b"X: "),
    "the body": drip(b" ", LONG),
    "a body without an announced end": drip(b" ", HEAD + b"\r\n"),
    "chunks": drip(b"1\r\n \r\n", CHUNKED),
    "the size of a chunk": drip(b"0", CHUNKED),
    "what comes after the chunks": drip(b"X: x\r\n", CHUNKED + b"0\r\n"),
    "interim answers": drip(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a record of TLS": drip_beneath(b"\x00", RECORD),
    "the body of a refusal": drip(b" ", LONG.replace(b"200 OK", b"503 No")),
    "the body of a redirect": drip(b" ", LONG.replace(b"200 OK", b"307 No")),
}
"""What comes slowly, once a request was taken."""


def _tls(octets: bytes, before: bytes) -> Greet:
    def greet(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        drip(octets, before)(connection)

    return greet


SLOW_BEFORE: dict[str, Greet] = {
    "nothing": silence,
    "the first record": _tls(b"\x00", b"\x16\x03\x03\x40\x00\x02\x00\x40\x00"),
    "empty warnings": _tls(b"\x15\x03\x03\x00\x02\x01\x5a", b""),
}
"""What comes slowly where TLS begins."""


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("slow", SLOW)
def test_an_answer_that_drips_ends_with_the_requests_limit(tmp_path: Path, speaker: str, slow: str) -> None:
    """Each byte is in time, the whole is not: what was written may have taken effect."""
    with OverTls(tmp_path, SLOW[slow]) as server:
        client = EVERY[speaker](server.place, str(server.files.ca), retrying(RunClock()), 1.0)
        with pytest.raises(Ambiguous, match=r"no answer from 127.0.0.1:\d+ \(out of time\)"):
            client.write()
        assert len(server.taken) == 1


def success(bind: bytes) -> bytes:
    """Answer a bind: success, under the number of the request (RFC 4511, sections 4.1.1 and 4.2.2)."""
    at = 2 + (bind[1] & 0x7F if bind[1] & 0x80 else 0)
    said = bind[at : at + 2 + bind[at + 1]] + bytes.fromhex("61070a010004000400")
    return bytes([0x30, len(said)]) + said


ENDLESS = bytes.fromhex("308440000000")
"""The head of an answer of a gigabyte."""


@pytest.mark.parametrize("pour", [drip, flood])
@pytest.mark.parametrize("bound", [True, False])
def test_a_directory_that_never_ends_does_not_hold_a_request(
    tmp_path: Path, pour: Callable[[bytes, bytes], Act], *, bound: bool
) -> None:
    """While binding nothing was asked for yet; afterwards a write may have taken effect."""

    def act(connection: ssl.SSLSocket) -> None:
        if bound and len(server.taken) == 1:
            connection.sendall(success(server.taken[0]))
        else:
            pour(b"\x00" * (1 << 16 if pour is flood else 1), ENDLESS)(connection)

    with OverTls(tmp_path, act, read=lambda connection: connection.recv(1 << 16)) as server:
        timeout = 60.0 if pour is flood else 1.0
        retry = retrying(RunClock(), attempts=1)
        client = EVERY["ldap"](server.place, str(server.files.ca), retry, timeout)
        with pytest.raises(Ambiguous if bound else Unavailable):
            client.write()
        assert len(server.taken) == 1 + bound


@pytest.mark.parametrize("speaker", EVERY)
@pytest.mark.parametrize("slow", SLOW_BEFORE)
def test_a_handshake_that_drips_ends_with_the_requests_limit(tmp_path: Path, speaker: str, slow: str) -> None:
    """Nothing was sent."""
    with OverTls(tmp_path, silence, greet=SLOW_BEFORE[slow]) as server:
        retry = retrying(RunClock(), attempts=1)
        client = EVERY[speaker](server.place, str(server.files.ca), retry, 1.0)
        with pytest.raises(Unavailable, match="was not reached"):
            client.write()
        assert server.taken == []


@pytest.fixture
def full() -> Iterator[str]:
    """Somebody who takes no more connections, and refuses none."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        for each in waiting:
            each.close()


@pytest.mark.parametrize("speaker", EVERY)
def test_a_connection_that_does_not_come_about_ends_with_the_requests_limit(
    tmp_path: Path, full: str, speaker: str
) -> None:
    """As where a firewall drops what is sent."""
    client = EVERY[speaker](full, str(issue(tmp_path).ca), retrying(RunClock(), attempts=1), 1.0)
    with pytest.raises(Unavailable, match=r"was not reached \(out of time\)"):
        client.write()


@pytest.mark.parametrize("speaker", EVERY)
def test_a_name_that_nobody_resolves_ends_with_the_requests_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speaker: str
) -> None:
    """The system's resolver cannot be told to end, so it is left behind."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait() and [])
    client = EVERY[speaker]("api.example:443", str(issue(tmp_path).ca), retrying(RunClock(), attempts=1), 1.0)
    with pytest.raises(Unavailable, match=r"api.example(:443)? was not reached \(out of time\)"):
        client.write()
    over.set()


BOMB = gzip.compress(b" " * (64 << 20))
"""Small on the wire."""
LARGE: dict[str, Act] = {
    "a body": flood(b" " * 65536, LONG),
    "a body without an announced end": flood(b" " * 65536, HEAD + b"\r\n"),
    "chunks": flood(b"10000\r\n" + b" " * 65536 + b"\r\n", CHUNKED),
    "what it unpacks to": flood(
        b"", HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB
    ),
}
"""What never ends, or nearly."""


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("large", LARGE)
def test_an_answer_without_end_is_read_to_a_limit(tmp_path: Path, speaker: str, large: str) -> None:
    """The rest is left where it is."""
    with OverTls(tmp_path, LARGE[large]) as server:
        client = EVERY[speaker](server.place, str(server.files.ca), retrying(RunClock()), 120.0)
        with pytest.raises(Ambiguous, match="larger than"):
            client.write()
        assert len(server.taken) == 1


def test_the_api_server_may_pack_what_is_long(tmp_path: Path) -> None:
    """It is asked to, and what it packed is read."""
    body = gzip.compress(b'{"metadata": {"name": "key", "namespace": "payments", "resourceVersion": "7"}}')
    answer = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with OverTls(tmp_path, lambda connection: connection.sendall(answer)) as server:
        client = EVERY["kubernetes"](server.place, str(server.files.ca), retrying(RunClock()), 10.0)
        assert cast("dict[str, Any]", client.read())["metadata"]["resourceVersion"] == "7"
        client.close()
        assert b"accept-encoding: gzip" in server.taken[0].lower()


# --- the run ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speaker", EVERY)
@pytest.mark.parametrize("asked", [True, False], ids=["asked to stop", "its time is over"])
def test_no_request_outlives_its_run(tmp_path: Path, speaker: str, *, asked: bool) -> None:
    """However long a request may take by itself: also where the run is asked to stop in the middle of it."""
    clock = RunClock()
    deadline = clock.deadline(timedelta(hours=1) if asked else timedelta(seconds=2))

    def act(connection: socket.socket) -> None:
        if asked:
            deadline.end(clock.now(), "SIGTERM")
        drip(b" ", LONG if speaker != "ldap" else ENDLESS)(connection)

    read = (lambda connection: connection.recv(1 << 16)) if speaker == "ldap" else None
    with OverTls(tmp_path, act, read=read) as server:
        client = EVERY[speaker](server.place, str(server.files.ca), Retry(clock, deadline), 3600.0)
        with pytest.raises(ClientError):
            client.read()
        assert len(server.taken) == 1


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: "{server}", certificate-authority: "{ca}"}}}}]
users: [{{name: me, user: {{token: {token}}}}}]
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
"""
DECLARATION = """
apiVersion: rotator.dev/v1alpha1
kind: Rotation
metadata: {name: key, namespace: default}
spec:
  credential: {jwtSigningKey: {algorithm: ES256}}
  every: 30d
  overlap: {tokenTTL: 15m}
  store: {kubernetes: {}}
  verifiers: [{jwks: {configMap: accepted, maxAge: 5m}}]
  holders: [{secret: {name: key}}]
"""


def _declared(folder: Path, server: OverTls, monkeypatch: pytest.MonkeyPatch) -> str:
    """Declare one rotation on this API server. Return the path of its policy."""
    policy, kubeconfig = folder / "policy.yaml", folder / "config"
    policy.write_text(DECLARATION)
    kubeconfig.write_text(KUBECONFIG.format(server=server.url, ca=server.files.ca, token=TOKEN))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return str(policy)


@pytest.mark.parametrize("stop", [None, signal.SIGTERM], ids=["deadline", "SIGTERM"])
def test_a_run_on_an_api_server_that_drips_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: signal.Signals | None
) -> None:
    """By its deadline, and when it is asked to: the process is gone while the server still talks."""
    asked = threading.Event()

    def act(connection: socket.socket) -> None:
        asked.set()
        drip(b" ", LONG)(connection)

    with OverTls(tmp_path, act) as server:
        policy = _declared(tmp_path, server, monkeypatch)
        deadline = "1h" if stop else "15s"
        run = subprocess.Popen(
            [sys.executable, "-m", "rotator", "run", "-f", policy, "--deadline", deadline, "--timeout", "30m"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert asked.wait(60)
        if stop:
            run.send_signal(stop)
        out, err = run.communicate(timeout=120)
        assert len(server.taken) == 1
        assert f"no answer from {server.place} (out of time)" in " ".join(out.split())
    assert run.returncode == 1
    assert "Traceback" not in out + err
    assert ("SIGTERM" in err) is bool(stop)


@pytest.mark.parametrize("verb", ["status", "plan", "metrics"])
def test_a_person_who_looks_waits_for_one_answer_that_does_not_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """And reads on standard error meanwhile whose it is."""
    with OverTls(tmp_path, silence) as server:
        policy = _declared(tmp_path, server, monkeypatch)
        limit = [] if verb == "metrics" else ["--timeout", "4s"]
        looked = subprocess.run(
            [sys.executable, "-m", "rotator", verb, "-f", policy, *limit],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert len(server.taken) == 1
        assert f"no answer from {server.place} yet" in looked.stderr
        assert f"no answer from {server.place} (out of time)" in looked.stdout + looked.stderr
    assert looked.returncode == 1
