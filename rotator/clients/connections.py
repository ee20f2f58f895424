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
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid here: {error.verify_message}".rstrip(".")
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or type(error).__name__).replace('_', ' ').lower()}"
    inner = error.__cause__ or error.__context__
    if isinstance(error, HTTPError) and isinstance(inner, OSError):
        return cause_of(inner)
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


class _Plain(HTTPConnection):
    def connect(self) -> None:
        """Connect. Raises NotReached for every failure."""
        try:
            super().connect()
        except (HTTPError, OSError, http.client.HTTPException, ValueError) as error:
            raise NotReached(error) from None


class _Tls(HTTPSConnection):
    def connect(self) -> None:
        """Connect, and agree on keys. Raises NotReached for every failure."""
        try:
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
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"caFile {ca_file}: {reason}; expected a PEM bundle") from None
