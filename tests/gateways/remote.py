"""A gateway that fetches the JWK Set itself, written from Envoy's `jwt_authn` filter: each thread keeps what it fetched for a time.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/jwt_authn_filter, and the texts of
https://github.com/google/jwt_verify_lib/blob/master/src/status.cc.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt

from tests.providers.served import Api, Asked, Said

KNOWN = "Jwt verification fails"
UNKNOWN = "Jwks doesn't have key to match kid or alg from Jwt"
AWAY = "Jwks remote fetch is failed"


@dataclass
class Thread:
    """One thread with its copy of the set."""

    keys: list[Any] = field(default_factory=list)
    until: datetime | None = None


@dataclass
class Envoy(Api):
    """One proxy; requests go to its threads in turn."""

    fetch: Callable[[], str]
    """Returns the set as it is served now; empty: nothing is."""
    now: Callable[[], datetime]
    cache: timedelta
    threads: list[Thread] = field(default_factory=lambda: [Thread(), Thread()])
    says: Said | None = None
    """What it answers to everything, where it does not look."""
    asked: list[str] = field(default_factory=list)
    """The tokens that it was shown."""

    def __post_init__(self) -> None:
        """Answer on every path."""
        super().__init__()
        self.route("GET", "/.*", self._answer)

    def _answer(self, asked: Asked) -> Said:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        self.asked.append(token)
        return self.says or self.judge(token)

    def judge(self, token: str) -> Said:
        """Say what the thread whose turn it is thinks of a token."""
        thread = self.threads[0]
        self.threads = [*self.threads[1:], thread]
        if thread.until is None or thread.until <= self.now():
            fetched = self.fetch()
            if not fetched:
                return Said(401, AWAY)
            thread.keys, thread.until = json.loads(fetched)["keys"], self.now() + self.cache
        header = jwt.get_unverified_header(token)
        key = next((k for k in thread.keys if (k["kid"], k["alg"]) == (header["kid"], header["alg"])), None)
        if key is None:
            return Said(401, UNKNOWN)
        try:
            jwt.decode(token, jwt.PyJWK(key).key, algorithms=[header["alg"]], options={"verify_exp": False})
        except jwt.InvalidTokenError:
            return Said(401, KNOWN)
        return Said(200, {})
