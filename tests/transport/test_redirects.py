"""No client follows a redirect, whatever it says and wherever it leads: nothing secret leaves for another address."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.clients.clock import RunClock
from rotator.errors import Ambiguous, ClientError, Forbidden, Rejected, SettingsError
from rotator.systems.kubernetes import client as kubernetes
from tests.transport.servers import OverTls, answer
from tests.transport.speakers import SPEAKERS, TOKEN, retrying
from tests.vaults import connected

BODY = b'{"metadata": {"name": "key", "namespace": "n", "resourceVersion": "7"}, "data": {"version": 1, "metadata": {"version": 1}, "data": {}}}'
"""What every client would take for an answer if the status were 200."""


@pytest.fixture
def elsewhere() -> Iterator[socket.socket]:
    """Somebody who would take whatever came."""
    with socket.create_server(("127.0.0.2", 0)) as listener:
        listener.setblocking(False)
        yield listener


def nobody_came(listener: socket.socket) -> bool:
    """Whether no connection is waiting to be taken."""
    try:
        listener.accept()
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_named_and_not_followed(
    tmp_path: Path, elsewhere: socket.socket, speaker: str, scheme: str, status: int
) -> None:
    """Both addresses are named by host and port, one request was made, and its JSON body is no success."""
    place = "{}:{}".format(*elsewhere.getsockname())
    location = f"{scheme}://{TOKEN}:x@{place}/v1/secret?token={TOKEN}"
    with OverTls(tmp_path, answer(status, BODY, Location=location)) as server:
        client = SPEAKERS[speaker](server.place, str(server.files.ca), retrying(RunClock()))
        for ask, expected in (
            (client.read, Rejected),
            (client.write, Rejected if status > 303 else Ambiguous),
        ):
            server.taken.clear()
            with pytest.raises(ClientError) as caught:
                ask()
            assert type(caught.value) is expected
            assert caught.value.code == status
            plain = ", in plain text" if scheme == "http" else ""
            assert f"HTTP {status}: {server.place} redirects to {place}{plain}." in str(caught.value)
            assert TOKEN not in str(caught.value)
            assert len(server.taken) == 1
        assert nobody_came(elsewhere)


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/v1/other", "{self}"),
        ("//127.0.0.2:1/v1", "127.0.0.2:1"),
        ("other", "{self}"),
        ("?again", "{self}"),
        ("http://[::1", "?"),
        ("https://a\x1b[31mb.example/", "?"),
        ("https://" + "a" * 5000, "?"),
        ("javascript:alert(1)", "?"),
    ],
)
def test_an_odd_target_is_named_as_far_as_it_is_one(
    tmp_path: Path, speaker: str, location: str, target: str
) -> None:
    """A target on the same server is not followed either, and what is no address does nothing to a terminal."""
    with OverTls(tmp_path, answer(307, BODY, Location=location)) as server:
        client = SPEAKERS[speaker](server.place, str(server.files.ca), retrying(RunClock()))
        with pytest.raises(Rejected) as caught:
            client.write()
        assert f"redirects to {target.format(self=server.place)}." in str(caught.value)
        assert str(caught.value).isprintable()
        assert len(server.taken) == 1


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("status", [300, 304, 307, 399])
def test_a_redirect_to_nowhere_is_no_success(tmp_path: Path, speaker: str, status: int) -> None:
    """A 3xx with a JSON body says nothing about what was asked."""
    with OverTls(tmp_path, answer(status, b"" if status == 304 else BODY)) as server:
        client = SPEAKERS[speaker](server.place, str(server.files.ca), retrying(RunClock()))
        with pytest.raises(Rejected, match=f"HTTP {status} from {server.place}"):
            client.read()
        assert len(server.taken) == 1


def test_a_login_at_a_standby_says_what_to_do(tmp_path: Path, elsewhere: socket.socket) -> None:
    """The secret id stays here, and the redirect is no refusal of the login."""
    place = "{}:{}".format(*elsewhere.getsockname())
    with OverTls(tmp_path, answer(307, b"", Location=f"http://{place}/v1/auth/approle/login")) as server:
        env = {
            "VAULT_ADDR": server.url,
            "VAULT_CACERT": str(server.files.ca),
            "ROTATOR_VAULT_AUTH": "approle",
            "ROTATOR_VAULT_ROLE": "role",
            "ROTATOR_VAULT_SECRET_ID": TOKEN,
        }
        with (
            contextlib.closing(connected(env, RunClock())) as vault,
            pytest.raises(Rejected, match="api_addr"),
        ):
            vault.read("rotator", "key")
        assert len(server.taken) == 1
    assert nobody_came(elsewhere)


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: "{server}"}}}}]
users: [{{name: me, user: {{token: {token}}}}}]
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
"""


@pytest.mark.parametrize(
    ("server", "refused"),
    [
        ("http://10.0.0.1:6443", True),
        ("http://api.example", True),
        ("HTTP://api.example:80", True),
        ("https://user:pass@api.example", True),
        ("http://127.0.0.1.example:8080", True),
        ("http://127.0.0.1:8080", False),
        ("http://localhost:8080", False),
        ("http://[::1]:8080", False),
        ("https://api.example:6443", False),
    ],
)
def test_a_kubeconfig_in_plain_text_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, *, refused: bool
) -> None:
    """The token goes over TLS, or stays on this machine, as with VAULT_ADDR."""
    file = tmp_path / "config"
    file.write_text(KUBECONFIG.format(server=server, token=TOKEN))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    if not refused:
        assert kubernetes.connect().configuration.host == server
        return
    with pytest.raises(SettingsError, match=r"expected https://HOST:PORT.*Correct `server`") as caught:
        kubernetes.connect()
    assert "pass@" not in str(caught.value)
    assert not isinstance(caught.value, Forbidden)
