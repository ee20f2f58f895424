"""Credentials as the demo's programs use them: keys that sign, and copies of accepted lists that check."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwk
from joserfc import jwt as joserfc_jwt
from joserfc.errors import JoseError

from rotator_sandbox.demo.scenarios import TOKEN_TTL

_numbers = itertools.count()
Check = Callable[[str, float], None]
"""Takes a token and by how many seconds the clock may be slow; raises RefusedError."""


LOGIN = "login"
"""Stands for an algorithm where nothing is signed."""


class RefusedError(Exception):
    """A verifier does not accept a token; the message says why."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token or cookie, and what the traffic knows of it."""

    text: str = field(repr=False)
    kid: str
    signed: float
    expires: float
    signer: str


@dataclass(frozen=True, slots=True)
class Key:
    """One version of a credential in the hands of a program."""

    scenario: str
    kid: str
    secret: str = field(repr=False)
    """What was handed out: a PEM document, or the shared value."""
    signs: Any = field(repr=False)
    algorithm: str
    since: float = field(default_factory=time.time, compare=False)
    """When the program read it."""

    def sign(self, signer: str) -> Token:
        """Make a token that lives as long as the policy allows, and no longer; a client presents its secret itself."""
        now = time.time()
        expires = int(now) + int(TOKEN_TTL)
        claims = {"sub": signer, "iat": int(now), "exp": expires, "jti": str(next(_numbers))}
        if self.algorithm == "cookie":
            text = _cookie(claims, self.secret)
        elif self.algorithm == LOGIN:
            text = self.secret
        else:
            text = jwt.encode(claims, self.signs, self.algorithm, headers={"kid": self.kid})
        return Token(text, self.kid, now, expires, signer)

    def traces(self) -> tuple[str, ...]:
        """Return texts that would be found wherever the secret half is still written down."""
        if self.algorithm != "ES256":
            return (self.secret,)
        private = jwk.ECKey.import_key(self.secret).as_dict(private=True)
        return (self.secret.splitlines()[1], str(private["d"]))


def key_of(scenario: str, values: dict[str, str] | None) -> Key | None:
    """Read a key from what a holder was handed; None where there is nothing yet."""
    if not values or "key" not in values:
        return None
    kid, secret = values["kid"], values["key"]
    if secret.startswith("-----BEGIN"):
        return Key(scenario, kid, secret, load_pem_private_key(secret.encode(), None), "ES256")
    return Key(scenario, kid, secret, secret, "cookie" if scenario == "shop-cookie" else "HS256")


def client_of(scenario: str, values: dict[str, str] | None) -> Key | None:
    """Read a client's secret from what a holder was handed; None where there is nothing yet."""
    if not values or "client_secret" not in values:
        return None
    secret = values["client_secret"]
    return Key(scenario, values["version"], secret, secret, LOGIN)


def _cookie(claims: dict[str, Any], secret: str) -> str:
    text = json.dumps(claims, separators=(",", ":"))
    return f"{text}|{hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()}"


def by_pyjwt(document: str) -> Check:
    """Check with PyJWT and a copy of a JWK Set; a `kid` that is not in the copy is refused."""
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_json(document).keys}

    def check(text: str, slow: float) -> None:
        key = keys.get(jwt.get_unverified_header(text)["kid"])
        if key is None:
            raise RefusedError("unknown kid")
        with_pyjwt(text, key, slow)

    return check


def with_pyjwt(text: str, key: jwt.PyJWK, slow: float) -> None:
    """Check one token against one key."""
    try:
        jwt.decode(text, key, algorithms=[key.algorithm_name], leeway=slow)
    except jwt.InvalidTokenError as error:
        raise RefusedError(type(error).__name__) from None


def by_joserfc(document: str) -> Check:
    """Check with joserfc and a copy of a JWK Set."""
    keys = jwk.KeySet.import_key_set(json.loads(document))

    def check(text: str, slow: float) -> None:
        try:
            token = joserfc_jwt.decode(text, keys, algorithms=["ES256", "HS256"])
            joserfc_jwt.JWTClaimsRegistry(leeway=int(slow)).validate(token.claims)
        except (JoseError, ValueError) as error:
            raise RefusedError(type(error).__name__) from None

    return check


def by_hand(document: str) -> Check:
    """Check cookies against every value of an accepted list."""
    values = [entry["value"] for entry in json.loads(document)]

    def check(text: str, slow: float) -> None:
        body, _, _ = text.rpartition("|")
        claims = json.loads(body)
        if not any(hmac.compare_digest(_cookie(claims, value), text) for value in values):
            raise RefusedError("no accepted value fits")
        if claims["exp"] <= time.time() - slow:
            raise RefusedError("expired")

    return check
