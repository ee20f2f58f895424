"""What the traffic has seen: counters, every refusal with its particulars, every key that signed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from rotator_sandbox.demo.tokens import Key, Token

KEPT_REFUSALS = 200
"""How many refusals are kept with their particulars; all are counted."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A valid token, or a valid login, that somebody refused."""

    verifier: str
    signer: str
    kid: str
    age: float
    """Of the token, in seconds; of a login: for how long the program has had the secret."""
    reason: str
    what: str = "token"

    @property
    def sentence(self) -> str:
        """Say it in words."""
        age = f"{self.age:.2f}s old" if self.what == "token" else f"with what it read {self.age:.2f}s before"
        return f"{self.verifier} refused a {self.what} of {self.signer}, {age}, kid {self.kid}: {self.reason}"

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "verifier": self.verifier,
            "signer": self.signer,
            "kid": self.kid,
            "age": round(self.age, 3),
            "reason": self.reason,
            "what": self.what,
        }


@dataclass
class Ledger:
    """Counts, from many threads."""

    signed: int = 0
    verified: int = 0
    rejected: int = 0
    unchecked: int = 0
    """Checks that came to nothing: the token's time was over before the check was, or no list could be reached."""
    logins: int = 0
    """Logins tried with a secret that was validly held."""
    refused: int = 0
    """Those of them that were refused."""
    unanswered: int = 0
    """Those of them that got no answer."""
    refusals: list[Refusal] = field(default_factory=list)
    keys: dict[tuple[str, str], Key] = field(default_factory=dict)
    """By rotation and kid: all that ever signed."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def met(self, key: Key) -> None:
        """Remember a key that a program was handed."""
        with self._lock:
            self.keys[key.scenario, key.kid] = key

    def sign(self, number: int) -> None:
        """Count tokens that went out."""
        with self._lock:
            self.signed += number

    def accept(self) -> None:
        """Count a check that went well."""
        with self._lock:
            self.verified += 1

    def give_up(self) -> None:
        """Count a check that came to nothing."""
        with self._lock:
            self.unchecked += 1

    def refuse(self, verifier: str, token: Token, reason: str, now: float) -> None:
        """Count a valid token that was refused."""
        with self._lock:
            self.rejected += 1
            self._keep(Refusal(verifier, token.signer, token.kid, now - token.signed, reason))

    def log_in(self, *, answered: bool = True, refusal: Refusal | None = None) -> None:
        """Count a login."""
        with self._lock:
            self.logins += 1
            self.unanswered += not answered
            if refusal:
                self.refused += 1
                self._keep(refusal)

    def _keep(self, refusal: Refusal) -> None:
        if len(self.refusals) < KEPT_REFUSALS:
            self.refusals.append(refusal)
