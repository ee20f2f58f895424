"""One Ory Hydra with one client: its admin API, and its token endpoint.

Source: the code of July 2026. `client/handler.go`: GET hides the secret; PATCH, PUT, rotation and its DELETE; a rotation
moves the current secret before the previous ones and keeps five; only `client_secret_basic` and `client_secret_post`
rotate; a new `client_secret` ends all others. `persistence/sql/persister_client.go`: without a secret, and without an
explicitly empty list, what there was stays. `oryx/jsonx/patch.go`: a JSON Patch (RFC 6902) may `add`, `remove` and
`replace`, all or nothing, a `replace` of what is not there adds it, a path is made as far as it is missing, and what cannot be
applied is HTTP 500. `fosite/client_authentication.go`: the current secret or any previous one logs in.
`client/validator.go`: a secret has six characters at least. `updated_at` is rounded to whole seconds.
"""

from __future__ import annotations

import base64
import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

from tests.providers.exploration import START
from tests.providers.served import Api, Asked, Route, Said

CLIENT = "payments"
FIRST_SECRET = "the-secret-that-the-client-was-made-with"
KEPT = 5
_CLIENT = f"/admin/clients/{CLIENT}"
_ERRORS = {400: "Bad Request", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}


@dataclass(frozen=True)
class State:
    """The client: what it shows of itself, and its secrets, which it does not show."""

    document: dict[str, Any]
    secret: str = FIRST_SECRET
    previous: tuple[str, ...] = ()


@dataclass
class Refused(Exception):
    """A patch that cannot be applied."""

    why: str


def _first(now: datetime) -> dict[str, Any]:
    return {
        "client_id": CLIENT,
        "client_name": "",
        "grant_types": ["client_credentials"],
        "scope": "",
        "token_endpoint_auth_method": "client_secret_basic",
        "client_secret_expires_at": 0,
        "created_at": _written(now),
        "updated_at": _written(now),
        "metadata": {},
    }


def _written(instant: datetime) -> str:
    rounded = (instant + timedelta(milliseconds=500)).replace(microsecond=0)
    return rounded.strftime("%Y-%m-%dT%H:%M:%SZ")


class HydraApi(Api):
    """The server. `url` is set once it is known where it listens; public and admin API share it."""

    def __init__(self, now: Callable[[], datetime] = lambda: START) -> None:
        super().__init__()
        self.url = ""
        self.now = now
        self.state: State | None = State(_first(now()))
        self.limited = 0
        """How many of the next requests are one too many, as a proxy before Hydra says so."""
        self._numbers = itertools.count(1)
        for method, pattern, route in (
            ("GET", _CLIENT, self._get),
            ("PATCH", _CLIENT, self._patch),
            ("PUT", _CLIENT, self._put),
            ("POST", f"{_CLIENT}/secrets/rotate", self._rotate),
            ("DELETE", f"{_CLIENT}/secrets/rotate", self._clear),
        ):
            self.route(method, pattern, self._managed(route))
        self.route("GET", "/admin/.*", lambda _: _refused(404, "Unable to locate the resource"))
        self.route("GET", r"/\.well-known/openid-configuration", self._discovery)
        self.route("POST", "/oauth2/token", self._token)

    # --- somebody else ------------------------------------------------------------------------------------------

    @property
    def client(self) -> State:
        """The client as it is."""
        assert self.state
        return self.state

    def accepts(self, secret: str) -> bool:
        """Whether a secret logs in."""
        return bool(secret) and secret in (self.client.secret, *self.client.previous)

    def rotate(self) -> str:
        """Make a secret, as anybody may; return it."""
        state = self.client
        made = f"a-secret-of-hydra-number-{next(self._numbers):04}"
        self._save(state.document, made, (state.secret, *state.previous)[:KEPT])
        return made

    def edit(self, **fields: Any) -> None:
        """Change settings and no secret, as an operator does by PUT."""
        state = self.client
        self._save({**state.document, **fields}, state.secret, state.previous)

    def set_secret(self, value: str) -> None:
        """Set the secret, which ends all others."""
        self._save(self.client.document, value, ())

    def _save(self, document: dict[str, Any], secret: str, previous: tuple[str, ...]) -> State:
        document = {**copy.deepcopy(document), "updated_at": _written(self.now())}
        document.pop("client_secret", None)
        self.state = State(document, secret, previous)
        return self.state

    # --- the admin API ------------------------------------------------------------------------------------------

    def _managed(self, route: Route) -> Route:
        def answer(asked: Asked) -> Said:
            if self.limited:
                self.limited -= 1
                return replace(_refused(429, "too many requests"), headers={"Retry-After": "1"})
            if self.state is None:
                return _refused(404, "Unable to locate the resource")
            return route(asked)

        return answer

    def _get(self, asked: Asked) -> Said:
        del asked
        return Said(200, self.client.document)

    def _patch(self, asked: Asked) -> Said:
        state = self.client
        stored = {**copy.deepcopy(state.document), "client_secret": _Hash(state.secret)}
        try:
            changed = apply(asked.document, stored)
        except Refused as refused:
            return _refused(500, refused.why)
        secret = changed.pop("client_secret", None)
        if secret is None or isinstance(secret, _Hash):
            return Said(200, self._save(changed, state.secret, state.previous).document)
        if len(secret) < 6:
            return _refused(400, "The value of one of the Client Metadata fields is invalid")
        return Said(200, {**self._save(changed, secret, ()).document, "client_secret": secret})

    def _put(self, asked: Asked) -> Said:
        """Replace everything but, where none is sent, the secrets."""
        state, sent = self.client, dict(asked.document)
        document = {**_first(self.now()), **sent, "created_at": state.document["created_at"]}
        secret = sent.get("client_secret")
        if secret:
            return Said(200, {**self._save(document, secret, ()).document, "client_secret": secret})
        return Said(200, self._save(document, state.secret, state.previous).document)

    def _rotate(self, asked: Asked) -> Said:
        del asked
        if refused := self._has_no_secrets():
            return refused
        made = self.rotate()
        return Said(200, {**self.client.document, "client_secret": made})

    def _clear(self, asked: Asked) -> Said:
        del asked
        if refused := self._has_no_secrets():
            return refused
        return Said(200, self._save(self.client.document, self.client.secret, ()).document)

    def _has_no_secrets(self) -> Said | None:
        method = self.client.document["token_endpoint_auth_method"]
        if method in {"client_secret_basic", "client_secret_post"}:
            return None
        return _refused(400, f"{method} does not support client secret rotation")

    # --- tokens -------------------------------------------------------------------------------------------------

    def _discovery(self, asked: Asked) -> Said:
        del asked
        return Said(200, {"issuer": f"{self.url}/", "token_endpoint": f"{self.url}/oauth2/token"})

    def _token(self, asked: Asked) -> Said:
        """RFC 6749, sections 2.3.1 and 5.2."""
        header = asked.headers.get("authorization", "")
        basic = self.state is not None and (
            self.client.document["token_endpoint_auth_method"] == "client_secret_basic"
        )
        if basic and header.startswith("Basic "):
            name, _, secret = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
            name, secret = unquote_plus(name), unquote_plus(secret)
        elif not basic:
            name, secret = asked.form.get("client_id", ""), asked.form.get("client_secret", "")
        else:
            name = secret = ""
        if self.state is None or name != CLIENT or not self.accepts(secret):
            return Said(401, {"error": "invalid_client", "error_description": "a sentence"})
        return Said(200, {"access_token": "ory_at_a-token", "token_type": "bearer", "expires_in": 3599})


@dataclass(frozen=True)
class _Hash:
    """What is kept of a secret."""

    of: str = field(repr=False)


def apply(patch: list[dict[str, Any]], document: dict[str, Any]) -> dict[str, Any]:
    """Apply a JSON Patch as Hydra does. Raises Refused, and then nothing was changed."""
    for operation in patch:
        kind, path = operation["op"], operation["path"]
        if kind not in {"add", "remove", "replace"}:
            raise Refused(f"unsupported operation: {kind}")
        if path.lower() in {"/id", "/rotatedsecrets", "rotated_secrets"}:
            raise Refused(f"patch includes denied path: {path}")
        *parents, last = (p.replace("~1", "/").replace("~0", "~") for p in path.removeprefix("/").split("/"))
        place = document
        for parent in parents:
            if not isinstance(place.get(parent), dict):
                if kind == "remove":
                    raise Refused(f"there is no {path}")
                place[parent] = {}
            place = place[parent]
        if kind == "remove" and last not in place:
            raise Refused(f"there is no {path}")
        if kind == "remove":
            del place[last]
        else:
            place[last] = operation["value"]
    return document


def _refused(status: int, reason: str) -> Said:
    word = _ERRORS[status]
    return Said(status, {"error": {"code": status, "status": word, "reason": reason, "message": word}})
