"""A listener on one port: uvicorn's HTTP/1.1 (on h11), within bounds on everything a client can make it hold.

An answer is made from values in memory and never waits, so a client costs a connection and nothing more. A connection has a
longest life, however slowly it is written to or read from (https://www.uvicorn.org/settings/ has no such limit), and there are
so many of them at most. A line and the headers of a request share one limit (h11); a body is read past and thrown away.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from http import HTTPStatus
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from rotator.errors import SettingsError
from rotator.serving.answers import Answer, Answers, Asked, sentence
from rotator.serving.defects import Contained

HEADERS = 16 << 10
"""Octets that the line and the headers of one request may have."""
PIECE = 4 << 10
IDLE = 15
"""Seconds for which a connection is kept that nothing is asked on."""
BACKLOG = 128
PORTS = 65535
FAILED = sentence(HTTPStatus.INTERNAL_SERVER_ERROR, "a defect of rotator")
SHUT = 5
"""Seconds for which answers that are under way may go on when the listener closes."""


class Bounded(H11Protocol):
    """One connection, with an end."""

    at_once: ClassVar[int] = 256
    """Connections that are open at a time; one more is closed without an answer."""
    life: ClassVar[float] = 60.0
    """Seconds after which a connection ends, once what was asked is answered."""
    grace: ClassVar[float] = 10.0
    """Seconds after that in which what was answered must have been taken."""
    _timers: tuple[asyncio.TimerHandle, ...] = ()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or close it where there are too many.

        asyncio switches Nagle's algorithm off for sockets that say that they are TCP, and ours says nothing: headers and body are
        two writes, and a client that delays its acknowledgement would wait 40 ms for the second.
        """
        super().connection_made(transport)
        if len(self.connections) > self.at_once:
            transport.abort()
            return
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._timers = (
            self.loop.call_later(self.life, self._end),
            self.loop.call_later(self.life + self.grace, transport.abort),
        )

    def data_received(self, data: bytes) -> None:
        """Read in small pieces: the limit is looked at between two of them, and one read may bring 256 KiB."""
        for start in range(0, len(data), PIECE):
            if not self.transport.is_closing():
                super().data_received(data[start : start + PIECE])

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        for timer in self._timers:
            timer.cancel()
        self._timers = ()
        super().connection_lost(exc)

    def _end(self) -> None:
        if not self.transport.is_closing():
            self.shutdown()


class Listener:
    """Answers on one port, in a thread of its own, from when it is made until it is closed."""

    def __init__(self, name: str, listen: str, answers: Answers, connection: type[Bounded] = Bounded) -> None:
        """Listen at `ADDRESS:PORT`. Raises SettingsError where that cannot be had."""
        self._socket = _bound(name, listen)
        self.port: int = self._socket.getsockname()[1]
        settings = uvicorn.Config(
            _application(answers),
            http=connection,
            ws="none",
            lifespan="off",
            loop="asyncio",
            interface="asgi3",
            log_config=None,
            log_level="critical",  # what a client writes is no news, and must not fill a log
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=HEADERS,
            timeout_keep_alive=IDLE,
            timeout_graceful_shutdown=SHUT,
            backlog=BACKLOG,
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name=f"{name} listener", daemon=True
        )
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it answers."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Take no more connections, let answers that are under way be taken, and end."""
        self._server.should_exit = True
        self._thread.join(2 * SHUT)


def _bound(name: str, listen: str) -> socket.socket:
    """Return a socket that listens, on IPv4 and IPv6 where all addresses are meant."""
    address, colon, port = listen.rpartition(":")
    if not (colon and port.isdecimal() and int(port) <= PORTS):
        raise SettingsError(f"{name} listener: {listen}: expected ADDRESS:PORT, as 0.0.0.0:8080")
    try:
        family, _, _, _, where = socket.getaddrinfo(
            address.strip("[]") or None,
            int(port),
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV,
        )[0]
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        made = socket.create_server(where[:2], family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"{name} listener: cannot listen on {listen}: {reason}") from None
    return made


def _application(answers: Answers) -> Any:
    """Return the ASGI application (https://asgi.readthedocs.io/en/latest/specs/www.html) that answers so."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        del receive  # no answer depends on a body
        answer = FAILED
        with Contained("an answer"):
            answer = answers(_asked(scope))
        await send({"type": "http.response.start", "status": int(answer.status), "headers": _headers(answer)})
        await send({"type": "http.response.body", "body": answer.body})

    return application


def _asked(scope: Any) -> Asked:
    named: dict[str, str] = {}
    for name, value in scope["headers"]:
        named.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return Asked(
        method=scope["method"],
        path=scope["path"],
        host=_host(named.get("host", "")),
        query=scope["query_string"].decode("latin-1"),
        headers=named,
        client=(scope.get("client") or ("",))[0],
    )


def _host(authority: str) -> str:
    """Return the host of a Host header, without a port (RFC 9110, section 7.2)."""
    host, colon, port = authority.lower().rpartition(":")
    return host if colon and port.isdecimal() else authority.lower()


def _headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    written = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()
    ]
    if answer.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
        written.append((b"content-length", str(len(answer.body)).encode()))
    return written
