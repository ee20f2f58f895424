"""The verifiers, as processes that are shown a token and say whether they accept it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.verifiers.install import ENVOY, GO, HERE, JAR, JOSE

PROGRAMS = HERE / "programs"


@dataclass(frozen=True)
class Kind:
    """A verifier with its defaults."""

    name: str
    command: Sequence[str]
    needs: str = ""
    """What of the installation it needs; empty: it is in the virtual environment."""


KINDS = (
    Kind("PyJWT", (sys.executable, str(PROGRAMS / "pyjwt.py"))),
    Kind("joserfc", (sys.executable, str(PROGRAMS / "with_joserfc.py"))),
    Kind("panva/jose", ("node", str(JOSE / "jose.mjs")), "jose"),
    Kind("Nimbus JOSE + JWT", ("java", "-cp", str(JAR), str(PROGRAMS / "Verify.java")), "nimbus"),
    Kind("auth0/go-jwt-middleware", (str(GO),), "go"),
    Kind("Envoy", (sys.executable, "-m", "tests.verifiers.programs.envoy", str(ENVOY)), "envoy"),
)


@dataclass
class Verifier:
    """One that runs."""

    kind: Kind
    process: subprocess.Popen[str]
    tokens: int = 0
    rejected: list[str] = field(default_factory=list)
    """What was said of valid tokens that it refused."""
    dead_accepted: int = 0

    @classmethod
    def start(cls, kind: Kind, url: str, seconds: float | None, log: Path) -> Verifier:
        """Start it on a JWK Set; `seconds`: how long it caches that, where it is not to be its default."""
        given = [*kind.command, url, *([f"{seconds:g}"] if seconds else [])]
        with log.open("w", encoding="utf-8") as errors:
            pipe = subprocess.PIPE
            return cls(kind, subprocess.Popen(given, stdin=pipe, stdout=pipe, stderr=errors, text=True))

    def says(self, token: str) -> str:
        """Show it a token, and return what it says: `accepted`, or `refused: ` and why."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{token}\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline().strip()
        if not said:
            raise RuntimeError(f"{self.kind.name} has ended")
        return said

    def is_valid(self, token: str) -> None:
        """Show it a valid token."""
        self.tokens += 1
        if (said := self.says(token)) != "accepted":
            self.rejected.append(said)

    def is_dead(self, token: str) -> None:
        """Show it a token that was signed with a key that is dead."""
        self.dead_accepted += self.says(token) == "accepted"

    def stop(self) -> None:
        """End it."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
