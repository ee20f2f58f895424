"""Identity providers at which clients live, with secrets of theirs or keys."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from joserfc import jwk

from tests.faults.environment import Environment
from tests.faults.logins import Slow
from tests.faults.transport import Answer
from tests.faults.vendor import ADMIN, OUTAGE, PROPAGATION, Clock, Vendor
from tests.providers import auth0_server, entra_server, hydra_server, keycloak_server, okta_server
from tests.providers.keycloak_server import Admin, RealClient
from tests.providers.oidc_server import Client, OidcServer
from tests.providers.served import Asked

_OKTA, _ENTRA, _HYDRA = "https://acme.okta.example", "https://graph.example", "https://hydra.example"
_AUTH0, KEYCLOAK, _OP = "https://acme.auth0.example", "https://sso.example", "https://op.example"
TOKEN = {"token": {"secret": {"name": ADMIN, "key": "token"}}}
IN_USE = {"takeOver": {"secret": {"name": "in-use", "key": "value"}}}


# --- Okta ---------------------------------------------------------------------------------------------------------


class Okta(Vendor):
    """An app that has no secret yet."""

    system = "okta"
    refuge = 1
    others: ClassVar[str] = "Stop"
    there: ClassVar[int] = 0
    """How many secrets of somebody else there are at the beginning."""

    def __init__(self, environment: Environment, draw: random.Random) -> None:
        super().__init__(environment, draw)
        self.api: okta_server.OktaApi = okta_server.OktaApi()
        self.api.url = _OKTA
        self.state: Slow[tuple[okta_server.Kept, ...]] = Slow((), self.timeline, draw)
        self.api.secrets = self.state
        environment.keep(ADMIN, token=okta_server.TOKEN)
        for _ in range(self.there):
            self.add_theirs()

    def credential(self) -> Mapping[str, Any]:
        """Return the declared credential."""
        return {"oauthClient": {"clientId": okta_server.APP, "issuer": self.api.issuer}}

    def verifier(self) -> Mapping[str, Any]:
        """Return the declared verifier."""
        place = {"url": _OKTA, "app": okta_server.APP, "auth": TOKEN, "others": self.others}
        return {"okta": {**place, "propagation": "30s"}}

    def present(self) -> Mapping[str, str]:
        """Return all secrets."""
        return {s.id: s.value for s in self.state.now}

    def valid(self) -> Sequence[str]:
        """Return the active ones."""
        return [s.value for s in self.state.now if s.active]

    def accepted(self, fields: Mapping[str, str]) -> bool:
        """Log in at every node."""
        return all(self.log_in(f"{self.api.issuer}/v1/token", fields) for _ in self.state.nodes())

    def add_theirs(self) -> bool:
        """Make a secret, if there is room."""
        if len(self.state.now) >= 2:
            return False
        self.leave(self.api.add_anothers().id)
        return True

    def take(self, key: str) -> None:
        """Delete a secret."""
        self.api.take_away(key)

    def record(self, key: str) -> object:
        """Return all that is kept of a secret."""
        return next(s for s in self.state.now if s.id == key)

    def slow_down(self) -> None:
        """Serve lists and logins from several nodes."""
        self.state.within = PROPAGATION

    def limited(self) -> Answer:
        """E0000047, with an instant in X-Rate-Limit-Reset and no Retry-After."""
        reset = int((self.timeline.now + timedelta(minutes=1)).timestamp())
        headers = {
            "X-Rate-Limit-Limit": "100",
            "X-Rate-Limit-Remaining": "0",
            "X-Rate-Limit-Reset": str(reset),
        }
        return Answer(429, headers, json.dumps({"errorCode": "E0000047"}).encode())


class OktaWithTheirs(Okta):
    """One secret of somebody else is there already, and stops us."""

    there = 1


class OktaFull(Okta):
    """Two of somebody else's are there already: there is no room, whatever was declared."""

    there = 2
    others = "Leave"


class OktaTakenOver(Okta):
    """The secret in use is taken over."""

    def __init__(self, environment: Environment, draw: random.Random) -> None:
        super().__init__(environment, draw)
        environment.keep("in-use", value=self.api.add_anothers().value)

    def besides(self) -> Mapping[str, Any]:
        """Take over what is in use."""
        return IN_USE


# --- Entra --------------------------------------------------------------------------------------------------------


class Entra(Vendor):
    """An application that has no password yet."""

    system = "entra"
    others: ClassVar[str] = "Stop"
    there: ClassVar[int] = 0

    def __init__(self, environment: Environment, draw: random.Random) -> None:
        super().__init__(environment, draw)
        self.api: entra_server.EntraApi = entra_server.EntraApi(Clock(self.timeline))
        self.api.url = _ENTRA
        self.state: Slow[tuple[entra_server.Kept, ...]] = Slow((), self.timeline, draw)
        self.api.passwords = self.state
        environment.keep(ADMIN, token=entra_server.TOKEN)
        for _ in range(self.there):
            self.add_theirs()

    def credential(self) -> Mapping[str, Any]:
        """Return the declared credential."""
        login = {"scope": "api://payments/.default"}
        return {
            "oauthClient": {"clientId": entra_server.CLIENT, "issuer": self.api.issuer, "login": login},
        }

    def verifier(self) -> Mapping[str, Any]:
        """Return the declared verifier."""
        place = {"url": _ENTRA, "application": entra_server.OBJECT, "auth": TOKEN, "others": self.others}
        return {"entra": {**place, "propagation": "30s"}}

    def present(self) -> Mapping[str, str]:
        """Return all passwords."""
        return {p.key_id: p.value for p in self.state.now}

    def valid(self) -> Sequence[str]:
        """Return those that have not ended."""
        return [p.value for p in self.state.now if self.timeline.now < p.ends]

    def accepted(self, fields: Mapping[str, str]) -> bool:
        """Log in at every node."""
        address = f"{_ENTRA}/{entra_server.TENANT}/oauth2/v2.0/token"
        return all(self.log_in(address, fields, scope="x/.default") for _ in self.state.nodes())

    def add_theirs(self) -> bool:
        """Make a password."""
        self.leave(self.api.add_anothers().key_id)
        return True

    def take(self, key: str) -> None:
        """Remove a password."""
        self.api.take_away(key)

    def record(self, key: str) -> object:
        """Return all that is kept of a password."""
        return next(p for p in self.state.now if p.key_id == key)

    def slow_down(self) -> None:
        """Serve reads and logins from several replicas."""
        self.state.within = PROPAGATION

    def limited(self) -> Answer:
        """The answer of a throttled Graph."""
        error = {"error": {"code": "TooManyRequests", "message": "Too many requests."}}
        return Answer(429, {"Retry-After": "7"}, json.dumps(error).encode())


class EntraBesideTheirs(Entra):
    """Two passwords of somebody else are there already, and are left alone."""

    there = 2
    others = "Leave"
    cured = False


# --- Ory Hydra ------------------------------------------------------------------------------------------------------


class Hydra(Vendor):
    """A client with the secret that it was made with, which is taken over."""

    system = "hydra"
    unfindable = True
    blind = True
    nameless = True
    refuge = 1

    def __init__(self, environment: Environment, draw: random.Random) -> None:
        super().__init__(environment, draw)
        self.api: hydra_server.HydraApi = hydra_server.HydraApi(lambda: self.timeline.now)
        self.api.url = _HYDRA
        self.others = "Stop"
        environment.keep("in-use", value=hydra_server.FIRST_SECRET)

    def credential(self) -> Mapping[str, Any]:
        """Return the declared credential."""
        return {"oauthClient": {"clientId": hydra_server.CLIENT, "issuer": f"{_HYDRA}/"}}

    def verifier(self) -> Mapping[str, Any]:
        """Return the declared verifier."""
        return {"hydra": {"url": _HYDRA, "others": self.others}}

    def besides(self) -> Mapping[str, Any]:
        """Take over what is in use."""
        return IN_USE

    def present(self) -> Mapping[str, str]:
        """Return the secret and the previous ones."""
        state = self.api.client
        return {value: value for value in (*reversed(state.previous), state.secret)}

    def valid(self) -> Sequence[str]:
        """Return them: all are let in."""
        return list(self.present())

    def accepted(self, fields: Mapping[str, str]) -> bool:
        """Log in."""
        return self.log_in(f"{_HYDRA}/oauth2/token", fields)

    def add_theirs(self) -> bool:
        """Rotate the secret, as anybody may."""
        before = self.api.client.document["updated_at"]
        with self.noting_what_ends():
            self.leave(self.api.rotate())
        if before == self.api.client.document["updated_at"]:
            self.forgive()  # in the very second of a change of ours: Hydra shows whole seconds
        return True

    def exchange(self) -> None:
        """Rotate: the only way to a new secret that is no end of all others."""
        self.add_theirs()

    def take_newest(self) -> None:
        """Nothing: Hydra ends no single secret."""

    def take(self, key: str) -> None:
        """Nothing, as above."""

    def record(self, key: str) -> object:
        """Return all that is kept of a secret."""
        return key

    def cure(self) -> None:
        """Say that theirs may end with the first of ours that is withdrawn."""
        self.others = "Leave"
        self.theirs.clear()

    def is_named_in(self, reason: str) -> bool:
        """Hydra shows no secret, only that something was changed."""
        return "was changed by somebody else" in reason


# --- Auth0 ----------------------------------------------------------------------------------------------------------


@functools.cache
def _key(name: str) -> jwk.RSAKey:
    """Return a key that somebody has: the same in every life, because RSA keys are slow to make."""
    del name
    key = generate_private_key(65537, 2048)  # the server's side: not from the pool of the product's keys
    return jwk.RSAKey(key, key)


@functools.cache
def _thumbprint(pem: str) -> str:
    return jwk.RSAKey.import_key(pem).thumbprint()


class Auth0Keys(Vendor):
    """An application with private_key_jwt, and the key that it was given by hand, which is taken over."""

    system = "auth0"
    fields = ("client_id", "private_key")
    blind = True

    def __init__(self, environment: Environment, draw: random.Random) -> None:
        super().__init__(environment, draw)
        self.api: auth0_server.Auth0Api = auth0_server.Auth0Api()
        self.api.url = _AUTH0
        self.api.now = self._seconds
        self.state: Slow[auth0_server.State] = Slow(auth0_server.State(), self.timeline, draw)
        self.api.state = self.state
        self.api.use_keys(("by hand", _key("first").as_pem(private=False).decode()))
        environment.keep("in-use", value=_key("first").as_pem(private=True).decode())
        environment.keep(ADMIN, token=auth0_server.TOKEN)

    def credential(self) -> Mapping[str, Any]:
        """Return the declared credential."""
        client = {"clientId": auth0_server.CLIENT, "issuer": f"{_AUTH0}/", "algorithm": "RS256"}
        login = {"audience": f"{_AUTH0}/api/v2/"}
        return {"oauthClient": {**client, "authentication": "private_key_jwt", "login": login}}

    def verifier(self) -> Mapping[str, Any]:
        """Return the declared verifier."""
        return {"auth0": {"url": _AUTH0, "auth": TOKEN, "propagation": "30s"}}

    def besides(self) -> Mapping[str, Any]:
        """Take over what is in use."""
        return IN_USE

    def value(self, fields: Mapping[str, str]) -> str:
        """Return the key's thumbprint."""
        return _thumbprint(fields["private_key"]) if "private_key" in fields else ""

    def present(self) -> Mapping[str, str]:
        """Return all keys that the client keeps."""
        return {k.id: k.thumbprint for k in self.state.now.kept}

    def valid(self) -> Sequence[str]:
        """Return those that it names."""
        return _named(self.state.now)

    def accepted(self, fields: Mapping[str, str]) -> bool:
        """Look at every node whether the key is named; signing is left out, because RSA is slow."""
        wanted = self.value(fields)
        return all(wanted in _named(state) for state in self.state.nodes())

    def add_theirs(self) -> bool:
        """Upload a key and name it, if there is room."""
        if len(self.state.now.named or ()) >= 2 or self.theirs:
            return False
        self.leave(self.api.use_keys(("theirs", _key("theirs").as_pem(private=False).decode()))[0])
        return True

    def take(self, key: str) -> None:
        """Take a key from the client, and delete it."""
        self.api.take_away(key)

    def record(self, key: str) -> object:
        """Return all that is kept of a key, and whether it is named."""
        return next(k for k in self.state.now.kept if k.id == key), key in (self.state.now.named or ())

    def slow_down(self) -> None:
        """Show changes within 30 s, at one node after the other."""
        self.state.within = PROPAGATION

    def limited(self) -> Answer:
        """The answer of a tenant that was asked too often."""
        error = {"statusCode": 429, "error": "Too Many Requests", "errorCode": "too_many_requests"}
        return Answer(429, {"x-ratelimit-remaining": "0", "retry-after": "1"}, json.dumps(error).encode())


def _named(state: auth0_server.State) -> list[str]:
    return [k.thumbprint for i in state.named or () for k in state.kept if k.id == i]


# --- Keycloak -------------------------------------------------------------------------------------------------------


class InProcess(Admin):
    """A server's admin, who asks in this process."""

    def __init__(self, api: keycloak_server.KeycloakApi) -> None:
        super().__init__(api.url, api.password, real=False, rotates=True)
        self._api = api

    def ask(
        self,
        method: str,
        path: str,
        document: Any = None,
        form: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> tuple[int, Any]:
        """Ask."""
        del form, token
        self._api._tokens["admin"] = ("master", frozenset({keycloak_server.ADMIN}))  # noqa: SLF001 - its own admin
        place, _, query = path.partition("?")
        pairs = dict(pair.split("=") for pair in query.split("&")) if query else {}
        body = b"" if document is None else json.dumps(document).encode()
        said = self._api.handle(Asked(method, place, pairs, {"authorization": "Bearer admin"}, body))
        return said.status, said.document


def keycloak_at(environment: Environment) -> keycloak_server.KeycloakApi:
    """Return a server on the time of a life, whose realms have a key that is not slow to make."""
    api = keycloak_server.KeycloakApi(now=lambda: environment.timeline.now)
    api.url = KEYCLOAK
    return api


class Keycloak(Vendor):
    """A confidential client with a secret, which is taken over from the server itself."""

    system = "keycloak"
    blind = True
    nameless = True
    refuge = 1

    def __init__(self, environment: Environment, draw: random.Random) -> None:
        super().__init__(environment, draw)
        self.api: keycloak_server.KeycloakApi = keycloak_at(environment)
        self.realm = InProcess(self.api).realm()
        spare_rsa(self.api, self.realm.name)
        self.robot, secret = self.realm.robot("manage-clients", "manage-realm", "view-realm")
        self.client: RealClient = self.realm.client()
        environment.keep(ADMIN, token=secret)

    def credential(self) -> Mapping[str, Any]:
        """Return the declared credential."""
        return {"oauthClient": {"clientId": self.client.name, "issuer": self.realm.issuer}}

    def verifier(self) -> Mapping[str, Any]:
        """Return the declared verifier."""
        access = {"clientId": self.robot, "secret": {"secret": {"name": ADMIN, "key": "token"}}}
        place = {"url": KEYCLOAK, "realm": self.realm.name, "auth": {"client": access}}
        return {"keycloak": {**place, "overlap": self.overlaps, "ensurePolicy": self.overlaps}}

    def besides(self) -> Mapping[str, Any]:
        """Take over what is in use."""
        return {"takeOver": {"provider": {}}, **({} if self.overlaps else {"outage": OUTAGE})}

    @property
    def _document(self) -> Mapping[str, Any]:
        found = self.api.realms[self.realm.name].client(self.client.name)
        assert found
        return found

    def present(self) -> Mapping[str, str]:
        """Return the rotated secret and the secret, by value: both may be the same. A rotated one that has ended is none."""
        rotated = self._document["attributes"].get("client.secret.rotated")
        found = [value for value in (rotated, self._document["secret"]) if value]
        return {v: v for v in found if self.api.accepts(self.realm.name, self.client.name, v)}

    def valid(self) -> Sequence[str]:
        """Return the same."""
        return list(self.present())

    def accepted(self, fields: Mapping[str, str]) -> bool:
        """Look whether it is let in; the token is left out, because RSA is slow."""
        return fields["client_secret"] in self.valid()

    def add_theirs(self) -> bool:
        """Nothing: a secret of theirs takes the place of ours."""
        return False

    def exchange(self) -> None:
        """Press the button in the admin console that draws a new secret."""
        if self.theirs:
            return
        before = self._document["secret"]
        with self.noting_what_ends():
            self.leave(self.client.regenerate())
        self.undo.append(lambda: self._set_back(before))

    def _set_back(self, value: str) -> None:
        self.theirs.clear()
        self.client.update(secret=value)

    def take_newest(self) -> None:
        """Press the button that withdraws the rotated secret."""
        with self.noting_what_ends():
            self.client.drop_rotated()

    def take(self, key: str) -> None:
        """Nothing: it is set back."""

    def record(self, key: str) -> object:
        """Return all that is kept of a secret."""
        return key

    def is_named_in(self, reason: str) -> bool:
        """Keycloak shows nothing of a secret but itself."""
        return "is none of ours" in reason


class KeycloakCut(Keycloak):
    """The same without a rotated secret: the old one ends in the instant in which the new one begins."""

    overlaps = False


@functools.cache
def _realm_key() -> Any:
    about: Any = {"kid": "the-realms-own", "use": "sig", "alg": "RS256"}
    key = generate_private_key(65537, 2048)
    return jwk.RSAKey(key, key, about)


def spare_rsa(api: keycloak_server.KeycloakApi, realm: str) -> None:
    """Give a realm the same RSA key in every life: they are slow to make."""
    for component in api.realms[realm].components.values():
        if component.algorithm.startswith("RS"):
            component._key = _realm_key()  # noqa: SLF001 - the server would make one


# --- dynamic registration ---------------------------------------------------------------------------------------------


class Registration(Vendor):
    """A server at which every version is registered as a client of its own."""

    system = "registration"
    unfindable = True
    cured = False

    def __init__(self, environment: Environment, draw: random.Random) -> None:
        super().__init__(environment, draw)
        self.api: OidcServer = OidcServer()
        self.api.url = _OP
        self.api.now = self._seconds
        environment.keep(ADMIN, token=self.api.initial_token)

    def credential(self) -> Mapping[str, Any]:
        """Return the declared credential."""
        return {"oauthClient": {"issuer": _OP}}

    def verifier(self) -> Mapping[str, Any]:
        """Return the declared verifier."""
        return {"registration": {"token": TOKEN["token"], "propagation": "30s"}}

    def value(self, fields: Mapping[str, str]) -> str:
        """Return the client's id."""
        return fields.get("client_id", "")

    def secrets(self, material: Mapping[str, str]) -> Iterator[str]:
        """Yield the secret, and the token by which the client is managed."""
        yield from super().secrets(material)
        yield from (material[n] for n in ("registration.access_token",) if n in material)

    def present(self) -> Mapping[str, str]:
        """Return all clients."""
        return {name: name for name in self.api.clients}

    def valid(self) -> Sequence[str]:
        """Return them: all are let in."""
        return list(self.api.clients)

    def accepted(self, fields: Mapping[str, str]) -> bool:
        """Log in."""
        return self.log_in(f"{_OP}/token", fields)

    def add_theirs(self) -> bool:
        """Register a client of somebody else."""
        name = f"theirs-{len(self.foreign)}"
        self.api.clients[name] = Client(name, "theirs", registered=True)
        self.leave(name)
        return True

    def take(self, key: str) -> None:
        """Delete a client; whoever did so makes it again as it was."""
        client = self.api.clients.pop(key)
        self.undo.append(lambda: self.api.clients.update({key: client}))

    def record(self, key: str) -> object:
        """Return all that is kept of a client."""
        return self.api.clients[key]

    def is_named_in(self, reason: str) -> bool:
        """A client that is gone is seen by a login that is refused."""
        return bool(self.undo) and "was refused" in reason
