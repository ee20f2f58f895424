"""Auth0: the keys of an application that authenticates with `private_key_jwt`, two at a time; or its one secret.

What Auth0's Management API does (its reference, and the recordings of real answers that its Terraform provider is tested
with):

- A key is uploaded (`POST /api/v2/clients/{id}/credentials`) and lets nobody in until the client names it
  (`PATCH /api/v2/clients/{id}`, `client_authentication_methods.private_key_jwt.credentials`). A client names two at most.
- It keeps two (the manual) or four (seen) in all, and none twice. Its `kid` may be chosen; by default it is the RFC 7638
  thumbprint, so it is the version's id either way. A key is never shown again, only its `id`, `name` and `kid`.
- One that is named cannot be deleted. The last one can be taken from the list: nobody is let in then.
- A client without `private_key_jwt` has one secret. It may be set to a value of ours, which replaces the old one at once,
  and it is shown to those who have the scope `read:client_keys`.
- What was changed may take up to 30 s to be seen.

The list of named keys is written whole, and nothing fences it: a list that comes late may bring an older state back until
the next run (I5). It never names a deleted key: Auth0 refuses that.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rotator.clients.answers import check_whole, shaped
from rotator.clients.http import Http
from rotator.core.sensitive import Sensitive
from rotator.core.shapes import distinct, handle, moment, record, text
from rotator.errors import Conflict, Frozen, NotFound, Rejected
from rotator.late import Late
from rotator.ports import Aim, Blocked, Call, Clock, Copy, Learned
from rotator.systems.at import At, Wired
from rotator.systems.auth0 import Auth0
from rotator.systems.notes import noted

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import serialization
else:
    serialization = Late("cryptography.hazmat.primitives.serialization")

MOST_NAMED = 2
"""So many keys a client names at the same time."""
MOST_KEPT = 4
"""So many keys a client keeps, named or not."""
ALGORITHMS = ("RS256", "RS384", "PS256")
"""What Auth0 verifies assertions with."""
SHOWN_WITHIN = timedelta(minutes=2)
"""Auth0 says 30 s; what is not shown so long after it was made is gone."""
MADE_AT = "auth0.made_at"
SECRET = "client_secret"  # noqa: S105 - a field's name
BY_SECRET = ("client_secret_post", "client_secret_basic")
THROWN_AWAY = 48
"""Bytes of the value that replaces ours where the credential is deleted."""
_METHODS = "client_authentication_methods"


# --- keys: what is read --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A credential that a client keeps."""

    id: str
    name: str
    kid: str
    kind: str
    created_at: str

    def is_of(self, version_id: str) -> bool:
        """Whether it is that version's."""
        return version_id in {self.name, self.kid}

    def __str__(self) -> str:
        return f"{self.id} ({self.name!r}, kid {self.kid}, of {self.created_at})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What a client keeps, and which of it lets somebody in."""

    by_key: bool
    """Whether the client authenticates with private_key_jwt."""
    named: tuple[str, ...]
    kept: tuple[Key, ...]


def read_keys(client: Mapping[str, Any], kept: Sequence[Mapping[str, Any]]) -> Keys:
    """Read what the client and the list of its credentials show."""
    by_key = client.get(_METHODS, {}).get("private_key_jwt")
    return Keys(
        by_key=by_key is not None,
        named=tuple(n["id"] for n in (by_key or {}).get("credentials", ())),
        kept=tuple(
            Key(
                id=k["id"],
                name=k.get("name", ""),
                kid=k.get("kid", ""),
                kind=k.get("credential_type", ""),
                created_at=k.get("created_at") or "?",
            )
            for k in kept
        ),
    )


# --- keys: the decision --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Upload:
    """Upload the public key of a version. It lets nobody in yet."""

    copy: Copy


@dataclass(frozen=True, slots=True)
class Name:
    """Have the client name these keys, and no other."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a key that the client does not name."""

    key: Key


KeyStep = Upload | Name | Delete


def decide_keys(
    seen: Keys | None, aim: Aim, others: str, label: str, now: datetime
) -> KeyStep | Blocked | None:
    """Return the change that comes next; None where all is as `aim` wants it. Raises Frozen where a person must decide."""
    if seen is None:
        if aim.accept:
            raise Frozen(_no_client(label))
        return None
    if aim.accept and not seen.by_key:
        raise Frozen(
            f"{label} does not authenticate with private_key_jwt. Nothing was changed. Switch it first: upload the public "
            "key that its users have (Credentials), set client_authentication_methods.private_key_jwt to it and "
            "token_endpoint_auth_method to null; then take that key over with spec.takeOver"
        )
    ours = _ours(seen, aim)
    foreign = _foreign(seen, ours, aim, others, label)
    if isinstance(foreign, Blocked):
        return foreign
    wanted = {c.id: next((k for k in ours if k.is_of(c.id)), None) for c in aim.accept}
    left = [k for k in ours if k not in wanted.values()]
    if missing := next((c for c in aim.accept if wanted[c.id] is None), None):
        return _uploading(seen, missing, left, label, now)
    return _naming(seen, [k.id for k in wanted.values() if k], foreign, left, label)


def _ours(seen: Keys, aim: Aim) -> list[Key]:
    known = {*aim.known, *(c.id for c in (*aim.accept, *aim.forget))}
    return [k for k in seen.kept if known & {k.name, k.kid}]


def _foreign(seen: Keys, ours: Sequence[Key], aim: Aim, others: str, label: str) -> tuple[str, ...] | Blocked:
    """Return the named keys that are not ours, where they may stay."""
    mine = {k.id for k in ours}
    foreign = tuple(i for i in seen.named if i not in mine)
    shown = [k for k in seen.kept if k.id in foreign]
    if len(shown) < len(foreign):
        return Blocked(f"{label} names a key that is not shown in the list of its keys yet")
    if foreign and others == "Stop" and aim.accept:
        raise Frozen(
            f"{label} lets in keys that somebody else made: {', '.join(str(k) for k in shown)}. They were left untouched, and "
            "nothing was changed. Take the one in use over with spec.takeOver, and take the others from the client: it lets in "
            f"{MOST_NAMED} at a time, and a rotation needs both places"
        )
    return foreign


def _uploading(
    seen: Keys, missing: Copy, left: Sequence[Key], label: str, now: datetime
) -> KeyStep | Blocked | None:
    """Upload a key, once there is a place for it."""
    algorithm = missing.material["algorithm"].reveal()
    if algorithm not in ALGORITHMS:
        raise Frozen(
            f"{label}: Auth0 takes no keys for {algorithm}, expected one of {', '.join(ALGORITHMS)}. Nothing was changed. "
            "Correct the algorithm in the declaration"
        )
    if until := _shown_by(missing, now):
        return Blocked(f"the key {missing.id} was uploaded to {label} and is not shown there yet", until)
    if idle := next((k for k in left if k.id not in seen.named), None):
        return Delete(idle)
    if len(seen.kept) >= MOST_KEPT:
        raise Frozen(_full(label, "keeps", seen.kept))
    return Upload(missing)


def _shown_by(copy: Copy, now: datetime) -> datetime | None:
    """Return until when a key that was made may still be on its way into the list; None: that is over, or it never was."""
    until = noted(copy, MADE_AT, moment) + SHOWN_WITHIN if MADE_AT in copy.material else now
    return until if until > now else None


def _naming(
    seen: Keys, wanted: Sequence[str], foreign: Sequence[str], left: Sequence[Key], label: str
) -> KeyStep | None:
    """Name all that are wanted, and only then let go of the others; delete them last."""
    names = (*foreign, *wanted)
    if len(names) > MOST_NAMED:
        raise Frozen(_full(label, "lets in", [k for k in seen.kept if k.id in seen.named]))
    if set(names) != set(seen.named):
        return Name(names)
    return Delete(left[0]) if left else None


def _full(label: str, verb: str, keys: Sequence[Key]) -> str:
    return (
        f"{label} {verb} no more keys than {', '.join(str(k) for k in keys)}: there is no place for a new one of ours. They "
        "were left untouched. Take one that is not ours from the client and delete it"
    )


def _no_client(label: str) -> str:
    return f"{label} does not exist. Nothing was changed. Correct the client id or the tenant's address"


# --- keys: the provider --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Auth0Keys:
    """The keys of an Auth0 client that authenticates with private_key_jwt.

    Scopes: read:clients, read:client_credentials, create:client_credentials, update:client_credentials,
    delete:client_credentials, update:clients.
    """

    http: Http
    url: str
    """The tenant, as `https://acme.eu.auth0.com`."""
    client: str
    clock: Clock
    others: str = "Stop"

    @property
    def label(self) -> str:
        """Name it."""
        return f"auth0 {self.url} client {self.client}"

    def next_call(self, aim: Aim) -> Call | Blocked | None:
        """Return the one change that comes next; see `rotator.ports.Provider`."""
        step = decide_keys(self._read(), aim, self.others, self.label, self.clock.now())
        match step:
            case Upload(copy):
                return Call(f"upload the key {copy.id} to {self.label}", lambda: self._upload(copy))
            case Name(ids):
                return Call(f"let in {', '.join(ids) or 'no key'} at {self.label}", lambda: self._name(ids))
            case Delete(key):
                return Call(f"delete the key {key} at {self.label}", lambda: self._delete(key))
            case _:
                return step

    def check_free(self, rotation: str) -> None:
        """Raise Frozen where the client is none for keys, or lets in one that is not ours: then two of ours never fit."""
        nothing = Copy("", {"algorithm": Sensitive(ALGORITHMS[0])})
        aim = Aim(rotation=rotation, accept=(nothing,), forget=(), known=frozenset(), settled=False)
        decide_keys(self._read(), aim, "Stop", self.label, self.clock.now())

    def current(self) -> Sensitive | None:
        """Auth0 has no private key to show."""
        return None

    @property
    def _address(self) -> str:
        return _address(self.url, self.client)

    def _read(self) -> Keys | None:
        """Read the list first: a key that is named since then is not in it, and is not taken for one that may go."""
        try:
            kept = self.http.get(f"{self._address}/credentials")
            client = self.http.get(f"{self._address}?fields=client_id,{_METHODS}&include_fields=true")
        except NotFound:
            return None
        what = f"GET {self._address}/credentials"
        check_whole(what, kept.document, kept.headers)
        return read_keys(
            _client(self._address, self.client, client.document), shaped(what, _KEYS, kept.document)
        )

    def _upload(self, copy: Copy) -> Learned:
        document = {
            "credential_type": "public_key",
            "name": copy.id,
            "kid": copy.id,
            "alg": copy.material["algorithm"].reveal(),
            "pem": _public(copy.material["private_key"]),
        }
        what = f"POST {self._address}/credentials"
        try:
            made = self.http.send("POST", f"{self._address}/credentials", document=document)
        except Rejected as error:
            raise Conflict(
                what,
                f"HTTP {error.code} {error.reason}: Auth0 does not take the key {copy.id}. It is there already and not shown "
                "yet, or under another name; or the client keeps as many keys as it may",
            ) from None
        shaped(what, _KEY, made.document, change=True)
        return {copy.id: {MADE_AT: Sensitive(self.clock.now().isoformat())}}

    def _name(self, ids: Sequence[str]) -> Learned:
        methods = {"private_key_jwt": {"credentials": [{"id": i} for i in ids]}}
        document = {_METHODS: methods, "token_endpoint_auth_method": None}
        self.http.send("PATCH", self._address, document=document)
        return {}

    def _delete(self, key: Key) -> Learned:
        try:
            self.http.send("DELETE", f"{self._address}/credentials/{quote(key.id, safe='')}")
        except Rejected as error:
            raise Conflict(
                f"DELETE {self._address}/credentials/{key.id}",
                f"HTTP {error.code} {error.reason}: the key is still in use at the client, perhaps for signed requests",
            ) from None
        return {}


def _public(pem: Sensitive) -> str:
    """Return the public half of a key, in PEM (SPKI)."""
    # it was checked when it was made or taken over; checking an RSA key again takes longer than all the requests
    private = serialization.load_pem_private_key(
        pem.octets(), password=None, unsafe_skip_rsa_key_validation=True
    )
    return (
        private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


# --- the secret ----------------------------------------------------------------------------------------------------


def decide_secret(current: Sensitive | None, aim: Aim, label: str) -> Copy | bool:
    """Return the version whose secret is to be set; True: one that nobody knows; False: nothing is to be done.

    Raises Frozen where the secret is one that somebody else made.
    """
    ours = current is not None and any(c.material.get(SECRET) == current for c in aim.forget)
    if not aim.accept:
        return ours
    newest = aim.accept[-1]
    if current == newest.material[SECRET]:
        return False
    if ours or aim.known <= {newest.id}:
        return newest
    raise Frozen(
        f"{label} has a secret that is none of this rotation's: somebody changed it. It was left untouched; a client of Auth0 "
        f"has one secret, and setting {newest.id} would end theirs at once. Where theirs is not in use, set the client's "
        "secret to the one that the holders of this rotation have; otherwise declare the rotation anew and take it over"
    )


@dataclass(frozen=True, kw_only=True)
class Auth0Secret:
    """The secret of an Auth0 client: one at a time, so that a switch is an outage.

    Scopes: read:clients, read:client_keys, update:clients, update:client_keys.
    """

    http: Http
    url: str
    """The tenant, as `https://acme.eu.auth0.com`."""
    client: str

    @property
    def label(self) -> str:
        """Name it."""
        return f"auth0 {self.url} client {self.client}"

    def next_call(self, aim: Aim) -> Call | Blocked | None:
        """Return the one change that comes next; see `rotator.ports.Provider`."""
        client = self._read()
        if client is None:
            if aim.accept:
                raise Frozen(_no_client(self.label))
            return None
        if not aim.accept and not _has_secret(client):
            return None
        chosen = decide_secret(self._shown(client), aim, self.label)
        if chosen is True:
            value = Sensitive(secrets.token_urlsafe(THROWN_AWAY))
            return Call(f"end the secret of {self.label}", lambda: self._set(value))
        if isinstance(chosen, Copy):
            value = chosen.material[SECRET]
            return Call(f"set the secret of {self.label} to {chosen.id}", lambda: self._set(value))
        return None

    def check_free(self, rotation: str) -> None:
        """A client has a secret from its beginning, and the first one of ours would end it: raise Frozen."""
        del rotation
        client = self._read()
        if client is not None:
            self._shown(client)
            raise Frozen(
                f"{self.label} has a secret already, and the first one of ours would end it at once. Nothing was changed. Take "
                "it over with spec.takeOver"
            )

    def current(self) -> Sensitive | None:
        """Return the secret in use."""
        client = self._read()
        return self._shown(client) if client is not None else None

    @property
    def _address(self) -> str:
        return _address(self.url, self.client)

    def _read(self) -> Mapping[str, Any] | None:
        fields = f"client_id,client_secret,token_endpoint_auth_method,{_METHODS}"
        try:
            client = self.http.get(f"{self._address}?fields={fields}&include_fields=true")
        except NotFound:
            return None
        return _client(self._address, self.client, client.document)

    def _shown(self, client: Mapping[str, Any]) -> Sensitive:
        """Return the secret that is shown. Raises Frozen where there is none, or where we may not see it."""
        if not _has_secret(client):
            raise Frozen(
                f"{self.label} does not authenticate by a secret. Nothing was changed. Set its token_endpoint_auth_method to "
                f"{' or '.join(BY_SECRET)} and its client_authentication_methods to null, or rotate its keys instead"
            )
        value = client.get(SECRET)
        if not value:
            raise Frozen(
                f"{self.label} does not show its secret to us, so whether it is ours cannot be known. Nothing was changed. "
                "Grant rotator's client the scope read:client_keys"
            )
        return Sensitive(value)

    def _set(self, value: Sensitive) -> Learned:
        self.http.send("PATCH", self._address, document={SECRET: value})
        return {}


def _has_secret(client: Mapping[str, Any]) -> bool:
    return not client.get(_METHODS) and client.get("token_endpoint_auth_method") in {*BY_SECRET, None}


def _address(url: str, client: str) -> str:
    return f"{url.rstrip('/')}/api/v2/clients/{quote(client, safe='')}"


_KEY = record({"id": handle}, dict.fromkeys(("name", "kid", "credential_type", "created_at"), text))
_KEYS = distinct("id", _KEY)
_BY_KEY = record({}, {"credentials": distinct("id", record({"id": handle}))})
_CLIENT = record(
    {"client_id": text},
    {SECRET: text, "token_endpoint_auth_method": text, _METHODS: record({}, {"private_key_jwt": _BY_KEY})},
)


def _client(address: str, client_id: str, document: object) -> Mapping[str, Any]:
    """Read the client `client_id`. Raises Rejected."""
    found = shaped(f"GET {address}", _CLIENT, document)
    if found["client_id"] != client_id:
        raise Rejected(f"GET {address}", "the answer is odd: it is about another client")
    return found


def build(declared: Auth0, at: At) -> Wired:
    """Make what changes the keys, or the secret, of the declared client."""
    access = at.access(declared.auth, issuer=f"{declared.url}/", audience=f"{declared.url}/api/v2/")
    http, client = at.http(access), at.client.client_id or ""
    if not at.client.has_key:
        return Wired(Auth0Secret(http=http, url=declared.url, client=client))
    clock = at.world.clock
    return Wired(Auth0Keys(http=http, url=declared.url, client=client, others=declared.others, clock=clock))
