"""`python -m tests.gateways`: a real Envoy checks tokens in front of services while rotator rotates the key that signs them.

The gateways fetch the JWK Set from `rotator serve`, which asks them whether they know a key. Clients keep connections open, and others
connect anew for each request. The last line is JSON `{systems, requests, refused, dead_accepted}`. The exit code is 1 where a valid
token was refused, or a dead one accepted.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from rotator_sandbox.processes import free_port
from tests.gateways.envoy import Setup, envoy
from tests.gateways.envoy_gateway import PROGRAM, VERSION, build, envoy_gateway
from tests.verifiers.__main__ import BOUNDED, NAME, NAMESPACE, Life, Replica, server, tell, until
from tests.verifiers.install import ENVOY, install

KEEPS = 4.0
"""Seconds for which each Envoy keeps the set."""
OPEN = 3
"""Connections to each gateway that stay open."""
PAUSE = 0.05
"""Seconds between two requests of one client."""


def declaration(gateways: Sequence[At]) -> str:
    """Return the rotation, with the gateways among its verifiers."""
    asked = "\n".join(
        f'    - gateway: {{product: {each.product}, url: "{each.url}", maxAge: {KEEPS:g}s, audience: api, times: 4}}'
        for each in gateways
    )
    return f"""
apiVersion: rotator.dev/v1alpha1
kind: Rotation
metadata: {{name: {NAME}, namespace: {NAMESPACE}}}
spec:
  credential: {{jwtSigningKey: {{algorithm: ES256}}}}
  every: 30d
  overlap: {{tokenTTL: {BOUNDED.token}s, clockSkew: 1s}}
  store: {{kubernetes: {{}}}}
  verifiers:
    - jwks: {{configMap: keys, maxAge: 1s, propagation: 0s, served: {{}}}}
{asked}
  holders: [{{secret: {{name: signing-key}}, pickUp: 1s}}]
"""


@dataclass(frozen=True)
class At:
    """A gateway of the test."""

    name: str
    product: str
    threads: int = 1
    ahead: bool = False
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}/"


def gateways() -> list[At]:
    """Return those that can run here."""
    found = [At("Envoy 1.40.0", "Envoy", threads=2), At("Envoy 1.40.0, async_fetch", "Envoy", ahead=True)]
    if PROGRAM.is_file():
        found.append(At(f"Envoy Gateway {VERSION}", "EnvoyGateway"))
    else:
        tell("NO ENVOY GATEWAY: make test-gateways ARGS=--build makes it, in many minutes")
    return found


@dataclass
class Clients:
    """Clients of one gateway: some keep their connection, one connects anew for each request."""

    at: str
    token: Callable[[], str]
    answers: Counter[int] = field(default_factory=Counter)
    reconnected: int = 0
    refused: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Let them ask."""
        self._threads = [
            threading.Thread(target=self._ask, args=(kept,)) for kept in (True,) * OPEN + (False,)
        ]
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """Let them end."""
        self._over.set()
        for each in self._threads:
            each.join()

    def _ask(self, kept: bool) -> None:
        connection = connected(self.at)
        while not self._over.is_set():
            status, said, closes = ask(connection, self.token())
            self.answers[status] += 1
            if status != 200:
                self.refused.append(f"{status} {said}")
            if closes or not kept:
                connection.close()
                connection = connected(self.at)
                self.reconnected += kept
            time.sleep(PAUSE)
        connection.close()


def connected(url: str) -> http.client.HTTPConnection:
    """Return a connection to a gateway, which is made with the first request."""
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)


def ask(connection: http.client.HTTPConnection, token: str) -> tuple[int, str, bool]:
    """Show a token; return status, text, and whether the gateway closes the connection."""
    connection.request("GET", "/", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.getheader("Connection", "").lower() == "close"


def rotate(life: Life, folder: Path, environment: dict[str, str], token: list[str]) -> str:
    """Rotate once; return the kid of the key that is dead then."""
    old = life.held()
    command = [sys.executable, "-m", "rotator", "rotate", f"{NAMESPACE}/{NAME}", "--reason", "gateways"]
    quiet = subprocess.DEVNULL

    def step(what: str, happened: Callable[[], bool]) -> None:
        give_up = time.monotonic() + BOUNDED.longest
        while not happened():
            if time.monotonic() > give_up:
                raise SystemExit(f"it never came to this: {what}")
            token[0] = life.sign(life.held())
            time.sleep(0.2)
        tell(what)

    asked = [*command, "-f", str(folder / "rotation.yaml")]
    step(
        "a rotation begins",
        lambda: (
            subprocess.run(asked, env=environment, check=False, stdout=quiet, stderr=quiet).returncode == 0
        ),
    )
    step("a new key is published", lambda: len(life.ring()) == 2)
    step("the signer holds the new key", lambda: life.held() != old)
    step("the old key is dead", lambda: life.ring()[0]["state"] == "Destroyed")
    return old


def main() -> None:
    """Run, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.gateways", description=__doc__)
    parser.add_argument("--build", action="store_true", help="make Envoy Gateway from its Go module first")
    if parser.parse_args().build:
        build()
    missing = install(("envoy",))
    if missing:
        raise SystemExit(f"NO ENVOY: {missing['envoy']}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        api, config, name = stack.enter_context(server(folder))
        found = gateways()
        (folder / "rotation.yaml").write_text(declaration(found), encoding="utf-8")
        environment = {**os.environ, "KUBECONFIG": str(config)}
        replica = Replica("serve-0", folder, environment)
        replica.start()
        stack.callback(replica.kill)
        for each in found:
            setup = Setup(
                jwks=replica.url, keeps=KEEPS, port=each.port, threads=each.threads, ahead=each.ahead
            )
            stack.enter_context(
                envoy_gateway(str(ENVOY), setup, folder / "eg")
                if each.product == "EnvoyGateway"
                else envoy(str(ENVOY), setup)
            )
        until("rotator answers", replica.answers)
        life = Life(BOUNDED, api, [replica], [])
        until("the signer has a key", life.held)
        token = [life.sign(life.held())]
        clients = [Clients(each.url, lambda: token[0]) for each in found]
        opened = [connected(each.url) for each in found]
        for connection in opened:
            until("the gateway knows the key", lambda to=connection: ask(to, token[0])[0] == 200)
        for group in clients:
            group.start()
            stack.callback(group.stop)
        dead = life.sign(rotate(life, folder, environment, token))
        connections = (*opened, *(connected(each.url) for each in found))
        accepted = sum(ask(to, dead)[0] == 200 for to in connections for _ in range(8))
        for connection in connections:
            connection.close()
    refused = [said for group in clients for said in group.refused]
    for said in refused[:3]:
        tell(f"refused: {said}")
    figures = {
        "systems": [each.name for each in found],
        "requests": sum(sum(group.answers.values()) for group in clients),
        "refused": len(refused),
        "dead_accepted": accepted,
        "server": name,
    }
    print(json.dumps(figures))
    sys.exit(bool(refused or accepted))


if __name__ == "__main__":
    main()
