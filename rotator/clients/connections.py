"""The connections of all HTTP clients: they tell apart what was certainly never sent.

Until a connection stands, TLS included, no byte of a request has left: whatever goes wrong by then is `NotReached`.
Whatever goes wrong later may have happened after the server took the request.
"""

from __future__ import annotations

import http.client
import os
import re
import ssl
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context
from urllib3.util.url import Url

from rotator.clients.addresses import where
from rotator.clients.limits import PlainSocket, TlsSocket, connected
from rotator.clients.proxies import proxy_for
from rotator.errors import SettingsError

_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})\b")
"""How the library says what a proxy answered."""


class NotReached(HTTPError):
    """No connection came about, so nothing was sent. Its cause is what prevented it."""

    def __init__(self, cause: Exception, proxy: Url | None = None) -> None:
        """Keep the cause, and by which proxy it was tried."""
        super().__init__(cause_of(cause) + (f", by the proxy {where(proxy.url)}" if proxy else ""))
        self.cause = cause

    @property
    def unverified(self) -> bool:
        """Whether there is a server, and its certificate is not what was expected."""
        return isinstance(self.cause, ssl.SSLCertVerificationError)


def cause_of(error: BaseException) -> str:
    """Say what went wrong with a connection, in the words of the system: never in those of a server."""
    said: BaseException | None = error
    while said is not None:
        if isinstance(said, ssl.SSLCertVerificationError):
            return f"its certificate is not valid here: {said.verify_message}".rstrip(".")
        if isinstance(said, ssl.SSLError):
            return f"TLS: {(said.reason or type(said).__name__).replace('_', ' ').lower()}"
        if isinstance(said, TimeoutError):
            return "out of time"
        if isinstance(said, OSError) and said.strerror:
            return said.strerror
        if refused := _REFUSED.match(str(said)):
            return f"the proxy refused it with HTTP {refused[1]}"
        said = said.__cause__ or said.__context__
    return type(error).__name__


class _AtOnce(HTTPConnection):
    """Sends a request with its body in one piece: its server need not wait for the second."""

    _pieces: list[bytes] | None = None
    """What is to be sent of the request that is being made; None: none is."""

    def request(self, *asked: Any, **given: Any) -> None:
        """Send a request."""
        pieces: list[bytes] = []
        self._pieces = pieces
        try:
            super().request(*asked, **given)
        finally:
            self._pieces = None
        self.send(b"".join(pieces))

    def send(self, data: Any) -> None:
        """Send a piece, or keep it until the request is whole."""
        if self._pieces is None:
            super().send(data)
        else:
            self._pieces.append(data)


class _Plain(_AtOnce):
    def _new_conn(self) -> PlainSocket:
        return connected(self._dns_host, self.port or 0, self.socket_options or ())

    def connect(self) -> None:
        """Connect. Raises NotReached for every failure."""
        try:
            super().connect()
        except (HTTPError, OSError, http.client.HTTPException, ValueError) as error:
            raise NotReached(error, self.proxy) from None


class _Tls(_AtOnce, HTTPSConnection):
    def _new_conn(self) -> PlainSocket:
        return connected(self._dns_host, self.port or 0, self.socket_options or ())

    def connect(self) -> None:
        """Connect, and agree on keys. Raises NotReached for every failure."""
        try:
            self.ssl_context = self.ssl_context or create_urllib3_context()
            self.ssl_context.sslsocket_class = TlsSocket
            super().connect()
        except (HTTPError, OSError, http.client.HTTPException, ValueError) as error:
            raise NotReached(error, self.proxy) from None


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Tls


POOLS = {"http": _PlainPool, "https": _TlsPool}
"""What a PoolManager of urllib3 makes its connections with, by scheme."""


class Connections:
    """Connections that verify servers, directly or by a proxy; nothing is asked again and no redirect followed."""

    def __init__(self, context: ssl.SSLContext, *, proxy: str = "", **given: Any) -> None:
        """`proxy`: the one for every server; empty: the one that the environment names for it."""
        self._proxy = proxy
        self._given = {"ssl_context": context, "retries": False, **given}
        self._managers: dict[str | None, urllib3.PoolManager] = {}
        self._proxies: dict[str, str | None] = {}
        """By the scheme, host and port of the servers that were asked: the environment is read once for each."""

    def request(self, method: str, url: str, **asked: Any) -> urllib3.BaseHTTPResponse:
        """Send a request, as urllib3's PoolManager does."""
        scheme, _, rest = url.partition("://")
        server = f"{scheme}://{rest.partition('/')[0]}"
        if server not in self._proxies:
            self._proxies[server] = self._proxy or proxy_for(server)
        return self._manager(self._proxies[server]).request(method, url, **asked)

    def clear(self) -> None:
        """Close them all."""
        for manager in self._managers.values():
            close(manager)

    def _manager(self, proxy: str | None) -> urllib3.PoolManager:
        if proxy not in self._managers:
            self._managers[proxy] = self._made(proxy)
        return self._managers[proxy]

    def _made(self, proxy: str | None) -> urllib3.PoolManager:
        if proxy is None:
            manager = urllib3.PoolManager(**self._given)
        else:
            user = unquote(urlsplit(proxy).netloc.rpartition("@")[0])
            headers = urllib3.make_headers(proxy_basic_auth=user) if user else None
            manager = urllib3.ProxyManager(proxy, proxy_headers=headers, **self._given)
        manager.pool_classes_by_scheme = POOLS
        return manager


def close(manager: urllib3.PoolManager) -> None:
    """Close the connections of all pools. `clear` by itself leaves that to the garbage collector."""
    for place in manager.pools.keys():  # noqa: SIM118 - the library's container cannot be iterated over
        if pool := manager.pools.get(place):
            pool.close()
    manager.clear()


def whole(answer: urllib3.BaseHTTPResponse, largest: int) -> bytes:
    """Read an answer to its end, or `largest` octets and one more of it. Raises HTTPError.

    A connection on which something may still be on its way is of no more use: it is closed at once, whatever happened.
    """
    octets = None
    try:
        octets = answer.read(largest + 1)
    finally:
        if octets is None or len(octets) > largest:
            answer.close()
        answer.release_conn()
    return octets


def verified(ca_file: str | None, name: str = "caFile", *, folder: bool = False) -> ssl.SSLContext:
    """Return what verifies servers with a PEM bundle (None: the system's). Raises SettingsError for what is no bundle.

    `name`: where the bundle is declared. `folder`: whether it is a folder of certificates, each by its hash.
    """
    try:
        context = (
            ssl.create_default_context(capath=ca_file)
            if folder
            else ssl.create_default_context(cafile=ca_file)
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"{name} {ca_file}: {reason}; expected a PEM bundle") from None
    context.sslsocket_class = TlsSocket
    return context


def shared(ca_file: str | None) -> ssl.SSLContext:
    """Return the same to be used as it is: the system's bundle, which takes long to load, is loaded once in a process."""
    return (
        verified(ca_file)
        if ca_file
        else _by_the_system(*map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR")))
    )


@cache
def _by_the_system(*_: str | None) -> ssl.SSLContext:
    """Load the system's bundle; where it stands the environment may say."""
    return verified(None)
