"""Whoever runs a Keycloak, and its clients: the same requests to the real one and to the stand-in."""

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from rotator_sandbox.identity.keycloak import (
    ADMIN,
    ENDS,
    KEY_PROVIDER,
    MANAGEMENT,
    ROTATED,
    ROTATED_ENDS,
    ROTATED_SINCE,
    SINCE,
    Component,
    KeycloakApi,
)

__all__ = [
    "ADMIN",
    "ENDS",
    "KEY_PROVIDER",
    "ROTATED",
    "ROTATED_ENDS",
    "ROTATED_SINCE",
    "SINCE",
    "Admin",
    "Component",
    "KeycloakApi",
    "RealClient",
    "Realm",
]


@dataclass
class Admin:
    """A server's admin, and its clients: the same requests to the real one and to this one."""

    url: str
    password: str
    real: bool
    rotates: bool
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def ask(
        self,
        method: str,
        path: str,
        document: Any = None,
        form: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> tuple[int, Any]:
        """Send a request; return status and document."""
        headers = {"Authorization": f"Bearer {token or self._token()}"} if form is None else {}
        body = None
        if form is not None:
            body = urlencode(form).encode()
        elif document is not None:
            body, headers["Content-Type"] = json.dumps(document).encode(), "application/json"
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                octets, status = answer.read(), answer.status
        except urllib.error.HTTPError as error:
            with error:
                octets, status = error.read(), error.code
        with contextlib.suppress(ValueError):
            return status, json.loads(octets)
        return status, None

    def _token(self) -> str:
        form = {
            "grant_type": "password",
            "client_id": "admin-cli",
            "username": ADMIN,
            "password": self.password,
        }
        status, answer = self.ask("POST", "/realms/master/protocol/openid-connect/token", form=form)
        assert status == 200
        return str(answer["access_token"])

    def realm(self, **settings: Any) -> Realm:
        """Make a realm, and in it a client for rotator with the roles that it needs for clients."""
        name = f"realm-{next(self._numbers)}-{secrets.token_hex(3)}"
        status, _ = self.ask("POST", "/admin/realms", {"realm": name, "enabled": True, **settings})
        assert status == 201
        return Realm(self, name)


@dataclass
class Realm:
    """A realm, as its admin sees it."""

    admin: Admin
    name: str
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def path(self) -> str:
        """Where it is in the admin API."""
        return f"/admin/realms/{self.name}"

    @property
    def issuer(self) -> str:
        """As its tokens name it."""
        return f"{self.admin.url}/realms/{self.name}"

    def robot(self, *roles: str) -> tuple[str, str]:
        """Make a client with a service account that has `roles` of realm-management; return id and secret."""
        client = self.client(secret=secrets.token_urlsafe(24))
        _, account = self.admin.ask("GET", f"{self.path}/clients/{client.uuid}/service-account-user")
        management = self.find(MANAGEMENT)["id"]
        _, known = self.admin.ask("GET", f"{self.path}/clients/{management}/roles")
        chosen = [role for role in known if role["name"] in roles]
        place = f"{self.path}/users/{account['id']}/role-mappings/clients/{management}"
        status, _ = self.admin.ask("POST", place, chosen)
        assert status == 204
        return client.name, client.secret

    def find(self, client_id: str) -> dict[str, Any]:
        """Return the representation of a client."""
        _, found = self.admin.ask("GET", f"{self.path}/clients?clientId={quote(client_id)}")
        assert len(found) == 1
        document: dict[str, Any] = found[0]
        return document

    def client(self, **settings: Any) -> RealClient:
        """Make a confidential client."""
        name = f"client-{next(self._numbers)}"
        usual = {"clientId": name, "serviceAccountsEnabled": True, "standardFlowEnabled": False}
        if settings.get("publicClient") or settings.get("bearerOnly"):
            usual["serviceAccountsEnabled"] = False
        status, _ = self.admin.ask("POST", f"{self.path}/clients", {**usual, **settings})
        assert status == 201
        found = self.find(name)
        return RealClient(self, name, found["id"], found.get("secret") or "")

    def policies(self, kind: str) -> list[dict[str, Any]]:
        """Return its client profiles or policies."""
        _, found = self.admin.ask("GET", f"{self.path}/client-policies/{kind}")
        listed: list[dict[str, Any]] = found[kind]
        return listed

    def set_policies(self, kind: str, items: Sequence[Mapping[str, Any]]) -> None:
        """Set its client profiles or policies."""
        status, _ = self.admin.ask("PUT", f"{self.path}/client-policies/{kind}", {kind: list(items)})
        assert status == 204

    def rotating(self, name: str, periods: tuple[int, int], *, condition: Mapping[str, Any]) -> None:
        """Let a policy of somebody else's rotate secrets; `periods`: of a secret, and of a rotated one, in seconds."""
        config = dict(
            zip(("expiration-period", "rotated-expiration-period"), periods, strict=True),
            **{"remaining-rotation-period": 0},
        )
        profile = {"name": name, "executors": [{"executor": "secret-rotation", "configuration": config}]}
        policy = {"name": name, "enabled": True, "conditions": [condition], "profiles": [name]}
        self.set_policies("profiles", [*self.policies("profiles"), profile])
        self.set_policies("policies", [*self.policies("policies"), policy])


@dataclass
class RealClient:
    """A client, as its realm's admin and those who log in see it."""

    realm: Realm
    name: str
    uuid: str
    secret: str
    """The one with which it was made."""

    def logs_in(self, secret: str) -> bool:
        """Log in, beside the product's own code."""
        return self.login(secret) is not None

    def login(self, secret: str) -> str | None:
        """Log in by the client credentials grant; return the access token, None for a refusal."""
        form = {"grant_type": "client_credentials", "client_id": self.name, "client_secret": secret}
        place = f"/realms/{self.realm.name}/protocol/openid-connect/token"
        status, answer = self.realm.admin.ask("POST", place, form=form)
        assert status in {200, 401}
        assert status == 200 or answer["error"] == "unauthorized_client"
        return str(answer["access_token"]) if status == 200 else None

    @property
    def document(self) -> dict[str, Any]:
        """Its representation."""
        return self.realm.find(self.name)

    def update(self, **changes: Any) -> None:
        """Change it as somebody else would: the whole representation with `changes`, attributes merged."""
        there = self.document
        attributes = {**there["attributes"], **changes.pop("attributes", {})}
        document = {**there, **changes, "attributes": attributes}
        status, _ = self.realm.admin.ask("PUT", f"{self.realm.path}/clients/{self.uuid}", document)
        assert status == 204

    def regenerate(self) -> str:
        """Draw a new secret, as the button in the admin console does."""
        place = f"{self.realm.path}/clients/{self.uuid}/client-secret"
        status, answer = self.realm.admin.ask("POST", place, {})
        assert status == 200
        return str(answer["value"])

    def drop_rotated(self) -> None:
        """Withdraw the rotated secret."""
        place = f"{self.realm.path}/clients/{self.uuid}/client-secret/rotated"
        status, _ = self.realm.admin.ask("DELETE", place)
        assert status == 204
