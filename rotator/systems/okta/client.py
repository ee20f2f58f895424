"""Okta: the client secrets of an app. It takes two, both are accepted while they are active, and the values are ours.

From Okta's published API description (management, 2026.06, tag ApplicationSSOPublicKeys):

- `GET /api/v1/apps/{app}/credentials/secrets` shows each secret's id, status, instants, `client_secret` in clear, and
  `secret_hash`. Scope `okta.apps.read`.
- `POST` to the same place makes one with the `client_secret` that it is given (14 to 100 printable ASCII characters, 32
  at least where the app authenticates with `client_secret_jwt`), or draws one. A third is refused: 400, E0000001.
- `POST .../{id}/lifecycle/deactivate` and `.../activate`; the only active secret is not deactivated: 400, E0000001.
- `DELETE .../{id}` takes only an inactive one: 400, E0000001. All changes need the scope `okta.apps.manage`.
- Too many requests: 429, E0000047, with X-Rate-Limit-Reset, an instant in seconds since 1970.

An app that authenticates with `private_key_jwt` needs none of this: it is given the address of our JWK Set once
(`jwks_uri`), and the key set's own verifier and lead are all there is to a rotation.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from rotator.clients.answers import check_whole, shaped
from rotator.clients.http import Http
from rotator.core.sensitive import Sensitive
from rotator.core.shapes import distinct, handle, moment, one_of, record, text
from rotator.errors import Conflict, Frozen, NotFound, Rejected
from rotator.ports import Aim, Blocked, Call, Clock, Copy, Learned
from rotator.systems.at import At, Wired
from rotator.systems.notes import noted
from rotator.systems.okta import Okta

SLOTS = 2
STOP = "Stop"
SETTLES = timedelta(minutes=10)
"""For so long a secret that was just made may be missing from a list that is served from a cache."""
SECRET_ID, MADE = "okta.secret_id", "okta.made"
_ACTIVE, _INACTIVE = "ACTIVE", "INACTIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A client secret as Okta shows it."""

    id: str
    active: bool
    created: str
    value: Sensitive | None
    """None where Okta does not show it."""
    hash: str

    def __str__(self) -> str:
        status = "active" if self.active else "inactive"
        return f"the {status} secret {self.id} (created {self.created or 'at a time not shown'})"

    def carries(self, copy: Copy) -> bool:
        """Whether this is the secret of a version: by its value, else by its hash or by the id that was learned."""
        ours = copy.material.get("client_secret")
        if self.value is not None:
            return ours is not None and self.value == ours
        learned = copy.material.get(SECRET_ID)
        same_hash = ours is not None and self.hash == hash_of(ours)
        return same_hash or (learned is not None and learned.reveal() == self.id)


class Step(StrEnum):
    """What can be done to a secret at Okta."""

    ADD = "add"
    STAND_IN = "stand in"
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Move:
    """The next step: about a version that is to be added, or a secret that is there."""

    step: Step
    copy: Copy | None = None
    secret: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is there, in terms of what is wanted."""

    where: str
    found: Sequence[Secret]
    kept: Mapping[str, Secret]
    """By accepted version: its secret, the active one if it is there twice."""
    leaving: Sequence[Secret]
    """Ours, and not to be accepted: of a withdrawn version, or there a second time."""
    others: Sequence[Secret]
    """Somebody else's."""

    @property
    def room(self) -> int:
        """How many more secrets Okta would take."""
        return SLOTS - len(self.found)


@dataclass(frozen=True, kw_only=True)
class OktaApp:
    """The client secrets of one app."""

    http: Http
    """With our access to the org: scopes `okta.apps.read` and `okta.apps.manage`."""
    url: str
    """The org: `https://acme.okta.com`."""
    app: str
    """The app's id, which is its client id unless somebody chose another."""
    clock: Clock
    others: str = STOP
    """Whether a secret that somebody else made stops us, or is left alone while it is not in the way."""
    _stood_in: set[str] = field(default_factory=set, init=False, repr=False, compare=False)
    """Not empty once this run had a secret drawn for nobody: a read may not show it for a while."""

    @property
    def label(self) -> str:
        """See `rotator.ports.Provider`."""
        return f"okta {self.url.rstrip('/')} app {self.app}"

    def next_call(self, aim: Aim) -> Call | Blocked | None:
        """Read the secrets, and say what comes next; see `rotator.ports.Provider`."""
        move = decide(self._read(), aim, others=self.others, now=self.clock.now(), where=self.label)
        if isinstance(move, Move) and move.step is Step.STAND_IN and self._stood_in:
            return Blocked(f"{self.label}: the secret for nobody was made, and is not shown yet")
        return self._call(move) if isinstance(move, Move) else move

    def check_free(self, rotation: str) -> None:
        """Raise Frozen where secrets of somebody else leave no room, or stop us; see `rotator.ports.Provider`."""
        del rotation
        found = self._read()
        if found and (self.others == STOP or len(found) >= SLOTS):
            raise _in_the_way(self.label, found)

    def current(self) -> Sensitive | None:
        """Return the only active secret; None where Okta does not show it. Raises Frozen where there are two."""
        active = [secret for secret in self._read() if secret.active]
        if len(active) > 1:
            raise Frozen(
                f"{self.label} accepts {_named(active)}: which of them is in use is not to be seen. Nothing was "
                "changed. Deactivate there the one that nobody uses"
            )
        return active[0].value if active else None

    # --- requests ---------------------------------------------------------------------------------------------

    @property
    def _secrets(self) -> str:
        return f"{self.url.rstrip('/')}/api/v1/apps/{quote(self.app, safe='')}/credentials/secrets"

    def _read(self) -> tuple[Secret, ...]:
        try:
            answer = self.http.get(self._secrets)
        except NotFound:
            raise Frozen(
                f"{self.label} is not there: Okta knows no such app, or it is no OAuth client. Nothing was changed. "
                "Correct the app's id in the declaration"
            ) from None
        what = f"GET {self._secrets}"
        check_whole(what, answer.document, answer.headers)
        return tuple(_secret(item) for item in shaped(what, _SECRETS, answer.document))

    def _call(self, move: Move) -> Call:
        copy, secret = move.copy, move.secret
        if move.step is Step.STAND_IN:
            why = "the only active secret cannot be deactivated"
            return Call(f"have Okta draw a secret for nobody at {self.label}: {why}", self._stand_in)
        if copy is not None:
            return Call(f"add the secret of {copy.id} at {self.label}", lambda: self._add(copy))
        assert secret is not None  # noqa: S101 - a move is about a version or a secret
        since = secret.created or "at a time not shown"
        does = f"{move.step} our secret that was created {since} at {self.label}"
        return Call(does, lambda: self._move(move.step, secret))

    def _add(self, copy: Copy) -> Learned:
        try:
            answer = self.http.send(
                "POST", self._secrets, document={"client_secret": copy.material["client_secret"]}
            )
        except Rejected as error:
            raise Frozen(
                f"{self.label} did not take the secret of {copy.id} ({error.reason or error.code}). Nothing was "
                f"changed. Okta takes {SLOTS} secrets an app; 14 to 100 printable ASCII characters each, 32 at least "
                "with client_secret_jwt; and none with private_key_jwt"
            ) from None
        made = shaped(f"POST {self._secrets}", _SECRET, answer.document, change=True)
        now = self.clock.now().isoformat()
        return {copy.id: {SECRET_ID: Sensitive(made["id"]), MADE: Sensitive(now)}}

    def _stand_in(self) -> Learned:
        self._stood_in.add(self.app)
        return self._change("POST", self._secrets, document={})

    def _move(self, step: Step, secret: Secret) -> Learned:
        place = f"{self._secrets}/{quote(secret.id, safe='')}"
        if step is Step.DELETE:
            return self._change("DELETE", place)
        return self._change("POST", f"{place}/lifecycle/{step}")

    def _change(self, method: str, url: str, document: Any = None) -> Learned:
        """Change what was read. Refused, it is not so any more: somebody was quicker, and it is to be read again."""
        try:
            self.http.send(method, url, document=document)
        except Rejected as error:
            raise Conflict(error.what, f"HTTP {error.code}", code=error.code, reason=error.reason) from None
        return {}


# --- the decision ---------------------------------------------------------------------------------------------------


def decide(
    found: Sequence[Secret], aim: Aim, *, others: str, now: datetime, where: str
) -> Move | Blocked | None:
    """Say what comes next, from what was read. Raises Frozen where somebody else's secret is in the way.

    What has to be accepted comes first; nothing is withdrawn before all of that is there and active.
    """
    view = look(found, aim, where)
    if asleep := [secret for secret in view.kept.values() if not secret.active]:
        return Move(Step.ACTIVATE, secret=asleep[0])
    missing = [copy for copy in aim.accept if copy.id not in view.kept]
    fresh = [copy for copy in missing if _just_made(copy, now)]
    absent = [copy for copy in missing if copy not in fresh]
    if absent and (not fresh or view.room > len(fresh)):
        return _add(view, absent[0], stop=others == STOP and not aim.settled)
    if fresh:
        return Blocked(f"the secret of {fresh[0].id} was made, and is not shown yet", _shown_by(fresh[0]))
    if aim.accept and view.others and others == STOP:
        raise _in_the_way(where, view.others)
    return _withdraw(view) if view.leaving else None


def look(found: Sequence[Secret], aim: Aim, where: str) -> View:
    """Tell whose each secret is."""
    active_first = sorted(found, key=lambda secret: not secret.active)
    kept: dict[str, Secret] = {}
    leaving: list[Secret] = []
    others: list[Secret] = []
    for secret in active_first:
        accepted = next((copy.id for copy in aim.accept if secret.carries(copy)), None)
        if accepted is not None and accepted not in kept:
            kept[accepted] = secret
        elif accepted is not None or any(secret.carries(copy) for copy in aim.forget):
            leaving.append(secret)
        else:
            others.append(secret)
    return View(where=where, found=found, kept=kept, leaving=leaving, others=others)


def _add(view: View, copy: Copy, *, stop: bool) -> Move:
    """Add what is missing; first make room, by what is ours and is to go anyway.

    `stop`: whether somebody else's secret stops us. What was accepted before is put back all the same.
    """
    if view.others and stop and SECRET_ID not in copy.material:
        raise _in_the_way(view.where, view.others)
    if view.room:
        return Move(Step.ADD, copy=copy)
    if view.leaving:
        return _withdraw(view)
    raise _in_the_way(view.where, view.others or view.found)


def _withdraw(view: View) -> Move:
    """Deactivate, then delete. The only active one is withdrawn when all is to go: then one for nobody replaces it."""
    inactive = [secret for secret in view.leaving if not secret.active]
    if inactive:
        return Move(Step.DELETE, secret=inactive[0])
    if sum(secret.active for secret in view.found) > 1:
        return Move(Step.DEACTIVATE, secret=view.leaving[0])
    if view.room:
        return Move(Step.STAND_IN)
    raise Frozen(
        f"{view.where}: {view.leaving[0]} is to be withdrawn, and Okta does not deactivate the only active one; the "
        f"other place is taken by {_named(view.others)}, which rotator did not make. Nothing was changed. Activate or "
        "delete that one there"
    )


def hash_of(value: Sensitive) -> str:
    """Return Okta's `secret_hash`: the left half of SHA-256, in base64url. Read off its published examples."""
    half = hashlib.sha256(value.octets()).digest()[:16]
    return base64.urlsafe_b64encode(half).decode().rstrip("=")


def _just_made(copy: Copy, now: datetime) -> bool:
    return MADE in copy.material and now < _shown_by(copy)


def _shown_by(copy: Copy) -> datetime:
    return noted(copy, MADE, moment) + SETTLES


def _named(secrets: Sequence[Secret]) -> str:
    return " and ".join(str(secret) for secret in secrets)


def _in_the_way(where: str, secrets: Sequence[Secret]) -> Frozen:
    return Frozen(
        f"{where} holds {_named(secrets)}, which rotator did not make; it takes {SLOTS} in all. Nothing was changed. "
        "Take the one in use over (spec.takeOver); or deactivate and delete it there once nobody uses it; or declare "
        "others: Leave, which goes as far as there is room"
    )


_SECRET = record(
    {"id": handle, "status": one_of(_ACTIVE, _INACTIVE)},
    {"created": text, "client_secret": text, "secret_hash": text},
)
_SECRETS = distinct("id", _SECRET)


def _secret(item: Mapping[str, Any]) -> Secret:
    return Secret(
        id=item["id"],
        active=item["status"] == _ACTIVE,
        created=item.get("created", ""),
        value=Sensitive(item["client_secret"]) if item.get("client_secret") else None,
        hash=item.get("secret_hash", ""),
    )


def build(declared: Okta, at: At) -> Wired:
    """Make what changes the secrets of the declared app."""
    access = at.access(declared.auth, issuer=declared.url, scope="okta.apps.read okta.apps.manage")
    return Wired(
        OktaApp(
            http=at.http(access),
            url=declared.url,
            app=declared.app,
            others=declared.others,
            clock=at.world.clock,
        )
    )
