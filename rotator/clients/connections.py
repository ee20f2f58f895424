"""The connections of all HTTP clients: they tell apart what was certainly never sent.

Until a connection stands, TLS included, no byte of a request has left: whatever goes wrong by then is `NotReached`.
Whatever goes wrong later may have happened after the server took the request.
"""

from __future__ import annotations

import http.client
import ssl
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from rotator.clients.limits import PlainSocket, TlsSocket, connected
from rotator.errors import SettingsError


class NotReached(HTTPError):
    """No connection came about, so nothing was sent. Its cause is what prevented it."""

    def __init__(self, cause: Exception) -> None:
        """Keep the cause."""
        super().__init__(cause_of(cause))
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
        said = said.__cause__ or said.__context__
    return type(error).__name__


class _Plain(HTTPConnection):
    def _new_conn(self) -> PlainSocket:
        return connected(self._dns_host, self.port or 0, self.socket_options or ())

    def connect(self) -> None:
        """Connect. Raises NotReached for every failure."""
        try:
            super().connect()
        except (HTTPError, OSError, http.client.HTTPException, ValueError) as error:
            raise NotReached(error) from None


class _Tls(HTTPSConnection):
    def _new_conn(self) -> PlainSocket:
        return connected(self._dns_host, self.port or 0, self.socket_options or ())

    def connect(self) -> None:
        """Connect, and agree on keys. Raises NotReached for every failure."""
        try:
            self.ssl_context = self.ssl_context or create_urllib3_context()
            self.ssl_context.sslsocket_class = TlsSocket
            super().connect()
        except (HTTPError, OSError, http.client.HTTPException, ValueError) as error:
            raise NotReached(error) from None


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Tls


POOLS = {"http": _PlainPool, "https": _TlsPool}
"""What a PoolManager of urllib3 makes its connections with, by scheme."""


def connections(context: ssl.SSLContext | None = None, **given: Any) -> urllib3.PoolManager:
    """Return connections that verify servers with `context`; nothing is asked again and no redirect followed."""
    manager = urllib3.PoolManager(ssl_context=context, retries=False, **given)
    manager.pool_classes_by_scheme = POOLS
    return manager


def verified(ca_file: str | None) -> ssl.SSLContext:
    """Return what verifies servers with a PEM bundle (None: the system's). Raises SettingsError for what is no bundle."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"caFile {ca_file}: {reason}; expected a PEM bundle") from None
    context.sslsocket_class = TlsSocket
    return context
