"""Clusters that reach the outside by a proxy only: every HTTP client goes by it, or by none where NO_PROXY says so."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from prometheus_client import CollectorRegistry

from rotator.clients.clock import RunClock
from rotator.clients.http import Http
from rotator.clients.meter import Meter
from rotator.clients.oauth import discover
from rotator.clients.otlp import Carrier, session
from rotator.clients.proxies import proxy_for
from rotator.errors import ClientError, Rejected, RotatorError, SettingsError, Unavailable
from rotator.ports import Gate
from rotator.systems.jwks_probe import Probe
from rotator.systems.prometheus import Query
from rotator.telemetry.metrics_out import push
from rotator_sandbox.certificates import issue
from tests.transport.servers import NAME, OverTls, answer
from tests.transport.speakers import EVERY, SPEAKERS, Speak, retrying

PROXY = "http://proxy.example:3128"


_NO_WAY = b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n"
"""What this proxy says to a request in plain text, which it does not pass on."""


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
        with contextlib.suppress(OSError):  # a client may go whenever it likes
            head = b""
            while b"\r\n\r\n" not in head:
                if not (octets := here.recv(1 << 16)):
                    return
                head += octets
            self.asked.append(head)
            here.sendall(self._says if head.startswith(b"CONNECT ") else _NO_WAY)
            if b" 200 " not in self._says or not head.startswith(b"CONNECT "):
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


# --- every client, every variable --------------------------------------------------------------------------------

ADDRESS = "10.96.7.7"
"""Nobody has it here: what goes there by no proxy is not reached."""


@dataclass(frozen=True)
class There:
    """A server that only a proxy can reach."""

    ca: str
    monkeypatch: pytest.MonkeyPatch

    def _http(self) -> Http:
        made = Http(retrying(RunClock(), attempts=1), Meter(RunClock()), ca_file=self.ca, timeout=SECONDS)
        CLOSE.append(made.close)
        return made

    def kubernetes(self) -> str:
        """The API server."""
        return self._said(EVERY["kubernetes"])

    def vault(self) -> str:
        """Vault."""
        return self._said(EVERY["vault"])

    def provider(self) -> str:
        """An identity provider's API."""
        return self._said(EVERY["http"])

    def ldap(self) -> str:
        """A directory."""
        return self._said(EVERY["ldap"])

    def _said(self, speak: Speak) -> str:
        client = speak(f"{ADDRESS}:443", self.ca, retrying(RunClock(), attempts=1), SECONDS)
        with pytest.raises(ClientError) as caught:
            client.read()
        return str(caught.value)

    def discovery(self) -> str:
        """The issuer's own word of its endpoints."""
        with pytest.raises(ClientError) as caught:
            discover(self._http(), f"https://{ADDRESS}")
        return str(caught.value)

    def _gate(self, gate: Gate) -> str:
        return gate.check("kid").waiting

    def jwks(self) -> str:
        """A probe of a served JWK Set."""
        return self._gate(Probe(self._http(), f"https://{ADDRESS}/jwks", 1, timedelta(), RunClock()))

    def plain_jwks(self) -> str:
        """The same in plain text."""
        return self._gate(Probe(self._http(), f"http://{ADDRESS}/jwks", 1, timedelta(), RunClock()))

    def prometheus(self) -> str:
        """A query of Prometheus."""
        return self._gate(Query(self._http(), f"https://{ADDRESS}", "up", 1))

    def plain_prometheus(self) -> str:
        """The same in plain text."""
        return self._gate(Query(self._http(), f"http://{ADDRESS}:9090", "up", 1))

    def pushgateway(self) -> str:
        """A push of metrics."""
        return self._pushed(f"https://{ADDRESS}", {})

    def plain_pushgateway(self) -> str:
        """The same in plain text."""
        return self._pushed(f"http://{ADDRESS}:9091", {})

    def _pushed(self, url: str, more: Mapping[str, str]) -> str:
        with pytest.raises(ClientError) as caught:
            push(url, "rotator", more, CollectorRegistry(), SECONDS, ca_file=self.ca)
        return str(caught.value)

    def otlp(self) -> str:
        """A push of traces."""
        return self._traced(f"https://{ADDRESS}")

    def plain_otlp(self) -> str:
        """The same in plain text."""
        return self._traced(f"http://{ADDRESS}:4318")

    def _traced(self, url: str) -> str:
        carrier = Carrier()
        CLOSE.append(carrier.close)
        carrier.end(SECONDS)
        with pytest.raises((requests.RequestException, RotatorError)):
            session(carrier).post(url, data=b"", timeout=SECONDS, verify=self.ca).raise_for_status()
        return carrier.failed


TLS = ["kubernetes", "vault", "provider", "discovery", "jwks", "prometheus", "pushgateway", "otlp"]
PLAIN = ["plain_jwks", "plain_prometheus", "plain_pushgateway", "plain_otlp"]
"""Those that may go in plain text: they carry nothing secret."""
SECONDS = 1.0
CLOSE: list[Callable[[], object]] = []

SET: dict[str, tuple[dict[str, str], bool, bool]] = {
    "nothing": ({}, False, False),
    "HTTPS_PROXY": ({"HTTPS_PROXY": "{}"}, True, False),
    "https_proxy": ({"https_proxy": "{}"}, True, False),
    "HTTP_PROXY": ({"HTTP_PROXY": "{}"}, False, True),
    "http_proxy": ({"http_proxy": "{}"}, False, True),
    "ALL_PROXY": ({"ALL_PROXY": "{}"}, True, True),
    "all but the host": ({"ALL_PROXY": "{}", "NO_PROXY": f"other,{ADDRESS}"}, False, False),
    "all but the network": ({"ALL_PROXY": "{}", "NO_PROXY": "10.96.0.0/12"}, False, False),
    "all but another network": ({"ALL_PROXY": "{}", "NO_PROXY": "10.0.0.0/16"}, True, True),
    "all but everything": ({"ALL_PROXY": "{}", "no_proxy": "*"}, False, False),
    "all but another port": ({"ALL_PROXY": "{}", "NO_PROXY": f"{ADDRESS}:1"}, True, True),
}
"""What is set, and whether a proxy is asked for what goes over TLS, and in plain text."""


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[There]:
    """The network leads nowhere but to the proxy."""
    yield There(str(issue(tmp_path).ca), monkeypatch)
    while CLOSE:
        CLOSE.pop()()


@pytest.fixture
def refusing() -> Iterator[Proxy]:
    """A proxy that lets nobody through."""
    made = Proxy(_NO_WAY)
    yield made
    made.close()


@pytest.mark.parametrize("variables", SET)
@pytest.mark.parametrize("client", [*TLS, *PLAIN])
def test_whether_the_proxy_is_asked(
    there: There, refusing: Proxy, monkeypatch: pytest.MonkeyPatch, client: str, variables: str
) -> None:
    """Each client does what the variables say, and a person who is told that it failed reads by which proxy."""
    place = refusing.place
    env, over_tls, in_plain = SET[variables]
    for name, value in env.items():
        monkeypatch.setenv(name, value.format(f"http://{place}"))
    said = getattr(there, client)()
    expected = over_tls if client in TLS else in_plain
    assert bool(refusing.asked) is expected
    assert (f"by the proxy {place}" in said) is expected
    assert all(head.startswith(b"CONNECT ") is (client in TLS) for head in refusing.asked)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_directory_goes_by_no_proxy_and_says_so(
    there: There, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Where it is not reached."""
    monkeypatch.setenv(variable, f"http://{proxy.place}")
    assert f"{variable} is set, and LDAP goes by no proxy" in there.ldap()
    assert proxy.asked == []


@pytest.mark.parametrize("client", ["pushgateway", "otlp"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_proxy_sees_a_password_in_plain_text(
    there: There, refusing: Proxy, monkeypatch: pytest.MonkeyPatch, client: str, scheme: str
) -> None:
    """Nothing is sent then; over TLS the proxy sees none."""
    monkeypatch.setenv("ALL_PROXY", f"http://{refusing.place}")
    url = f"{scheme}://ops:s3cret@{ADDRESS}"
    said = there._pushed(url, {}) if client == "pushgateway" else there._traced(url)  # noqa: SLF001 - our own
    assert ("it needs a credential, which would go in plain text, by the proxy" in said) is (scheme == "http")
    assert len(refusing.asked) == (scheme == "https")
    assert b"s3cret" not in b"".join(refusing.asked)


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
