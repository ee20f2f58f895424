"""Two replicas of `rotator serve`, which answer with a JWK Set; one of them is killed now and then, and started again."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import requests

from rotator_sandbox.demo.scenarios import JWKS_PATH
from rotator_sandbox.processes import free_port

Fetch = Callable[[], str | None]
NEVER = "0 0 1 jan *"
"""When its own runs begin: the demo's CronJobs do all runs."""
LIVES = (4.0, 7.0)
"""Seconds after which the replica is killed, from and to."""
AWAY = 0.5
"""Seconds for which it is away."""


@dataclass
class Replica:
    """One process of `rotator serve`."""

    name: str
    environment: Mapping[str, str]
    context: str
    log: Path
    port: int = field(default_factory=free_port)
    beside: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers with the set."""
        return f"http://127.0.0.1:{self.port}{JWKS_PATH}"

    def start(self) -> None:
        """Start it."""
        options = {
            "context": self.context,
            "listen": f"127.0.0.1:{self.port}",
            "listen-operator": f"127.0.0.1:{self.beside}",
            "schedule": NEVER,
            "refresh": "300ms",
            "drain": "100ms",
            "timeout": "1s",
        }
        command = [sys.executable, "-m", "rotator", "serve", *(f"--{n}={v}" for n, v in options.items())]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env={**self.environment, "POD_NAME": self.name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it as a node that loses its power does."""
        if self._process:
            self._process.kill()
            self._process.wait()


@dataclass
class ServedSet:
    """Two replicas with the same set."""

    replicas: tuple[Replica, Replica]
    seed: int
    kills: int = 0
    answers: int = 0
    """Sets that those who check tokens were given."""
    _session: requests.Session = field(default_factory=requests.Session)
    _ended: bool = False
    _starting: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start both."""
        self._session.trust_env = False
        for replica in self.replicas:
            replica.start()

    def stop(self) -> None:
        """End both, for good."""
        with self._starting:
            self._ended = True
        for replica in self.replicas:
            replica.kill()

    def disturb(self, stop: threading.Event) -> None:
        """Kill the second one, and start it again, until told to stop."""
        chance = random.Random(f"{self.seed} replicas")  # noqa: S311 - it has to repeat
        second = self.replicas[1]
        while not stop.wait(chance.uniform(*LIVES)):
            second.kill()
            self.kills += 1
            stop.wait(AWAY)
            with self._starting:
                if not self._ended:
                    second.start()

    def fetch(self) -> str | None:
        """Ask one of them, as a Service does: the second one first, for the first one never ends."""
        for replica in reversed(self.replicas):
            try:
                answer = self._session.get(replica.url, timeout=2)
            except requests.RequestException:
                continue
            if answer.ok:
                self.answers += 1
                return answer.text
        return None
