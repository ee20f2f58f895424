"""Clusters that reach the outside by a proxy only: every HTTP client goes by it, or by none where NO_PROXY says so."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.clients.clock import RunClock
from rotator.clients.proxies import proxy_for
from rotator.errors import Rejected, SettingsError, Unavailable
from tests.transport.servers import NAME, OverTls, answer
from tests.transport.speakers import EVERY, SPEAKERS, retrying

PROXY = "http://proxy.example:3128"


class Proxy:
    """Takes CONNECT (RFC 9110, section 9.3.6), whatever the name, to one port of this machine."""

    def __init__(self, says: bytes = b"HTTP/1.1 200 Established\r\n\r\n") -> None:
        self.asked: list[bytes] = []
        self._says = says
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """End everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._open:
            each.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                self._open.append(here)
                self._start(self._tunnel, here)

    def _start(self, work: object, *given: object) -> None:
        self._threads.append(threading.Thread(target=work, args=given))  # type: ignore[arg-type]
        self._threads[-1].start()

    def _tunnel(self, here: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += here.recv(1 << 16)
        self.asked.append(head)
        here.sendall(self._says)
        if b" 200 " not in self._says:
            here.shutdown(socket.SHUT_RDWR)
            return
        there = socket.create_connection(("127.0.0.1", int(head.split()[1].rpartition(b":")[2])))
        self._open.append(there)
        self._start(_pour, there, here)
        _pour(here, there)


def _pour(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while octets := one.recv(1 << 16):
            other.sendall(octets)
        other.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy that works."""
    made = Proxy()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else's proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_every_client_goes_by_the_proxy(
    tmp_path: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, speaker: str
) -> None:
    """By CONNECT: the proxy sees the name and its own password, and TLS is with the server."""
    with OverTls(tmp_path, answer(400)) as server:
        place = f"{NAME}:{server.place.rpartition(':')[2]}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:s%40fe@{proxy.place}")
        client = EVERY[speaker](place, str(server.files.ca), retrying(RunClock()))
        with pytest.raises(Rejected):
            client.write()
        assert len(server.taken) == 1
    assert len(proxy.asked) == 1
    assert proxy.asked[0].startswith(f"CONNECT {place} HTTP/1".encode())
    assert base64.b64encode(b"me:s@fe") in proxy.asked[0]


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_a_proxy_that_refuses_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speaker: str) -> None:
    """With its status, not with its words; nothing was sent."""
    refusing = Proxy(b"HTTP/1.1 407 \x1b[31mNo\r\n\r\n")
    place = refusing.place
    with OverTls(tmp_path, answer(200)) as server:
        monkeypatch.setenv("https_proxy", refusing.place)
        retry = retrying(RunClock(), attempts=1)
        client = EVERY[speaker](f"{NAME}:443", str(server.files.ca), retry)
        with pytest.raises(Unavailable) as caught:
            client.write()
        assert server.taken == []
    refusing.close()
    said = f"the proxy refused it with HTTP 407, by the proxy {place}"
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_what_no_proxy_names_is_reached_directly(
    tmp_path: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, speaker: str
) -> None:
    """The proxy hears nothing."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.place}")
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8, .example")
    with OverTls(tmp_path, answer(200)) as server:
        client = EVERY[speaker]("missing.example:1", str(server.files.ca), retrying(RunClock(), attempts=1))
        with pytest.raises(Unavailable):
            client.read()
    assert proxy.asked == []


def test_a_directory_that_is_not_reached_says_that_ldap_goes_by_no_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no HTTP."""
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    with OverTls(tmp_path, answer(200)) as server:
        client = EVERY["ldap"]("missing.invalid:1", str(server.files.ca), retrying(RunClock(), attempts=1))
        with pytest.raises(Unavailable, match=r"HTTPS_PROXY is set, and LDAP goes by no proxy"):
            client.read()


@pytest.mark.parametrize(
    ("address", "no_proxy", "direct"),
    [
        ("https://api.example", "", False),
        ("https://127.0.0.1:8200", "", True),
        ("https://localhost", "", True),
        ("https://[::1]:6443", "", True),
        ("https://api.example", "*", True),
        ("https://api.example", "api.example", True),
        ("https://API.example.", "api.example", True),
        ("https://api.example", "example", True),
        ("https://api.example", ".example", True),
        ("https://example", ".example", False),
        ("https://example", "example", True),
        ("https://badexample", "example", False),
        ("https://api.example", "*.example", True),
        ("https://api.example:8443", "api.example:8443", True),
        ("https://api.example:8443", "api.example:443", False),
        ("https://api.example", "api.example:443", True),
        ("https://10.96.0.1", "10.96.0.0/12", True),
        ("https://10.96.0.1", "10.96.0.0/12, other", True),
        ("https://10.96.0.1", "10.95.0.0/16", False),
        ("https://10.96.0.1", "10.96.0.1", True),
        ("https://10.96.0.1:6443", "10.96.0.1:6443", True),
        ("https://10.96.0.1:6443", "10.96.0.1:443", False),
        ("https://[fd00::1]:6443", "fd00::/8", True),
        ("https://[fd00::1]:6443", "[fd00::1]:6443", True),
        ("https://api.example", "10.0.0.0/8,,  ,x", False),
    ],
)
def test_no_proxy_names_hosts_domains_and_networks(address: str, no_proxy: str, *, direct: bool) -> None:
    """As Go programs read it, the API server's own among them."""
    assert proxy_for(address, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) == (None if direct else PROXY)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, None),
        ({"HTTP_PROXY": PROXY}, None),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, PROXY),
        ({"ALL_PROXY": PROXY}, PROXY),
        ({"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
        ({"HTTPS_PROXY": "  "}, None),
    ],
)
def test_the_variables_that_name_a_proxy(env: dict[str, str], expected: str | None) -> None:
    """Small letters come first."""
    assert proxy_for("https://api.example", env) == expected


@pytest.mark.parametrize(
    "value", ["socks5://me:secret@proxy:1080", "http://", "http://me:secret@proxy:x", "://"]
)
def test_what_is_no_proxy_is_said(value: str) -> None:
    """And its password is not."""
    with pytest.raises(
        SettingsError, match=r"HTTPS_PROXY is set to .*: expected a proxy, as http://HOST:PORT"
    ) as caught:
        proxy_for("https://api.example", {"HTTPS_PROXY": value})
    assert "secret" not in str(caught.value)
