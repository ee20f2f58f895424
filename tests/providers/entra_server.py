"""Microsoft Graph and the token endpoint of Entra ID, as far as the passwords of one application go.

Sources: the reference of Microsoft Graph v1.0, application: get, addPassword, removePassword, and passwordCredential; the
pages on errors and on throttling (429 with Retry-After); "Validation differences by supported account types" (two
passwords where personal accounts are supported); the list of AADSTS codes (7000215: invalid secret, 7000222: expired);
"No password credential found with keyId" as Vault's Azure secrets engine expects it. The directory's replicas lag: the
provider of Terraform waits minutes for a new password to appear.
"""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.providers.exploration import LOGINS, READS, Lagging, Virtual
from tests.providers.okta_server import presented
from tests.providers.served import Api, Asked, Route, Said

OBJECT = "03ef14b0-ca33-4840-8f4f-d6e91916010e"
CLIENT = "631a96bc-a705-4eda-9f99-fdaf9f54f6a2"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
TOKEN = "eyJ0-token-of-the-rotator"
_PLACE = f"/v1.0/applications/{OBJECT}"
_OAUTH = f"/{TENANT}"


@dataclass(frozen=True)
class Kept:
    """A password."""

    key_id: str
    value: str
    name: str | None
    starts: datetime
    ends: datetime
    by_us: bool = True
    shows_hint: bool = True


class EntraApi(Api):
    """One tenant with one application. `url`: where it is served, for the documents that name it."""

    def __init__(self, clock: Virtual) -> None:
        super().__init__()
        self.url = ""
        self.clock = clock
        self.passwords: Lagging[tuple[Kept, ...]] = Lagging(())
        self.limited = 0
        """How many of the next requests are one too many."""
        self.most: int | None = None
        """2 where personal accounts are supported."""
        self.longest: timedelta | None = None
        """For how long a policy of the tenant lets a password last."""
        self._numbers = itertools.count(1)
        for method, pattern, route in (
            ("GET", _PLACE, self._get),
            ("POST", f"{_PLACE}/addPassword", self._add),
            ("POST", f"{_PLACE}/removePassword", self._remove),
            ("GET", r"/v1\.0/.*", self._unknown),
            ("POST", r"/v1\.0/.*", self._unknown),
        ):
            self.route(method, pattern, self._managed(route))
        self.route("GET", f"{_OAUTH}/v2.0/.well-known/openid-configuration", self._discovery)
        self.route("POST", f"{_OAUTH}/oauth2/v2.0/token", self._token)

    # --- somebody else ------------------------------------------------------------------------------------------

    @property
    def issuer(self) -> str:
        """The tenant's."""
        return f"{self.url}{_OAUTH}/v2.0"

    def add_anothers(
        self,
        value: str = "",
        *,
        name: str | None = "by hand",
        lasts: timedelta = timedelta(days=730),
        shows_hint: bool = True,
    ) -> Kept:
        """Add a password as an administrator would."""
        kept = self._keep(value or self._draw(), name, self.clock.now() + lasts)
        changed = Kept(
            kept.key_id, kept.value, kept.name, kept.starts, kept.ends, by_us=False, shows_hint=shows_hint
        )
        self.passwords.change(tuple(changed if p == kept else p for p in self.passwords.now))
        return changed

    def take_away(self, key_id: str) -> None:
        """Remove a password as an administrator would."""
        self.passwords.change(tuple(p for p in self.passwords.now if p.key_id != key_id))

    def accepts(self, value: str) -> bool:
        """Whether a client is let in with `value`, in truth."""
        return any(p.value == value and self.clock.now() < p.ends for p in self.passwords.now)

    def anothers(self) -> tuple[str, ...]:
        """The key ids of what an administrator made."""
        return tuple(p.key_id for p in self.passwords.now if not p.by_us)

    # --- Microsoft Graph ----------------------------------------------------------------------------------------

    def _managed(self, route: Route) -> Route:
        def answer(asked: Asked) -> Said:
            if self.limited:
                self.limited -= 1
                return _error(429, "TooManyRequests", "Too many requests.", {"Retry-After": "7"})
            if asked.headers.get("authorization") != f"Bearer {TOKEN}":
                return _error(401, "InvalidAuthenticationToken", "Access token is empty.")
            return route(asked)

        return answer

    def _unknown(self, asked: Asked) -> Said:
        said = f"Resource '{asked.path}' does not exist or one of its queried reference-property objects are not present."
        return _error(404, "Request_ResourceNotFound", said)

    def _get(self, asked: Asked) -> Said:
        fields = {
            "id": OBJECT,
            "appId": CLIENT,
            "displayName": "payments",
            "passwordCredentials": [_shown(p) for p in self.passwords.look(READS)],
        }
        selected = asked.query.get("$select", ",".join(fields)).split(",")
        context = f"{self.url}/v1.0/$metadata#applications/$entity"
        return Said(200, {"@odata.context": context, **{n: v for n, v in fields.items() if n in selected}})

    def _add(self, asked: Asked) -> Said:
        wanted = (asked.document or {}).get("passwordCredential") or {}
        now = self.clock.now()
        ends = datetime.fromisoformat(wanted["endDateTime"]) if "endDateTime" in wanted else None
        ends = ends or now + timedelta(days=730)
        if self.most is not None and len(self.passwords.now) >= self.most:
            return _error(400, "Request_BadRequest", "You can only add a maximum of 2 encrypted credentials.")
        if self.longest is not None and ends - now > self.longest:
            return _error(
                400, "CredentialInvalidLifetimeAsPerAppPolicy", "Credential lifetime exceeds the max."
            )
        kept = self._keep(self._draw(), wanted.get("displayName"), ends)
        return Said(200, {**_shown(kept), "secretText": kept.value})

    def _remove(self, asked: Asked) -> Said:
        key_id = (asked.document or {}).get("keyId")
        if key_id not in [p.key_id for p in self.passwords.now]:
            return _error(400, "Request_BadRequest", f"No password credential found with keyId '{key_id}'.")
        self.take_away(key_id)
        return Said(204, headers={"Content-Type": ""})  # there is none

    def _draw(self) -> str:
        number = next(self._numbers)
        return f"{number:03}8Q~{hashlib.sha256(str(number).encode()).hexdigest()[:34]}"

    def _keep(self, value: str, name: str | None, ends: datetime) -> Kept:
        key_id = str(uuid.uuid5(uuid.NAMESPACE_URL, str(next(self._numbers))))
        kept = Kept(key_id, value, name, self.clock.now(), ends)
        self.passwords.change((*self.passwords.now, kept))
        return kept

    # --- OAuth --------------------------------------------------------------------------------------------------

    def _discovery(self, asked: Asked) -> Said:
        del asked
        endpoint = f"{self.url}{_OAUTH}/oauth2/v2.0/token"
        return Said(200, {"issuer": self.issuer, "token_endpoint": endpoint})

    def _token(self, asked: Asked) -> Said:
        client_id, value = presented(asked)
        if asked.form.get("grant_type") != "client_credentials":
            return Said(400, {"error": "unsupported_grant_type"})
        if not asked.form.get("scope", "").endswith("/.default"):
            return Said(400, {"error": "invalid_scope", "error_codes": [1002012]})
        same = [p for p in self.passwords.look(LOGINS) if p.value == value]
        if client_id != CLIENT or not same:
            return _refused(7000215, "Invalid client secret provided.")
        if self.clock.now() >= same[0].ends:
            return _refused(7000222, "The provided client secret keys for app are expired.")
        return Said(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": "token"})


def _shown(password: Kept) -> Mapping[str, Any]:
    return {
        "customKeyIdentifier": None,
        "displayName": password.name,
        "endDateTime": _instant(password.ends),
        "hint": password.value[:3] if password.shows_hint else None,
        "keyId": password.key_id,
        "secretText": None,
        "startDateTime": _instant(password.starts),
    }


def _instant(at: datetime) -> str:
    """Write an instant as Graph does: seven digits after the second."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Said:
    inner = {"date": "2030-01-01T00:00:00", "request-id": str(uuid.UUID(int=1)), "client-request-id": "1"}
    return Said(status, {"error": {"code": code, "message": message, "innerError": inner}}, headers or {})


def _refused(code: int, said: str) -> Said:
    document = {
        "error": "invalid_client",
        "error_description": f"AADSTS{code}: {said}",
        "error_codes": [code],
    }
    return Said(401, document)
