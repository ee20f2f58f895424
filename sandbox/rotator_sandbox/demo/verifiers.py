"""Those who check tokens: popular libraries with their own caches, and two adversaries at the policy's edges."""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import jwt

from rotator_sandbox.demo.scenarios import CLOCK_SKEW, MAX_AGE, STALEST
from rotator_sandbox.demo.tokens import Check, RefusedError, with_pyjwt

Fetch = Callable[[], str | None]
"""Gets the accepted list; None where there is none yet or it cannot be reached."""


class UnreachableError(Exception):
    """A verifier could not get any list to check with: that says nothing about the token."""


class Verifier(Protocol):
    """Somebody who accepts or refuses tokens."""

    name: str
    slow: float
    """By how many seconds its clock is slow: it still takes a token for valid then."""

    def check(self, text: str) -> None:
        """Raise RefusedError for a token that is not accepted, UnreachableError where there is no list."""
        ...


@dataclass
class PyJwkClient:
    """PyJWT's own client: fetches over HTTP, caches for as long as it may, and so on, all by itself."""

    url: str
    name: str = "PyJWT's PyJWKClient"
    slow: float = 0.0

    def __post_init__(self) -> None:
        """Make the client with its defaults, but for the cache lifetime."""
        self._client = jwt.PyJWKClient(self.url, lifespan=MAX_AGE, timeout=5)

    def check(self, text: str) -> None:
        """Check as an application would."""
        try:
            key = self._client.get_signing_key_from_jwt(text)
        except (jwt.PyJWKClientConnectionError, jwt.PyJWKSetError) as error:
            raise UnreachableError(str(error)) from None
        except jwt.PyJWKClientError:
            raise RefusedError("unknown kid") from None
        with_pyjwt(text, key, self.slow)


@dataclass
class Cached:
    """A service that reads the list, uses it for exactly the cache lifetime, and never looks before that."""

    fetch: Fetch
    read: Callable[[str], Check]
    name: str
    slow: float = 0.0
    _check: Check | None = None
    _until: float = 0.0

    def check(self, text: str) -> None:
        """Check with the copy at hand."""
        if time.monotonic() >= self._until or self._check is None:
            document = self.fetch()
            if document is None:
                raise UnreachableError(self.name)
            self._check, self._until = self.read(document), time.monotonic() + MAX_AGE
        self._check(text, self.slow)


@dataclass
class Copies:
    """Every copy of an accepted list that somebody might still work with, by the instant it was asked for."""

    fetch: Fetch
    read: Callable[[str], Check]
    clock: Callable[[], float] = time.monotonic
    _documents: tuple[str, Check] | None = None
    _copies: list[tuple[float, Check]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self) -> None:
        """Take one copy, and forget those that nobody may use any more."""
        asked = self.clock()
        document = self.fetch()
        if document is None:
            return
        if self._documents is None or self._documents[0] != document:
            self._documents = document, self.read(document)
        with self._lock:
            self._copies.append((asked, self._documents[1]))
            while self._copies[0][0] < asked - 2 * STALEST:
                self._copies.pop(0)

    def oldest(self) -> Check:
        """Return the stalest copy that the policy allows: asked for no more than STALEST seconds ago."""
        with self._lock:
            first = bisect.bisect_left(self._copies, self.clock() - STALEST, key=lambda c: c[0])
            return self._at(first)

    def newest(self) -> Check:
        """Return the freshest copy."""
        with self._lock:
            return self._at(len(self._copies) - 1)

    def _at(self, position: int) -> Check:
        if not 0 <= position < len(self._copies):
            raise UnreachableError("no copy is fresh enough")
        return self._copies[position][1]


@dataclass
class Stale:
    """The first adversary: always as stale as the policy allows, and an unknown `kid` does not make it look again."""

    copies: Copies
    name: str = "adversary, stalest copy"
    slow: float = 0.0

    def check(self, text: str) -> None:
        """Check with the oldest copy."""
        self.copies.oldest()(text, self.slow)


@dataclass
class Slow:
    """The second adversary: forgets at once, while its clock is slow by all that the policy allows."""

    copies: Copies
    name: str = "adversary, slow clock"
    slow: float = CLOCK_SKEW

    def check(self, text: str) -> None:
        """Check with the newest copy."""
        self.copies.newest()(text, self.slow)
