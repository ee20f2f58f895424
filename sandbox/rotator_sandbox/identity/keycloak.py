"""Keycloak 26.7.1 as it was measured, as far as rotator asks: the clients of a realm, its client policies, its keys, logins.

`tests/providers/test_keycloak.py` and `test_keycloak_realm_keys.py` run on this and on the real server; what they say is where
each behaviour comes from. Both are set up by `Admin`, through the same requests.
"""

from __future__ import annotations

import base64
import itertools
import json
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from joserfc import jwk, jwt

from rotator_sandbox.identity.served import Api, Asked, Route, Said

ADMIN = "admin"
MANAGEMENT = "realm-management"
ROLES = ("manage-clients", "view-clients", "query-clients", "manage-realm", "view-realm")
KEY_PROVIDER = "org.keycloak.keys.KeyProvider"
ENDS, SINCE = "client.secret.expiration.time", "client.secret.creation.time"
ROTATED, ROTATED_SINCE, ROTATED_ENDS = (
    f"client.secret.rotated{part}" for part in ("", ".creation.time", ".expiration.time")
)
_FORBIDDEN = Said(403, {"error": "HTTP 403 Forbidden"})
_CLIENTS, _REALM = ("manage-clients", "view-clients"), ("manage-realm", "view-realm")


@dataclass
class Component:
    """A key and the component that it is of."""

    document: dict[str, Any]
    algorithm: str
    use: str = "SIG"
    _key: Any = None

    @property
    def key(self) -> Any:
        """The key, made when it is first needed."""
        if self._key is None:
            self._key = _generated(self.algorithm, self.use)
        return self._key

    def setting(self, name: str, usual: str) -> str:
        """Return one of its settings."""
        values = self.document["config"].get(name) or [usual]
        return str(values[0])

    @property
    def status(self) -> str:
        """What the key does."""
        if self.setting("enabled", "true") != "true":
            return "DISABLED"
        return "ACTIVE" if self.setting("active", "true") == "true" else "PASSIVE"

    @property
    def priority(self) -> int:
        """Higher ones sign."""
        return int(self.setting("priority", "0"))


def _generated(algorithm: str, use: str) -> Any:
    """Make a key for a JWS algorithm; for others than these, one that is never used."""
    about: Any = {"kid": secrets.token_urlsafe(32), "use": use.lower(), "alg": algorithm}
    if algorithm[:2] in {"RS", "PS"}:
        return jwk.generate_key("RSA", 2048, about)
    if algorithm == "EdDSA":
        return jwk.generate_key("OKP", "Ed25519", about)
    if algorithm[:2] == "ES":
        curves: Any = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
        return jwk.generate_key("EC", curves[algorithm], about)
    return jwk.generate_key("oct", 256, about)


@dataclass
class RealmState:
    """One realm."""

    name: str
    id: str
    clients: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Representations by id."""
    roles: dict[str, set[str]] = field(default_factory=dict)
    """Of service accounts, by the id of their client."""
    profiles: list[dict[str, Any]] = field(default_factory=list)
    policies: list[dict[str, Any]] = field(default_factory=list)
    components: dict[str, Component] = field(default_factory=dict)
    authorization: set[str] = field(default_factory=set)
    """The clients with authorization settings, by id."""

    def client(self, client_id: str) -> dict[str, Any] | None:
        """Find a client by its client id."""
        return next((c for c in self.clients.values() if c["clientId"] == client_id), None)


class KeycloakApi(Api):
    """One server. `rotates`: whether its feature `client-secret-rotation` is on."""

    def __init__(self, *, rotates: bool = True, now: Callable[[], datetime] | None = None) -> None:
        super().__init__()
        self.rotates = rotates
        self.url = ""
        self.password = secrets.token_urlsafe(12)
        self.realms: dict[str, RealmState] = {}
        self.limited = 0
        """How many of the next requests are one too many, for a proxy before it."""
        self._now = now or (lambda: datetime.now(UTC))
        self._tokens: dict[str, tuple[str, frozenset[str]]] = {}
        self._numbers = itertools.count(1)
        realm = r"/admin/realms/([^/]+)"
        client = realm + r"/clients/([^/]+)"
        for method, pattern, roles, route in (
            ("GET", realm, (*_REALM, *_CLIENTS, "query-clients"), self._realm),
            ("GET", realm + "/clients", (*_CLIENTS, "query-clients"), self._list),
            ("POST", realm + "/clients", ("manage-clients",), self._create),
            ("GET", client, _CLIENTS, self._get),
            ("PUT", client, ("manage-clients",), self._update),
            ("DELETE", client, ("manage-clients",), self._delete),
            ("GET", client + "/client-secret", _CLIENTS, self._secret),
            ("POST", client + "/client-secret", ("manage-clients",), self._regenerate),
            ("GET", client + "/client-secret/rotated", _CLIENTS, self._rotated),
            ("DELETE", client + "/client-secret/rotated", ("manage-clients",), self._drop),
            ("GET", client + "/authz/resource-server", _CLIENTS, self._authorization),
            ("GET", client + "/service-account-user", _CLIENTS, self._account),
            ("GET", client + "/roles", _CLIENTS, self._roles),
            ("POST", realm + r"/users/([^/]+)/role-mappings/clients/[^/]+", (), self._map_roles),
            ("GET", realm + r"/client-policies/(profiles|policies)", _REALM, self._policies),
            ("PUT", realm + r"/client-policies/(profiles|policies)", ("manage-realm",), self._set_policies),
            ("GET", realm + "/components", _REALM, self._components),
            ("POST", realm + "/components", ("manage-realm",), self._add_component),
            ("GET", realm + r"/components/([^/]+)", _REALM, self._component),
            ("PUT", realm + r"/components/([^/]+)", ("manage-realm",), self._set_component),
            ("DELETE", realm + r"/components/([^/]+)", ("manage-realm",), self._drop_component),
            ("GET", realm + "/keys", _REALM, self._keys),
        ):
            self.route(method, pattern, self._allowed(roles, route))
        self.route("POST", "/admin/realms", self._allowed((), self._make_realm))
        self.route("GET", "/admin/serverinfo", self._allowed(ROLES, self._info))
        self.route("GET", r"/realms/([^/]+)/\.well-known/openid-configuration", self._discovery)
        self.route("GET", r"/realms/([^/]+)/protocol/openid-connect/certs", self._jwks)
        self.route("POST", r"/realms/([^/]+)/protocol/openid-connect/token", self._token)

    def seconds(self) -> int:
        """Return the instant, as the attributes of a client name it."""
        return int(self._now().timestamp())

    # --- who may what -----------------------------------------------------------------------------------------

    def _allowed(self, roles: Sequence[str], route: Route) -> Route:
        def checked(asked: Asked) -> Said:
            if self.limited:
                self.limited -= 1
                return Said(429, {"error": "too_many_requests"}, {"Retry-After": "1"})
            token = asked.headers.get("authorization", "").removeprefix("Bearer ")
            if token not in self._tokens:
                return Said(401, {"error": "HTTP 401 Unauthorized"})
            realm, held = self._tokens[token]
            of_other = realm != "master" and asked.parts and asked.parts[0] != realm
            if of_other or not (ADMIN in held or held & set(roles)):
                return _FORBIDDEN
            if asked.parts and asked.parts[0] not in self.realms:
                return Said(404, {"error": "Realm not found."})
            return route(asked)

        return checked

    # --- realms -----------------------------------------------------------------------------------------------

    def _make_realm(self, asked: Asked) -> Said:
        name = asked.document["realm"]
        if name in self.realms:
            return Said(409, {"errorMessage": f"Conflict detected. Realm {name} exists"})
        state = RealmState(name, str(uuid.uuid4()))
        self.realms[name] = state
        for provider, algorithm, use in (
            ("rsa-generated", "RS256", "SIG"),
            ("rsa-enc-generated", "RSA-OAEP", "ENC"),
            ("hmac-generated", "HS512", "SIG"),
            ("aes-generated", "AES", "ENC"),
        ):
            config = {"priority": ["100"]}
            document = {"name": provider, "providerId": provider, "config": config}
            self._put_component(state, document, algorithm, use)
        self._put_client(state, {"clientId": MANAGEMENT, "bearerOnly": True})
        return Said(201)

    def _realm(self, asked: Asked) -> Said:
        state = self.realms[asked.parts[0]]
        return Said(200, {"id": state.id, "realm": state.name, "defaultSignatureAlgorithm": "RS256"})

    def _info(self, _: Asked) -> Said:
        executors: dict[str, Any] = {
            "confidential-client": {},
            **({"secret-rotation": {}} if self.rotates else {}),
        }
        feature = {"name": "CLIENT_SECRET_ROTATION", "type": "PREVIEW", "enabled": self.rotates}
        return Said(
            200,
            {"features": [feature], "providers": {"client-policy-executor": {"providers": executors}}},
        )

    def _discovery(self, asked: Asked) -> Said:
        issuer = f"{self.url}/realms/{asked.parts[0]}"
        place = f"{issuer}/protocol/openid-connect"
        return Said(200, {"issuer": issuer, "token_endpoint": f"{place}/token", "jwks_uri": f"{place}/certs"})

    # --- clients ----------------------------------------------------------------------------------------------

    def _found(self, asked: Asked) -> dict[str, Any] | None:
        return self.realms[asked.parts[0]].clients.get(asked.parts[1])

    def _list(self, asked: Asked) -> Said:
        wanted = asked.query.get("clientId")
        _, held = self._tokens[asked.headers["authorization"].removeprefix("Bearer ")]
        if not held & {ADMIN, *_CLIENTS}:
            return Said(200, [])
        everybody = self.realms[asked.parts[0]].clients.values()
        return Said(200, [c for c in everybody if wanted in {None, c["clientId"]}])

    def _create(self, asked: Asked) -> Said:
        state = self.realms[asked.parts[0]]
        document = asked.document
        if state.client(document["clientId"]):
            return Said(409, {"errorMessage": f"Client {document['clientId']} already exists"})
        made = self._put_client(state, document)
        where = f"{self.url}/admin/realms/{state.name}/clients/{made['id']}"
        return Said(201, None, {"Location": where})

    def _put_client(self, state: RealmState, document: Mapping[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "enabled": True,
            "clientAuthenticatorType": "client-secret",
            "publicClient": False,
            "bearerOnly": False,
            "protocol": "openid-connect",
            "serviceAccountsEnabled": False,
            **document,
            "attributes": {"realm_client": "false", **document.get("attributes", {})},
        }
        if not made["publicClient"] and "secret" not in made:
            made["secret"] = secrets.token_urlsafe(64)
            made["attributes"][SINCE] = str(self.seconds())
        if made.get("authorizationServicesEnabled"):
            state.authorization.add(made["id"])
        state.clients[made["id"]] = made
        if self._applies(state, made):
            self._executor(state, made)
        return made

    def _get(self, asked: Asked) -> Said:
        found = self._found(asked)
        return Said(200, found) if found else Said(404, {"error": "Could not find client"})

    def _update(self, asked: Asked) -> Said:
        found, state = self._found(asked), self.realms[asked.parts[0]]
        if found is None:
            return Said(404, {"error": "Could not find client"})
        document = dict(asked.document)
        attributes = {**found["attributes"], **document.pop("attributes", {})}
        found |= {name: value for name, value in document.items() if value is not None and name != "id"}
        found["attributes"] = {name: value for name, value in attributes.items() if value not in {"", None}}
        if not document.get("authorizationServicesEnabled"):
            state.authorization.discard(found["id"])
            found.pop("authorizationServicesEnabled", None)
        if self._applies(state, found):
            self._executor(state, found)
        else:
            self._strip(found)
        return Said(204)

    def _delete(self, asked: Asked) -> Said:
        self.realms[asked.parts[0]].clients.pop(asked.parts[1], None)
        return Said(204)

    def _secret(self, asked: Asked) -> Said:
        found = self._found(asked) or {}
        return Said(200, {"type": "secret", "value": found.get("secret")})

    def _regenerate(self, asked: Asked) -> Said:
        found, state = self._found(asked), self.realms[asked.parts[0]]
        if found is None:
            return Said(404, {"error": "Could not find client"})
        self._draw(state, found)
        return Said(200, {"type": "secret", "value": found["secret"]})

    def _draw(self, state: RealmState, found: dict[str, Any]) -> None:
        """Draw a new secret, and move the old one aside if a policy says so."""
        old, now = found["secret"], self.seconds()
        found["secret"] = secrets.token_urlsafe(64)
        found["attributes"][SINCE] = str(now)
        periods = self._applies(state, found)
        if not periods:
            self._strip(found)
            return
        found["attributes"] |= {
            ENDS: str(now + periods["expiration-period"]),
            ROTATED: old,
            ROTATED_SINCE: str(now),
            ROTATED_ENDS: str(now + periods["rotated-expiration-period"]),
        }

    def _rotated(self, asked: Asked) -> Said:
        found = self._found(asked) or {}
        value = found.get("attributes", {}).get(ROTATED)
        if not value:
            return Said(404, {"error": "Client does not have a rotated secret"})
        return Said(200, {"type": "secret", "value": value})

    def _drop(self, asked: Asked) -> Said:
        found = self._found(asked)
        if found is None:
            return Said(404, {"error": "Could not find client"})
        for name in (ROTATED, ROTATED_SINCE, ROTATED_ENDS):
            found["attributes"].pop(name, None)
        return Said(204)

    def _authorization(self, asked: Asked) -> Said:
        has = asked.parts[1] in self.realms[asked.parts[0]].authorization
        return Said(200, {}) if has else Said(404, {"error": "HTTP 404 Not Found"})

    def _account(self, asked: Asked) -> Said:
        return Said(200, {"id": f"account-{asked.parts[1]}"})

    def _roles(self, _: Asked) -> Said:
        return Said(200, [{"id": name, "name": name} for name in ROLES])

    def _map_roles(self, asked: Asked) -> Said:
        state, account = self.realms[asked.parts[0]], asked.parts[1].removeprefix("account-")
        state.roles.setdefault(account, set()).update(role["name"] for role in asked.document)
        return Said(204)

    # --- client policies --------------------------------------------------------------------------------------

    def _policies(self, asked: Asked) -> Said:
        kind, state = asked.parts[1], self.realms[asked.parts[0]]
        return Said(200, {kind: getattr(state, kind)})

    def _set_policies(self, asked: Asked) -> Said:
        kind, state = asked.parts[1], self.realms[asked.parts[0]]
        used = [e["executor"] for item in asked.document[kind] for e in item.get("executors", ())]
        if "secret-rotation" in used and not self.rotates:
            said = "proposed client profile contains the executor, which does not have valid provider"
            return Said(400, {"errorMessage": said})
        setattr(state, kind, asked.document[kind])
        return Said(204)

    def _applies(self, state: RealmState, client: Mapping[str, Any]) -> Mapping[str, int]:
        """Return the periods of the last executor that applies to a client; empty: none does."""
        found: Mapping[str, int] = {}
        if not self.rotates or client.get("publicClient") or client.get("bearerOnly"):
            return found
        for policy in state.policies:
            if not policy.get("enabled") or not all(_meets(client, c) for c in policy["conditions"]):
                continue
            for profile in (p for p in state.profiles if p["name"] in policy["profiles"]):
                for entry in profile["executors"]:
                    if entry["executor"] == "secret-rotation":
                        found = entry["configuration"]
        return found

    def _executor(self, state: RealmState, found: dict[str, Any]) -> None:
        """Do what the executor does at an update: begin the time of a secret, or replace one that has ended."""
        ends = int(found["attributes"].get(ENDS) or 0)
        if ends and ends < self.seconds():
            self._draw(state, found)
        elif not ends:
            period = self._applies(state, found)["expiration-period"]
            found["attributes"][ENDS] = str(self.seconds() + period)

    def _strip(self, found: dict[str, Any]) -> None:
        for name in (ENDS, ROTATED, ROTATED_SINCE, ROTATED_ENDS):
            found["attributes"].pop(name, None)

    # --- keys -------------------------------------------------------------------------------------------------

    def _put_component(
        self, state: RealmState, document: Mapping[str, Any], algorithm: str, use: str = "SIG"
    ) -> str:
        made = {"id": str(uuid.uuid4()), "providerType": KEY_PROVIDER, "parentId": state.id, **document}
        state.components[made["id"]] = Component(made, algorithm, use)
        return str(made["id"])

    def _components(self, asked: Asked) -> Said:
        return Said(200, [c.document for c in self.realms[asked.parts[0]].components.values()])

    def _add_component(self, asked: Asked) -> Said:
        state, document = self.realms[asked.parts[0]], asked.document
        if document.get("id") in state.components:
            return Said(409, {"error": "conflict", "error_description": "Duplicate resource error"})
        config = document["config"]
        curve = next((v[0] for n, v in config.items() if n.endswith("EllipticCurveKey")), "")
        algorithms = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
        algorithm = algorithms.get(curve) or config.get("algorithm", ["RS256"])[0]
        made = self._put_component(state, document, algorithm)
        return Said(201, None, {"Location": f"{self.url}/admin/realms/{state.name}/components/{made}"})

    def _component(self, asked: Asked) -> Said:
        found = self.realms[asked.parts[0]].components.get(asked.parts[1])
        return Said(200, found.document) if found else Said(404, {"error": "Could not find component"})

    def _set_component(self, asked: Asked) -> Said:
        found = self.realms[asked.parts[0]].components.get(asked.parts[1])
        if found is None:
            return Said(404, {"error": "Could not find component"})
        if "providerId" not in asked.document:
            return Said(500, {"error": "unknown_error"})
        found.document.update(asked.document)
        return Said(204)

    def _drop_component(self, asked: Asked) -> Said:
        gone = self.realms[asked.parts[0]].components.pop(asked.parts[1], None)
        return Said(204) if gone else Said(404, {"error": "Could not find component"})

    def _signer(self, state: RealmState, algorithm: str) -> Component | None:
        able = [c for c in state.components.values() if c.algorithm == algorithm and c.status == "ACTIVE"]
        return max(able, key=lambda c: c.priority, default=None)

    def _keys(self, asked: Asked) -> Said:
        state = self.realms[asked.parts[0]]
        names = {c.algorithm for c in state.components.values()}
        signers = {name: self._signer(state, name) for name in names}
        return Said(
            200,
            {
                "active": {name: c.key.kid for name, c in signers.items() if c},
                "keys": [
                    {
                        "providerId": i,
                        "providerPriority": c.priority,
                        "kid": c.key.kid,
                        "status": c.status,
                        "algorithm": c.algorithm,
                        "use": c.use,
                    }
                    for i, c in state.components.items()
                ],
            },
        )

    def _jwks(self, asked: Asked) -> Said:
        shown = [
            c.key.as_dict(private=False)
            for c in self.realms[asked.parts[0]].components.values()
            if c.status != "DISABLED" and c.algorithm[0] not in "HA"
        ]
        return Said(200, {"keys": shown})

    # --- logins -----------------------------------------------------------------------------------------------

    def _token(self, asked: Asked) -> Said:
        form = asked.form
        if asked.parts[0] == "master":
            if (form.get("username"), form.get("password")) != (ADMIN, self.password):
                return Said(401, {"error": "invalid_grant"})
            return self._issued("master", frozenset({ADMIN}), f"admin-{next(self._numbers)}")
        state = self.realms[asked.parts[0]]
        client_id, secret = _credentials(asked)
        found = state.client(client_id)
        if found is None or not found["enabled"]:
            return Said(401, {"error": "invalid_client"})
        if not self.accepts(state.name, client_id, secret):
            return Said(401, {"error": "unauthorized_client"})
        periods = self._applies(state, found)
        if periods and not found["attributes"].get(ENDS):
            found["attributes"][ENDS] = str(self.seconds() + periods["expiration-period"])
        algorithm = found["attributes"].get("access.token.signed.response.alg") or "RS256"
        key = self._signer(state, algorithm) or self._fallback(state, algorithm)
        claims = {"iss": f"{self.url}/realms/{state.name}", "azp": client_id, "jti": str(next(self._numbers))}
        header = {"alg": algorithm, "kid": key.key.kid}
        token = jwt.encode(header, claims, key.key, algorithms=[algorithm])
        return self._issued(state.name, frozenset(state.roles.get(found["id"], ())), token)

    def accepts(self, realm: str, client_id: str, secret: str) -> bool:
        """Whether a secret lets a client in, in truth."""
        found = self.realms[realm].client(client_id)
        if found is None:
            return False
        attributes, now = found["attributes"], self.seconds()
        if int(attributes.get(ENDS) or now) < now:
            return False
        rotated = attributes.get(ROTATED) if attributes.get(ROTATED_SINCE) else None
        lives = int(attributes.get(ROTATED_ENDS) or 0) >= now
        return secret == found.get("secret") or (lives and secret == rotated)

    def _fallback(self, state: RealmState, algorithm: str) -> Component:
        document = {
            "name": f"fallback-{algorithm}",
            "providerId": "rsa-generated",
            "config": {"priority": ["-100"], "algorithm": [algorithm]},
        }
        return state.components[self._put_component(state, document, algorithm)]

    def _issued(self, realm: str, roles: frozenset[str], token: str) -> Said:
        self._tokens[token] = (realm, roles)
        return Said(200, {"access_token": token, "token_type": "Bearer", "expires_in": 300})


def _meets(client: Mapping[str, Any], condition: Mapping[str, Any]) -> bool:
    if condition["condition"] == "any-client":
        return True
    if condition["condition"] == "client-attributes":
        wanted = json.loads(condition["configuration"]["attributes"])
        return all(client["attributes"].get(a["key"]) == a["value"] for a in wanted)
    return False


def _credentials(asked: Asked) -> tuple[str, str]:
    scheme, _, value = asked.headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        name, _, secret = base64.b64decode(value).decode().partition(":")
        return unquote_plus(name), unquote_plus(secret)
    return asked.form.get("client_id", ""), asked.form.get("client_secret", "")
