"""Asks a gateway with a token that nobody signed: its refusal says whether it knows the key (`kid`) that the token names.

The answers: Envoy's `jwt_authn` filter, which Envoy Gateway and Istio set up
(https://github.com/google/jwt_verify_lib/blob/master/src/status.cc), and Kong's `jwt` plugin
(https://github.com/Kong/kong/blob/master/kong/plugins/jwt/handler.lua). The token cannot pass anywhere, so it is no secret.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from rotator.clients.route import Route
from rotator.errors import ClientError, RotatorError
from rotator.ports import Copy, Credential, Known
from rotator.systems.gateway import Answers, Gateway, ProxyService
from rotator.systems.kubernetes.endpoints import endpoints
from rotator.systems.world import World
from rotator.vocabulary.footprint import Home

KNOWN = ("Jwt verification fails", "Invalid signature")
UNKNOWN = ("Jwks doesn't have key to match kid or alg from Jwt", "No credentials found for given 'kid'")
AWAY = ("Jwks remote fetch is failed",)
ASKS_FOR = {
    "Jwt issuer is not configured": "gateway.issuer",
    "Audiences in Jwt are not allowed": "gateway.audience",
}
"""What a gateway looks at before the key, and the field that says what it wants."""
REFUSED = frozenset({401, 403})
BUSY = frozenset({408, 425, 429})
LIVES = timedelta(minutes=5)
"""The life of the token that nobody signed: gateways refuse one without `exp`, or with a far one, before they look at the key."""
PASSES = (
    "let pass a token that nobody signed: this route checks no tokens, or lets requests pass all the same (Envoy: allow_missing_or_failed; "
    "Kong: anonymous; Envoy Gateway: failOpen)"
)
HIDDEN = "refuses it without a word about the key (as strip_failure_response does): declare gateway.answers, or a route that tells"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one answer says."""

    known: bool | None = None
    """None: nothing about the key."""
    waiting: str = ""
    failed: str = ""


def said(status: int, text: str, answers: Answers | None) -> Said:
    """Return what an answer says of the key."""
    if status in REFUSED:
        return _refusal(text, answers)
    if status in BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Said(waiting=f"answers HTTP {status}")
    if status == HTTPStatus.NOT_FOUND:
        return Said(waiting="answers HTTP 404: there is no such route yet")
    if status < HTTPStatus.BAD_REQUEST:
        return Said(failed=f"answers HTTP {status} and {PASSES}")
    return Said(
        failed=f"answers HTTP {status}, and 401 or 403 was expected: is this a route that demands a token?"
    )


def _refusal(text: str, answers: Answers | None) -> Said:
    known, unknown = (answers.known,) if answers else KNOWN, (answers.unknown,) if answers else UNKNOWN
    # That which says more comes first: one text may be a part of the other.
    for of, verdict in sorted([(known, True), (unknown, False)], key=lambda pair: -len(pair[0][0])):
        if any(each in text for each in of):
            return Said(known=verdict)
    if any(each in text for each in AWAY):
        return Said(waiting="cannot fetch the JWK Set itself")
    for each, field in ASKS_FOR.items():
        if each in text:
            return Said(failed=f"says {each!r} before it looks at the key: declare {field}")
    return Said(failed=HIDDEN)


def forged(jwk: Mapping[str, Any], *, issuer: str | None, audience: str | None, now: datetime) -> str:
    """Return a JWT (RFC 7519) that names a key and carries a signature of the right length that nobody made."""
    header = {"alg": jwk["alg"], "kid": jwk["kid"], "typ": "JWT"}
    claims: dict[str, Any] = {
        "sub": "rotator-probe",
        "iat": int(now.timestamp()) - 60,
        "nbf": int(now.timestamp()) - 60,
        "exp": int((now + LIVES).timestamp()),
    }
    claims |= {"iss": issuer} if issuer else {}
    claims |= {"aud": audience} if audience else {}
    parts = (*(json.dumps(part).encode() for part in (header, claims)), secrets.token_bytes(_signature(jwk)))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def _signature(jwk: Mapping[str, Any]) -> int:
    """Return how many octets a signature of a key has (RFC 7518, sections 3.3 to 3.5; RFC 8037, section 3.1)."""
    if jwk["kty"] == "RSA":
        return _octets(jwk["n"])
    return {"Ed25519": 64, "Ed448": 114}.get(jwk["crv"], 0) or 2 * _octets(jwk["x"])


def _octets(text: str) -> int:
    return len(text) * 3 // 4


@dataclass(frozen=True)
class Probe:
    """A gateway that is asked; see `rotator.ports.Gateway`."""

    name: str
    route: Route
    addresses: Callable[[], Sequence[str]] | None
    """Returns HOST:PORT of each pod; None: the route itself is asked."""
    token: Callable[[Copy], str]
    answers: Answers | None

    def knows(self, copy: Copy, times: int) -> Known:
        """Ask each endpoint so many times in a row, each on a new connection."""
        try:
            addresses = [""] if self.addresses is None else list(self.addresses())
        except RotatorError as error:
            return Known(waiting=str(error))
        if not addresses:
            return Known(waiting="its Service has no endpoint that takes requests")
        by, not_by = list[str](), list[str]()
        for address in addresses:
            called = address or self.route.url
            answers = [self._ask(copy, address) for _ in range(times)]
            for answer in answers:
                if answer.known is None:
                    sentence = f"{called} {answer.failed or answer.waiting}"
                    return Known(failed=sentence) if answer.failed else Known(waiting=sentence)
            if any(answer.known for answer in answers):
                by.append(called)
            if not all(answer.known for answer in answers):
                not_by.append(called)
        return Known(by=tuple(by), not_by=tuple(not_by))

    def _ask(self, copy: Copy, address: str) -> Said:
        headers = {"Authorization": f"Bearer {self.token(copy)}"}
        try:
            status, text = self.route.ask(headers, address)
        except ClientError as error:
            return Said(waiting=f"does not answer: {error}")
        return said(status, text, self.answers)


def build(w: World, declared: Gateway, home: Home, credential: Credential) -> Probe:
    """Make what asks a declared gateway."""
    return Probe(
        name=declared.titles(home)[0],
        route=Route(w.retry, w.meter, declared.url, declared.ca_file, w.timeout, w.connect_http),
        addresses=partial(_addresses, w, declared.service, home) if declared.service else None,
        token=lambda copy: forged(
            credential.accepted(copy.id, copy.material),
            issuer=declared.issuer,
            audience=declared.audience,
            now=w.clock.now(),
        ),
        answers=declared.answers,
    )


def _addresses(w: World, service: ProxyService, home: Home) -> list[str]:
    found = endpoints(w.kubernetes, service.namespace or home.namespace, service.name)
    return [f"[{each}]:{service.port}" if ":" in each else f"{each}:{service.port}" for each in found]
