"""Okta as its published API description (management, 2026.06) has it: the client secrets of one app, and its token endpoint.

Sources: operations `listOAuth2ClientSecrets`, `createOAuth2ClientSecret`, `deactivateOAuth2ClientSecret`,
`activateOAuth2ClientSecret`, `deleteOAuth2ClientSecret` with their examples, among them `ErrorMaxNumberOfSecrets`,
`ErrorDeactivateTheOnlyClientSecret`, `ErrorDeleteActiveSecret`, `ErrorClientSecretTooShort`, `ErrorTooManyRequests`; the
guide "Client secret rotation"; the pages on rate limits (X-Rate-Limit-*); OAuth errors by RFC 6749, section 5.2.

Not published, and assumed: a secret that is inactive already may be deactivated again, and one value may be there twice.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import unquote_plus

from tests.providers.exploration import LOGINS, READS, START, Lagging
from tests.providers.served import Api, Asked, Route, Said

APP = "0oa1nkheCu"
TOKEN = "00token-of-the-rotator"
_SECRETS = f"/api/v1/apps/{APP}/credentials/secrets"
_ONE = _SECRETS + r"/([^/]+)"
_SUMMARIES = {
    "E0000001": "Api validation failed",
    "E0000006": "You do not have permission to perform the requested action",
    "E0000007": "Not found: Resource not found",
    "E0000011": "Invalid token provided",
    "E0000047": "API call exceeded rate limit due to too many requests.",
}


@dataclass(frozen=True)
class Kept:
    """A client secret."""

    id: str
    value: str
    created: str
    active: bool = True
    by_us: bool = True


class OktaApi(Api):
    """One org with one app. `url`: where it is served, for the documents that name it."""

    def __init__(self) -> None:
        super().__init__()
        self.url = ""
        self.secrets: Lagging[tuple[Kept, ...]] = Lagging(())
        self.shows_values = True
        self.limited = 0
        """How many of the next requests are one too many."""
        self.least_length = 14
        """32 for `client_secret_jwt`."""
        self._numbers = itertools.count(1)
        for method, pattern, route in (
            ("GET", _SECRETS, self._list),
            ("POST", _SECRETS, self._create),
            ("DELETE", _ONE, self._delete),
            ("POST", f"{_ONE}/lifecycle/deactivate", self._deactivate),
            ("POST", f"{_ONE}/lifecycle/activate", self._activate),
            ("GET", r"/api/.*", self._unknown),
        ):
            self.route(method, pattern, self._managed(route))
        self.route("GET", "/oauth2/default/.well-known/openid-configuration", self._discovery)
        self.route("POST", "/oauth2/default/v1/token", self._token)

    # --- somebody else ------------------------------------------------------------------------------------------

    @property
    def issuer(self) -> str:
        """Its custom authorization server: the org's own takes no client secrets."""
        return f"{self.url}/oauth2/default"

    def add_anothers(self, value: str = "", *, active: bool = True) -> Kept:
        """Add a secret as an administrator would, whatever its limit says."""
        return self._keep(value or f"somebody-elses-{next(self._numbers):029}", by_us=False, active=active)

    def take_away(self, secret_id: str) -> None:
        """Delete a secret as an administrator would."""
        self.secrets.change(tuple(s for s in self.secrets.now if s.id != secret_id))

    def put_to_sleep(self, secret_id: str) -> None:
        """Deactivate a secret as an administrator would."""
        self._set(secret_id, active=False)

    def wake(self, secret_id: str) -> None:
        """Activate a secret as an administrator would."""
        self._set(secret_id, active=True)

    def accepts(self, value: str) -> bool:
        """Whether a client is let in with `value`, in truth."""
        return any(s.active and s.value == value for s in self.secrets.now)

    def anothers(self) -> tuple[str, ...]:
        """The ids of what an administrator made."""
        return tuple(s.id for s in self.secrets.now if not s.by_us)

    # --- management ---------------------------------------------------------------------------------------------

    def _managed(self, route: Route) -> Route:
        def answer(asked: Asked) -> Said:
            if self.limited:
                self.limited -= 1
                reset = int((START + timedelta(minutes=1)).timestamp())
                headers = {
                    "X-Rate-Limit-Limit": "100",
                    "X-Rate-Limit-Remaining": "0",
                    "X-Rate-Limit-Reset": str(reset),
                }
                return _error(429, "E0000047", headers=headers)
            scheme, token = (
                asked.headers.get("authorization", "")[:4],
                asked.headers.get("authorization", "")[4:],
            )
            if (scheme, token.strip()) != ("SSWS", TOKEN):  # Okta's SDK (3.4.6) leaves the blank out
                return _error(401, "E0000011")
            return route(asked)

        return answer

    def _unknown(self, asked: Asked) -> Said:
        del asked
        return _error(404, "E0000007")

    def _list(self, asked: Asked) -> Said:
        del asked
        return Said(200, [self._shown(s) for s in self.secrets.look(READS)])

    def _create(self, asked: Asked) -> Said:
        value = (asked.document or {}).get("client_secret")
        if len(self.secrets.now) >= 2:
            return _error(
                400,
                "E0000001",
                "OAuth2ClientSecretMediated",
                "You've reached the maximum number of client secrets per client.",
            )
        if value is not None and not self._fits(value):
            return _error(
                400,
                "E0000001",
                "client_secret",
                f"client_secret: 'client_secret' must be at least '{self.least_length}' characters long.",
            )
        drawn = hashlib.sha256(str(next(self._numbers)).encode()).hexdigest()[:40]
        return Said(201, self._shown(self._keep(value or drawn, by_us=value is not None)))

    def _deactivate(self, asked: Asked) -> Said:
        active = [s for s in self.secrets.now if s.active]
        if [s.id for s in active] == [asked.parts[0]]:
            return _error(
                400,
                "E0000001",
                "OAuth2ClientSecretMediated",
                "You can't deactivate the only active client secret.",
            )
        return self._about(asked, lambda s: Said(200, self._shown(self._set(s.id, active=False))))

    def _activate(self, asked: Asked) -> Said:
        return self._about(asked, lambda s: Said(200, self._shown(self._set(s.id, active=True))))

    def _delete(self, asked: Asked) -> Said:
        def delete(secret: Kept) -> Said:
            if secret.active:
                return _error(
                    400,
                    "E0000001",
                    "OAuth2ClientSecretMediated",
                    "You can't delete an active client secret. Deactivate the secret before deleting it.",
                )
            self.take_away(secret.id)
            return Said(204, headers={"Content-Type": ""})  # there is none

        return self._about(asked, delete)

    def _about(self, asked: Asked, answer: Callable[[Kept], Said]) -> Said:
        secret = next((s for s in self.secrets.now if s.id == asked.parts[0]), None)
        return answer(secret) if secret else _error(404, "E0000007")

    def _fits(self, value: str) -> bool:
        return self.least_length <= len(value) <= 100 and value.isascii() and value.isprintable()

    def _keep(self, value: str, *, by_us: bool, active: bool = True) -> Kept:
        number = next(self._numbers)
        created = (START + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        secret = Kept(f"ocs{number:08}", value, created, active, by_us)
        self.secrets.change((*self.secrets.now, secret))
        return secret

    def _set(self, secret_id: str, *, active: bool) -> Kept:
        changed = tuple(replace(s, active=active) if s.id == secret_id else s for s in self.secrets.now)
        self.secrets.change(changed)
        return next(s for s in changed if s.id == secret_id)

    def _shown(self, secret: Kept) -> Mapping[str, Any]:
        digest = hashlib.sha256(secret.value.encode()).digest()[:16]
        shown = {
            "id": secret.id,
            "created": secret.created,
            "lastUpdated": secret.created,
            "status": "ACTIVE" if secret.active else "INACTIVE",
            "secret_hash": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        }
        return {**shown, "client_secret": secret.value} if self.shows_values else shown

    # --- OAuth --------------------------------------------------------------------------------------------------

    def _discovery(self, asked: Asked) -> Said:
        del asked
        return Said(200, {"issuer": self.issuer, "token_endpoint": f"{self.issuer}/v1/token"})

    def _token(self, asked: Asked) -> Said:
        client_id, value = presented(asked)
        if asked.form.get("grant_type") != "client_credentials":
            return Said(400, {"error": "unsupported_grant_type"})
        accepted = any(s.active and s.value == value for s in self.secrets.look(LOGINS))
        if client_id != APP or not accepted:
            said = "The client secret supplied for a confidential client is invalid."
            return Said(401, {"error": "invalid_client", "error_description": said})
        return Said(
            200, {"access_token": "token", "token_type": "Bearer", "expires_in": 3600, "scope": "all"}
        )


def presented(asked: Asked) -> tuple[str, str]:
    """Return who asks, and with what secret: client_secret_basic or client_secret_post (RFC 6749, section 2.3.1)."""
    scheme, _, pair = asked.headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        client_id, _, value = base64.b64decode(pair).decode().partition(":")
        return unquote_plus(client_id), unquote_plus(value)
    return asked.form.get("client_id", ""), asked.form.get("client_secret", "")


def _error(
    status: int, code: str, of: str = "", cause: str = "", headers: Mapping[str, str] | None = None
) -> Said:
    document = {
        "errorCode": code,
        "errorSummary": f"{_SUMMARIES[code]}: {of}" if of else _SUMMARIES[code],
        "errorLink": code,
        "errorId": "sampleQPivGUj_ND5v78vbYWW",
        "errorCauses": [{"errorSummary": cause}] if cause else [],
    }
    return Said(status, document, headers or {})
