"""The keys with which a Keycloak realm signs tokens. Keycloak makes them, and they never leave it.

Facts, each seen on a Keycloak 26.7.1:

- A key is a component (`providerType` org.keycloak.keys.KeyProvider) of the realm. The id of a component may be chosen by whoever
  makes it, and a second one with the same id is refused with 409: so ours are derived, and a lost reply makes no second key.
- Keys that are enabled are published in the realm's JWK Set, whether active or passive; only active ones sign, and among
  these the one with the highest priority for the algorithm. Passive ones still verify. Disabled ones do neither.
- An update takes the whole component; without it, the server answers 500.
- Where no key is active for an algorithm that is asked for, Keycloak makes one (`fallback-…`, priority -100) and signs
  with it at once, which no reader of the JWK Set knows: so the last active one is never taken away.
- A realm comes with keys of its own (`rsa-generated`, priority 100). They are left alone: ours is put above them once all
  readers know it. They stay published and active; who wants them gone removes them by hand, after the overlap.
- A token that was signed by a key that is gone is refused, rotator's own among them (401): the next run gets another.
- `view-realm` of `realm-management` suffices to read, `manage-realm` is needed to change.

A version is published passive: it cannot sign by mistake. It is raised when it becomes active, then the previous one becomes
passive, and is deleted when it is withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

from rotator.clients.answers import shaped
from rotator.clients.http import Http
from rotator.core.sensitive import Sensitive
from rotator.core.shapes import TEXTS, Shape, anything, distinct, handle, listed, mapping, record, text, whole
from rotator.errors import Forbidden, Frozen, NotFound
from rotator.ports import Aim, Blocked, Call, Copy, Learned
from rotator.systems.at import At, Wired
from rotator.systems.keycloak_realm_keys import KeycloakRealmKeys

KEY_PROVIDER = "org.keycloak.keys.KeyProvider"
KID = "keycloak.kid"
"""Our note of the `kid` that Keycloak gave to a version."""
ACTIVE, PASSIVE, DISABLED = "ACTIVE", "PASSIVE", "DISABLED"
TOKEN_REFUSED = 401
"""Keycloak does not know the token by which we are let in: it has ended, or the key that signed it is gone."""
USUAL = 100
"""The priority of the keys that a realm comes with."""
STEP = 10
"""How far apart priorities are, so that people can put a key between."""
_RSA = {"keySize": "3072"}
_NAMESPACE = UUID("6f0ad1a7-6a77-5a0e-9a53-1d1c1f6a0f5e")


def generator(algorithm: str) -> tuple[str, Mapping[str, str]]:
    """Return the component that makes keys for a JWS algorithm (RFC 7518, section 3.1; RFC 8037), and its settings."""
    kinds: Mapping[str, tuple[str, Mapping[str, str]]] = {
        **{a: ("rsa-generated", {**_RSA, "algorithm": a}) for a in _named("RS")},
        **{a: ("rsa-generated", {**_RSA, "algorithm": a}) for a in _named("PS")},
        "ES256": ("ecdsa-generated", {"ecdsaEllipticCurveKey": "P-256"}),
        "ES384": ("ecdsa-generated", {"ecdsaEllipticCurveKey": "P-384"}),
        "ES512": ("ecdsa-generated", {"ecdsaEllipticCurveKey": "P-521"}),
        "EdDSA": ("eddsa-generated", {"eddsaEllipticCurveKey": "Ed25519"}),
    }
    if algorithm not in kinds:
        raise Frozen(f"Keycloak makes no keys for {algorithm}, expected one of {', '.join(kinds)}")
    return kinds[algorithm]


def _named(family: str) -> tuple[str, ...]:
    return tuple(f"{family}{bits}" for bits in (256, 384, 512))


# --- what there is, and what comes next: without any request ---------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of the realm."""

    id: str
    """Of its component."""
    kid: str
    algorithm: str
    status: str
    priority: int
    signs: bool = True
    """Whether it is made for signatures; others are for encryption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Realm:
    """The keys of a realm as they were read."""

    name: str
    keys: tuple[Key, ...]
    chosen: Mapping[str, str] = field(default_factory=dict)
    """The `kid` with which it signs now, by algorithm."""

    def key_of(self, rotation: str, version_id: str) -> Key | None:
        """Return the key of one of our versions."""
        wanted = component_id(self.name, rotation, version_id)
        return next((key for key in self.keys if key.id == wanted), None)

    def rivals(self, algorithm: str, but: str = "") -> tuple[Key, ...]:
        """Return the other keys that could sign with `algorithm`; `but`: the id of the component not meant."""
        return tuple(
            k
            for k in self.keys
            if k.signs and k.algorithm == algorithm and k.status == ACTIVE and k.id != but
        )


class Act(Enum):
    """What one change does."""

    CREATE = "publish"
    NOTE = "note"
    ENABLE = "enable"
    RAISE = "raise"
    REST = "make passive"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change to the key of one version."""

    act: Act
    version: str
    key: Key | None = None
    """The key as it is; None: it is to be made."""
    algorithm: str = ""
    priority: int = 0


_SETTINGS = frozenset({Act.ENABLE, Act.RAISE, Act.REST})
"""What changes settings of a key that is there."""


def component_id(realm: str, rotation: str, version_id: str) -> str:
    """Derive the component's id, so that a retry finds what a killed run made."""
    return str(uuid5(_NAMESPACE, f"{realm}\0{rotation}\0{version_id}"))


def component_name(rotation: str, version_id: str) -> str:
    """Name a component for people."""
    return f"rotator {rotation} {version_id}"


def decide_published(realm: Realm, aim: Aim) -> Step | None:
    """Say what comes next until exactly the accepted versions are published; see `RealmKeys`."""
    for copy in aim.accept:
        step = _published(realm, aim.rotation, copy)
        if step:
            return step
    accepted = {copy.id for copy in aim.accept}
    ours = (*(copy.id for copy in aim.forget), *sorted(aim.known))
    for version_id in (i for i in ours if i not in accepted):
        key = realm.key_of(aim.rotation, version_id)
        if key is not None:
            return _withdrawn(realm, version_id, key)
    return None


def _published(realm: Realm, rotation: str, copy: Copy) -> Step | None:
    key, known = realm.key_of(rotation, copy.id), copy.material.get(KID)
    if key is None and known is not None:
        raise Frozen(
            f"the key of {copy.id} (kid {known.reveal()}) was deleted. Keycloak keeps no copy: tokens that it signed are "
            "refused by whoever reads the JWK Set now. Nothing was changed. Restore the realm from a backup, or remove the "
            "rotation and declare it anew"
        )
    if key is None:
        algorithm = _algorithm(copy)
        lowest = min((k.priority for k in realm.rivals(algorithm)), default=USUAL)
        return Step(act=Act.CREATE, version=copy.id, algorithm=algorithm, priority=lowest - STEP)
    if known is None:
        return Step(act=Act.NOTE, version=copy.id, key=key)
    if known != Sensitive(key.kid):
        raise Frozen(
            f"the key of {copy.id} is another one now: kid {key.kid}, expected {known.reveal()}. Somebody made it anew "
            "under the same id. Nothing was changed. Restore the realm from a backup, or remove the rotation and declare "
            "it anew"
        )
    return Step(act=Act.ENABLE, version=copy.id, key=key) if key.status == DISABLED else None


def _withdrawn(realm: Realm, version_id: str, key: Key) -> Step:
    """Take a key away in two changes: first it no longer signs, then it is no longer published."""
    if key.status != ACTIVE:
        return Step(act=Act.DELETE, version=version_id, key=key)
    if not realm.rivals(key.algorithm, but=key.id):
        raise Frozen(
            f"the key of {version_id} is the only one that can sign with {key.algorithm}. Taken away, Keycloak would make "
            "another and sign with it at once, before any reader knows it. Nothing was changed. Make a key for "
            f"{key.algorithm} in the realm, and wait until its readers have it"
        )
    return Step(act=Act.REST, version=version_id, key=key)


def decide_signing(realm: Realm, aim: Aim) -> Step | Blocked | None:
    """Say what comes next until the first of `aim.accept` signs, and no other of ours; see `RealmSigner`."""
    if not aim.accept:
        return None
    signer, others = aim.accept[0], (*aim.accept[1:], *aim.forget)
    key = realm.key_of(aim.rotation, signer.id)
    if (
        key is None and KID not in signer.material
    ):  # only in a plan: it is published before anybody signs with it
        return Step(act=Act.RAISE, version=signer.id)
    if key is None or key.status == DISABLED:
        return Blocked(f"the key of {signer.id} is not published")
    highest = max((k.priority for k in realm.rivals(key.algorithm, but=key.id)), default=USUAL - STEP)
    chosen = realm.chosen.get(key.algorithm) == key.kid
    if key.status != ACTIVE or key.priority <= highest or not chosen:
        priority = max(highest + STEP, key.priority)
        return Step(act=Act.RAISE, version=signer.id, key=key, priority=priority)
    for copy in others:
        other = realm.key_of(aim.rotation, copy.id)
        if other is not None and other.status == ACTIVE:
            return Step(act=Act.REST, version=copy.id, key=other)
    return None


def _algorithm(copy: Copy) -> str:
    value = copy.material.get("algorithm")
    if value is None:
        raise Frozen(f"the version {copy.id} has no algorithm. Nothing was changed; restore the latest ring")
    return value.reveal()


# --- reading and changing ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Keys:
    """The key components of one realm."""

    http: Http
    url: str
    """Of the server: `https://sso.example.com`."""
    realm: str

    @property
    def label(self) -> str:
        """`keycloak ADDRESS keys`."""
        return f"keycloak {self.url.rstrip('/')}/realms/{self.realm} keys"

    def current(self) -> Sensitive | None:
        """Return None: a key never leaves Keycloak."""
        return None

    @property
    def _admin(self) -> str:
        return f"{self.url.rstrip('/')}/admin/realms/{quote(self.realm, safe='')}"

    def _ask(
        self, role: str, method: str, path: str, document: Any = None, shape: Shape[Any] = anything
    ) -> Any:
        try:
            answer = self.http.send(method, f"{self._admin}/{path}", document=document)
            return shaped(f"{method} {self._admin}/{path}", shape, answer.document)
        except Forbidden as error:
            if error.code == TOKEN_REFUSED:
                raise
            raise Frozen(
                f"{self.label}: {error}. Nothing was changed. Who we are let in as needs the role {role} of "
                "realm-management"
            ) from None

    def _components(self) -> list[Mapping[str, Any]]:
        found = self._ask("view-realm", "GET", f"components?type={KEY_PROVIDER}", shape=_COMPONENTS)
        return list(found)

    def _read(self) -> Realm:
        """Read the keys, with one request."""
        return read_keys(self.realm, self._ask("view-realm", "GET", "keys", shape=_KEYS))

    def _call(self, step: Step, rotation: str) -> Call:
        name = f"the key of {step.version}"
        does = {
            Act.CREATE: f"publish {name}, not signing yet, at {self.label}",
            Act.NOTE: f"note the kid of {name} at {self.label}",
            Act.ENABLE: f"publish {name} again at {self.label}",
            Act.RAISE: f"sign with {name} at {self.label}",
            Act.REST: f"sign no more with {name} at {self.label}",
            Act.DELETE: f"delete {name} at {self.label}",
        }
        found = self._found(step) if step.act in _SETTINGS else None
        return Call(does[step.act], partial(self._perform, step, rotation, found))

    def _perform(self, step: Step, rotation: str, found: Mapping[str, Any] | None) -> Learned:
        match step.act:
            case Act.CREATE:
                self._ask("manage-realm", "POST", "components", self._component(step, rotation))
                return self._learned(rotation, step.version)
            case Act.NOTE:
                assert step.key  # noqa: S101 - only what is there is noted
                return {step.version: {KID: Sensitive(step.key.kid)}}
            case Act.DELETE:
                assert step.key  # noqa: S101 - only what is there is deleted
                self._ask("manage-realm", "DELETE", f"components/{step.key.id}")
            case Act.ENABLE:
                self._set(step, found, {"enabled": "true"})
            case Act.RAISE:
                settings = {"enabled": "true", "active": "true", "priority": str(step.priority)}
                self._set(step, found, settings)
            case Act.REST:
                self._set(step, found, {"active": "false"})
        return {}

    def _component(self, step: Step, rotation: str) -> Mapping[str, Any]:
        provider, settings = generator(step.algorithm)
        config = {"priority": str(step.priority), "enabled": "true", "active": "false", **settings}
        return {
            "id": component_id(self.realm, rotation, step.version),
            "name": component_name(rotation, step.version),
            "providerId": provider,
            "providerType": KEY_PROVIDER,
            "config": {name: [value] for name, value in config.items()},
        }

    def _learned(self, rotation: str, version_id: str) -> Learned:
        key = self._read().key_of(rotation, version_id)
        return {version_id: {KID: Sensitive(key.kid)}} if key else {}

    def _found(self, step: Step) -> Mapping[str, Any] | None:
        """Read the component of a key, as part of the look: between guard and change nothing is read (I5)."""
        return next((c for c in self._components() if step.key and c["id"] == step.key.id), None)

    def _set(self, step: Step, found: Mapping[str, Any] | None, settings: Mapping[str, str]) -> None:
        """Change settings of a component and repeat all others, for an update takes the whole."""
        if not found:
            raise NotFound(self.label, f"the key of {step.version} is not there")
        config = {**found.get("config", {}), **{name: [value] for name, value in settings.items()}}
        self._ask("manage-realm", "PUT", f"components/{found['id']}", {**found, "config": config})


@dataclass(frozen=True, kw_only=True)
class RealmKeys(_Keys):
    """Publishes the accepted versions and takes the others away; see `rotator.ports.Provider`."""

    def next_call(self, aim: Aim) -> Call | Blocked | None:
        """Read the keys, and return what comes next; see `rotator.ports.Provider`."""
        try:
            step = decide_published(self._read(), aim)
        except Frozen as error:
            raise _said_by(self, error) from None
        return self._call(step, aim.rotation) if step else None

    def check_free(self, rotation: str) -> None:
        """See that no key of an earlier life of the rotation is there; see `rotator.ports.Provider`."""
        prefix = component_name(rotation, "")
        names = {c["id"]: c["name"] for c in self._components() if str(c.get("name")).startswith(prefix)}
        left = [key for key in self._read().keys if key.id in names]
        if left:
            found = ", ".join(f"{names[key.id]} (kid {key.kid}, {key.status.lower()})" for key in left)
            raise Frozen(
                f"{self.label}: there is no version yet, and there are keys of this rotation: {found}. Nothing was changed. "
                "Restore the ring that was lost, or rename these keys to keep them, or delete those that do not sign"
            )


@dataclass(frozen=True, kw_only=True)
class RealmSigner(_Keys):
    """The realm as the holder: it signs with the active version; see `rotator.ports.Provider`.

    `aim.accept` is the version that is to sign, then the previous one.
    """

    @property
    def label(self) -> str:
        """`keycloak ADDRESS signing`."""
        return f"keycloak {self.url.rstrip('/')}/realms/{self.realm} signing"

    def next_call(self, aim: Aim) -> Call | Blocked | None:
        """Read the keys, and return what comes next; see `rotator.ports.Provider`."""
        step = decide_signing(self._read(), aim)
        if isinstance(step, Blocked):
            return replace(step, waiting=f"{self.label}: {step.waiting}")
        return self._call(step, aim.rotation) if step else None

    def check_free(self, rotation: str) -> None:
        """Nothing is in the way: what signs now goes on until ours is raised above it."""


def _said_by(keys: _Keys, error: Frozen) -> Frozen:
    said = str(error)
    return error if said.startswith(keys.label) else Frozen(f"{keys.label}: {said}")


_KEY = record(
    {"providerId": handle, "status": text},
    {"kid": text, "algorithm": text, "use": text, "providerPriority": whole},
)
_KEYS = record({}, {"keys": listed(_KEY), "active": TEXTS})
_COMPONENTS = distinct("id", record({"id": handle}, {"name": text, "config": mapping(listed(anything))}))


def read_keys(realm: str, document: Mapping[str, Any]) -> Realm:
    """Read what `GET keys` tells."""
    entries: Sequence[Mapping[str, Any]] = document.get("keys") or ()
    keys = tuple(
        Key(
            id=entry["providerId"],
            kid=entry["kid"],
            algorithm=str(entry.get("algorithm") or ""),
            status=entry["status"],
            priority=entry.get("providerPriority", 0),
            signs=entry.get("use") == "SIG",
        )
        for entry in entries
        if entry.get("kid")
    )
    return Realm(name=realm, keys=keys, chosen=document.get("active") or {})


def build(declared: KeycloakRealmKeys, at: At) -> Wired:
    """Make what publishes the realm's keys, and what has the realm sign with one of them."""

    def reached() -> Http:
        return at.http(at.access(declared.auth, issuer=declared.issuer))

    return Wired(
        RealmKeys(http=reached(), url=declared.url, realm=declared.realm),
        signer=RealmSigner(http=reached(), url=declared.url, realm=declared.realm),
    )
