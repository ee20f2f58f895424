"""Keys that stand in a kubeconfig never lie in a file of ours, so that a run that is killed leaves none."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from kubernetes.config import kube_config

from rotator.clients.clock import RunClock
from rotator.clients.meter import Meter
from rotator.errors import NotFound, SettingsError
from rotator.kinds import SECRET
from rotator.systems.kubernetes.client import Kubernetes, connect
from rotator_sandbox.certificates import ServerFiles, issue
from tests.transport.servers import OverTls, read_request, silence
from tests.transport.speakers import TOKEN, retrying

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: "https://127.0.0.1:1", certificate-authority-data: {ca}}}}}]
users: [{{name: me, user: {{client-certificate-data: {certificate}, client-key-data: {key}}}}}]
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
"""
KILLED = "import os, signal\nfrom rotator.systems.kubernetes.client import connect\nconnect()\nos.kill(os.getpid(), signal.SIGKILL)"


def _connect(folder: Path, files: ServerFiles, key: Path) -> subprocess.CompletedProcess[str]:
    held = {"ca": files.ca, "certificate": files.certificate, "key": key}
    encoded = {name: base64.b64encode(path.read_bytes()).decode() for name, path in held.items()}
    config = folder / "config"
    config.write_text(KUBECONFIG.format(**encoded))
    temporary = folder / "temporary"
    temporary.mkdir()
    env = {k: v for k, v in os.environ.items() if k != "KUBERNETES_SERVICE_HOST"}
    env |= {"KUBECONFIG": str(config), "TMPDIR": str(temporary)}
    return subprocess.run(
        [sys.executable, "-c", KILLED], env=env, text=True, capture_output=True, check=False
    )


def test_a_run_that_is_killed_leaves_no_key(tmp_path: Path) -> None:
    """Killed once it is connected: the folder of temporary files is empty."""
    files = issue(tmp_path)
    done = _connect(tmp_path, files, files.key)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_key_of_another_certificate_is_said(tmp_path: Path) -> None:
    """It is looked at when the run begins; nothing of it is shown."""
    other = tmp_path / "other"
    other.mkdir()
    done = _connect(tmp_path, issue(tmp_path), issue(other).key)
    assert "the kubeconfig's client certificate cannot be used (TLS: key values mismatch)" in done.stderr
    assert "PRIVATE KEY" not in done.stderr


TOKENS = """
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: "http://{place}"}}}}]
users: [{{name: me, user: {{token: {token}}}}}]
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
"""


def _read(folder: Path, monkeypatch: pytest.MonkeyPatch, token: str) -> list[bytes]:
    """Return the request by which something is read with the token of a kubeconfig."""
    taken = []

    def act(connection: socket.socket) -> None:
        taken.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")

    with OverTls(folder, silence, greet=act) as server:
        (folder / "config").write_text(TOKENS.format(place=server.place, token=json.dumps(token)))
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(folder / "config"))
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        clock = RunClock()
        client = Kubernetes(connect(), retrying(clock), Meter(clock))
        with contextlib.closing(client), contextlib.suppress(NotFound):
            client.get(SECRET, "payments", "key")
    return taken


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_line_ends_behind_a_token_are_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """As YAML's block texts have one."""
    (request,) = _read(tmp_path, monkeypatch, f"{TOKEN}{end}")
    assert f"authorization: bearer {TOKEN}\r\n" in request.decode().lower()


@pytest.mark.parametrize(
    "token", [f"{TOKEN}\n{TOKEN}", f"{TOKEN}\r{TOKEN}", f"{TOKEN} ", f"{TOKEN}\u00fc", f"{TOKEN}\u65e5"]
)
def test_what_is_no_token_is_refused_and_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """The library would quote it in a traceback."""
    with pytest.raises(SettingsError, match="holds more than a token") as caught:
        _read(tmp_path, monkeypatch, token)
    assert TOKEN not in str(caught.value)
