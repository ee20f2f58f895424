"""Real tokens, signed by whoever may hold a key and checked by the stalest verifier that the policy allows."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt

from tests.faults.timeline import Timeline

SIGN_EVERY = timedelta(seconds=20)


@dataclass
class History:
    """The contents that a document has had, and since when."""

    contents: list[tuple[datetime, str]] = field(default_factory=list)

    def note(self, now: datetime, content: str | None) -> bool:
        """Note what it holds now; return whether that is new. A document that was never there is no content."""
        if content is None or (self.contents and self.contents[-1][1] == content):
            return False
        self.contents.append((now, content))
        return True

    def between(self, start: datetime, end: datetime) -> Iterator[str]:
        """Yield what it held at some instant of [start, end]."""
        for position, (since, content) in enumerate(self.contents):
            until = self.contents[position + 1][0] if position + 1 < len(self.contents) else end
            if since <= end and until >= start:
                yield content


@dataclass(frozen=True)
class Token:
    """A token that was signed."""

    text: str
    kid: str
    expires: datetime


@dataclass
class Traffic:
    """Signers and verifiers of one rotation."""

    timeline: Timeline
    ttl: timedelta
    stale: timedelta
    """The most that a verifier may lag behind the document it reads."""
    pick_up: timedelta
    """The most that a file-reading signer may lag behind."""
    pods: Callable[[], list[str]]
    """The keys that running pods have read at their start (private JWKs)."""
    accepted: History = field(default_factory=History)
    beside: list[History] = field(default_factory=list)
    """What others answer verifiers with at the same time."""
    held: list[History] = field(default_factory=list)
    signed: int = 0
    verified: int = 0
    rejected: list[str] = field(default_factory=list)
    _tokens: list[Token] = field(default_factory=list)
    _proven: set[tuple[str, str]] = field(default_factory=set)
    _last: dict[str, datetime] = field(default_factory=dict)

    def pulse(self) -> None:
        """Sign with every key that somebody may sign with now, and check every token that is valid now."""
        now = self.timeline.now
        for key in self._signers(now):
            self._sign(json.loads(key), now)
        self._tokens = [t for t in self._tokens if t.expires >= now]
        for accepted in self._documents(now):
            self._check(accepted, now)

    def _documents(self, now: datetime) -> Iterable[str]:
        """Return every list that some verifier may go by now."""
        return {c for h in (self.accepted, *self.beside) for c in h.between(now - self.stale, now)}

    def _signers(self, now: datetime) -> set[str]:
        held = {k for h in self.held for k in h.between(now - self.pick_up, now)}
        return held | set(self.pods())

    def _sign(self, key: dict[str, Any], now: datetime) -> None:
        kid = key["kid"]
        if kid in self._last and now - self._last[kid] < SIGN_EVERY:
            return
        self._last[kid] = now
        claims = {"sub": "payments", "iat": int(now.timestamp())}
        text = jwt.encode(claims, jwt.PyJWK(key).key, key["alg"], headers={"kid": kid})
        self._tokens.append(Token(text, kid, now + self.ttl))
        self.signed += 1

    def _check(self, accepted: str, now: datetime) -> None:
        keys: dict[str, jwt.PyJWK] | None = None
        for token in self._tokens:
            if (token.text, accepted) in self._proven:
                continue
            keys = keys if keys is not None else _keys(accepted)
            if not accepts(keys, token.text, token.kid):
                self.rejected.append(f"{now}: a valid token of {token.kid} is refused by {sorted(keys)}")
            self._proven.add((token.text, accepted))
            self.verified += 1

    def dead(self, key: str) -> bool:
        """Whether a token freshly signed with an old key is refused by whatever a verifier may still have in its cache."""
        private = json.loads(key)
        text = jwt.encode(
            {"sub": "ghost"}, jwt.PyJWK(private).key, private["alg"], headers={"kid": private["kid"]}
        )
        return not any(
            accepts(_keys(each), text, private["kid"]) for each in self._documents(self.timeline.now)
        )


def _keys(accepted: str) -> dict[str, jwt.PyJWK]:
    return {k["kid"]: jwt.PyJWK(k) for k in json.loads(accepted)["keys"]}


def accepts(keys: dict[str, jwt.PyJWK], token: str, kid: str) -> bool:
    """Verify a token the way a service does."""
    if kid not in keys:
        return False
    try:
        jwt.decode(
            token, keys[kid].key, algorithms=[str(keys[kid].algorithm_name)], options={"verify_exp": False}
        )
    except jwt.InvalidTokenError:
        return False
    return True


def text_of(document: dict[str, Any] | None, key: str, *, secret: bool) -> str | None:
    """Return one data key of a Secret or ConfigMap."""
    value = ((document or {}).get("data") or {}).get(key)
    return base64.b64decode(value).decode() if value is not None and secret else value
