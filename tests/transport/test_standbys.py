"""What a Vault says that does not serve at the moment: retried as what it is, and named."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from rotator.clients.retry import ATTEMPTS
from rotator.errors import Unavailable
from tests.faults.timeline import Timeline
from tests.transport.servers import OverTls, answer
from tests.transport.speakers import EVERY, retrying


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (412, b'{"errors": []}', "has not caught up yet"),
        (472, b'{"errors": []}', "a standby for disaster recovery"),
        (473, b"", "a performance standby"),
        (503, b'{"errors": ["Vault is sealed"]}', "is sealed"),
        (500, b'{"errors": ["local node not active but active cluster node not found"]}', "no active server"),
    ],
)
def test_a_vault_that_does_not_serve_now_is_asked_again_and_named(
    tmp_path: Path, status: int, body: bytes, said: str
) -> None:
    """Writes too: none of these was carried out. It is no matter of its CA."""
    with OverTls(tmp_path, answer(status, body)) as server:
        retry = retrying(Timeline().run_clock(timedelta()))
        client = EVERY["vault"](server.place, str(server.files.ca), retry)
        with pytest.raises(Unavailable, match=rf"HTTP {status} .*{said}") as caught:
            client.write()
        assert len(server.taken) == ATTEMPTS
        assert server.place in str(caught.value)
    assert "VAULT_CACERT" not in str(caught.value)
