"""A limit for a whole request: connecting, TLS, sending, and the answer to its last byte.

The time-outs of libraries hold for one wait each, so that a server that sends a byte a second is never late. Here every
wait of a socket asks what is left of the request, a few times a second, for a run may be asked to stop meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from urllib3.util.wait import wait_for_write

T = TypeVar("T")
Left = Callable[[], float]
"""How many seconds are left."""
LOOK = 0.2
"""Seconds between two looks at what is left."""

_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK})
LARGEST = 40 << 20
"""Octets that may arrive for one request, whatever they are: a little more than the largest answer that is read."""


@dataclass
class _Limit:
    left: Left
    octets: int


_limit: ContextVar[_Limit | None] = ContextVar("_limit", default=None)


@contextlib.contextmanager
def within(seconds: float, run: Left = lambda: math.inf, *, octets: int = LARGEST) -> Iterator[None]:
    """Let all waits of this thread end after `seconds`, after so many octets, or when the `run` ends."""
    end = time.monotonic() + seconds
    token = _limit.set(_Limit(lambda: min(end - time.monotonic(), run()), octets))
    try:
        yield
    finally:
        _limit.reset(token)


def left_now() -> float:
    """Return the seconds that are left. Raises TimeoutError where there are none."""
    limit = _limit.get()
    seconds = limit.left() if limit else math.inf
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _arrived(octets: int) -> None:
    if limit := _limit.get():
        limit.octets -= octets
        if limit.octets < 0:
            raise OSError(errno.EMSGSIZE, "the answer is too large")


def bounded(call: Callable[[], T]) -> T:
    """Return what `call` returns, which cannot be told to end: it is left behind where time is up (TimeoutError)."""
    said: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            said.put((call(), None))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            said.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    while True:
        try:
            result, error = said.get(timeout=min(left_now(), LOOK))
        except queue.Empty:
            continue
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # there is one where there is no error


def _patiently(of: socket.socket, perform: Callable[[], T]) -> T:
    while True:
        of.settimeout(min(left_now(), LOOK))
        try:
            return perform()
        except TimeoutError:
            continue


class PlainSocket(socket.socket):
    """A socket whose every wait keeps the limit."""

    def connect(self, address: Any) -> None:
        """Connect. Raises OSError."""
        self.settimeout(0)
        code = self.connect_ex(address)
        if code in _UNDER_WAY:
            while not wait_for_write(self, min(left_now(), LOOK)):
                pass
            code = self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        self.settimeout(LOOK)

    def recv(self, *args: Any) -> bytes:
        """Receive something."""
        octets = _patiently(self, lambda: super(PlainSocket, self).recv(*args))
        _arrived(len(octets))
        return octets

    def recv_into(self, *args: Any) -> int:
        """Receive something."""
        count = _patiently(self, lambda: super(PlainSocket, self).recv_into(*args))
        _arrived(count)
        return count

    def sendall(self, data: Any, *args: Any) -> None:
        """Send all of it."""
        view = memoryview(data)
        while view:
            view = view[_patiently(self, lambda: self.send(view, *args)) :]  # noqa: B023 - called at once


class TlsSocket(ssl.SSLSocket):
    """A socket under TLS whose every wait keeps the limit."""

    def getpeername(self) -> Any:
        """Return who is at the other end. Raises OSError where nobody is any more, and closes the socket.

        The library asks before it begins with TLS, and forgets a socket for which that fails.
        """
        try:
            return super().getpeername()
        except OSError:
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)) from None

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as the library asks
        """Agree on keys."""
        _patiently(self, lambda: super(TlsSocket, self).do_handshake(block))

    def recv(self, *args: Any) -> bytes:
        """Receive something."""
        octets = _patiently(self, lambda: super(TlsSocket, self).recv(*args))
        _arrived(len(octets))
        return octets

    def recv_into(self, *args: Any) -> int:
        """Receive something."""
        count = _patiently(self, lambda: super(TlsSocket, self).recv_into(*args))
        _arrived(count)
        return count

    def send(self, *args: Any) -> int:
        """Send something; `sendall` comes here as well."""
        return _patiently(self, lambda: super(TlsSocket, self).send(*args))


def resolved(host: str, port: int) -> list[Any]:
    """Return the addresses of a host, as `socket.getaddrinfo` does. Raises OSError."""
    return bounded(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


def connected(host: str, port: int, options: Any = ()) -> PlainSocket:
    """Connect to the first address of a host that takes it; each gets its share of the time. Raises OSError."""
    addresses = resolved(host, port)
    failed: OSError = OSError("the name has no address")
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        made = PlainSocket(family, kind, protocol)
        try:
            for option in options:
                made.setsockopt(*option)
            share, around = left_now() / (len(addresses) - number), _limit.get()
            with within(share, around.left if around else lambda: math.inf):
                made.connect(address)
            made.getpeername()
        except OSError as error:
            made.close()
            failed = error
        else:
            return made
    raise failed
