"""A request counts as never sent only where that is certain; everything else may have taken effect (I6)."""

from __future__ import annotations

import socket
import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from rotator.clients.retry import ATTEMPTS
from rotator.errors import Ambiguous, Unavailable
from rotator_sandbox.certificates import issue
from rotator_sandbox.processes import free_port
from tests.faults.timeline import Timeline
from tests.transport.servers import (
    ALERT,
    DAMAGED,
    PLAIN,
    Act,
    Greet,
    OverTls,
    answer,
    beneath,
    cut,
    farewell,
    reset,
    sent,
)
from tests.transport.speakers import SPEAKERS, TOKEN, Speaker, retrying

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SHORT = HEAD + b'Content-Length: 100\r\n\r\n{"data": '
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

LOST: dict[str, Act] = {
    "a record that nobody can decrypt": beneath(DAMAGED),
    "an alert": beneath(ALERT),
    "plain text of a proxy": beneath(PLAIN),
    "noise": beneath(b"\x00\xff\x13 noise that is nothing"),
    "a reset": reset,
    "closed without a word": cut,
    "closed as TLS says": farewell,
    "half a status line": sent(b"HTTP/1.1 2", cut),
    "half of the headers": sent(HEAD, cut),
    "half of the headers, then a reset": sent(HEAD, reset),
    "half of the headers, then plain text": sent(HEAD, beneath(PLAIN)),
    "half of the body": sent(SHORT, cut),
    "half of the body, closed as TLS says": sent(SHORT, farewell),
    "half of the body, then a reset": sent(SHORT, reset),
    "half of the body, then a damaged record": sent(SHORT, beneath(DAMAGED)),
    "half of the body, then an alert": sent(SHORT, beneath(ALERT)),
    "half of the body, then plain text": sent(SHORT, beneath(PLAIN)),
    "no HTTP": sent(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", cut),
    "a status that is no number": sent(b"HTTP/1.1 yes OK\r\n\r\n", cut),
    "a status without end": sent(b"HTTP/1.1 " + b"9" * 70000, cut),
    "a header without end": sent(HEAD + b"X: " + b"x" * 70000, cut),
    "a thousand headers": sent(HEAD + b"X: x\r\n" * 1000 + b"\r\n", cut),
    "no length and no body": sent(HEAD + b"\r\n", farewell),
    "half a chunk": sent(CHUNKED + b"64\r\nabc", cut),
    "no chunk": sent(CHUNKED, cut),
    "a chunk of no size": sent(CHUNKED + b"size\r\n{}\r\n0\r\n\r\n", cut),
    "a chunk, then a damaged record": sent(CHUNKED + b"2\r\n{}\r\n", beneath(DAMAGED)),
    "no gzip": sent(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", cut),
    "half a gzip": sent(
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n" + b"\x1f\x8b\x08" + bytes(7), cut
    ),
    "a good status and no JSON": answer(200, b"<html>please log in</html>"),
    "a good status and no object": answer(200, b"nothing"),
}
"""What becomes of the answer to a request that the server has taken."""


def speaking(speaker: str, place: str, ca: Path) -> Speaker:
    """Return a client on a server, in a time in which waiting costs nothing."""
    return SPEAKERS[speaker](place, str(ca), retrying(Timeline().run_clock(timedelta())))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("lost", LOST)
def test_a_write_whose_answer_is_lost_is_made_once(
    tmp_path: Path, speaker: str, lost: str, version: ssl.TLSVersion
) -> None:
    """The server has taken it: it may have taken effect, so the caller reads back, and nothing is made twice."""
    with OverTls(tmp_path, LOST[lost], version=version) as server:
        client = speaking(speaker, server.place, server.files.ca)
        with pytest.raises(Ambiguous) as caught:
            client.write()
        assert len(server.taken) == 1
    assert TOKEN not in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("lost", list(LOST)[:-2])
def test_a_read_whose_answer_is_lost_is_asked_again(tmp_path: Path, speaker: str, lost: str) -> None:
    """It changes nothing."""
    with OverTls(tmp_path, LOST[lost]) as server:
        client = speaking(speaker, server.place, server.files.ca)
        with pytest.raises(Ambiguous):
            client.read()
        assert len(server.taken) == ATTEMPTS


def _hello_then(octets: bytes) -> Greet:
    def greet(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_RDWR)

    return greet


NEVER: dict[str, Greet] = {
    "closed at once": cut,
    "reset at once": reset,
    "plain text where TLS begins": _hello_then(PLAIN),
    "an alert where TLS begins": _hello_then(ALERT),
    "closed where TLS begins": _hello_then(b""),
    "half of the server's hello": _hello_then(b"\x16\x03\x03\x00\x7a\x02\x00"),
}
"""What becomes of a connection before a request could be sent."""


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("never", NEVER)
def test_what_was_certainly_never_sent_is_tried_again(tmp_path: Path, speaker: str, never: str) -> None:
    """Writes too: no byte of them has left."""
    with OverTls(tmp_path, answer(200), greet=NEVER[never]) as server:
        client = speaking(speaker, server.place, server.files.ca)
        with pytest.raises(Unavailable, match=rf"{server.place} was not reached \(") as caught:
            client.write()
        assert server.met == ATTEMPTS
        assert server.taken == []
    assert "CA" not in str(caught.value)


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_of_another_ca_is_told_nothing(
    tmp_path: Path, speaker: str, version: ssl.TLSVersion
) -> None:
    """The message says that it is the certificate, and where its CA belongs."""
    other = tmp_path / "other"
    other.mkdir()
    with OverTls(tmp_path, answer(200), version=version) as server:
        client = speaking(speaker, server.place, issue(other).ca)
        with pytest.raises(Unavailable, match="its certificate is not valid here") as caught:
            client.write()
        assert server.taken == []
    declared = {"kubernetes": "the kubeconfig", "vault": "VAULT_CACERT", "http": "caFile"}[speaker]
    assert f"is its CA in {declared}?" in str(caught.value)


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("127.0.0.1:{port}", "Connection refused"),
        ("rotator-has-no-such-host.invalid", "rotator-has-no-such-host.invalid:443 was not reached"),
    ],
)
def test_nobody_there_is_never_sent(tmp_path: Path, speaker: str, place: str, said: str) -> None:
    """Refused, or a name that is not known."""
    client = speaking(speaker, place.format(port=free_port()), issue(tmp_path).ca)
    with pytest.raises(Unavailable, match=said):
        client.write()


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_a_write_over_a_connection_that_died_in_the_pool_arrives_at_most_once(
    tmp_path: Path, speaker: str
) -> None:
    """A server that closes after each answer: the next write goes over a new connection, or may have been lost."""

    def once(connection: ssl.SSLSocket) -> None:
        answer(500)(connection)
        cut(connection)

    with OverTls(tmp_path, once) as server:
        client = speaking(speaker, server.place, server.files.ca)
        for _ in range(3):
            before = len(server.taken)
            with pytest.raises(Ambiguous):
                client.write()
            assert len(server.taken) - before <= 1
