"""What the public listener answers: the sets that are declared, the issuers' configurations, and nothing else.

Formats: a JWK Set (RFC 7517, section 8.5.2: its media type), OpenID Connect Discovery 1.0, section 3, with what kube-apiserver
gives of it. CORS: https://fetch.spec.whatwg.org/#http-cors-protocol.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from http import HTTPStatus

from rotator.serving.answers import READ, Answer, Asked, matches, not_allowed, sentence
from rotator.serving.declared import Configuration, Route
from rotator.serving.sets import Held, Table

JWK_SET = "application/jwk-set+json"
JSON = "application/json"
EVERYBODY = {"Access-Control-Allow-Origin": "*"}
"""The keys are public: scripts of any page may read them."""
PREFLIGHT = {
    **EVERYBODY,
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "If-None-Match",
    "Access-Control-Max-Age": "86400",
}
METHODS = (*READ, "OPTIONS")
AGAIN = "5"
"""Seconds after which a set that is not there yet may be asked for again."""


def answer(table: Table, asked: Asked) -> Answer:
    """Return the answer to one request."""
    route = table.declared.route(asked.host, asked.path)
    if route is None:
        return sentence(HTTPStatus.NOT_FOUND, "nothing is served here", **EVERYBODY)
    if asked.method == "OPTIONS":
        return Answer(status=HTTPStatus.NO_CONTENT, headers=PREFLIGHT)
    if asked.method not in READ:
        return not_allowed(*METHODS)
    held, source = table.serves(route.name), table.declared.sources.get(route.name)
    if held is None or source is None:
        said = "the keys are not known here yet"
        return sentence(HTTPStatus.SERVICE_UNAVAILABLE, said, **EVERYBODY, Retry_After=AGAIN)
    return _document(asked, route, held, source.max_age)


def _document(asked: Asked, route: Route, held: Held, max_age: timedelta) -> Answer:
    body, etag, kind = held.body, held.etag, JWK_SET
    if isinstance(route, Configuration):
        body, kind = configuration(route, held), JSON
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
    headers = {
        **EVERYBODY,
        "Access-Control-Expose-Headers": "ETag",
        "Cache-Control": f"public, max-age={max_age // timedelta(seconds=1)}, must-revalidate",
        "ETag": etag,
        "X-Content-Type-Options": "nosniff",
    }
    if (tags := asked.headers.get("if-none-match")) and matches(tags, etag):
        return Answer(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Answer(status=HTTPStatus.OK, headers={**headers, "Content-Type": kind}, body=body)


def configuration(route: Configuration, held: Held) -> bytes:
    """Return an issuer's configuration: what a verifier of its tokens needs, the same bytes for the same algorithms."""
    document = {
        "issuer": route.issuer,
        "jwks_uri": route.jwks_uri,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(held.algorithms),
    }
    return json.dumps(document, separators=(",", ":")).encode()
