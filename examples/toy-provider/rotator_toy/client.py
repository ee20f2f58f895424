"""Toy: the secrets of a client. It takes five, each with an id that whoever adds it chooses, and shows no value.

From its (imaginary) API description:

- `GET /v1/clients/{client}/secrets` shows all of them: `{"secrets": [{"id": …, "created": …}]}`. No such client: 404.
- `POST` to the same place adds one, of an `id` and a `value` (16 to 64 characters). An id that is there: 409, `exists`.
  A sixth: 422, `too_many`.
- `DELETE .../{id}` takes one away. One that is not there: 404.

All of it needs the scope `secrets`. What was changed is shown at once, and every node knows of it within seconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from rotator.clients.answers import check_whole, shaped
from rotator.clients.http import Http
from rotator.core.sensitive import Sensitive
from rotator.core.shapes import distinct, handle, record, text
from rotator.errors import Frozen, NotFound, Rejected
from rotator.ports import Aim, Call, Copy, Learned
from rotator.systems.at import At, Wired
from rotator_toy import Toy

VALUE = "client_secret"
MARK = "rotator-"
"""What the id of each secret of rotator's begins with; the version follows."""
SCOPE = "secrets"
_SECRETS = record({"secrets": distinct("id", record({"id": handle}, {"created": text}))})


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as Toy shows it."""

    id: str
    created: str = ""

    def __str__(self) -> str:
        return f"{self.id} (created {self.created or 'at a time not shown'})"


@dataclass(frozen=True, slots=True)
class Add:
    """Add the secret of a version."""

    copy: Copy


@dataclass(frozen=True, slots=True)
class Remove:
    """Take a secret away that is ours."""

    secret: Secret


# --- the decision: no request, no clock, a table of its own in the tests ---------------------------------------------


def decide(found: Sequence[Secret], aim: Aim, *, stop: bool, where: str) -> Add | Remove | None:
    """Say what comes next, from what was read. Raises Frozen where somebody else's secret stops us.

    What has to be accepted comes first; nothing is taken away before all of that is there.
    """
    wanted = {id_of(copy): copy for copy in aim.accept}
    there = {secret.id for secret in found}
    others = [secret for secret in found if not is_ours(secret, aim)]
    missing = [copy for secret_id, copy in wanted.items() if secret_id not in there]
    put_back = missing and aim.settled  # it was accepted before: whoever uses it must not wait for a person
    if others and stop and aim.accept and not put_back:
        raise _in_the_way(where, others)
    if missing:
        return Add(missing[0])
    leaving = [secret for secret in found if secret not in others and secret.id not in wanted]
    return Remove(leaving[0]) if leaving else None


def id_of(copy: Copy) -> str:
    """Return the id of a version's secret. It is derived, so that adding it twice is refused, and harmless."""
    digest = hashlib.sha256(copy.material[VALUE].octets()).hexdigest()
    return f"{_mark(copy.id)}{digest[:16]}"


def is_ours(secret: Secret, aim: Aim) -> bool:
    """Whether this rotation made it: by the version in its id, for its value may not be known any more."""
    return secret.id.startswith(tuple(_mark(version) for version in aim.known))


def _mark(version: str) -> str:
    return f"{MARK}{version}-"


def _in_the_way(where: str, secrets: Sequence[Secret]) -> Frozen:
    named = " and ".join(str(secret) for secret in secrets[: Toy.slots])
    return Frozen(
        f"{where} accepts {named}, which this rotation did not make. Nothing was changed. Remove it there once nobody uses "
        "it; or declare others: Leave, for what rotator never made"
    )


# --- the provider: what is read, and how a decision is carried out ---------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ToyClient:
    """The secrets of one client; a `rotator.ports.Provider`."""

    http: Http
    """With our access: the scope `secrets`."""
    url: str
    client: str
    label: str
    stop: bool = True
    """Whether a secret that somebody else made stops us, or is left alone."""

    def next_call(self, aim: Aim) -> Call | None:
        """Read the secrets, and return the one call that comes next; see `rotator.ports.Provider`."""
        step = decide(self._read(), aim, stop=self.stop, where=self.label)
        if isinstance(step, Add):
            copy = step.copy
            return Call(f"add the secret of {copy.id} at {self.label}", lambda: self._add(copy))
        if isinstance(step, Remove):
            secret = step.secret
            return Call(f"remove our secret {secret} at {self.label}", lambda: self._remove(secret))
        return None

    def check_free(self, rotation: str) -> None:
        """Raise Frozen where secrets are in the way of the first: any, or those that an earlier rotation left."""
        del rotation
        found = self._read()
        if left := [secret for secret in found if self.stop or secret.id.startswith(MARK)]:
            raise _in_the_way(self.label, left)

    def current(self) -> Sensitive | None:
        """Return None: Toy shows no value."""
        return None

    @property
    def _secrets(self) -> str:
        return f"{self.url.rstrip('/')}/v1/clients/{quote(self.client, safe='')}/secrets"

    def _read(self) -> tuple[Secret, ...]:
        what = f"GET {self._secrets}"
        try:
            answer = self.http.get(self._secrets)
        except NotFound:
            raise Frozen(
                f"{self.label} is not there. Nothing was changed. Correct url or credential.oauthClient.clientId"
            ) from None
        check_whole(what, answer.document, answer.headers)
        shown = shaped(what, _SECRETS, answer.document)["secrets"]
        return tuple(Secret(item["id"], item.get("created", "")) for item in shown)

    def _add(self, copy: Copy) -> Learned:
        """Add a secret. Refused because the id is there, it is Conflict: the engine reads again."""
        try:
            self.http.send("POST", self._secrets, document={"id": id_of(copy), "value": copy.material[VALUE]})
        except Rejected as error:
            raise Frozen(
                f"{self.label} did not take the secret of {copy.id} ({error.reason or error.code}). Nothing was changed. "
                f"Toy takes {Toy.slots} secrets of 16 to {Toy.max_length} characters: remove there one that nobody uses"
            ) from None
        return {}

    def _remove(self, secret: Secret) -> Learned:
        """Take a secret away. One that is not there is NotFound: the engine reads again."""
        self.http.send("DELETE", f"{self._secrets}/{quote(secret.id, safe='')}")
        return {}


def build(declared: Toy, at: At) -> Wired:
    """Make what changes the secrets of the declared client."""
    client = at.client.client_id or ""
    access = at.access(declared.auth, issuer=at.client.issuer, scope=SCOPE)
    return Wired(
        ToyClient(
            http=at.http(access),
            url=declared.url,
            client=client,
            label=declared.label(client),
            stop=declared.others == "Stop",
        )
    )
