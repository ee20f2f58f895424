"""What the traffic has seen: counters, every refusal with its particulars, every key that signed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from rotator.sandbox.demo.tokens import Key, Token

KEPT_REFUSALS = 200
"""How many refusals are kept with their particulars; all are counted."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A valid token that somebody refused."""

    verifier: str
    signer: str
    kid: str
    age: float
    """Of the token, in seconds."""
    reason: str

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "verifier": self.verifier,
            "signer": self.signer,
            "kid": self.kid,
            "age": round(self.age, 3),
            "reason": self.reason,
        }


@dataclass
class Ledger:
    """Counts, from many threads."""

    signed: int = 0
    verified: int = 0
    rejected: int = 0
    unchecked: int = 0
    """Checks that came to nothing: the token's time was over before the check was, or no list could be reached."""
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
            if len(self.refusals) < KEPT_REFUSALS:
                age = now - token.signed
                self.refusals.append(Refusal(verifier, token.signer, token.kid, age, reason))
