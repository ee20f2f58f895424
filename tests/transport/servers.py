"""Servers that do to a connection what they are told, byte by byte, over real TLS."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from rotator_sandbox.certificates import ServerFiles, issue

NAME = "api.example"
"""A name that is in the certificate too."""
Act = Callable[[ssl.SSLSocket], None]
"""What a server does to a connection once it has read a request."""
Greet = Callable[[socket.socket], None]
"""What a server does to a connection instead of TLS."""
_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


class OverTls:
    """Listens on loopback with a certificate, counts the requests that it took, and answers as it is told."""

    def __init__(
        self,
        folder: Path,
        act: Act,
        *,
        greet: Greet | None = None,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        read: Callable[[ssl.SSLSocket], bytes] | None = None,
    ) -> None:
        """Without `greet` TLS begins well; `version`: of TLS, the highest that it speaks; `read`: how a request is read."""
        self.files: ServerFiles = issue(folder, NAME)
        self.act = act
        self.greet = greet
        self._read = read or read_request
        self.taken: list[bytes] = []
        """The requests that arrived whole, as bytes."""
        self.met = 0
        """How many connections were made."""
        self.ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.files.certificate, self.files.key)
        self._context.maximum_version = version
        self._thread = threading.Thread(target=self._serve)
        self._open: list[socket.socket] = []

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://{self.place}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _serve(self) -> None:
        workers = []
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                self.met += 1
                workers.append(threading.Thread(target=self._meet, args=(connection,)))
                workers[-1].start()
        for worker in workers:
            worker.join()

    def _meet(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self.greet:
                self.greet(connection)
                return
            wrapped = self._context.wrap_socket(connection, server_side=True)
            self._open.append(wrapped)
            with wrapped:
                while request := self._read(wrapped):
                    self.taken.append(request)
                    self.act(wrapped)


def read_request(connection: socket.socket) -> bytes:
    """Read one request to its end; empty where none came."""
    octets = b""
    while b"\r\n\r\n" not in octets:
        part = connection.recv(65536)
        if not part:
            return b""
        octets += part
    head, _, body = octets.partition(b"\r\n\r\n")
    length = int(found[1]) if (found := _LENGTH.search(head)) else 0
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(status: int, body: bytes = b"{}", **headers: str) -> Act:
    """Return what answers, whole and well; `headers` with `_` for `-`."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    octets = "\r\n".join([*lines, "", ""]).encode() + body
    return lambda connection: connection.sendall(octets)


def sent(octets: bytes, end: Callable[[socket.socket], None]) -> Act:
    """Return what sends the beginning of an answer, and then does something else to the connection."""

    def act(connection: ssl.SSLSocket) -> None:
        connection.sendall(octets)
        end(connection)

    return act


def beneath(octets: bytes) -> Callable[[socket.socket], None]:
    """Return what sends bytes that are no part of what TLS has agreed upon."""
    return lambda connection: socket.socket.sendall(connection, octets)


def reset(connection: socket.socket) -> None:
    """Close a connection so that the other side gets a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.socket.close(connection)


def cut(connection: socket.socket) -> None:
    """Close a connection without a word of TLS."""
    socket.socket.shutdown(connection, socket.SHUT_RDWR)


def farewell(connection: socket.socket) -> None:
    """Close a connection as TLS says (RFC 8446, section 6.1)."""
    if isinstance(connection, ssl.SSLSocket):
        connection.unwrap()


DAMAGED = b"\x17\x03\x03\x00\x28" + bytes(40)
"""A record of application data that nobody can decrypt (RFC 8446, section 5.2)."""
ALERT = b"\x15\x03\x03\x00\x02\x02\x28"
"""A fatal alert, handshake_failure (RFC 8446, section 6)."""
PLAIN = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
"""What a proxy says that has lost its server, and TLS with it."""


def drip(octets: bytes, before: bytes = b"") -> Callable[[socket.socket], None]:
    """Return what sends `before`, and then `octets` over and over, one byte at a time, as long as anybody listens."""

    def act(connection: socket.socket) -> None:
        connection.sendall(before)
        for octet in itertools.cycle(octets):
            connection.sendall(bytes([octet]))
            threading.Event().wait(PACE)

    return act


def flood(octets: bytes, before: bytes = b"") -> Act:
    """Return what sends `before`, and then `octets` over and over, as fast as they are read."""

    def act(connection: ssl.SSLSocket) -> None:
        connection.sendall(before)
        while True:
            connection.sendall(octets)

    return act


def drip_beneath(octets: bytes, before: bytes) -> Act:
    """Return what drips without TLS, where TLS has been agreed upon."""

    def act(connection: socket.socket) -> None:
        socket.socket.sendall(connection, before)
        for octet in itertools.cycle(octets):
            socket.socket.sendall(connection, bytes([octet]))
            threading.Event().wait(PACE)

    return act


def silence(connection: socket.socket) -> None:
    """Say nothing until the other side goes."""
    while connection.recv(1 << 16):
        pass


PACE = 0.05
"""Seconds between two bytes of what drips."""
