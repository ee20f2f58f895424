"""OAuth 2.0 as a client: where a server's endpoints are, how a client authenticates, and what a refusal means.

Tokens that a login brings are thrown away unread, but for those that let us in at a provider's own API.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlsplit

from rotator.clients.addresses import origin
from rotator.clients.answers import REDIRECTS, shaped
from rotator.clients.http import Fetched, Http
from rotator.core.sensitive import Material, Sensitive
from rotator.core.shapes import Shape, anything, flag, record, token
from rotator.errors import Ambiguous, ClientError, Forbidden, NotFound, Rejected, SettingsError
from rotator.late import Late
from rotator.ports import Clock, Copy

if TYPE_CHECKING:
    from joserfc import errors, jwk, jws
else:
    errors, jwk, jws = Late("joserfc.errors"), Late("joserfc.jwk"), Late("joserfc.jws")

BASIC, POST, PRIVATE_KEY_JWT = "client_secret_basic", "client_secret_post", "private_key_jwt"
METHODS = (BASIC, POST, PRIVATE_KEY_JWT)
"""How a client authenticates, in the words of the registry that RFC 8414, section 2, names."""
CLIENT_CREDENTIALS, INTROSPECTION, REVOCATION = "client_credentials", "introspection", "revocation"
WAYS = (CLIENT_CREDENTIALS, INTROSPECTION, REVOCATION)
"""By what request a login is tried: RFC 6749, section 4.4; RFC 7662; RFC 7009."""
ISSUER, TOKEN_ENDPOINT = "issuer", "token endpoint"
AUDIENCES = (ISSUER, TOKEN_ENDPOINT)
"""What an assertion may name as its audience (RFC 7523, section 3)."""
ASSERTION_LASTS = timedelta(seconds=45)
"""Short of the 60 s that Keycloak takes at most, unless it is told otherwise."""
EARLY = timedelta(seconds=30)
"""So long before it ends a token is not used any more."""
UNSAID = timedelta(minutes=1)
"""For how long a token is used whose end the server does not tell."""
MOST_TRIES = 3
"""How many assertions one login may take."""
ENOUGH_REFUSALS = 2
"""How many refused assertions mean that the key is refused."""
NO_TOKEN = "rotator-login-probe"  # noqa: S105 - it is the token that nobody was given
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST_SHOWN = 200
_RSA_BITS = 2048
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}


# --- where a server's endpoints are ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The addresses that a server declares; None: it declares none."""

    issuer: str
    token: str | None
    introspection: str | None = None
    revocation: str | None = None
    registration: str | None = None


def discover(http: Http, issuer: str) -> Endpoints:
    """Ask `issuer` for its endpoints: OpenID Connect Discovery 1.0, section 4, then RFC 8414, section 3.

    Raises ClientError; Rejected where the document is another issuer's (RFC 8414, section 3.3) or leads to plain HTTP.
    """
    for url in documents(issuer):
        try:
            document = http.get(url).document
        except (NotFound, Forbidden, Rejected) as error:
            if error.code in REDIRECTS:
                raise
            continue
        if isinstance(document, dict):
            return read_endpoints(f"GET {url}", issuer, document)
    tried = " and ".join(documents(issuer))
    raise Rejected(
        f"the issuer {issuer}",
        f"it describes itself at none of {tried}: is this the issuer exactly as its tokens name it (`iss`)?",
    )


def documents(issuer: str) -> tuple[str, str]:
    """Return both addresses. OpenID Connect appends to the issuer's path, RFC 8414 puts its own before it."""
    place = urlsplit(issuer)
    path = place.path.rstrip("/")
    origin = f"{place.scheme}://{place.netloc}"
    return (
        f"{origin}{path}/.well-known/openid-configuration",
        f"{origin}/.well-known/oauth-authorization-server{path}",
    )


def read_endpoints(what: str, issuer: str, document: Mapping[str, Any]) -> Endpoints:
    """Read what a server says of itself in answer to the request `what`. Raises Rejected like `discover`."""
    said = document.get("issuer")
    if said != issuer:
        raise Rejected(
            what,
            f"the document is that of the issuer {_shown(said)}, expected {issuer}, letter by letter (RFC 8414, section "
            "3.3). Nothing was sent there. Correct the issuer in the declaration, or the server's own settings",
        )
    addresses = {
        name: document.get(f"{name}_endpoint")
        for name in ("token", "introspection", "revocation", "registration")
    }
    for name, address in addresses.items():
        if address is not None and not _as_safe(address, issuer):
            raise Rejected(
                what,
                f"its {name}_endpoint is {_shown(address)}, expected an address with https, a plain host and no user in it. "
                "Nothing was sent there",
            )
    return Endpoints(issuer=issuer, **addresses)


def _as_safe(address: object, issuer: str) -> bool:
    """Whether a secret may be sent to `address`: TLS, unless the issuer was declared without."""
    place = origin(address) if isinstance(address, str) else ""
    return place.startswith("https:") or (place.startswith("http:") and urlsplit(issuer).scheme == "http")


def _shown(value: object) -> str:
    return json.dumps(value)[:_LONGEST_SHOWN]


@dataclass
class Server:
    """An authorization server: its endpoints are asked for once, when they are first needed."""

    http: Http
    """Without an access of its own: what is sent here authenticates itself."""
    issuer: str

    @cached_property
    def endpoints(self) -> Endpoints:
        """What the server declares. Raises ClientError like `discover`."""
        return discover(self.http, self.issuer)

    def endpoint(self, name: str) -> str:
        """Return the address of `token`, `introspection`, `revocation` or `registration`; Rejected where it has none."""
        address = getattr(self.endpoints, name)
        if not isinstance(address, str):
            raise Rejected(
                f"the issuer {self.issuer}", f"it declares no {name}_endpoint: choose another way in"
            )
        return address

    def audience(self, kind: str) -> str:
        """Return what an assertion for this server names as its audience."""
        return self.endpoint("token") if kind == TOKEN_ENDPOINT else self.issuer


# --- how a client authenticates ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A client and what it proves itself with."""

    client_id: str
    material: Material
    """`client_secret`; or `private_key` (PEM) and, where it is not the key's own, `algorithm`."""
    kid: str | None = None
    """How the server knows the key; None: its RFC 7638 thumbprint."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """What a request carries so that the server knows who asks."""

    headers: Mapping[str, str | Sensitive] = field(default_factory=dict)
    form: Mapping[str, str | Sensitive] = field(default_factory=dict)


def authenticate(method: str, who: Identity, audience: str, now: datetime) -> Authentication:
    """Return what proves to the server that `who` asks, by one of METHODS. `audience`: for an assertion."""
    if method == PRIVATE_KEY_JWT:
        return Authentication(form=_assertion(who, audience, now))
    secret = who.material["client_secret"]
    if method == POST:
        return Authentication(form={"client_id": who.client_id, "client_secret": secret})
    if method == BASIC:
        return Authentication(headers={"Authorization": basic(who.client_id, secret)})
    raise SettingsError(
        f"the client authentication {method} is not known; expected one of {', '.join(METHODS)}"
    )


def basic(client_id: str, secret: Sensitive) -> Sensitive:
    """Return an Authorization header. Both halves are form-encoded first (RFC 6749, section 2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret.reveal())}"
    return Sensitive(f"Basic {base64.b64encode(pair.encode()).decode()}")


def _assertion(who: Identity, audience: str, now: datetime) -> dict[str, str | Sensitive]:
    """Return a signed assertion (RFC 7523, sections 2.2 and 3), good for once: `jti` is drawn."""
    issued = int(now.timestamp())
    claims = {
        "iss": who.client_id,
        "sub": who.client_id,
        "aud": audience,
        "jti": secrets.token_urlsafe(16),
        "iat": issued,
        "exp": issued + int(ASSERTION_LASTS.total_seconds()),
    }
    key = _key(who.material["private_key"])
    algorithm = _algorithm(who, key)
    header = {"alg": algorithm, "typ": "JWT", "kid": who.kid or key.thumbprint()}
    return {
        "client_id": who.client_id,
        "client_assertion_type": _ASSERTION,
        "client_assertion": _signed(header, claims, algorithm, key),
    }


def _signed(
    header: Mapping[str, Any],
    claims: Mapping[str, Any],
    algorithm: str,
    key: jwk.RSAKey | jwk.ECKey | jwk.OKPKey,
) -> Sensitive:
    """Return a JWS in compact form (RFC 7515, section 7.1)."""
    parts = ".".join(_text(json.dumps(part).encode()) for part in (header, claims))
    signature = jws.JWSRegistry.algorithms[algorithm].sign(parts.encode(), key)
    return Sensitive(f"{parts}.{_text(signature)}")


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _key(pem: Sensitive) -> jwk.RSAKey | jwk.ECKey | jwk.OKPKey:
    kinds: tuple[type[jwk.RSAKey | jwk.ECKey | jwk.OKPKey], ...] = (jwk.RSAKey, jwk.ECKey, jwk.OKPKey)
    for kind in kinds:
        try:
            return kind.import_key(pem.octets())
        except errors.InvalidKeyTypeError:
            continue
        except ValueError:
            break  # it may quote the key: ours must not carry it on
    raise SettingsError("the client's private_key is no unencrypted RSA, EC or Ed25519 key in PEM")


def _stranger(pem: Sensitive) -> Sensitive:
    """Return a new private key of the kind of `pem`."""
    key = _key(pem)
    made = type(key).generate_key(_RSA_BITS if key.key_type == "RSA" else key.curve_name)  # type: ignore[union-attr,arg-type]
    return Sensitive(made.as_pem(private=True))


def _algorithm(who: Identity, key: jwk.RSAKey | jwk.ECKey | jwk.OKPKey) -> str:
    """Return what the key signs with: what is kept with it, else what its kind is commonly used for."""
    if kept := who.material.get("algorithm"):
        return kept.reveal()
    if key.key_type == "EC":
        return _CURVES.get(str(getattr(key, "curve_name", "")), "ES256")
    return "EdDSA" if key.key_type == "OKP" else "RS256"


# --- what an answer says ------------------------------------------------------------------------------------------


class Says(Enum):
    """What a refusal says about the credential it was an answer to."""

    REFUSED = "the credential was refused"
    EITHER = "the credential was refused, or what was asked is not allowed: only another request tells"
    NOT_ALLOWED = "what was asked is not allowed, whoever asked"
    NOTHING = "nothing about the credential"


_REFUSED: Mapping[tuple[int, str], str] = {
    (401, "invalid_client"): "RFC 6749, section 5.2; Keycloak: no such client",
    (400, "invalid_client"): "RFC 6749, section 5.2; Keycloak: a signed assertion",
    (401, "access_denied"): "a wrong secret, where what is merely not granted is a 403",
}
"""Which status and `error` refuse the credential itself, and whose answer it is.

By RFC 6749 `unauthorized_client` means that the client *was* authenticated; with a 400 or 403 it says so, or that
there is no such client. Only Keycloak answers 401, to wrong secrets, and just so where a client with the right one
has no service account (measured with 26.7.1).
"""
_REFUSED_THERE: Mapping[str, Mapping[tuple[int, str], str]] = {
    INTROSPECTION: {
        (401, "invalid_request"): "Keycloak before 26, whatever was wrong with the authentication"
    },
    REVOCATION: {
        (401, "unauthorized_client"): "Keycloak: a wrong or expired secret; every client may revoke"
    },
}
"""What refuses the credential at one endpoint only."""
_NOT_ALLOWED: Mapping[str, str] = {
    "unauthorized_client": "the client may not use this grant, or there is no such client",
    "access_denied": "the client is not granted what it asks for",
    "invalid_request": "the server does not take such a request; oidc-provider: the client may not use this grant",
    "unsupported_grant_type": "this server has no such grant",
    "invalid_scope": "the client may not have this scope, or has to name one",
    "invalid_target": "the client may not have this audience, or has to name one",
}
"""Words that are about what was asked for, not about who asked."""


def judge(via: str, status: int, word: str) -> Says:
    """Say what a refusal means: its HTTP status, and its `error` (RFC 6749, section 5.2)."""
    if (status, word) in {**_REFUSED, **_REFUSED_THERE.get(via, {})}:
        return Says.REFUSED
    if (status, word) == (401, "unauthorized_client"):
        return Says.EITHER
    return Says.NOT_ALLOWED if word in _NOT_ALLOWED else Says.NOTHING


def _explained(error: ClientError, via: str) -> ClientError:
    """Add to an answer that says nothing of the credential what a person can do about it."""
    do = "allow it there, correct scope and audience, or log in by another way"
    others = ", ".join(way for way in WAYS if way != via)
    said = f"HTTP {error.code} {error.reason}: {_NOT_ALLOWED[error.reason]}. {do} ({others})"
    return type(error)(error.what, said, code=error.code, reason=error.reason)


# --- logging in ----------------------------------------------------------------------------------------------------


_ANSWERS: Mapping[str, Shape[Any]] = {
    CLIENT_CREDENTIALS: record({"access_token": token}),
    INTROSPECTION: record({"active": flag}),
    REVOCATION: anything,
}
"""RFC 6749, section 5.1; RFC 7662, section 2.2; RFC 7009, section 2.2, by which a body is ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a login asks for, besides being let in."""

    via: str = CLIENT_CREDENTIALS
    scope: str | None = None
    audience: str | None = None
    """For servers that want to know for whom a token is."""

    @property
    def endpoint(self) -> str:
        """Which endpoint is asked."""
        return "token" if self.via == CLIENT_CREDENTIALS else self.via

    @property
    def form(self) -> Mapping[str, str]:
        """What is sent, without the authentication."""
        if self.via != CLIENT_CREDENTIALS:
            return {"token": NO_TOKEN, "token_type_hint": "access_token"}
        asked = {"grant_type": CLIENT_CREDENTIALS, "scope": self.scope, "audience": self.audience}
        return {name: value for name, value in asked.items() if value}

    @property
    def shape(self) -> Shape[Any]:
        """What this endpoint answers; else it is some other page."""
        return _ANSWERS[self.via]


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A server and how clients authenticate there."""

    server: Server
    method: str
    clock: Clock
    assertion_audience: str = ISSUER

    def knock(self, who: Identity, asked: Asked) -> Fetched | None:
        """Authenticate as `who`; None where the credential was refused. ClientError for what says nothing about it.

        An assertion is good for once and not for long, so each try has one of its own; and what was refused is tried a
        second time, because a server that heard a request before its answer was lost refuses the repetition.
        """
        if self.method != PRIVATE_KEY_JWT:
            return self._try(who, asked, read=True)
        lost: Ambiguous | None = None
        refused = 0
        for _ in range(MOST_TRIES):
            try:
                answer = self._try(who, asked, read=False)
            except Ambiguous as error:
                lost = error
                continue
            if answer is not None:
                return answer
            refused += 1
            if refused == ENOUGH_REFUSALS:
                return None
        raise lost or AssertionError("each try is answered, refused or lost")

    def _try(self, who: Identity, asked: Asked, *, read: bool) -> Fetched | None:
        url = self.server.endpoint(asked.endpoint)
        audience = self.server.audience(self.assertion_audience)
        proof = authenticate(self.method, who, audience, self.clock.now())
        form = {**asked.form, **proof.form}
        try:
            answer = self.server.http.send("POST", url, form=form, headers=proof.headers, read=read)
        except ClientError as error:
            says = judge(asked.via, error.code, error.reason)
            if says is Says.EITHER and not self._is_let_in_elsewhere(who):
                says = Says.REFUSED
            if says is Says.REFUSED:
                return None
            raise (error if says is Says.NOTHING else _explained(error, asked.via)) from None
        shaped(f"POST {url}", asked.shape, answer.document)
        return answer

    def _is_let_in_elsewhere(self, who: Identity) -> bool:
        """Whether the client is let in where every client may ask: at the revocation endpoint (RFC 7009)."""
        if self.server.endpoints.revocation is None:
            return False
        return self.knock(who, Asked(via=REVOCATION)) is not None

    def has_value(self, material: Material) -> bool:
        """Whether `material` holds what a client authenticates with here."""
        return ("private_key" if self.method == PRIVATE_KEY_JWT else "client_secret") in material


@dataclass(kw_only=True)
class OAuthLogin:
    """Logs in as the client; see `rotator.ports.Login`."""

    http: Http
    """Without an access of its own."""
    issuer: str
    method: str
    clock: Clock
    via: str = CLIENT_CREDENTIALS
    client_id: str | None = None
    """Of versions whose material has none: they are all the same client."""
    scope: str | None = None
    audience: str | None = None
    assertion_audience: str = ISSUER

    def __post_init__(self) -> None:
        self._door = Door(
            server=Server(self.http, self.issuer),
            method=self.method,
            clock=self.clock,
            assertion_audience=self.assertion_audience,
        )
        self._asked = Asked(via=self.via, scope=self.scope, audience=self.audience)

    @property
    def name(self) -> str:
        """`login at ISSUER`, and by which way where it is no usual one."""
        return f"login at {self.issuer}" + (f" by {self.via}" if self.via != CLIENT_CREDENTIALS else "")

    def accepted(self, copy: Copy) -> bool:
        """Log in; see `rotator.ports.Login`. With a version whose value nobody knows, nobody logs in."""
        if not self._door.has_value(copy.material):
            return False
        return self._door.knock(identity(copy, self.client_id), self._asked) is not None

    def stir(self, copy: Copy) -> bool:
        """Knock as the client of `copy` with a key that nobody knows; return whether that can change anything.

        A server may keep a client's key set for as long as it finds the key in it that it looks for (oidc-provider): then a
        key that was withdrawn from the set is accepted until an unknown one makes the server read the set again.
        """
        if self.method != PRIVATE_KEY_JWT or not self._door.has_value(copy.material):
            return False
        known = identity(copy, self.client_id)
        material = {**known.material, "private_key": _stranger(known.material["private_key"])}
        if self._door.knock(Identity(client_id=known.client_id, material=material), self._asked) is not None:
            raise Rejected(
                self.name, "it let in a key that was drawn just now: it does not look at keys at all"
            )
        return True


def identity(copy: Copy, client_id: str | None) -> Identity:
    """Return the client that `copy` is for; `client_id` where its material does not say."""
    own = copy.material.get("client_id")
    name = own.reveal() if own else client_id
    if not name:
        raise SettingsError(
            f"the version {copy.id} names no client, and none is declared: declare the client id"
        )
    return Identity(client_id=name, material=copy.material, kid=copy.id)


# --- being let in at a provider's own API -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A token that was given to us; see `rotator.ports.Access`."""

    token: Callable[[], Sensitive]
    scheme: str = "Bearer"
    """`Bearer` (RFC 6750), or what the provider asks for."""

    def headers(self) -> Mapping[str, Sensitive]:
        """Return the Authorization header."""
        return {"Authorization": Sensitive(f"{self.scheme} {self.token().reveal()}")}


@dataclass
class _Kept:
    """A token, for whom it is, and until when it is used."""

    token: Sensitive
    owner: str
    until: datetime


@dataclass(kw_only=True)
class _Bearer:
    """Gets access tokens and keeps them until shortly before they end."""

    door: Door
    asked: Asked
    _kept: _Kept | None = field(default=None, repr=False)

    def kept(self, owners: Sequence[str]) -> Sensitive | None:
        """Return the token that is in force, if it is one of `owners`'."""
        kept = self._kept
        if kept is None or kept.owner not in owners or self.door.clock.now() >= kept.until:
            return None
        return kept.token

    def get(self, who: Identity, owner: str) -> Sensitive | None:
        """Log in; None where the credential was refused."""
        asked_at = self.door.clock.now()
        answer = self.door.knock(who, self.asked)
        if answer is None:
            return None
        token = Sensitive(answer.document["access_token"])
        self._kept = _Kept(token, owner, asked_at + usable(answer.document.get("expires_in")))
        return token


def usable(expires_in: object) -> timedelta:
    """Return for how long a token is used that ends in `expires_in` seconds (RFC 6749, section 5.1)."""
    seconds = float(expires_in) if isinstance(expires_in, str) and expires_in.isdecimal() else expires_in
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        return UNSAID
    lasts = timedelta(seconds=min(seconds, timedelta(days=1).total_seconds()))
    return max(lasts - EARLY, lasts / 2)


def _header(token: Sensitive) -> Mapping[str, Sensitive]:
    return {"Authorization": Sensitive(f"Bearer {token.reveal()}")}


@dataclass(kw_only=True)
class ClientCredentials:
    """An access token for a client of our own, by the grant of that name; see `rotator.ports.Access`."""

    http: Http
    """Without an access of its own."""
    issuer: str
    method: str
    client_id: str
    credential: Callable[[], Sensitive]
    """The client's secret, or its private key in PEM: read whenever a token is needed, so that a new one is seen."""
    clock: Clock
    scope: str | None = None
    audience: str | None = None
    assertion_audience: str = ISSUER
    kid: str | None = None
    """How the server knows the key; None: its RFC 7638 thumbprint."""

    def __post_init__(self) -> None:
        door = Door(
            server=Server(self.http, self.issuer),
            method=self.method,
            clock=self.clock,
            assertion_audience=self.assertion_audience,
        )
        self._bearer = _Bearer(door=door, asked=Asked(scope=self.scope, audience=self.audience))

    def headers(self) -> Mapping[str, Sensitive]:
        """Return the Authorization header. Raises Forbidden where the client is refused."""
        token = self._bearer.kept([self.client_id]) or self._bearer.get(self._who(), self.client_id)
        if token is None:
            raise Forbidden(
                f"login at {self.issuer}",
                f"the client {self.client_id}, by which we are let in, was refused: is its credential the one that "
                "the server knows? Nothing was changed there",
            )
        return _header(token)

    def _who(self) -> Identity:
        field_name = "private_key" if self.method == PRIVATE_KEY_JWT else "client_secret"
        return Identity(client_id=self.client_id, material={field_name: self.credential()}, kid=self.kid)


@dataclass(kw_only=True)
class OwnClient:
    """The access of a client that rotates its own credential; see `rotator.ports.Access`.

    Which of its versions works now only a login tells: a run may have been killed before it could record a change.
    """

    http: Http
    """Without an access of its own."""
    issuer: str
    method: str
    clock: Clock
    client_id: str | None = None
    scope: str | None = None
    audience: str | None = None
    assertion_audience: str = ISSUER

    def __post_init__(self) -> None:
        door = Door(
            server=Server(self.http, self.issuer),
            method=self.method,
            clock=self.clock,
            assertion_audience=self.assertion_audience,
        )
        self._bearer = _Bearer(door=door, asked=Asked(scope=self.scope, audience=self.audience))
        self._copies: tuple[Copy, ...] = ()

    def offer(self, copies: Sequence[Copy]) -> None:
        """Say which versions there are, in order of trust: the active one first."""
        self._copies = tuple(copies)

    def headers(self) -> Mapping[str, Sensitive]:
        """Return the Authorization header. Raises Forbidden where every version is refused."""
        usable = [copy for copy in self._copies if self._bearer.door.has_value(copy.material)]
        if kept := self._bearer.kept([copy.id for copy in usable]):
            return _header(kept)
        for copy in usable:
            token = self._bearer.get(identity(copy, self.client_id), copy.id)
            if token is not None:
                return _header(token)
        tried = ", ".join(copy.id for copy in usable) or "none: no version has a value yet"
        raise Forbidden(
            f"login at {self.issuer}",
            f"the client that rotates its own credential was refused with every version that is known ({tried}). "
            "Nothing was changed there. Set its credential there to that of the active version, or let rotator in "
            "by another client",
        )
