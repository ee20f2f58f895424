"""Entra ID: the passwords (client secrets) of an application, through Microsoft Graph. The directory makes the values.

From the reference of Microsoft Graph v1.0 (application: addPassword, removePassword; passwordCredential) and of the
identity platform (validation differences by supported account types):

- `POST /v1.0/applications/{object id}/addPassword` answers with `keyId` and `secretText`, which is shown this once;
  `endDateTime` is two years away unless it is named.
- `GET /v1.0/applications/{object id}` shows `keyId`, `displayName`, `hint` (the value's first three characters) and
  `endDateTime` of each; expired ones too.
- `POST .../removePassword` takes a `keyId`; one that is not there is refused: 400, "No password credential found".
- There is no limit to their number but for applications that personal accounts use too: two.
- Too many requests: 429 with Retry-After. Least privilege: `Application.ReadWrite.OwnedBy`, as an owner.

The directory is eventually consistent: for minutes a read may not show what was just added or removed. And a value whose
reply was lost is lost for good; so each password is named after its version (`displayName`), and what carries the name of
a version without being the one that was learned is removed.
"""

from __future__ import annotations

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
from rotator.core.shapes import distinct, handle, moment, record, text, visible
from rotator.core.timing import format_duration
from rotator.errors import Frozen, NotFound, Rejected
from rotator.ports import Aim, Blocked, Call, Clock, Copy, Learned
from rotator.systems.at import At, Wired
from rotator.systems.entra import Entra
from rotator.systems.notes import noted

GRAPH = "https://graph.microsoft.com"
STOP = "Stop"
SETTLES = timedelta(minutes=15)
"""For so long what was added may be missing from a read: replicas are known to take minutes."""
LONGEST_NAME = 90
"""No limit is published for a password's name; this is the least that is published for the name of an application."""
VALUE, CLIENT_ID = "client_secret", "client_id"
KEY_ID, MADE, EARLIER = "entra.key_id", "entra.made", "entra.earlier"
_HINT = 3
_NOT_THERE = 400
_NEVER = "9999-12-31"

SPARE = 2
"""A secret that ends by itself lasts for so many times its period: a rotation that is late must not lose it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    """A password as the directory shows it: never with its value."""

    key_id: str
    name: str
    hint: str
    """The value's first three characters; empty where it is not kept."""
    ends: datetime | None

    def __str__(self) -> str:
        ends = f"expires {self.ends.isoformat()}" if self.ends else "does not expire"
        return f"the password {self.name!r} (key id {self.key_id}, {ends})"

    def in_force(self, now: datetime) -> bool:
        """Whether it is accepted."""
        return self.ends is None or now < self.ends


class Step(StrEnum):
    """What can be done."""

    ADD = "add"
    REMOVE = "remove"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Move:
    """The next step: about a version, and a password that is there."""

    step: Step
    copy: Copy | None = None
    password: Password | None = None


@dataclass(frozen=True, kw_only=True)
class EntraApplication:
    """The passwords of one application."""

    http: Http
    """With our access to Microsoft Graph."""
    application: str
    """The application's object id; not its client id."""
    lasts: timedelta
    """After so long a password ends by itself: longer than period, lead and overlap together."""
    clock: Clock
    url: str = GRAPH
    """Another one in a national cloud."""
    others: str = STOP
    """Whether a password that somebody else made stops us, or is left alone."""
    _removed: set[str] = field(default_factory=set, init=False, repr=False, compare=False)
    """Key ids that this run has removed: a read may show them for a while."""
    _tried: set[str] = field(default_factory=set, init=False, repr=False, compare=False)
    """Those, and the key ids that the directory said were not there when this run would remove them."""

    @property
    def label(self) -> str:
        """See `rotator.ports.Provider`."""
        return f"entra {self.url.rstrip('/')} application {self.application.lower()}"

    def next_call(self, aim: Aim) -> Call | Blocked | None:
        """Read the passwords, and say what comes next; see `rotator.ports.Provider`."""
        client_id, found = self._read()
        self._check_client(client_id, aim)
        question = Question(
            found=found,
            aim=aim,
            stop=self.others == STOP,
            removed=frozenset(self._removed),
            tried=frozenset(self._tried),
            now=self.clock.now(),
            where=self.label,
        )
        move = decide(question)
        return self._call(move, aim.rotation) if isinstance(move, Move) else move

    def check_free(self, rotation: str) -> None:
        """Raise Frozen where passwords of somebody else stop us; see `rotator.ports.Provider`."""
        del rotation
        now = self.clock.now()
        others = [password for password in self._read()[1] if password.in_force(now)]
        if others and self.others == STOP:
            raise _in_the_way(self.label, others)

    def current(self) -> Sensitive | None:
        """Return None: a value is shown only to whoever had it made; see `rotator.ports.Provider`."""
        return None

    # --- requests ---------------------------------------------------------------------------------------------

    @property
    def _place(self) -> str:
        return f"{self.url.rstrip('/')}/v1.0/applications/{quote(self.application, safe='')}"

    def _read(self) -> tuple[str, tuple[Password, ...]]:
        """Return the application's client id, and its passwords."""
        try:
            answer = self.http.get(f"{self._place}?$select=appId,passwordCredentials")
        except NotFound:
            raise Frozen(
                f"{self.label} is not there. Nothing was changed. Declare the application's object id, which is not "
                "its client id"
            ) from None
        what = f"GET {self._place}"
        check_whole(what, answer.document, answer.headers)
        shown = shaped(what, _APPLICATION, answer.document)
        return shown["appId"], tuple(_password(item) for item in shown["passwordCredentials"])

    def _check_client(self, client_id: str, aim: Aim) -> None:
        """See that the passwords are those of the client that is declared."""
        declared = {copy.material[CLIENT_ID].reveal() for copy in aim.accept if CLIENT_ID in copy.material}
        if wrong := [name for name in declared if name.casefold() != client_id.casefold()]:
            raise Frozen(
                f"{self.label} is the client {client_id}, and {wrong[0]} is declared. Nothing was changed. Correct the "
                "object id or the client id"
            )

    def _call(self, move: Move, rotation: str) -> Call:
        copy, password = move.copy, move.password
        if move.step is Step.ADD:
            assert copy is not None  # noqa: S101 - a password is added for a version
            return Call(f"add a password for {copy.id} at {self.label}", lambda: self._add(copy, rotation))
        assert password is not None  # noqa: S101 - all else is about one that is there
        if move.step is Step.NOTE:
            assert copy is not None  # noqa: S101 - it is noted with its version
            learned = {copy.id: {KEY_ID: Sensitive(password.key_id)}}
            return Call(f"note which password at {self.label} is that of {copy.id}", lambda: learned)
        does = f"remove our password {password.name!r} at {self.label}"
        return Call(does, lambda: self._remove(password.key_id))

    def _add(self, copy: Copy, rotation: str) -> Learned:
        now = self.clock.now()
        asked = {"displayName": name_of(rotation, copy.id), "endDateTime": _instant(now + self.lasts)}
        what = f"{self._place}/addPassword"
        try:
            answer = self.http.send("POST", what, document={"passwordCredential": asked})
        except Rejected as error:
            raise Frozen(
                f"{self.label} did not take another password ({error.reason or error.code}). Nothing was changed. A "
                f"policy of the tenant may forbid passwords, or such as last {format_duration(self.lasts)}; and an "
                "application that personal accounts use too takes two: remove there the one that nobody uses"
            ) from None
        made = shaped(f"POST {what}", _ADDED, answer.document, change=True)
        earlier = _earlier(copy) | ({copy.material[KEY_ID].reveal()} if KEY_ID in copy.material else set())
        return {
            copy.id: {
                VALUE: Sensitive(made["secretText"]),
                KEY_ID: Sensitive(made["keyId"]),
                MADE: Sensitive(now.isoformat()),
                EARLIER: Sensitive(" ".join(sorted(earlier))),
            }
        }

    def _remove(self, key_id: str) -> Learned:
        """Remove a password. One that is not there was removed before, or was added so lately that it is not there yet."""
        try:
            self.http.send("POST", f"{self._place}/removePassword", document={"keyId": key_id})
            self._removed.add(key_id)
        except Rejected as error:
            if error.code != _NOT_THERE:
                raise
        self._tried.add(key_id)
        return {}


# --- the decision ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was read, what is wanted, and what is known besides."""

    found: Sequence[Password]
    aim: Aim
    stop: bool
    """Whether a password that somebody else made stops us."""
    removed: frozenset[str]
    """What this run has removed."""
    tried: frozenset[str]
    """That, and what was not there when this run would remove it."""
    now: datetime
    where: str

    def mine(self, copy: Copy) -> set[str]:
        """Return the key ids that were learned with a version."""
        return _earlier(copy) | ({copy.material[KEY_ID].reveal()} if KEY_ID in copy.material else set())

    @property
    def kept(self) -> set[str]:
        """The key ids that were learned with versions to be accepted."""
        return {key_id for copy in self.aim.accept for key_id in self.mine(copy)}

    @property
    def names(self) -> Mapping[str, str]:
        """The version that each name of ours stands for."""
        return {name_of(self.aim.rotation, version_id): version_id for version_id in self.aim.known}

    @property
    def leaving(self) -> list[Password]:
        """What is ours, and is not to be accepted: withdrawn, or made by a call whose answer was lost."""
        withdrawn = {key_id for copy in self.aim.forget for key_id in self.mine(copy)}
        ours = [p for p in self.found if p.key_id in withdrawn or p.name in self.names]
        return [p for p in ours if p.key_id not in self.kept]

    @property
    def others(self) -> list[Password]:
        """What somebody else made, as far as it is accepted."""
        ours = self.kept | {p.key_id for p in self.leaving}
        return [p for p in self.found if p.key_id not in ours and p.in_force(self.now)]

    def shown(self, copy: Copy) -> bool:
        """Whether the version's password is shown, and in force."""
        key_id = copy.material[KEY_ID].reveal()
        return any(p.key_id == key_id and p.in_force(self.now) for p in self.found)

    def just_made(self, copy: Copy) -> bool:
        """Whether it is no wonder that a password is not shown."""
        return MADE in copy.material and self.now < shown_by(copy)


def decide(question: Question) -> Move | Blocked | None:
    """Say what comes next. Raises Frozen where somebody else's password is in the way.

    What has to be accepted comes first; nothing that was accepted is withdrawn before all of that is shown.
    """
    waiting: Blocked | None = None
    for copy in question.aim.accept:
        step = _accept(question, copy)
        if isinstance(step, Move):
            return step
        waiting = waiting or step
    if waiting:
        return waiting
    for copy in question.aim.forget:
        if _taken_over(copy) and (password := _by_hint(question, copy)):
            return Move(Step.REMOVE, password=password)
    if question.aim.accept and question.stop and question.others:
        raise _in_the_way(question.where, question.others)
    return _forget(question)


def _accept(question: Question, copy: Copy) -> Move | Blocked | None:
    if VALUE not in copy.material:
        return _first(question, copy)
    if _taken_over(copy):
        password = _by_hint(question, copy)
        if password is None:
            raise Frozen(
                f"{question.where} shows no password that begins like the one taken over as {copy.id}. Nothing was "
                "changed. See that it is the value in use, and of this application"
            )
        return Move(Step.NOTE, copy, password)
    if question.shown(copy):
        return None
    if question.just_made(copy):
        return Blocked(f"the password of {copy.id} was added, and is not shown yet", shown_by(copy))
    return Move(
        Step.ADD, copy
    )  # it is gone, and its value with it: a new one heals whoever holds the old one


def _first(question: Question, copy: Copy) -> Move:
    """Add a version's first password; before that remove what a call has left whose answer was lost."""
    lost = [p for p in question.leaving if question.names.get(p.name) == copy.id]
    if left := [p for p in lost if p.key_id not in question.tried]:
        return Move(Step.REMOVE, password=left[0])
    if question.stop and question.others:
        raise _in_the_way(question.where, question.others)
    return Move(Step.ADD, copy)


def _forget(question: Question) -> Move | Blocked | None:
    leaving = question.leaving
    if left := [p for p in leaving if p.key_id not in question.tried]:
        return Move(Step.REMOVE, password=left[0])
    if leaving:
        return Blocked(f"{leaving[0].name!r} was removed, and is still shown")
    for copy in question.aim.forget:
        gone = question.mine(copy) <= question.removed
        if question.just_made(copy) and not gone:
            return Blocked(f"the password of {copy.id} was added, and is not shown yet", shown_by(copy))
    return None


def _taken_over(copy: Copy) -> bool:
    """Whether a version's value was taken over, and it is not noted yet which password it is."""
    return VALUE in copy.material and KEY_ID not in copy.material


def _by_hint(question: Question, copy: Copy) -> Password | None:
    """Return the password that a value is of: the only one that begins like it, or the only one that does not say."""
    begins = copy.material[VALUE].reveal()[:_HINT]
    others = [p for p in question.others if p.key_id not in question.tried]
    candidates = [p for p in others if p.hint == begins] or [p for p in others if not p.hint]
    if len(candidates) > 1:
        raise Frozen(
            f"{question.where}: which of {_named(candidates)} was taken over as {copy.id} is not to be seen. Nothing was "
            "changed. Remove there those that nobody uses"
        )
    return candidates[0] if candidates else None


def name_of(rotation: str, version_id: str) -> str:
    """Return the `displayName` of a version's password: `rotator/NAMESPACE/NAME/VERSION`, or shorter by a hash."""
    name = f"rotator/{rotation}/{version_id}"
    if len(name) <= LONGEST_NAME:
        return name
    return f"rotator/{hashlib.sha256(rotation.encode()).hexdigest()[:16]}/{version_id}"


def shown_by(copy: Copy) -> datetime:
    """Return when a password that was added is shown by every replica, as far as anybody can tell."""
    return noted(copy, MADE, moment) + SETTLES


def _earlier(copy: Copy) -> set[str]:
    return set(copy.material[EARLIER].reveal().split()) if EARLIER in copy.material else set()


def _named(passwords: Sequence[Password]) -> str:
    return " and ".join(str(password) for password in passwords)


def _in_the_way(where: str, passwords: Sequence[Password]) -> Frozen:
    return Frozen(
        f"{where} accepts {_named(passwords)}, which rotator did not make. Nothing was changed. Take the one in use over "
        "(spec.takeOver); or remove it there once nobody uses it; or declare others: Leave"
    )


def _instant(at: datetime) -> str:
    return f"{at.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _end(value: object, where: str = "") -> datetime | None:
    """When a password ends; None for the last year of all, as some write "never"."""
    return None if text(value, where).startswith(_NEVER) else moment(value, where)


_APPLICATION = record(
    {
        "appId": handle,
        "passwordCredentials": distinct(
            "keyId", record({"keyId": handle}, {"displayName": text, "hint": text, "endDateTime": _end})
        ),
    }
)
_ADDED = record({"keyId": handle, "secretText": visible})


def _password(item: Mapping[str, Any]) -> Password:
    return Password(
        key_id=item["keyId"],
        name=item.get("displayName", ""),
        hint=item.get("hint", ""),
        ends=item.get("endDateTime"),
    )


def build(declared: Entra, at: At) -> Wired:
    """Make what changes the passwords of the declared application."""
    access = at.access(declared.auth, issuer=at.client.issuer, scope=f"{declared.url}/.default")
    return Wired(
        EntraApplication(
            http=at.http(access),
            url=declared.url,
            application=declared.application,
            others=declared.others,
            lasts=SPARE * (at.every + at.lasts),
            clock=at.world.clock,
        )
    )
