"""Starting servers on loopback, waiting until they answer, and ending them for sure."""

from __future__ import annotations

import contextlib
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

START_TIMEOUT = 30.0
STOP_TIMEOUT = 10.0


PORTS = range(15_000, 32_000)
"""Below those that systems give to clients (Linux: from 32768, RFC 6335: from 49152): nobody takes one by chance."""


def free_port() -> int:
    """Return a TCP port that is free on loopback now, and that no client is given before a server listens there."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


class ServerProcess:
    """A child process with its output in a file."""

    def __init__(self, arguments: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self._log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                arguments,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=env,
                start_new_session=True,  # a Ctrl-C in the terminal is for us, not for the server
            )

    def wait_until(self, ready: Callable[[], bool], patience: float = START_TIMEOUT) -> None:
        """Poll until `ready`; RuntimeError with the end of the log where the server dies or takes too long."""
        give_up = time.monotonic() + patience
        while not ready():
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.stop()
                tail = self._log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self._process.args!r} did not come up:\n{tail}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it: politely first."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
