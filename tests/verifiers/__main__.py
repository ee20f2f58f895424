"""`python -m tests.verifiers`: real verifiers with their own caches read what two replicas of `rotator serve` answer with.

A key is rotated under their eyes, one replica is killed and started again meanwhile, and every token is shown to every verifier. The
last line is JSON `{verifiers, tokens, rejected, dead_accepted}`. The exit code is 1 where a valid token was refused, a dead one was
accepted, or fewer than five verifiers took part.

With the defaults of their libraries a life takes as long as the longest cache twice: ten minutes each. `--bounded` gives each of them
a cache of three seconds.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError

import jwt

from rotator_sandbox.certificates import issue
from rotator_sandbox.emulator import EmulatorServer
from rotator_sandbox.envtest import BinariesNotFoundError, ControlPlane, find_binaries
from rotator_sandbox.processes import free_port
from tests.contract.kubernetes_servers import Api
from tests.verifiers.install import install
from tests.verifiers.kinds import KINDS, Verifier

LEAST = 5
"""Verifiers that have to take part."""
NAMESPACE, NAME = "default", "signer"
ISSUER = "https://api.example.com"


@dataclass(frozen=True)
class Pace:
    """How fast a life is."""

    cache: float | None
    """Seconds that each verifier caches the set; None: as long as its library does by default."""
    max_age: float
    """Seconds that a verifier may cache the set, as it is declared."""
    token: int
    """Seconds that a token lives."""
    show: float
    """Seconds between two rounds of tokens."""
    longest: float
    """Seconds after which a life that is not over never will be."""


DEFAULTS = Pace(cache=None, max_age=600.0, token=60, show=2.0, longest=3600.0)
BOUNDED = Pace(cache=3.0, max_age=4.0, token=4, show=0.25, longest=240.0)


def declaration(pace: Pace) -> str:
    """Return the rotation: its set is served, and nobody else reads the ConfigMap."""
    return f"""
apiVersion: rotator.dev/v1alpha1
kind: Rotation
metadata: {{name: {NAME}, namespace: {NAMESPACE}}}
spec:
  credential: {{jwtSigningKey: {{algorithm: ES256}}}}
  every: 30d
  overlap: {{tokenTTL: {pace.token}s, clockSkew: 1s}}
  store: {{kubernetes: {{}}}}
  verifiers: [{{jwks: {{configMap: keys, maxAge: {pace.max_age:g}s, propagation: 0s, served: {{issuer: "{ISSUER}"}}}}}}]
  holders: [{{secret: {{name: signing-key}}, pickUp: 1s}}]
"""


# --- the product -----------------------------------------------------------------------------------------------------


@dataclass
class Replica:
    """One process of `rotator serve`."""

    name: str
    folder: Path
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    beside: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its set is."""
        return f"http://127.0.0.1:{self.port}/.well-known/jwks.json"

    def start(self) -> None:
        """Start it."""
        listen = ["--listen", f"127.0.0.1:{self.port}", "--listen-operator", f"127.0.0.1:{self.beside}"]
        pace = ["--every", "1s", "--refresh", "500ms", "--drain", "100ms", "--timeout", "2s"]
        command = [
            sys.executable,
            "-m",
            "rotator",
            "serve",
            "-f",
            str(self.folder / "rotation.yaml"),
            *listen,
            *pace,
        ]
        environment = {**self.environment, "POD_NAME": self.name}
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stderr=log, stdout=log)

    def kill(self) -> None:
        """End it as a node that loses its power does."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def answers(self) -> bool:
        """Whether it answers with a set."""
        try:
            with urllib.request.urlopen(self.url, timeout=5) as answer:
                return bool(json.load(answer)["keys"])
        except (URLError, OSError, ValueError, KeyError):
            return False


@contextmanager
def server(folder: Path) -> Iterator[tuple[Api, Path, str]]:
    """Start a Kubernetes API: the real one where there is one."""
    with ExitStack() as stack:
        try:
            plane = stack.enter_context(ControlPlane(find_binaries()))
            name, config = "kube-apiserver", plane.kubeconfig(folder / "kubeconfig")
            api = stack.enter_context(closing(Api(plane.url, plane.admin_token, plane.ca_file)))
        except BinariesNotFoundError:
            emulator = stack.enter_context(EmulatorServer(tls=issue(folder)))
            name, config = "emulator", emulator.kubeconfig(folder / "kubeconfig")
            api = stack.enter_context(closing(Api(emulator.url, emulator.admin_token, emulator.ca_file)))
        yield api, config, name


# --- the life --------------------------------------------------------------------------------------------------------


@dataclass
class Life:
    """Signers and verifiers through one rotation."""

    pace: Pace
    api: Api
    replicas: Sequence[Replica]
    verifiers: Sequence[Verifier]
    keys: dict[str, str] = field(default_factory=dict)
    """Every private key that the signer was handed, by its kid, oldest first."""
    _tokens: list[tuple[float, str]] = field(default_factory=list)
    """What is valid now, with when it ends."""

    def held(self) -> str:
        """Return the kid that the signer holds now; empty: none yet."""
        found = self.api.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/signing-key")
        if found.status != 200:
            return ""
        data = {name: base64.b64decode(value).decode() for name, value in found.body["data"].items()}
        self.keys.setdefault(data["kid"], data["private_key"])
        return data["kid"]

    def sign(self, kid: str) -> str:
        """Sign a token as a service does."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": "api",
            "sub": "x",
            "iat": now,
            "exp": now + 600,
            "jti": secrets.token_hex(4),
        }
        return jwt.encode(claims, self.keys[kid], algorithm="ES256", headers={"kid": kid})

    def show(self) -> None:
        """Sign a token, and show all that are valid to everybody: the newest and the oldest, which matter most."""
        now = time.monotonic()
        self._tokens = [(end, token) for end, token in self._tokens if end > now]
        self._tokens.append((now + self.pace.token, self.sign(self.held())))
        for verifier in self.verifiers:
            for _, token in {self._tokens[0], self._tokens[-1]}:
                verifier.is_valid(token)

    def ring(self) -> list[dict[str, Any]]:
        """Return the versions as they are recorded."""
        found = self.api.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/rotation-{NAME}")
        versions: list[dict[str, Any]] = json.loads(base64.b64decode(found.body["data"]["ring"]))["versions"]
        return versions

    def show_until(self, what: str, happened: Any) -> None:
        """Go on showing tokens until something has happened."""
        give_up = time.monotonic() + self.pace.longest
        while not happened():
            if time.monotonic() > give_up:
                raise SystemExit(f"it never came to this: {what}")
            begun = time.monotonic()
            self.show()
            time.sleep(max(0.0, self.pace.show - (time.monotonic() - begun)))


def tell(text: str) -> None:
    """Say how far it is."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def until(what: str, happened: Any) -> None:
    """Wait until something has happened."""
    give_up = time.monotonic() + 120
    while not happened():
        if time.monotonic() > give_up:
            raise SystemExit(f"it never came to this: {what}")
        time.sleep(0.1)


def live(life: Life, ask: Sequence[str], environment: dict[str, str]) -> None:
    """Rotate once, and kill a replica on the way."""
    first, second = life.replicas
    old = life.held()
    life.show()
    tell("all verifiers have seen a token; a rotation is asked for")
    quiet = subprocess.DEVNULL

    def begun() -> bool:
        """Ask until it has begun: the first version may still be on its way, or a replica may be at work."""
        return subprocess.run(ask, env=environment, check=False, stdout=quiet, stderr=quiet).returncode == 0

    life.show_until("a rotation begins", begun)
    life.show_until("a new key is published", lambda: len(life.ring()) == 2)
    tell("a new key is published; one replica is killed, and started again")
    second.kill()
    second.start()
    until("the replica answers again", second.answers)
    life.show_until("the signer holds the new key", lambda: life.held() != old)
    tell("the signer holds the new key")
    life.show_until("the old key is dead", lambda: life.ring()[0]["state"] == "Destroyed")
    tell("the old key is dead: no replica answers with it, and no cache has it")
    for _ in range(3):
        token = life.sign(old)
        for verifier in life.verifiers:
            verifier.is_dead(token)
        life.show()
    assert first.answers()


def main() -> None:
    """Install what is missing, live, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.verifiers", description=__doc__)
    parser.add_argument("--bounded", action="store_true", help="with caches of three seconds, for CI")
    pace = BOUNDED if parser.parse_args().bounded else DEFAULTS
    missing = install()
    for name, why in missing.items():
        tell(f"NO {name.upper()}: {why}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        api, config, name = stack.enter_context(server(folder))
        tell(f"on {name}")
        (folder / "rotation.yaml").write_text(declaration(pace), encoding="utf-8")
        environment = {**os.environ, "KUBECONFIG": str(config)}
        replicas = [Replica(name, folder, environment) for name in ("serve-0", "serve-1")]
        for replica in replicas:
            replica.start()
            stack.callback(replica.kill)
        for replica in replicas:
            until("a replica answers", replica.answers)
        verifiers = []
        for position, kind in enumerate(k for k in KINDS if k.needs not in missing):
            url = replicas[position % 2].url
            log = folder / f"{position}.log"
            verifiers.append(Verifier.start(kind, url, pace.cache, log))
            stack.callback(verifiers[-1].stop)
        life = Life(pace, api, replicas, verifiers)
        until("the signer has a key", life.held)
        ask = ["rotate", f"{NAMESPACE}/{NAME}", "--reason", "verifiers", "-f", str(folder / "rotation.yaml")]
        live(life, [sys.executable, "-m", "rotator", *ask], environment)
        for verifier in verifiers:
            said = f"; {verifier.rejected[0]}" if verifier.rejected else ""
            tell(f"{verifier.kind.name}: {verifier.tokens} tokens, {len(verifier.rejected)} rejected{said}")
    figures = {
        "verifiers": [v.kind.name for v in verifiers],
        "tokens": sum(v.tokens for v in verifiers),
        "rejected": sum(len(v.rejected) for v in verifiers),
        "dead_accepted": sum(v.dead_accepted for v in verifiers),
        "server": name,
    }
    print(json.dumps(figures))
    sys.exit(bool(figures["rejected"] or figures["dead_accepted"] or len(verifiers) < LEAST))


if __name__ == "__main__":
    main()
