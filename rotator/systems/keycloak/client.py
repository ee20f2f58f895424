"""Keycloak: the secret of a confidential client, with the previous one accepted beside it for a while.

Facts, each seen on a Keycloak 26.7.1 with and without the feature `client-secret-rotation`, and compared with its source:

- A client has a secret and, as the attributes `client.secret.rotated*`, a rotated one with a time at which it ends. Both let
  the client in. A PUT may set all of it in one change, the values being ours; no value has to be made by the server.
- After every PUT or POST to which no client policy with the executor `secret-rotation` applied, the server removes the
  rotated secret, and so refuses it from then on. Without the feature there is no such executor: the cut is always hard.
- A PUT alone never moves the secret to the rotated one; `POST client-secret` does, and makes a random one that nobody knows.
- Once `client.secret.expiration.time` has passed, *every* login is refused, with the rotated secret as well; and the next
  update by anybody makes the server draw a new secret, unless that update sets the time anew.
- Fields and attributes that a PUT does not name stay as they are, with one exception: without
  `authorizationServicesEnabled: true` the authorization settings of the client are deleted. An empty attribute is removed.
- An empty secret is accepted at the login, so none is ever sent.
- `DELETE client-secret/rotated` answers 204 also where there was none; `GET client-secret/rotated` 404.
- The role `manage-clients` of `realm-management` suffices for all of this and to see in `serverinfo` which executors there
  are; client policies are read with `view-realm` and written with `manage-realm`.

So a rotation here is: **reserve** (write the secret in use into the rotated place as well: whether it stays there is the
proof that the server can do it, and nothing has changed for anybody), **switch** (our new value becomes the secret), and
**cover** (write the secret in use into the rotated place again, over the old one). Each may come twice or late.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from typing import Any
from urllib.parse import quote

from rotator.clients.answers import shaped
from rotator.clients.http import Http
from rotator.core.sensitive import Sensitive
from rotator.core.shapes import (
    Shape,
    anything,
    digits,
    distinct,
    fitting,
    flag,
    handle,
    listed,
    mapping,
    record,
    text,
)
from rotator.core.timing import format_duration
from rotator.errors import Forbidden, Frozen, NotFound
from rotator.ports import Aim, Blocked, Call, Clock, Copy, Learned
from rotator.systems.at import At, Wired
from rotator.systems.keycloak import Keycloak

SECRET = "client_secret"  # noqa: S105 - the name of the field
LEAVE = "Leave"
EXECUTOR = "secret-rotation"
OURS = "rotator"
"""The name of the client profile and of the client policy that we make where we may."""
MARK = "rotator.dev/rotation"
"""The attribute that names the rotation to which a client belongs."""
OVERLAP = "rotator.dev/overlap"
"""The attribute by which our client policy finds its clients."""
LIFE = timedelta(days=3 * 365)
"""After which our policy ends a secret that nobody rotates. Each of our changes starts it anew."""
ROTATED_LIFE = timedelta(days=30)
"""For how long our policy lets a secret live on that somebody replaces by hand; where we do it, we say so ourselves."""
TOKEN_REFUSED = 401
"""Keycloak does not know the token by which we are let in."""
LAST_SECOND = 2**31 - 1
"""The latest instant that the attributes take, in seconds since 1970."""
_CURRENT_ENDS = "client.secret.expiration.time"
_CURRENT_SINCE = "client.secret.creation.time"
_ROTATED = "client.secret.rotated"
_ROTATED_SINCE = "client.secret.rotated.creation.time"
_ROTATED_ENDS = "client.secret.rotated.expiration.time"
_MASKED = "**********"
_VAULT = "${vault."


# --- what there is, and what comes next: without any request ---------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The client as it was read."""

    uuid: str
    secret: Sensitive | None
    ends: datetime | None = None
    """When the server begins to refuse every login; None: never."""
    since: datetime | None = None
    """When the server drew the secret, as far as it did."""
    rotated: Sensitive | None = None
    rotated_ends: datetime | None = None
    rotation: str = ""
    """The rotation that says it owns this client."""
    kept: Mapping[str, bool] = field(default_factory=dict)
    """What every update has to repeat."""
    unfit: str = ""
    """Why its logins do not depend on a secret that can be rotated; empty: they do."""

    def rotated_at(self, now: datetime) -> Sensitive | None:
        """Return the rotated secret if it lets the client in; without an end the server refuses it."""
        return self.rotated if self.rotated_ends and self.rotated_ends > now else None


class Act(Enum):
    """What one change does."""

    RESERVE = "keep"
    SWITCH = "switch"
    REPLACE = "replace"
    RENEW = "renew"
    COVER = "withdraw"
    DROP = "remove"
    SCRAMBLE = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change."""

    act: Act
    does: str
    """For people, to be followed by the provider's label."""
    secret: Sensitive | None = None
    """What becomes the secret; None: it stays."""
    rotated: Sensitive | None = None
    """What becomes the rotated secret; None: it stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was declared."""

    overlap: bool
    others: str
    lasts: timedelta


def decide(seen: Client, aim: Aim, terms: Terms, now: datetime) -> Step | Blocked | None:
    """Return what comes next; None where all is as wanted. Raises Frozen where a person must decide."""
    if not aim.accept:
        return _end(seen, aim)
    return _Decision(seen, aim, terms, now).next()


@dataclass(frozen=True)
class _Decision:
    seen: Client
    aim: Aim
    terms: Terms
    now: datetime

    def next(self) -> Step | Blocked | None:
        """Begin with the secret, then look at the rotated one."""
        if self.seen.unfit:
            raise Frozen(f"{self.seen.unfit}. Nothing was changed")
        if self.seen.rotation not in {"", self.aim.rotation}:
            raise Frozen(
                f"it belongs to the rotation {self.seen.rotation}, as its attribute {MARK} says. Nothing was changed. "
                "Remove one of the two declarations, or the attribute, if that rotation is gone"
            )
        if len(self.aim.accept) > 2:  # noqa: PLR2004 - it has two places
            ids = ", ".join(copy.id for copy in self.aim.accept)
            raise Frozen(f"it takes two secrets, and these are to be accepted: {ids}. Nothing was changed")
        if self.seen.secret is None:
            return Step(act=Act.REPLACE, does=f"set the secret {self.newest.id} at", secret=self.value)
        owner = _owner(self.seen.secret, self.aim)
        if owner == self.newest.id:
            return self._in_place()
        if owner is None:
            return self._foreign(self.seen.secret)
        return self._switch(self.seen.secret, owner)

    @property
    def newest(self) -> Copy:
        """The version that is to be the secret."""
        return self.aim.accept[-1]

    @property
    def value(self) -> Sensitive:
        """Its value."""
        return _value(self.newest)

    def _in_place(self) -> Step | Blocked | None:
        if self.seen.ends and self.seen.ends <= self.now + self.terms.lasts:
            said = f"renew the secret {self.newest.id}, which ends {_day(self.seen.ends)}, at"
            return Step(act=Act.RENEW, does=said)
        older = self.aim.accept[:-1]
        return self._beside(older[0]) if older else self._alone()

    def _beside(self, older: Copy) -> Step | Blocked | None:
        """See that the previous version is accepted, and will be for long enough."""
        value, ends = _value(older), self.seen.rotated_ends
        if self.seen.rotated == value and ends and ends >= self.now + self.terms.lasts:
            return None
        if self._slot_is_taken(value):
            return self._wait()
        return Step(act=Act.RESERVE, does=f"keep the secret {older.id} accepted at", rotated=value)

    def _alone(self) -> Step | Blocked | None:
        """See that nothing of ours is accepted beside the newest."""
        if self.seen.rotated is None or self.seen.rotated == self.value:
            return None
        owner = _owner(self.seen.rotated, self.aim)
        if owner:
            return self._withdraw(owner)
        if self.seen.rotated_at(self.now) is None or self.terms.others == LEAVE:
            return None
        return self._wait()

    def _withdraw(self, owner: str) -> Step:
        """Put the secret in use into the rotated place, over ours that is to go.

        A DELETE would remove whatever is there when it comes: the secret in use, where somebody has had a new one drawn since
        our look. This leaves it accepted, whoever came between.
        """
        said = f"withdraw the secret {owner} at"
        if self.terms.overlap:
            return Step(act=Act.COVER, does=said, rotated=self.value)
        return Step(act=Act.DROP, does=said)

    def _switch(self, current: Sensitive, owner: str) -> Step | Blocked:
        """One of ours is the secret, and not the newest."""
        stays = any(copy.id == owner for copy in self.aim.accept) or not self.terms.overlap
        older = self.aim.accept[:-1]
        if not self.terms.overlap or not older:
            if self._slot_is_taken(current) and not self.terms.overlap:
                return self._wait()
            return Step(
                act=Act.REPLACE, does=f"replace the secret {owner} by {self.newest.id} at", secret=self.value
            )
        keep = current if stays else _value(older[0])
        return self._move(keep, older[0].id)

    def _move(self, keep: Sensitive, named: str) -> Step | Blocked:
        """Bring the newest in, with `keep` beside it: only once the rotated place was seen to hold something."""
        if self._slot_is_taken(keep):
            return self._wait()
        if self.seen.rotated_at(self.now) in (keep, self.value):
            said = f"make {self.newest.id} the secret, with {named} beside it, at"
            return Step(act=Act.SWITCH, does=said, secret=self.value, rotated=keep)
        return Step(act=Act.RESERVE, does=f"keep the secret {named} accepted at", rotated=keep)

    def _foreign(self, current: Sensitive) -> Step | Blocked:
        """Somebody else made the secret: it is moved aside where that was asked for, and never destroyed."""
        alone = len(self.aim.accept) == 1
        if self.terms.others == LEAVE and self.terms.overlap and alone:
            return self._move(current, "that somebody else made")
        since = f" (the server drew one {_day(self.seen.since)})" if self.seen.since else ""
        ours = _owner(self.seen.rotated_at(self.now), self.aim)
        still = (
            f"The secret {ours} is still accepted until {_day(self.seen.rotated_ends)}. "
            if ours and self.seen.rotated_ends
            else ""
        )
        raise Frozen(
            f"its secret is none of ours{since}: somebody set it, or Keycloak drew a new one when a client whose "
            f"secret had ended was updated. {still}Nothing was changed. Take it over (spec.takeOver) if there is no "
            "version yet, set it back to the active version, or say others: Leave, which moves it aside until it ends"
        )

    def _slot_is_taken(self, keep: Sensitive) -> bool:
        """Whether the rotated secret works, is somebody else's, and is not `keep` itself."""
        rotated = self.seen.rotated_at(self.now)
        return rotated is not None and rotated != keep and _owner(rotated, self.aim) is None

    def _wait(self) -> Blocked:
        ends = self.seen.rotated_ends
        said = (
            "its rotated secret is none of ours, and it is left alone until it ends"
            f"{f' {_day(ends)}' if ends else ''}; whoever knows that nobody uses it may withdraw it there"
        )
        return Blocked(said, ends)


def _end(seen: Client, aim: Aim) -> Step | None:
    """See that nothing of ours is accepted any more."""
    current, rotated = _owner(seen.secret, aim), _owner(seen.rotated, aim)
    if current and not seen.unfit:
        said = f"replace the secret {current} by one that nobody knows at"
        return Step(act=Act.SCRAMBLE, does=said, secret=Sensitive(secrets.token_urlsafe(48)))
    if rotated:
        return Step(act=Act.DROP, does=f"withdraw the secret {rotated} at")
    return None


def _owner(value: Sensitive | None, aim: Aim) -> str | None:
    """Return the id of our version that has this value."""
    if value is None:
        return None
    ours = (*aim.accept[::-1], *aim.forget)
    return next((copy.id for copy in ours if copy.material.get(SECRET) == value), None)


def _value(copy: Copy) -> Sensitive:
    value = copy.material.get(SECRET)
    if value is None or not value.octets():
        raise Frozen(f"the version {copy.id} has no {SECRET}. Nothing was changed; restore the latest ring")
    return value


def _day(at: datetime | None) -> str:
    return at.strftime("at %Y-%m-%dT%H:%M:%SZ") if at else ""


# --- reading and changing ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class KeycloakClient:
    """The secret of one client; see `rotator.ports.Provider`."""

    http: Http
    url: str
    """Of the server, with the path under which it is reached: `https://sso.example.com`."""
    realm: str
    client: str
    """The client id."""
    clock: Clock
    overlap: bool = True
    """Whether the previous secret is to stay accepted; if not, the cut is hard."""
    ensure_policy: bool = False
    """Whether the client profile and policy `rotator` may be made in the realm."""
    lasts: timedelta = timedelta(days=1)
    """For how long the previous secret has to stay accepted from any moment on, even if no run comes any more."""
    lives: timedelta = timedelta()
    """For how long a secret is in use until it is withdrawn: what the server ends earlier cannot be used."""
    others: str = "Stop"
    """`Leave`: a secret that somebody else made is moved aside, until it ends, instead of stopping us."""

    @property
    def label(self) -> str:
        """`keycloak ADDRESS client NAME`."""
        return f"keycloak {self.url.rstrip('/')}/realms/{self.realm} client {self.client}"

    def next_call(self, aim: Aim) -> Call | Blocked | None:
        """Read the client, and return what comes next; see `rotator.ports.Provider`."""
        seen = self._read()
        if seen is None:
            if not aim.accept:
                return None
            raise self._missing()
        try:
            step = decide(seen, aim, self._terms, self.clock.now())
        except Frozen as error:
            raise self._frozen(str(error)) from None
        if isinstance(step, Blocked):
            return Blocked(f"{self.label}: {step.waiting}", step.until)
        if step is None:
            return None
        first = self._make_ready() if step.act is Act.RESERVE else None
        return first or Call(f"{step.does} {self.label}", partial(self._perform, step, seen, aim.rotation))

    def check_free(self, rotation: str) -> None:
        """See that a first secret can be set; see `rotator.ports.Provider`."""
        seen = self._fit()
        if seen.rotation not in {"", rotation}:
            raise self._frozen(f"it belongs to the rotation {seen.rotation}. Nothing was changed")
        if seen.secret is None:
            return
        if self.others != LEAVE:
            raise self._frozen(
                "it has a secret that was not made by rotator, which may be in use. Nothing was changed. Take it over "
                "(spec.takeOver), or say others: Leave, which keeps it accepted beside ours until it ends"
            )
        if not self.overlap:
            raise self._frozen(
                "it has a secret that was not made by rotator, and with overlap: false it cannot be left accepted. "
                "Nothing was changed. Take it over (spec.takeOver)"
            )
        self._make_ready()

    def current(self) -> Sensitive | None:
        """Return the secret in use; Frozen where it could not be followed by another as declared."""
        seen = self._fit()
        if self.overlap:
            self._make_ready()
        return seen.secret

    # --- reading ----------------------------------------------------------------------------------------------

    @property
    def _terms(self) -> Terms:
        return Terms(overlap=self.overlap, others=self.others, lasts=self.lasts)

    @property
    def _admin(self) -> str:
        return f"{self.url.rstrip('/')}/admin/realms/{quote(self.realm, safe='')}"

    def _read(self) -> Client | None:
        """Read the client with one request; None where there is none that we may see."""
        address = f"{self._admin}/clients?clientId={quote(self.client, safe='')}"
        shown = self._ask("manage-clients", "GET", address, shape=_CLIENTS)
        found = [document for document in shown if document.get("clientId") == self.client]
        if len(found) > 1:
            raise self._frozen("the server shows two clients of this name. Nothing was changed")
        return read_client(found[0]) if found else None

    def _fit(self) -> Client:
        seen = self._read()
        if seen is None:
            raise self._missing()
        if seen.unfit:
            raise self._frozen(f"{seen.unfit}. Nothing was changed")
        return seen

    def _ask(
        self, role: str, method: str, address: str, document: Any = None, shape: Shape[Any] = anything
    ) -> Any:
        """Send a request that takes `role`, and return the document that came back."""
        try:
            answer = self.http.send(method, address, document=document).document
            return shaped(f"{method} {address.partition('?')[0]}", shape, answer)
        except Forbidden as error:
            if error.code == TOKEN_REFUSED:
                raise
            raise self._frozen(
                f"{error}. Nothing was changed. Who we are let in as needs the role {role} of realm-management"
            ) from None

    def _missing(self) -> Frozen:
        return self._frozen(
            "there is no such client, or we may not see it. Nothing was changed. Make it again with the secret of the "
            "active version, or correct the client id; to see it takes the role manage-clients of realm-management"
        )

    def _frozen(self, said: str) -> Frozen:
        return Frozen(f"{self.label}: {said}")

    # --- what the realm can do --------------------------------------------------------------------------------

    def _make_ready(self) -> Call | None:
        """See that the server can keep a rotated secret; return the call that is missing for it, if we may make it."""
        info = self._ask("manage-clients", "GET", f"{self.url.rstrip('/')}/admin/serverinfo", shape=_INFO)
        executors = info.get("providers", {}).get("client-policy-executor", {}).get("providers")
        if executors is not None and EXECUTOR not in executors:
            raise self._frozen(
                "this server cannot accept two secrets: its feature client-secret-rotation is off. Nothing was changed. "
                "Start Keycloak with --features=client-secret-rotation, or declare overlap: false and a window in which "
                "an outage is accepted"
            )
        return self._policy_call() if self.ensure_policy else None

    def _policy_call(self) -> Call | None:
        """Return the call that makes our profile or our policy, where it is missing. There is no fence for either."""
        for kind, wanted in (("profiles", _profile()), ("policies", _policy())):
            address = f"{self._admin}/client-policies/{kind}"
            there = self._ask("manage-realm", "GET", address, shape=record({kind: _NAMED}))[kind]
            mine = next((item for item in there if item.get("name") == OURS), None)
            if mine is None:
                what = f"the client {'profile' if kind == 'profiles' else 'policy'} {OURS}"
                add = partial(self._change, "manage-realm", "PUT", address, {kind: [*there, wanted]})
                return Call(f"add {what} for {self.label}", add)
            if not _serves(mine):
                raise self._frozen(
                    f"the realm has something named {OURS} among its client {kind} that does not let a rotated secret "
                    f"live: expected {json.dumps(wanted, sort_keys=True)}. Nothing was changed. Correct or remove it"
                )
        return None

    def _change(self, role: str, method: str, address: str, document: Any = None) -> Learned:
        self._ask(role, method, address, document)
        return {}

    # --- changing ---------------------------------------------------------------------------------------------

    def _perform(self, step: Step, seen: Client, rotation: str) -> Learned:
        address = f"{self._admin}/clients/{seen.uuid}"
        if step.act is Act.DROP:
            return self._change("manage-clients", "DELETE", f"{address}/client-secret/rotated")
        self._change("manage-clients", "PUT", address, self._document(step, seen, rotation))
        if step.act in {Act.RESERVE, Act.SWITCH, Act.RENEW}:
            self._see(step)
        return {}

    def _document(self, step: Step, seen: Client, rotation: str) -> Mapping[str, Any]:
        """Return the update: what changes, and what has to be repeated; nothing else."""
        now, ended = self.clock.now(), step.act is Act.SCRAMBLE
        attributes: dict[str, str | Sensitive] = {
            MARK: "" if ended else rotation,
            OVERLAP: "true" if self.overlap and not ended else "",
            _CURRENT_ENDS: "",
        }
        if step.rotated is not None:
            attributes |= _rotated(step.rotated, now, now + 2 * self.lasts)
        elif ended:
            attributes |= dict.fromkeys((_ROTATED, _ROTATED_SINCE, _ROTATED_ENDS), "")
        if step.secret is None:
            return {"clientId": self.client, **seen.kept, "attributes": attributes}
        attributes[_CURRENT_SINCE] = _seconds(now)
        return {"clientId": self.client, **seen.kept, "secret": step.secret, "attributes": attributes}

    def _see(self, step: Step) -> None:
        """Look at what came of a change before anything else depends on it. Raises Frozen where it did not hold."""
        seen, now = self._read(), self.clock.now()
        if seen is None:
            raise NotFound(self.label, "it went away meanwhile")
        if step.rotated is not None and seen.rotated_at(now) is None:
            raise self._frozen(
                "it does not keep a rotated secret: no client policy with the executor secret-rotation applies to this "
                f"client. {_left(step)} Make one that does (its condition may be the attribute {OVERLAP}=true, which "
                "the client has now), or let rotator make it (ensurePolicy: true), or declare overlap: false"
            )
        if step.rotated is not None and seen.rotated_ends and seen.rotated_ends < now + self.lasts:
            raise self._frozen(
                f"it keeps a rotated secret only until {_day(seen.rotated_ends)}, and {format_duration(self.lasts)} are "
                f"needed. {_left(step)} Give the realm's client profile a longer rotated-expiration-period"
            )
        needed = max(self.lives, self.lasts)
        if seen.ends and seen.ends < now + needed:
            raise self._frozen(
                f"its realm ends a secret {format_duration(seen.ends - now)} after it is set, and this one is in use for "
                f"{format_duration(needed)}. {_left(step)} Rotate more often, or give the realm's client profile a "
                "longer expiration-period"
            )


def _left(step: Step) -> str:
    if step.secret is None:
        return "The secret in use was left as it is."
    return (
        "The new secret is set, and nobody was handed it yet; the next run tries to bring the old one back."
    )


_FLAGS = ("serviceAccountsEnabled", "authorizationServicesEnabled")
_CLIENTS = distinct(
    "id",
    record(
        {"id": handle},
        {
            "clientId": text,
            "secret": text,
            "protocol": text,
            "clientAuthenticatorType": text,
            "attributes": record({}, {_ROTATED: text, MARK: text}),
            **dict.fromkeys((*_FLAGS, "publicClient", "bearerOnly", "enabled"), flag),
        },
    ),
)
_INFO = record(
    {},
    {"providers": record({}, {"client-policy-executor": record({}, {"providers": mapping(anything)})})},
)
_NAMED = listed(
    record({}, {"name": text, "executors": listed(record({}, {"executor": text})), "profiles": listed(text)})
)


def read_client(document: Mapping[str, Any]) -> Client:
    """Read the representation of a client, as the admin API gives it."""
    attributes = document.get("attributes") or {}
    secret, rotated = document.get("secret"), attributes.get(_ROTATED)
    kept = {name: document[name] for name in _FLAGS if name in document}
    return Client(
        uuid=document["id"],
        secret=Sensitive(secret) if secret else None,
        ends=_instant(attributes.get(_CURRENT_ENDS)),
        since=_instant(attributes.get(_CURRENT_SINCE)),
        rotated=Sensitive(rotated) if rotated and attributes.get(_ROTATED_SINCE) else None,
        rotated_ends=_instant(attributes.get(_ROTATED_ENDS)),
        rotation=attributes.get(MARK, ""),
        kept=kept,
        unfit=_unfit(document),
    )


def _unfit(document: Mapping[str, Any]) -> str:
    """Say why the logins of a client do not depend on a secret that can be rotated here."""
    secret, by = str(document.get("secret") or ""), document.get("clientAuthenticatorType", "client-secret")
    reasons = (
        (
            document.get("publicClient"),
            "it is a public client: it logs in without a secret. Switch its client authentication on",
        ),
        (document.get("bearerOnly"), "it is bearer-only: it never logs in. Make it a confidential client"),
        (document.get("protocol") == "saml", "it is a SAML client: it has keys, no secret"),
        (by != "client-secret", f"its client authenticator is {by}, expected client-secret"),
        (
            secret == _MASKED,
            "its secret is not shown to us, so nothing can be compared: that takes the role manage-clients",
        ),
        (
            secret.startswith(_VAULT),
            "its secret is kept in Keycloak's own vault, which the admin API cannot change: rotate it there",
        ),
        (
            document.get("enabled") is False,
            "it is disabled: every login is refused, whatever the secret. Enable it",
        ),
    )
    return next((said for applies, said in reasons if applies), "")


def _rotated(value: Sensitive, now: datetime, ends: datetime) -> dict[str, str | Sensitive]:
    return {_ROTATED: value, _ROTATED_SINCE: _seconds(now), _ROTATED_ENDS: _seconds(ends)}


def _seconds(at: datetime) -> str:
    return str(min(int(at.timestamp()), LAST_SECOND))


def _instant(seconds: object) -> datetime | None:
    """Read an instant in seconds since 1970; Keycloak writes it as a text, tools also as a number."""
    found = fitting(digits, str(seconds or ""), 0)
    return datetime.fromtimestamp(min(found, LAST_SECOND), UTC) if found else None


def _profile() -> dict[str, Any]:
    periods = {
        "expiration-period": int(LIFE.total_seconds()),
        "rotated-expiration-period": int(ROTATED_LIFE.total_seconds()),
        "remaining-rotation-period": 0,
    }
    return {
        "name": OURS,
        "description": "Lets the previous secret of clients that rotator rotates live on beside the new one.",
        "executors": [{"executor": EXECUTOR, "configuration": periods}],
    }


def _policy() -> dict[str, Any]:
    attributes = json.dumps([{"key": OVERLAP, "value": "true"}])
    return {
        "name": OURS,
        "description": f"For the clients with the attribute {OVERLAP}=true.",
        "enabled": True,
        "conditions": [{"condition": "client-attributes", "configuration": {"attributes": attributes}}],
        "profiles": [OURS],
    }


def _serves(item: Mapping[str, Any]) -> bool:
    """Whether a profile or a policy of our name does what ours would; its periods and conditions are seen by effect."""
    if "executors" in item:
        return any(entry.get("executor") == EXECUTOR for entry in item["executors"])
    return bool(item.get("enabled")) and OURS in item.get("profiles", ())


def build(declared: Keycloak, at: At) -> Wired:
    """Make what changes the secrets of the declared client."""
    return Wired(
        KeycloakClient(
            http=at.http(at.access(declared.auth, issuer=at.client.issuer)),
            url=declared.url,
            realm=declared.realm,
            client=at.client.client_id or "",
            overlap=declared.overlap,
            ensure_policy=declared.ensure_policy,
            lasts=at.lasts,
            lives=at.every + at.lasts,
            others=declared.others,
            clock=at.world.clock,
        )
    )
