"""A contract server for OAuth 2.0 and OpenID Connect, in this process; each rule names where it is written.

Discovery: OpenID Connect Discovery 1.0, section 4; RFC 8414, section 3. Tokens: RFC 6749, sections 2.3.1, 4.4 and 5.2.
Assertions: RFC 7523, section 3. Introspection: RFC 7662, section 2. Revocation: RFC 7009, section 2. Registration: RFC 7591,
section 3, and RFC 7592, section 2. What vendors do otherwise stands in `Dialect`.
"""

from __future__ import annotations

import base64
import json
import secrets
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from joserfc import jwk
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from tests.providers.served import Api, Asked, Said

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class Dialect:
    """What a server may do otherwise than RFC 6749 says, or as it pleases."""

    wrong_secret: tuple[int, str] = (401, "invalid_client")
    """RFC 6749, section 5.2; Keycloak 401 unauthorized_client, Auth0 401 access_denied."""
    wrong_at_introspection: tuple[int, str] | None = None
    """Keycloak before 26: 401 invalid_request."""
    not_granted: tuple[int, str] = (400, "unauthorized_client")
    """RFC 6749, section 5.2; Auth0 403, Keycloak 401."""
    audiences: tuple[str, ...] = ("issuer", "token endpoint")
    """What an assertion may name: RFC 7523, section 3, allows both."""
    oidc_document: bool = True
    """Whether OpenID Connect Discovery is served, not only RFC 8414."""
    tokens_last_for_one_use: bool = False
    """Registration access tokens: the answer to a GET may hold a new one (RFC 7592, section 3)."""
    secret_expires_at: int = 0
    """RFC 7591, section 3.2.1; 0: never."""
    management: bool = True
    """Whether RFC 7592 is there, not only RFC 7591."""


@dataclass
class Client:
    """A client as the server keeps it."""

    client_id: str
    secret: str = ""
    method: str = "client_secret_basic"
    grants: tuple[str, ...] = ("client_credentials",)
    jwks: Callable[[], Mapping[str, Any]] | None = None
    """Its key set; with `jwks_uri` it is fetched each time."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    registration_token: str = ""
    registered: bool = False


class Refused(Exception):
    """An error response (RFC 6749, section 5.2)."""

    def __init__(self, status: int, word: str) -> None:
        """Answer `status` with the word `word`."""
        super().__init__(word)
        self.said = Said(
            status, {"error": word, "error_description": "a sentence, which nobody should rely on"}
        )


class OidcServer(Api):
    """The server. `url` is set once it is known where it listens."""

    def __init__(self, path: str = "") -> None:
        super().__init__()
        self.path = path
        self.url = ""
        self.dialect = Dialect()
        self.clients: dict[str, Client] = {}
        self.tokens: dict[str, str] = {}
        """Access tokens that were issued, and to whom."""
        self.initial_token = "initial-" + secrets.token_hex(8)
        self.now: Callable[[], float] = lambda: 0.0
        self.lifetime: object = 300
        self.changed_document: dict[str, Any] = {}
        """What discovery says otherwise than it should."""
        self.answers_elsewhere = ""
        """Where `registration_client_uri` leads instead."""
        self._seen: set[str] = set()
        self._document_routes()
        self.route("POST", f"{path}/token", self._guarded(self._token))
        self.route("POST", f"{path}/introspect", self._guarded(self._introspect))
        self.route("POST", f"{path}/revoke", self._guarded(self._revoke))
        self.route("POST", f"{path}/register", self._register)
        for method in ("GET", "DELETE"):
            self.route(method, f"{path}/register/([A-Za-z0-9_-]+)", self._manage)

    @property
    def issuer(self) -> str:
        """What its tokens would name."""
        return f"{self.url}{self.path}"

    # --- discovery ------------------------------------------------------------------------------------------

    def _document_routes(self) -> None:
        self.route("GET", f"{self.path}/.well-known/openid-configuration", self._openid)
        self.route("GET", f"/.well-known/oauth-authorization-server{self.path}", self._metadata)

    def _openid(self, asked: Asked) -> Said:
        return self._metadata(asked) if self.dialect.oidc_document else Said(404, {"error": "not_found"})

    def _metadata(self, asked: Asked) -> Said:
        del asked
        names = {
            "token": "token",
            "introspection": "introspect",
            "revocation": "revoke",
            "registration": "register",
        }
        addresses = {f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in names.items()}
        return Said(200, {"issuer": self.issuer, **addresses, **self.changed_document})

    # --- client authentication --------------------------------------------------------------------------------

    def _guarded(self, answer: Callable[[Client, Asked], Said]) -> Callable[[Asked], Said]:
        def route(asked: Asked) -> Said:
            try:
                return answer(self._authenticated(asked), asked)
            except Refused as refused:
                return refused.said

        return route

    def _authenticated(self, asked: Asked) -> Client:
        wrong = self.dialect.wrong_secret
        if asked.path.endswith("/introspect") and self.dialect.wrong_at_introspection:
            wrong = self.dialect.wrong_at_introspection
        if asked.form.get("client_assertion_type") == ASSERTION:
            return self._by_assertion(asked.form, wrong)
        name, secret, method = self._presented(asked)
        client = self.clients.get(name)
        if client is None:
            raise Refused(401, "invalid_client")
        if method != client.method or not client.secret or secret != client.secret:
            raise Refused(*wrong)
        return client

    def _presented(self, asked: Asked) -> tuple[str, str, str]:
        """RFC 6749, section 2.3.1: both halves are form-encoded before they are put together."""
        header = asked.headers.get("authorization", "")
        if header.startswith("Basic "):
            name, _, secret = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
            return unquote_plus(name), unquote_plus(secret), "client_secret_basic"
        if "client_secret" not in asked.form:
            raise Refused(400, "invalid_request")
        return asked.form["client_id"], asked.form["client_secret"], "client_secret_post"

    def _by_assertion(self, form: Mapping[str, str], wrong: tuple[int, str]) -> Client:
        header, claims, signed, signature = _parts(form["client_assertion"])
        client = self.clients.get(claims.get("sub", ""))
        allowed = {"issuer": self.issuer, "token endpoint": f"{self.issuer}/token"}
        good = (
            client is not None
            and client.method == "private_key_jwt"
            and client.jwks is not None
            and claims["iss"] == claims["sub"]
            and claims["aud"] in [allowed[kind] for kind in self.dialect.audiences]
            and claims["exp"] > self.now() >= claims["iat"] - 30
            and claims["jti"] not in self._seen
            and _verified(header, signed, signature, client.jwks())
        )
        if not good or client is None:
            raise Refused(*wrong)
        self._seen.add(claims["jti"])  # RFC 7523, section 3, 7: an assertion may be refused the second time
        return client

    # --- what a client may ask ----------------------------------------------------------------------------------

    def _token(self, client: Client, asked: Asked) -> Said:
        if asked.form.get("grant_type") != "client_credentials":
            return Said(400, {"error": "unsupported_grant_type"})
        if "client_credentials" not in client.grants:
            raise Refused(*self.dialect.not_granted)
        if "forbidden" in asked.form.get("scope", ""):
            return Said(400, {"error": "invalid_scope"})
        token = secrets.token_hex(16)
        self.tokens[token] = client.client_id
        ends = {} if self.lifetime is None else {"expires_in": self.lifetime}
        return Said(200, {"access_token": token, "token_type": "Bearer", **ends})

    def _introspect(self, client: Client, asked: Asked) -> Said:
        del client
        return Said(200, {"active": asked.form["token"] in self.tokens})

    def _revoke(self, client: Client, asked: Asked) -> Said:
        del client
        self.tokens.pop(asked.form["token"], None)
        return Said(200)

    # --- registration -------------------------------------------------------------------------------------------

    def _register(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != f"Bearer {self.initial_token}":
            return Said(401, {"error": "invalid_token"})
        metadata = asked.document
        if metadata.get("grant_types") == ["unheard_of"]:
            return Said(400, {"error": "invalid_client_metadata"})
        client = Client(
            client_id=secrets.token_urlsafe(12),
            secret=secrets.token_urlsafe(24),
            method=metadata.get("token_endpoint_auth_method", "client_secret_basic"),
            grants=tuple(metadata["grant_types"]),
            metadata=metadata,
            registration_token=secrets.token_urlsafe(24),
            registered=True,
        )
        self.clients[client.client_id] = client
        return Said(201, self._information(client))

    def _information(self, client: Client) -> dict[str, Any]:
        """A client information response (RFC 7591, section 3.2.1; RFC 7592, section 3)."""
        information: dict[str, Any] = {
            **client.metadata,
            "client_id": client.client_id,
            "client_secret": client.secret,
            "client_secret_expires_at": self.dialect.secret_expires_at,
            "token_endpoint_auth_method": client.method,
        }
        if self.dialect.management:
            place = self.answers_elsewhere or f"{self.issuer}/register/{client.client_id}"
            information |= {
                "registration_client_uri": place,
                "registration_access_token": client.registration_token,
            }
        return information

    def _manage(self, asked: Asked) -> Said:
        """RFC 7592, sections 2.1 and 2.3: 401 also for a client that is not there."""
        client = self.clients.get(asked.parts[0])
        if client is None or asked.headers.get("authorization") != f"Bearer {client.registration_token}":
            return Said(401, {"error": "invalid_token"})
        if asked.method == "DELETE":
            del self.clients[client.client_id]
            return Said(204)
        if self.dialect.tokens_last_for_one_use:
            client.registration_token = secrets.token_urlsafe(24)
        return Said(200, self._information(client))


def fetched(url: str) -> Callable[[], Mapping[str, Any]]:
    """Return what fetches a client's `jwks_uri` (RFC 7591, section 2)."""

    def fetch() -> Mapping[str, Any]:
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: Mapping[str, Any] = json.load(answer)
        return found

    return fetch


def _parts(assertion: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Take a compact JWS apart (RFC 7515, section 7.1)."""
    header, claims, signature = (_octets(part) for part in assertion.split("."))
    return json.loads(header), json.loads(claims), assertion.rpartition(".")[0].encode(), signature


def _octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _verified(header: Mapping[str, Any], signed: bytes, signature: bytes, keys: Mapping[str, Any]) -> bool:
    for key in keys["keys"]:
        if key.get("kid") == header.get("kid"):
            try:
                return JWSRegistry.algorithms[header["alg"]].verify(signed, signature, jwk.import_key(key))
            except (JoseError, ValueError):
                return False
    return False
