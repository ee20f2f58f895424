"""How a request leaves: its server is woken once for it."""

from __future__ import annotations

import ssl
from pathlib import Path

from rotator.clients.connections import Connections, verified
from tests.transport.servers import OverTls


def _answer(connection: ssl.SSLSocket) -> None:
    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


def test_head_and_body_leave_in_one_piece(tmp_path: Path) -> None:
    """Proves that one record of TLS holds both, on a new connection and on one that is used again."""
    with OverTls(tmp_path, _answer, read=lambda connection: connection.recv(1 << 16)) as server:
        connections = Connections(verified(str(server.files.ca)))
        for body in (b"first", b"second"):
            connections.request("POST", f"{server.url}/kept", body=body)
        connections.clear()
    assert [taken.partition(b"\r\n\r\n")[2] for taken in server.taken] == [b"first", b"second"]
    assert server.met == 1
