"""Keys that stand in a kubeconfig never lie in a file of ours, so that a run that is killed leaves none."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from pathlib import Path

from rotator.sandbox.certificates import ServerFiles, issue

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: "https://127.0.0.1:1", certificate-authority-data: {ca}}}}}]
users: [{{name: me, user: {{client-certificate-data: {certificate}, client-key-data: {key}}}}}]
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
"""
KILLED = "import os, signal\nfrom rotator.clients.kubernetes import connect\nconnect()\nos.kill(os.getpid(), signal.SIGKILL)"


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
