"""What clients can do to a listener: nothing that costs more than a connection for a while."""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from rotator.errors import SettingsError
from rotator.serving.answers import Answer, Asked, sentence
from rotator.serving.listener import HEADERS, Bounded, Listener
from rotator_sandbox.processes import free_port

NEVER = 60.0
LARGE = b"x" * (4 << 20)
"""An answer that no buffer of a socket takes as a whole."""


class Brief(Bounded):
    """A connection that ends soon, and of which there are few."""

    at_once = 8
    life = 1.0
    grace = 0.5


def answers(asked: Asked) -> Answer:
    """Answer with what was asked, with much, or with a defect."""
    if asked.path == "/large":
        return Answer(status=HTTPStatus.OK, body=LARGE)
    if asked.path == "/defect":
        raise ValueError("a secret")
    return sentence(
        HTTPStatus.OK,
        f"{asked.method} {asked.host} {asked.path} {asked.query} {asked.headers.get('if-none-match', '')}",
    )


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A listener on any free port."""
    made = Listener("a", "127.0.0.1:0", answers, Brief)
    yield made
    made.close()
    assert not made.is_alive


def connect(listener: Listener) -> socket.socket:
    """Open a connection."""
    return socket.create_connection(("127.0.0.1", listener.port), timeout=NEVER)


def told(listener: Listener, octets: bytes) -> bytes:
    """Send something, say that nothing follows, and return all that is answered."""
    with closing(connect(listener)) as connection:
        with suppress(OSError):
            connection.sendall(octets)
        return rest(connection)


def rest(connection: socket.socket) -> bytes:
    """Read until the connection ends."""
    found = b""
    with suppress(OSError):
        while got := connection.recv(65536):
            found += got
    return found


def until(happened: Callable[[], object]) -> None:
    """Wait until something has happened."""
    give_up = time.monotonic() + NEVER
    while not happened():
        assert time.monotonic() < give_up, "it never happens"
        time.sleep(0.01)


def told_by_us(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return what was logged, but for what asyncio says when a loop begins."""
    return [record for record in caplog.records if record.name != "asyncio"]


def is_answered(listener: Listener) -> bool:
    """Whether somebody else is answered now."""
    return told(listener, b"GET /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 200 "
    )


def test_what_is_asked_arrives_and_the_answer_names_no_software(listener: Listener) -> None:
    """The host without its port and in lower case."""
    asked = b'GET /a%20b?c=d HTTP/1.1\r\nHost: API.example.com:8080\r\nIf-None-Match: "x"\r\nConnection: close\r\n\r\n'
    head, _, body = told(listener, asked).partition(b"\r\n\r\n")
    assert body == b'GET api.example.com /a b c=d "x"\n'
    assert b"server:" not in head.lower()
    assert b"date:" in head.lower()


def test_head_is_get_without_a_body(listener: Listener) -> None:
    """With its length (RFC 9110, section 9.3.2)."""
    whole = told(listener, b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    head = told(listener, b"HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    headers, _, body = whole.partition(b"\r\n\r\n")
    assert body == b"GET a /a  \n"
    assert head.endswith(b"\r\n\r\n")
    lengths = [
        line
        for text in (headers, head)
        for line in text.lower().split(b"\r\n")
        if line.startswith(b"content-length")
    ]
    assert lengths == [b"content-length: 11", b"content-length: 12"], "the answer itself names the method"


def test_a_connection_is_used_again_and_pipelined_requests_are_answered_in_order(listener: Listener) -> None:
    """As HTTP/1.1 has it."""
    asked = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(5))
    found = told(listener, asked + b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    bodies = [line for line in found.split(b"\n") if line.startswith(b"GET ")]
    assert [body.split()[2] for body in bodies] == [b"/0", b"/1", b"/2", b"/3", b"/4", b"/last"]


@pytest.mark.parametrize(
    "octets",
    [
        b"\r\n\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a client that wants TLS
        b"GET /\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no host
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX\x00: b\r\n\r\n",
        b"GET /\x00\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET /" + b"a" * (2 * HEADERS) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"v" * 100) for n in range(1000)) + b"\r\n",
    ],
    ids=range(14),
)  # fmt: skip
def test_what_is_no_request_is_refused_and_the_connection_ends(
    listener: Listener, octets: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """At once or at the end of its life, and nothing of it is in a log: it would fill it."""
    found = told(listener, octets)
    assert not found.startswith(b"HTTP/1.1 2"), found
    assert is_answered(listener)
    assert told_by_us(caplog) == []


def test_a_body_is_thrown_away(listener: Listener) -> None:
    """However long it is said to be: it is answered at once, and what is never sent is not waited for beyond the life."""
    began = time.monotonic()
    found = told(listener, b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\nabc")
    assert found.startswith(b"HTTP/1.1 200 ")
    assert time.monotonic() - began < Brief.life + Brief.grace + 5


def test_a_flood_is_read_past_or_refused_and_takes_no_memory(listener: Listener) -> None:
    """64 MiB of a body are not kept."""
    before = resident()
    sent = 0
    with closing(connect(listener)) as connection, suppress(OSError):
        connection.sendall(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(64):
            connection.sendall(b"100000\r\n" + b"x" * (1 << 20) + b"\r\n")
            sent += 1
    assert resident() - before < 16 << 20
    assert is_answered(listener)


def resident() -> int:
    """Return the memory that this process has now, in octets."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def held() -> tuple[int, int]:
    """Return how many threads and descriptors this process has."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def test_a_client_that_says_nothing_or_one_letter_now_and_then_ends(listener: Listener) -> None:
    """Each letter would start another time-out anew; the life of a connection does not."""
    silent, slow = connect(listener), connect(listener)
    began = time.monotonic()
    letters = iter(b"GET /" + b"a" * 10000)
    with suppress(OSError):
        while time.monotonic() - began < NEVER:
            slow.sendall(bytes([next(letters)]))
            time.sleep(0.02)
    took = time.monotonic() - began
    assert Brief.life - 0.2 < took < Brief.life + Brief.grace + 5
    assert rest(silent) == b""
    for connection in (silent, slow):
        connection.close()


def test_a_client_that_takes_nothing_ends(listener: Listener) -> None:
    """What it was to be sent is dropped."""
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(NEVER)
        connection.connect(("127.0.0.1", listener.port))
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(Brief.life + Brief.grace + 0.5)  # the time that is given: nothing shows its end but this
        assert len(rest(connection)) < len(LARGE)
    assert is_answered(listener)


def test_a_client_that_takes_all_has_all(listener: Listener) -> None:
    """A large answer is no small one."""
    found = told(listener, b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert found.endswith(LARGE)


class Few(Bounded):
    """A connection of which there are few, and that lives for long."""

    at_once = 8


def test_too_many_connections_are_closed_and_places_come_free() -> None:
    """Those who are there go on meanwhile."""
    listener = Listener("a", "127.0.0.1:0", answers, Few)
    asked = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(connect(listener))) for _ in range(4 * Few.at_once)]
        answered = [connection for connection in connections if _answer(connection, asked)]
        assert len(answered) == Few.at_once
    until(lambda: is_answered(listener))
    listener.close()


def _answer(connection: socket.socket, asked: bytes) -> bool:
    """Whether somebody is answered who asks on a connection."""
    try:
        connection.sendall(asked)
        return connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def test_a_defect_is_one_sentence_and_the_next_request_is_answered(
    listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    """What was raised may hold too much: its name alone is logged."""
    found = told(listener, b"GET /defect HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 500 ")
    assert found.endswith(b"a defect of rotator\n")
    (record,) = told_by_us(caplog)
    assert record.__dict__["reason"] == "ValueError"
    assert "a secret" not in caplog.text
    assert is_answered(listener)


def test_noise_of_many_at_once_leaves_nothing_behind(listener: Listener) -> None:
    """Requests that were cut, changed and repeated, by many clients; afterwards threads and descriptors are what they were."""
    assert is_answered(listener)
    before = held()
    drawn = iter(hashlib.shake_256(b"the same each time").digest(20000))
    good = b'GET /.well-known/jwks.json?a=b HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\nIf-None-Match: W/"x"\r\n\r\n'

    def noisy(seed: bytes) -> None:
        with suppress(OSError):
            told(listener, seed)

    for _ in range(20):
        seeds = []
        for _ in range(8):
            octets = bytearray(good)
            for _ in range(1 + next(drawn) % 12):
                octets[next(drawn) % len(octets)] = next(drawn)
            seeds.append(bytes(octets[: 1 + next(drawn) % len(octets)]) + b"\r\nConnection: close\r\n\r\n")
        threads = [threading.Thread(target=noisy, args=(seed,)) for seed in seeds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    until(lambda: is_answered(listener))
    until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))


@pytest.mark.parametrize(
    "where", ["", "8080", "nowhere:x", "127.0.0.1:99999", "127.0.0.1:-1", "name.invalid:0"]
)
def test_an_address_that_cannot_be_had_is_said(where: str) -> None:
    """In one sentence."""
    with pytest.raises(SettingsError, match="a listener: "):
        Listener("a", where, answers)


def test_an_address_that_another_has_is_said(listener: Listener) -> None:
    """Two replicas on one machine need two ports."""
    with pytest.raises(
        SettingsError, match=f"cannot listen on 127.0.0.1:{listener.port}: Address already in use"
    ):
        Listener("a", f"127.0.0.1:{listener.port}", answers)


def test_all_addresses_are_listened_on(listener: Listener) -> None:
    """IPv6 as well, where there is any."""
    del listener
    port = free_port()
    made = Listener("a", f":{port}", answers, Brief)
    assert is_answered(made)
    made.close()


def test_an_answer_is_not_held_back_for_an_acknowledgement() -> None:
    """Headers and body are two writes: with Nagle's algorithm the second waits for the client's acknowledgement of the first."""
    delays: list[int] = []

    class Seen(Bounded):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            accepted = transport.get_extra_info("socket")
            delays.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    listener = Listener("a", "127.0.0.1:0", lambda _: sentence(HTTPStatus.OK, "x"), Seen)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{listener.port}/", timeout=30) as answer:
            assert answer.status == HTTPStatus.OK
    finally:
        listener.close()
    assert [bool(delay) for delay in delays] == [True]
