"""Ory Hydra: it makes the secrets, keeps up to five previous ones valid without an end, and shows none of them.

What Hydra does (its admin API, `client/handler.go` and `persistence/sql/persister_client.go` of July 2026):

- `POST /admin/clients/{id}/secrets/rotate` makes a new secret and keeps the previous one valid beside it, up to five.
- `PATCH` with a `client_secret` makes that value current and ends all others, in one transaction; also where it is the
  current one, or a previous one, already. So the value is accepted before, during and after.
- `PATCH` without one changes no secret. It takes `add`, `remove` and `replace` only, all or nothing, and a `remove` of
  what is not there is refused: that is a fence.
- `updated_at` is set by every change, in whole seconds, and is all that tells of somebody else's secret.

So each change of ours replaces a mark in the client's `metadata`, and names the mark that it replaces: one that comes late
is refused (I5). Only a rotation that comes late is not; one of the five places is kept free for it. The mark counts the
rotations begun for a version, for each whose reply was lost leaves a secret behind that nobody knows.

What cannot be seen: a secret that somebody else makes between our look and our change, or in the second of our last
change, ends with the next one of ours that is withdrawn. Hydra has no request that names the state that it expects.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from rotator.clients.answers import shaped
from rotator.clients.http import Http
from rotator.core.reading import parse
from rotator.core.sensitive import Sensitive
from rotator.core.shapes import Shape, count, filled, fitting, flag, record, text, visible
from rotator.errors import Frozen, NotFound, Rejected
from rotator.ports import Aim, Blocked, Call, Copy, Learned
from rotator.systems.at import At, Wired
from rotator.systems.hydra import Hydra
from rotator.systems.notes import noted

PREVIOUS = 5
"""So many previous secrets stay valid; one more rotation ends the oldest."""
KEPT_FREE = 1
"""Places that are kept free, for a rotation that comes late."""
SECRET, NOTE, MARK = "client_secret", "hydra.note", "rotator"
ADDING, ONLY, ENDED, WATCHED = "adding", "only", "ended", "watched"
"""What a mark says was begun: a secret for the version; the version's secret alone; none of ours; nothing yet."""
BY_SECRET = ("client_secret_basic", "client_secret_post")
THROWN_AWAY = 32
"""Bytes of the value that replaces all others where the credential is deleted."""


# --- what is read, and what is remembered --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What our last change wrote into the client's metadata."""

    token: str
    rotation: str
    version: str
    state: str
    tries: int
    """How many rotations were begun for the version, since its secret or another one was the only one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is kept with a version: the last change of ours that was made for it, and was answered."""

    token: str
    updated_at: str
    """When it was, as Hydra says."""
    tries: int
    number: int
    """Counts our changes, so that of two notes the later one is known."""
    alone: bool = False
    """Whether the change made the version's secret the only one."""

    def kept(self) -> Sensitive:
        """Write it down."""
        return Sensitive(json.dumps(asdict(self)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A client as Hydra shows it."""

    method: str
    updated_at: str
    mark: Mark | None
    fence: str | None
    """The token of the mark that is there, also where it cannot be read otherwise; None: there is none."""


def note_of(copy: Copy) -> Note | None:
    """Return the note that is kept with a version."""
    return noted(copy, NOTE, _note) if NOTE in copy.material else None


def notes_of(aim: Aim) -> tuple[Note, ...]:
    """Return all notes, the latest last."""
    notes = [note for c in (*aim.accept, *aim.forget) if (note := note_of(c))]
    return tuple(sorted(notes, key=lambda n: n.number))


def read_client(document: Mapping[str, Any]) -> Seen:
    """Read what `GET /admin/clients/{id}` shows."""
    metadata = document.get("metadata")
    marks = metadata.get(MARK) if isinstance(metadata, dict) else None
    token = next(iter(marks), None) if isinstance(marks, dict) else None
    said = marks.get(token) if isinstance(marks, dict) and token else None
    return Seen(
        method=document.get("token_endpoint_auth_method") or BY_SECRET[0],
        updated_at=document["updated_at"],
        mark=_read_mark(token, said) if token else None,
        fence=token,
    )


def _read_mark(token: str, said: object) -> Mark | None:
    found = fitting(_MARK, said, None)  # None: somebody wrote it by hand
    return Mark(token=token, **{name: found[name] for name in _MARKED}) if found else None


_CLIENT = record({"client_id": text, "updated_at": filled}, {"token_endpoint_auth_method": text})
_MARKED: Mapping[str, Shape[Any]] = {"rotation": text, "version": text, "state": text, "tries": count}
_MARK = record(_MARKED)
_CHANGED = record({"updated_at": filled})
_MADE = record({"updated_at": filled, SECRET: visible})
_NOTED = record({"token": text, "updated_at": text, "tries": count, "number": count}, {"alone": flag})


def _note(value: object, where: str = "") -> Note:
    found = _NOTED(parse(value), where)
    return Note(**{name: found[name] for name in Note.__dataclass_fields__ if name in found})


# --- the decision --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rotate:
    """Have Hydra make a secret for `copy`."""

    copy: Copy
    tries: int


@dataclass(frozen=True, slots=True)
class Only:
    """Make the secret of `copy` the only one. None: a value that nobody knows."""

    copy: Copy | None


@dataclass(frozen=True, slots=True)
class Watch:
    """Write a mark and nothing else: from now on it is seen whether somebody changes the client."""

    copy: Copy


Step = Rotate | Only | Watch


def decide(seen: Seen | None, aim: Aim, others: str, label: str) -> Step | Blocked | None:
    """Return the change that comes next; None where all is as `aim` wants it. Raises Frozen where a person must decide."""
    if not aim.accept:
        return _ending(seen, aim, others, label)
    if seen is None:
        raise Frozen(
            f"{label} does not exist; expected a client that somebody has made. Nothing was changed. Make it, with the "
            f"grants and scopes that it needs, or correct its name"
        )
    if seen.method not in BY_SECRET:
        raise Frozen(
            f"{label} authenticates by {seen.method}, expected {' or '.join(BY_SECRET)}: Hydra makes no secrets for "
            "others. Nothing was changed. Set its token_endpoint_auth_method"
        )
    if missing := next((c for c in aim.accept if SECRET not in c.material), None):
        return _adding(seen, aim, missing, others, label)
    if aim.forget:
        return _withdrawing(seen, aim, others, label)
    return None if any(note_of(c) for c in aim.accept) else Watch(aim.accept[-1])


def _adding(seen: Seen, aim: Aim, missing: Copy, others: str, label: str) -> Step:
    """Have a secret made, as long as that pushes out none that is in use."""
    _check_alone(seen, aim, others, label)
    known = [c for c in aim.accept if SECRET in c.material]
    tries = _tries(seen, aim, missing)
    if not known:
        return Rotate(missing, (tries or 0) + 1)
    if len(known) == 1 and tries is None:
        return Only(known[0])
    younger = sum(note.tries for c in known[1:] if (note := note_of(c)))
    if (tries or 0) + younger < PREVIOUS - KEPT_FREE:
        return Rotate(missing, (tries or 0) + 1)
    if len(known) == 1:
        return Only(known[0])
    raise Frozen(
        f"{label}: {tries} new secrets were asked for, and no answer arrived; one more may end "
        f"{known[0].id}, which is in use. Nothing was withdrawn. See why answers of Hydra's admin API are lost; this "
        f"goes on once {known[0].id} is withdrawn"
    )


def _tries(seen: Seen, aim: Aim, missing: Copy) -> int | None:
    """Return how many rotations were begun for a version. None: that is not known, for somebody took our mark away."""
    mark = seen.mark
    if mark is None or not _is_ours(mark, aim):
        return None if notes_of(aim) else 0
    return mark.tries if (mark.version, mark.state) == (missing.id, ADDING) else 0


def _withdrawing(seen: Seen, aim: Aim, others: str, label: str) -> Step | Blocked | None:
    """End all but one. That it was done is known by the answer alone: what came after it is somebody else's."""
    kept = aim.accept[0]
    if len(aim.accept) > 1:
        ids = " and ".join(c.id for c in aim.accept)
        return Blocked(
            f"{label}: Hydra ends all secrets but one together, and {ids} are in use: one of them has to be withdrawn first"
        )
    note, latest = note_of(kept), notes_of(aim)[-1:]
    if note and note.alone and latest == (note,):
        return None
    _check_alone(seen, aim, others, label)
    return Only(kept)


def _ending(seen: Seen | None, aim: Aim, others: str, label: str) -> Step | None:
    """End everything: the credential is deleted."""
    if seen is None:
        return None
    mark = seen.mark if seen.mark and _is_ours(seen.mark, aim) else None
    if mark is None and not any(SECRET in c.material for c in aim.forget):
        return None
    if mark and mark.state == ENDED:
        return None
    _check_alone(seen, aim, others, label)
    return Only(None)


def _check_alone(seen: Seen, aim: Aim, others: str, label: str) -> None:
    """Raise Frozen where somebody changed the client after us: a secret of theirs would end with ours.

    Where the answer to our own last change was lost, it cannot be told from a change of theirs, and counts as ours.
    """
    notes = notes_of(aim)
    if others != "Stop" or not notes:
        return
    marked = next((n for n in notes if n.token == seen.fence), None)
    if marked is None and seen.mark and _is_ours(seen.mark, aim):
        return
    if marked and _same_instant(marked.updated_at, seen.updated_at):
        return
    raise Frozen(
        f"{label} was changed by somebody else, at {seen.updated_at}; the last change of ours was another one. Hydra does not "
        "show whether a secret was made then, and withdrawing an old one of ours would end it as well. Nothing was changed. "
        "If it was only an edit of the client's settings, or a secret that nobody uses, declare others: Leave; otherwise "
        "bring the users of that secret to the one of this rotation first"
    )


def _is_ours(mark: Mark, aim: Aim) -> bool:
    return mark.rotation == aim.rotation


def _same_instant(one: str, other: str) -> bool:
    """Whether two texts are the same instant: an answer and a later read may write it differently."""
    try:
        return datetime.fromisoformat(one) == datetime.fromisoformat(other)
    except (ValueError, TypeError):
        return one == other


# --- the provider --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class HydraClient:
    """A client of Ory Hydra, by its admin API."""

    http: Http
    url: str
    """The admin API, as `https://hydra-admin.example.com`."""
    client: str
    others: str = "Stop"
    """`Stop`: a change of the client by anybody else stops the rotation. `Leave`: such changes are edits of its settings,
    and secrets that others made may end with the first of ours that is withdrawn: Hydra cannot end one by itself."""

    @property
    def label(self) -> str:
        """Name it."""
        return f"hydra {self.url} client {self.client}"

    def next_call(self, aim: Aim) -> Call | Blocked | None:
        """Return the one change that comes next; see `rotator.ports.Provider`."""
        document = self._read()
        seen = read_client(document) if document is not None else None
        step = decide(seen, aim, self.others, self.label)
        if step is None or isinstance(step, Blocked):
            return step
        assert seen  # noqa: S101 - where there is no client, nothing is decided
        assert document is not None  # noqa: S101 - as above
        _check_metadata(document, self.label)
        return Call(self._does(step), _Change(self.http, self._address, seen, document, aim, step).run)

    def check_free(self, rotation: str) -> None:
        """Every client of Hydra that has secrets has one from its beginning: raise Frozen unless others may end."""
        del rotation
        document = self._read()
        if self.others == "Stop" and document is not None and read_client(document).method in BY_SECRET:
            raise Frozen(
                f"{self.label} has a secret already, as every client of Hydra, and it would end together with the first of "
                "ours that is withdrawn. Nothing was changed. Take it over with spec.takeOver, or declare others: Leave "
                "where that is as it should be"
            )

    def current(self) -> Sensitive | None:
        """Hydra shows no secret."""
        return None

    @property
    def _address(self) -> str:
        return f"{self.url.rstrip('/')}/admin/clients/{quote(self.client, safe='')}"

    def _read(self) -> Mapping[str, Any] | None:
        try:
            answer = self.http.get(self._address)
        except NotFound:
            return None
        document = shaped(f"GET {self._address}", _CLIENT, answer.document)
        if document["client_id"] != self.client:
            raise Rejected(f"GET {self._address}", "the answer is odd: it is about another client")
        return document

    def _does(self, step: Step) -> str:
        if isinstance(step, Rotate):
            return f"have a secret made for {step.copy.id} at {self.label}"
        if isinstance(step, Watch):
            return f"mark {self.label} in its metadata"
        if step.copy is None:
            return f"end all secrets of {self.label}"
        return f"end all secrets but {step.copy.id} at {self.label}"


def _check_metadata(document: Mapping[str, Any], label: str) -> None:
    if not isinstance(document.get("metadata") or {}, dict):
        raise Frozen(
            f"the metadata of {label} is no object, expected one: rotator keeps a mark there. Nothing was changed"
        )


@dataclass(frozen=True)
class _Change:
    """A step as requests."""

    http: Http
    address: str
    seen: Seen
    document: Mapping[str, Any]
    aim: Aim
    step: Step

    def run(self) -> Learned:
        """Write the mark, with the secret where it is ours; then ask for one where Hydra makes it."""
        mark = self._mark()
        value = self._value()
        changed = self.http.send("PATCH", self.address, document=[*self._marking(mark), *value]).document
        if isinstance(self.step, Rotate):
            return self._made(mark)
        note = self._note(mark, shaped(f"PATCH {self.address}", _CHANGED, changed, change=True))
        return {self.step.copy.id: {NOTE: note.kept()}} if self.step.copy else {}

    def _made(self, mark: Mark) -> Learned:
        assert isinstance(self.step, Rotate)  # noqa: S101 - only then a secret is made
        address = f"{self.address}/secrets/rotate"
        made = shaped(f"POST {address}", _MADE, self.http.send("POST", address).document, change=True)
        note = self._note(mark, made)
        return {self.step.copy.id: {SECRET: Sensitive(made[SECRET]), NOTE: note.kept()}}

    def _note(self, mark: Mark, changed: Mapping[str, Any]) -> Note:
        number = 1 + max((n.number for n in notes_of(self.aim)), default=0)
        return Note(
            token=mark.token,
            updated_at=changed["updated_at"],
            tries=mark.tries,
            number=number,
            alone=mark.state == ONLY,
        )

    def _value(self) -> Sequence[Mapping[str, Any]]:
        if not isinstance(self.step, Only):
            return ()
        copy = self.step.copy
        value = copy.material[SECRET] if copy else Sensitive(secrets.token_urlsafe(THROWN_AWAY))
        return ({"op": "replace", "path": f"/{SECRET}", "value": value},)

    def _mark(self) -> Mark:
        """Return the mark to write. Its token is derived from all that makes this change another one than the last."""
        state, tries = _state(self.step)
        copy = self.step.copy or (self.aim.forget[-1] if self.aim.forget else None)
        version = copy.id if copy else ""
        parts = (self.seen.fence, self.seen.updated_at, self.aim.rotation, version, state, tries)
        token = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        return Mark(token=f"m{token}", rotation=self.aim.rotation, version=version, state=state, tries=tries)

    def _marking(self, mark: Mark) -> Sequence[Mapping[str, Any]]:
        """Return the JSON Patch that replaces the mark that was seen, and is refused where it is not there any more."""
        said = {"rotation": mark.rotation, "version": mark.version, "state": mark.state, "tries": mark.tries}
        marks = {mark.token: said}
        if not self.document.get("metadata"):
            return ({"op": "add", "path": "/metadata", "value": {MARK: marks}},)
        add = {"op": "add", "path": f"/metadata/{MARK}", "value": marks}
        if self.seen.fence is None:
            return (add,)
        return ({"op": "remove", "path": f"/metadata/{MARK}/{_pointer(self.seen.fence)}"}, add)


def _state(step: Step) -> tuple[str, int]:
    if isinstance(step, Rotate):
        return ADDING, step.tries
    if isinstance(step, Watch):
        return WATCHED, 0
    return (ONLY if step.copy else ENDED), 0


def _pointer(name: str) -> str:
    """Write a name as a part of a JSON Pointer (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def build(declared: Hydra, at: At) -> Wired:
    """Make what changes the secrets of the declared client."""
    http, client = at.http(at.access(declared.auth, issuer=at.client.issuer)), at.client.client_id or ""
    return Wired(HydraClient(http=http, url=declared.url, client=client, others=declared.others))
