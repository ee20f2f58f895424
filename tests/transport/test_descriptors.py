"""A client leaves no connection behind; what servers do to one is in the tables beside (`conftest.py` counts there too)."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from rotator.clients.clock import RunClock
from rotator.clients.limits import TlsSocket, within
from rotator.errors import ClientError
from tests.transport.servers import OverTls, answer
from tests.transport.speakers import SPEAKERS, retrying

WHOLE = {
    "all is well": answer(200, b'{"data": {}}'),
    "a refusal": answer(403, b'{"errors": []}'),
    "it is not there": answer(404, b'{"errors": []}'),
    "not now": answer(503, b'{"errors": []}'),
    "elsewhere": answer(307, Location="https://elsewhere.example"),
}


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("said", WHOLE)
def test_a_whole_answer_leaves_a_connection_for_the_next_request(
    tmp_path: Path, speaker: str, said: str
) -> None:
    """And none when the client is closed."""
    with OverTls(tmp_path, WHOLE[said]) as server:
        client = SPEAKERS[speaker](server.place, str(server.files.ca), retrying(RunClock(), attempts=1))
        for ask in (client.write, client.read, client.write):
            try:
                ask()
            except ClientError:
                continue
        assert (len(server.taken), server.met) == (3, 1)


def test_a_connection_that_ends_before_tls_begins_is_closed() -> None:
    """The library forgets such a socket."""
    context = ssl.create_default_context()
    context.sslsocket_class = TlsSocket
    with within(10), pytest.raises(ConnectionResetError):
        context.wrap_socket(socket.socket(), server_hostname="api.example")
