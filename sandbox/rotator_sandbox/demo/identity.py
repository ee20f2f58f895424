"""The demo's identity provider: a realm with a client that has been in use, and rotator's own way in."""

from __future__ import annotations

import json
import secrets
import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from rotator_sandbox.certificates import ServerFiles, issue
from rotator_sandbox.demo.logins import connections
from rotator_sandbox.demo.scenarios import CLIENT, ROBOT, Realm
from rotator_sandbox.identity.keycloak import ADMIN, MANAGEMENT, KeycloakApi
from rotator_sandbox.identity.served import Served

REFUSED = 400
"""The first HTTP status of a refusal."""
_NEEDED = ("manage-clients", "manage-realm")
"""The roles that rotator needs: for clients, and for the realm's client policies (`ensurePolicy`)."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A provider that runs."""

    realm: Realm
    robot_secret: str
    """With which rotator is let in."""


def start(folder: Path, stack: ExitStack) -> Identity:
    """Start a provider with TLS in `folder`, and make the realm and the clients in it."""
    folder.mkdir()
    files = issue(folder)
    api = KeycloakApi()
    served = stack.enter_context(Served(api, _tls(files)))
    api.url = served.url
    realm = Realm(url=served.url, name="shop", ca_file=str(files.ca))
    return Identity(realm=realm, robot_secret=_Admin(realm, api.password).set_up())


def _tls(files: ServerFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return context


class _Admin:
    """Whoever runs the server."""

    def __init__(self, realm: Realm, password: str) -> None:
        self._realm = realm
        self._pool = connections(realm)
        self._place = f"{realm.url}/admin/realms/{realm.name}"
        form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMIN, "password": password}
        place = f"{realm.url}/realms/master/protocol/openid-connect/token"
        made = self._send("POST", place, urlencode(form), "application/x-www-form-urlencoded")
        self._token = made["access_token"]

    def set_up(self) -> str:
        """Make the realm and its clients; return the secret of rotator's."""
        self._ask("POST", f"{self._realm.url}/admin/realms", {"realm": self._realm.name, "enabled": True})
        self._client(CLIENT)
        robot = self._client(ROBOT)
        self._allow(robot["id"])
        return str(robot["secret"])

    def _client(self, name: str) -> Mapping[str, Any]:
        document = {"clientId": name, "serviceAccountsEnabled": True, "secret": secrets.token_urlsafe(32)}
        self._ask("POST", f"{self._place}/clients", document)
        return self._find(name)

    def _find(self, name: str) -> Mapping[str, Any]:
        found: list[Mapping[str, Any]] = self._ask("GET", f"{self._place}/clients?clientId={name}")
        return found[0]

    def _allow(self, client: str) -> None:
        """Give the client's service account the roles that rotator needs, and no other."""
        management = self._find(MANAGEMENT)["id"]
        account = self._ask("GET", f"{self._place}/clients/{client}/service-account-user")["id"]
        known = self._ask("GET", f"{self._place}/clients/{management}/roles")
        chosen = [role for role in known if role["name"] in _NEEDED]
        self._ask("POST", f"{self._place}/users/{account}/role-mappings/clients/{management}", chosen)

    def _ask(self, method: str, url: str, document: Any = None) -> Any:
        body = None if document is None else json.dumps(document)
        return self._send(method, url, body, "application/json", {"Authorization": f"Bearer {self._token}"})

    def _send(
        self, method: str, url: str, body: str | None, kind: str, headers: Mapping[str, str] | None = None
    ) -> Any:
        answer = self._pool.request(method, url, body=body, headers={"Content-Type": kind, **(headers or {})})
        if answer.status >= REFUSED:
            raise RuntimeError(f"the identity provider: {method} {url}: HTTP {answer.status}")
        return json.loads(answer.data) if answer.data else None
