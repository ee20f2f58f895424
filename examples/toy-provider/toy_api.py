"""Toy as its (imaginary) API description has it, on loopback: the secrets of one client, and who is let in."""

from __future__ import annotations

import base64
import itertools
from dataclasses import dataclass

from rotator_sandbox.identity.served import Api, Asked, Route, Said

CLIENT = "payments"
TOKEN = "token-of-the-rotator"
MOST, LEAST_LENGTH, MOST_LENGTH = 5, 16, 64
_SECRETS = f"/v1/clients/{CLIENT}/secrets"


@dataclass(frozen=True)
class Kept:
    """A secret."""

    id: str
    value: str
    by_us: bool = True


class ToyApi(Api):
    """One client."""

    def __init__(self) -> None:
        super().__init__()
        self.url = ""
        """Where it is served, for the document that names it."""
        self.secrets: tuple[Kept, ...] = ()
        self.limited = 0
        """How many of the next requests are one too many."""
        self._numbers = itertools.count(1)
        self.route("GET", _SECRETS, self._allowed(self._list))
        self.route("POST", _SECRETS, self._allowed(self._add))
        self.route("DELETE", f"{_SECRETS}/([^/]+)", self._allowed(self._remove))
        self.route("GET", "/.well-known/openid-configuration", self._discovery)
        self.route("POST", "/token", self._token)

    def accepts(self, value: str) -> bool:
        """Whether a client is let in with `value`."""
        return any(secret.value == value for secret in self.secrets)

    def add_anothers(self) -> None:
        """Add a secret as an administrator would."""
        number = next(self._numbers)
        self.secrets = (*self.secrets, Kept(f"by-hand-{number}", f"somebody-elses-{number:03}", by_us=False))

    def anothers(self) -> tuple[str, ...]:
        """The ids of what an administrator added."""
        return tuple(secret.id for secret in self.secrets if not secret.by_us)

    def keep(self, *values: str) -> None:
        """Remove all but these values, as an administrator would."""
        self.secrets = tuple(secret for secret in self.secrets if secret.value in values)

    def take_away(self, value: str) -> None:
        """Remove a secret by its value, as an administrator would."""
        self.keep(*(secret.value for secret in self.secrets if secret.value != value))

    def limit(self, requests: int) -> None:
        """Refuse so many of the next requests."""
        self.limited = requests

    def _allowed(self, route: Route) -> Route:
        def answer(asked: Asked) -> Said:
            if self.limited:
                self.limited -= 1
                return Said(429, {"error": "slow_down"}, {"Retry-After": "60"})
            if asked.headers.get("authorization") != f"Bearer {TOKEN}":
                return Said(401, {"error": "invalid_token"})
            return route(asked)

        return answer

    def _list(self, asked: Asked) -> Said:
        del asked
        created = "2029-12-31T00:00:00Z"
        return Said(200, {"secrets": [{"id": secret.id, "created": created} for secret in self.secrets]})

    def _add(self, asked: Asked) -> Said:
        made = Kept(asked.document["id"], asked.document["value"])
        if any(secret.id == made.id for secret in self.secrets):
            return Said(409, {"error": "exists"})
        if not LEAST_LENGTH <= len(made.value) <= MOST_LENGTH:
            return Said(422, {"error": "length"})
        if len(self.secrets) >= MOST:
            return Said(422, {"error": "too_many"})
        self.secrets = (*self.secrets, made)
        return Said(201, {"id": made.id})

    def _remove(self, asked: Asked) -> Said:
        if all(secret.id != asked.parts[0] for secret in self.secrets):
            return Said(404, {"error": "unknown"})
        self.secrets = tuple(secret for secret in self.secrets if secret.id != asked.parts[0])
        return Said(204, headers={"Content-Type": ""})

    # --- who is let in: OAuth 2.0, as any issuer -------------------------------------------------------------------

    def _discovery(self, asked: Asked) -> Said:
        del asked
        return Said(200, {"issuer": self.url, "token_endpoint": f"{self.url}/token"})

    def _token(self, asked: Asked) -> Said:
        pair = asked.headers.get("authorization", "").removeprefix("Basic ")
        client, _, value = base64.b64decode(pair).decode().partition(":")
        if client != CLIENT or not self.accepts(value):
            return Said(401, {"error": "invalid_client"})
        return Said(200, {"access_token": "token", "token_type": "Bearer", "expires_in": 300})
