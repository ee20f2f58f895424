"""One Auth0 tenant with one client: what its Management API and its token endpoint do.

Sources: the Management API reference (Get a client, Update a client, Get and Create and Delete client credentials: fields,
scopes, `kid` of 10 to 64 characters) and Auth0's manual ("Rotate Credentials", "Rotate Client Secrets": up to 30 s until
a change is seen; "Management API Endpoint Rate Limits": the headers). Answers that real tenants gave are recorded in the
tests of Auth0's Terraform provider: 201, 200 and 204, the `kid` that is the RFC 7638 thumbprint, the empty list of named
keys that is taken, "Array is too long (3), maximum 2", "A client can have a maximum of 4 credentials", "public keys that
already exist in client", and "still associated with a client".

Not published, and assumed: these refusals are HTTP 400, and a key that is unknown is refused as one that does not exist.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote_plus

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from tests.providers.exploration import LOGINS, READS, START, Lagging
from tests.providers.served import Api, Asked, Route, Said

CLIENT = "payments"
TOKEN = "token-of-the-rotator"
FIRST_SECRET = "the-secret-that-auth0-made-when-the-client-was-made"
_CLIENT = f"/api/v2/clients/{CLIENT}"
_KID = re.compile(r"[0-9a-zA-Z\-_]{10,64}")
_ALGORITHMS = ("RS256", "RS384", "PS256")
_WORDS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
}
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class Kept:
    """A credential of the client."""

    id: str
    name: str
    kid: str
    alg: str
    pem: str
    thumbprint: str
    created_at: str

    def shown(self) -> dict[str, str]:
        """What the API shows: never the key."""
        return {
            "id": self.id,
            "credential_type": "public_key",
            "kid": self.kid,
            "alg": self.alg,
            "name": self.name,
            "created_at": self.created_at,
            "updated_at": self.created_at,
        }


@dataclass(frozen=True)
class State:
    """The client."""

    secret: str = FIRST_SECRET
    method: str | None = "client_secret_post"
    named: tuple[str, ...] | None = None
    """The keys that it names for private_key_jwt; None: it does not use that."""
    kept: tuple[Kept, ...] = ()


class Auth0Api(Api):
    """The tenant. `url` is set once it is known where it listens."""

    def __init__(self) -> None:
        super().__init__()
        self.url = ""
        self.now: Callable[[], float] = START.timestamp
        self.state: Lagging[State] = Lagging(State())
        self.limited = 0
        """How many of the next requests are one too many."""
        self.most_kept = 4
        """Seen at real tenants; the manual says 2."""
        self.shows_secret = True
        """Whether our token has the scope read:client_keys."""
        self.in_use: set[str] = set()
        """Keys that the client uses for something else, such as signed requests."""
        self._used: set[str] = set()
        self._numbers = itertools.count(1)
        for method, pattern, route in (
            ("GET", _CLIENT, self._get),
            ("PATCH", _CLIENT, self._patch),
            ("GET", f"{_CLIENT}/credentials", self._list),
            ("POST", f"{_CLIENT}/credentials", self._create),
            ("DELETE", rf"{_CLIENT}/credentials/([^/]+)", self._delete),
            ("GET", r"/api/v2/.*", self._unknown),
        ):
            self.route(method, pattern, self._managed(route))
        self.route("GET", r"/\.well-known/openid-configuration", self._discovery)
        self.route("POST", "/oauth/token", self._token)

    # --- somebody else ------------------------------------------------------------------------------------------

    def use_keys(self, *pems: tuple[str, str]) -> list[str]:
        """Switch the client to private_key_jwt as a person does, with these names and public keys; return their ids."""
        ids = [self._keep(name, pem, None).id for name, pem in pems]
        now = self.state.now
        self.state.change(replace(now, method=None, named=(*(now.named or ()), *ids)))
        return ids

    def upload_only(self, name: str, pem: str) -> str:
        """Upload a key that the client does not name."""
        return self._keep(name, pem, None).id

    def take_away(self, credential_id: str) -> None:
        """Take a key from the client and delete it."""
        now = self.state.now
        self.state.change(
            replace(
                now,
                named=tuple(i for i in now.named or () if i != credential_id),
                kept=tuple(k for k in now.kept if k.id != credential_id),
            )
        )

    def set_secret(self, value: str) -> None:
        """Set the secret to another value."""
        self.state.change(replace(self.state.now, secret=value))

    def named_keys(self) -> list[str]:
        """The names of the keys that let somebody in."""
        now = self.state.now
        return [k.name for i in now.named or () for k in now.kept if k.id == i]

    # --- the management API -------------------------------------------------------------------------------------

    def _managed(self, route: Route) -> Route:
        def answer(asked: Asked) -> Said:
            if self.limited:
                self.limited -= 1
                headers = {
                    "x-ratelimit-limit": "10",
                    "x-ratelimit-remaining": "0",
                    "x-ratelimit-reset": str(int(self.now()) + 1),
                    "retry-after": "1",
                }
                return replace(
                    _refused(429, "too_many_requests", "Global limit has been reached"), headers=headers
                )
            if asked.headers.get("authorization") != f"Bearer {TOKEN}":
                return _refused(401, "invalid_token", "Invalid token")
            return route(asked)

        return answer

    def _get(self, asked: Asked) -> Said:
        """Return the client; `fields` with `include_fields=true` chooses."""
        shown = self._shown(self.state.look(READS))
        fields = asked.query.get("fields")
        if fields and asked.query.get("include_fields", "true") == "true":
            shown = {name: value for name, value in shown.items() if name in fields.split(",")}
        return Said(200, shown)

    def _shown(self, state: State) -> dict[str, Any]:
        """A client that uses keys shows `client_authentication_methods` and no secret; another the other way round."""
        shown: dict[str, Any] = {
            "client_id": CLIENT,
            "name": "payments",
            "app_type": "non_interactive",
            "jwt_configuration": {"alg": "RS256"},
        }
        if state.named is not None:
            credentials = [{"id": i} for i in state.named]
            return {
                **shown,
                "client_authentication_methods": {"private_key_jwt": {"credentials": credentials}},
            }
        secret = {"client_secret": state.secret} if self.shows_secret else {}
        return {**shown, **secret, "token_endpoint_auth_method": state.method}

    def _patch(self, asked: Asked) -> Said:
        document, state = asked.document, self.state.now
        if "client_secret" in document:
            if state.named is not None:
                return _refused(400, "invalid_body", "client_secret is not used by this client")
            state = replace(state, secret=document["client_secret"])
        if "client_authentication_methods" in document:
            methods = document["client_authentication_methods"]
            by_method = document.get("token_endpoint_auth_method")
            if (methods is None) is (by_method is None):
                return _refused(400, "invalid_body", "exactly one of the two is expected")
            named = (
                None if methods is None else tuple(c["id"] for c in methods["private_key_jwt"]["credentials"])
            )
            if named is not None and len(named) > 2:
                return _refused(400, "invalid_body", "Array is too long (3), maximum 2")
            if set(named or ()) - {k.id for k in state.kept} or len(set(named or ())) != len(named or ()):
                return _refused(400, "invalid_body", "credentials that do not exist, or one twice")
            state = replace(state, named=named, method=by_method)
        self.state.change(state)
        return Said(200, self._shown(state))

    def _list(self, asked: Asked) -> Said:
        del asked
        return Said(200, [k.shown() for k in self.state.look(READS).kept])

    def _create(self, asked: Asked) -> Said:
        document = asked.document
        if why := self._objection(document):
            return _refused(400, "invalid_body", why)
        made = self._keep(
            document.get("name", ""), document["pem"], document.get("kid"), document.get("alg", "RS256")
        )
        return Said(201, made.shown())

    def _objection(self, document: Mapping[str, Any]) -> str:
        """Say why a key is not taken."""
        kept, kid = self.state.now.kept, document.get("kid")
        if document.get("credential_type") != "public_key" or "pem" not in document:
            return "Payload validation error"
        if document.get("alg", "RS256") not in _ALGORITHMS or (kid and not _KID.fullmatch(kid)):
            return "Payload validation error"
        if len(kept) >= self.most_kept:
            return f"A client can have a maximum of {self.most_kept} credentials."
        if _thumbprint(document["pem"]) in {k.thumbprint for k in kept} or kid in {k.kid for k in kept}:
            return "credentials contains public keys that already exist in client"
        return ""

    def _keep(self, name: str, pem: str, kid: str | None, alg: str = "RS256") -> Kept:
        thumbprint = _thumbprint(pem)
        made = Kept(
            id=f"cred_{next(self._numbers):022}",
            name=name,
            kid=kid or thumbprint,
            alg=alg,
            pem=pem,
            thumbprint=thumbprint,
            created_at=f"{START.isoformat()[:19]}.000Z",
        )
        self.state.change(replace(self.state.now, kept=(*self.state.now.kept, made)))
        return made

    def _delete(self, asked: Asked) -> Said:
        (credential_id,) = asked.parts
        state = self.state.now
        if credential_id not in {k.id for k in state.kept}:
            return _refused(404, "inexistent_credential", "The credential does not exist")
        if credential_id in {*(state.named or ()), *self.in_use}:
            return _refused(
                400, "operation_not_supported", "The credential is still associated with a client"
            )
        self.state.change(replace(state, kept=tuple(k for k in state.kept if k.id != credential_id)))
        return Said(204)

    def _unknown(self, asked: Asked) -> Said:
        del asked
        return _refused(404, "inexistent_client", "The client does not exist")

    # --- tokens -------------------------------------------------------------------------------------------------

    @property
    def issuer(self) -> str:
        """A tenant's issuer ends with a slash."""
        return f"{self.url}/"

    def _discovery(self, asked: Asked) -> Said:
        del asked
        return Said(200, {"issuer": self.issuer, "token_endpoint": f"{self.url}/oauth/token"})

    def _token(self, asked: Asked) -> Said:
        """A wrong secret is 401 access_denied; without an audience that the client is granted it is 403."""
        form, state = asked.form, self.state.look(LOGINS)
        if form.get("client_assertion_type") == ASSERTION:
            if not self._is_signed(form, state):
                return Said(401, {"error": "invalid_client", "error_description": "a sentence"})
        elif not self._knows_secret(asked, state):
            return Said(401, {"error": "access_denied", "error_description": "Unauthorized"})
        if form.get("audience") != f"{self.url}/api/v2/":
            return Said(403, {"error": "access_denied", "error_description": "Service not enabled"})
        return Said(200, {"access_token": "a-token", "token_type": "Bearer", "expires_in": 86400})

    def _knows_secret(self, asked: Asked, state: State) -> bool:
        header = asked.headers.get("authorization", "")
        if header.startswith("Basic "):
            name, _, secret = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
            found = unquote_plus(name), unquote_plus(secret)
        else:
            found = asked.form.get("client_id", ""), asked.form.get("client_secret", "")
        return state.named is None and state.method != "none" and found == (CLIENT, state.secret)

    def _is_signed(self, form: Mapping[str, str], state: State) -> bool:
        """RFC 7523, section 3; the key is chosen by `kid` among those that the client names."""
        named = {k.kid: k for k in state.kept if k.id in (state.named or ())}
        try:
            header = _header(form["client_assertion"])
            key = named[header["kid"]]
            found = jwt.decode(
                form["client_assertion"], jwk.RSAKey.import_key(key.pem), algorithms=[key.alg]
            ).claims
        except (JoseError, KeyError, ValueError):
            return False
        good = (
            found.get("iss") == found.get("sub") == CLIENT
            and found.get("aud") == self.issuer
            and found.get("exp", 0) > self.now()
            and found.get("jti") not in self._used
        )
        self._used.add(found.get("jti", ""))
        return good


def _header(token: str) -> dict[str, Any]:
    from joserfc import jws  # noqa: PLC0415 - only assertions need it

    found: dict[str, Any] = jws.extract_compact(token.encode()).headers()
    return found


def _thumbprint(pem: str) -> str:
    return jwk.RSAKey.import_key(pem).thumbprint()


def _refused(status: int, code: str, message: str) -> Said:
    document = {"statusCode": status, "error": _WORDS[status], "message": message, "errorCode": code}
    return Said(status, document)
