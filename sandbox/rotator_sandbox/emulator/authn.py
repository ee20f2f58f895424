"""Who is asking: the admin token, and signed tokens of service accounts."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .status import unauthorized
from .wire import Object, as_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

ISSUER = "https://kubernetes.default.svc.cluster.local"
ADMINS = "system:masters"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"

_HEADER: Object = {"alg": "RS256", "kid": "sandbox"}
"""What the header says is for clients that look at it and leave checking to a TokenReview, such
as OpenBao, which turns away what names a symmetric algorithm; the signature is an HMAC all the
same, and only this cluster can check it."""


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated (or anonymous) caller."""

    name: str
    groups: tuple[str, ...]
    uid: str = ""
    extra: Mapping[str, list[str]] = field(default_factory=dict)

    def info(self) -> Object:
        """Give the user as authentication.k8s.io UserInfo."""
        info: Object = {"username": self.name}
        if self.uid:
            info["uid"] = self.uid
        info["groups"] = list(self.groups)
        if self.extra:
            info["extra"] = dict(self.extra)
        return info


ADMIN = User("admin", (ADMINS, AUTHENTICATED), "admin")
ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))


def service_account(namespace: str, name: str, uid: str, token_id: str = "") -> User:
    """Give the user that a service account acts as."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    extra = {"authentication.kubernetes.io/credential-id": [f"JTI={token_id}"]}
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, extra if token_id else {})


def _pack(value: Object) -> str:
    text = json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _unpack(text: str) -> Object:
    padded = text + "=" * (-len(text) % 4)
    return as_object(json.loads(base64.urlsafe_b64decode(padded)))


class Tokens:
    """Issues and checks the tokens of service accounts, under a key of its own."""

    def __init__(self, admin_token: str) -> None:
        """Draw the signing key of this cluster."""
        self._admin_token = admin_token.encode()
        self._key = secrets.token_bytes(32)

    def _sign(self, text: str) -> str:
        mac = hmac.new(self._key, text.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    def is_admin(self, token: str) -> bool:
        """Say whether this is the administrator's token."""
        return hmac.compare_digest(token.encode(), self._admin_token)

    def issue(self, account: Object, audiences: list[str], issued: datetime, seconds: int) -> str:
        """Issue a token for a ServiceAccount object (the TokenRequest API)."""
        meta, start = account["metadata"], int(issued.timestamp())
        claims = {
            "aud": audiences,
            "exp": start + seconds,
            "iat": start,
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {
                "namespace": meta["namespace"],
                "serviceaccount": {"name": meta["name"], "uid": meta["uid"]},
            },
            "nbf": start,
            "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
        }
        signed = f"{_pack(_HEADER)}.{_pack(claims)}"
        return f"{signed}.{self._sign(signed)}"

    def claims(self, token: str, now: datetime) -> Object | None:
        """Give the claims of a token that this cluster signed and that is valid now."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._sign(signed).encode(), signature.encode()):
            return None
        try:
            claims = _unpack(signed.partition(".")[2])
        except (ValueError, binascii.Error):
            return None
        valid = claims.get("nbf", 0) <= now.timestamp() < claims.get("exp", 0)
        return claims if valid else None


def bearer(headers: Mapping[str, str]) -> str:
    """Give the token of a request.

    A client that refuses to send a bearer token over plain HTTP (kubectl does) can give it as
    the password of basic authentication, through the user info of the server's URL.
    """
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials).decode().partition(":")[2]
    except ValueError:
        raise unauthorized() from None
