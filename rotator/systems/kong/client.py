"""The credentials of one rotation at a KongConsumer, brought where they have to be by one call at a time.

A version gets its credential first, and then the consumer lists it; it is taken off the list first, and its credential is deleted once
the controller has applied the list. So the list never names what is not there. Every write names the version of the object that was
read, so one that comes late is refused (I5).

Kong's controller removes a consumer whose credentials have one `key` twice
(https://github.com/Kong/kubernetes-ingress-controller/blob/main/internal/dataplane/kongstate/kongstate.go): a version stays in its slot,
so a call that is repeated finds it there.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from rotator.core.sensitive import Sensitive
from rotator.errors import Frozen, NotFound
from rotator.kinds import KONG_CONSUMER, MANAGED_BY, MARK, PREFIX, ROTATOR, SECRET, Address
from rotator.ports import Aim, Blocked, Call, Copy, Credential, Learned
from rotator.systems.kong import Kong
from rotator.systems.kubernetes.api import Json, KubernetesApi
from rotator.vocabulary.footprint import Home

CLASS = "kubernetes.io/ingress.class"
"""The annotation without which the controller ignores a consumer (https://github.com/Kong/kong/issues/5616)."""
CREDENTIAL = {"konghq.com/credential": "jwt"}
"""The label of a credential of the `jwt` plugin."""
ROTATION = f"{PREFIX}/rotation"
"""The annotation of a credential that names whose it is."""
PROGRAMMED = "Programmed"
KEY, ALGORITHM, PEM = "key", "algorithm", "rsa_public_key"
"""The fields of a credential; the last one holds public keys of every kind."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One credential of ours, as it was read."""

    address: Address
    data: Mapping[str, str]
    labelled: bool
    """Whether Kong's controller takes it for a credential."""
    fence: str

    @property
    def name(self) -> str:
        """Its name in the consumer's list."""
        return self.address.name

    @property
    def kid(self) -> str:
        """The version that it is for."""
        return self.data.get(KEY, "")


@dataclass(frozen=True, slots=True)
class Consumer:
    """The consumer, as it was read."""

    listed: tuple[str, ...]
    fence: str
    waits: str
    """Why the controller has not applied it as it is; empty: it has."""


@dataclass(frozen=True)
class KongCredentials:
    """The credentials of one rotation; see `rotator.ports.Provider`."""

    api: KubernetesApi
    credential: Credential
    at: Address
    """Of the consumer."""
    places: tuple[Address, ...]
    """Of the credentials."""

    @property
    def label(self) -> str:
        """`kongconsumer payments/api`."""
        return self.at.label

    def check_free(self, rotation: str) -> None:
        """See that the consumer is there, and that nobody has made what is to be ours; see `rotator.ports.Provider`."""
        self._consumer()
        if found := self._slots(rotation):
            raise Frozen(
                f"{found[0].address.label} is a credential of this rotation, and there is no ring: it was lost. Nothing was written. Restore "
                "the ring; to begin anew on purpose, take the credentials off the consumer's list, then delete them"
            )

    def current(self) -> Sensitive | None:
        """Kong shows public keys only; see `rotator.ports.Provider`."""
        return None

    def next_call(self, aim: Aim) -> Call | Blocked | None:
        """Return the one call that comes next; see `rotator.ports.Provider`."""
        slots = self._slots(aim.rotation)
        try:
            consumer = self._consumer()
        except NotFound:
            if aim.accept:
                raise
            return next(self._deleted(slots), None)
        wanted = {copy.id: self._data(copy) for copy in aim.accept}
        steps = (
            self._made(aim.rotation, wanted, slots),
            self._listed(consumer, wanted, slots),
            self._taken_off(consumer, wanted, slots),
            iter([Blocked(consumer.waits)] if consumer.waits else []),
            self._deleted([slot for slot in slots if slot.kid not in wanted]),
        )
        return next((call for step in steps for call in step), None)

    # --- the calls, in their order ----------------------------------------------------------------------------

    def _made(
        self, rotation: str, wanted: Mapping[str, Mapping[str, str]], slots: Sequence[Slot]
    ) -> Iterator[Call | Blocked]:
        """Yield what makes or mends the credentials of accepted versions."""
        taken = {slot.kid: slot for slot in slots}
        free = [place for place in self.places if place not in {slot.address for slot in slots}]
        for kid, data in wanted.items():
            slot = taken.get(kid)
            if slot is None and not free:
                yield Blocked(f"all of {', '.join(place.name for place in self.places)} are in use")
            elif slot is None:
                place = free.pop(0)
                yield Call(f"create {place.label} for {kid}", partial(self._create, place, rotation, data))
            elif slot.data != data or not slot.labelled:
                yield Call(f"write {slot.address.label} for {kid} again", partial(self._mend, slot, data))

    def _listed(
        self, consumer: Consumer, wanted: Mapping[str, object], slots: Sequence[Slot]
    ) -> Iterator[Call]:
        """Yield what puts the credentials of accepted versions on the consumer's list, behind those of others."""
        if added := [s.name for s in slots if s.kid in wanted and s.name not in consumer.listed]:
            does = f"add {', '.join(added)} to the credentials of {self.label}"
            yield Call(does, partial(self._list, consumer, (*consumer.listed, *added)))

    def _taken_off(
        self, consumer: Consumer, wanted: Mapping[str, object], slots: Sequence[Slot]
    ) -> Iterator[Call]:
        """Yield what takes the other credentials of ours off the list, also those that are gone."""
        ours = {place.name for place in self.places}
        stay = {slot.name for slot in slots if slot.kid in wanted}
        if gone := [name for name in consumer.listed if name in ours - stay]:
            does = f"remove {', '.join(gone)} from the credentials of {self.label}"
            left = tuple(name for name in consumer.listed if name not in gone)
            yield Call(does, partial(self._list, consumer, left))

    def _deleted(self, slots: Sequence[Slot]) -> Iterator[Call]:
        for slot in slots:
            yield Call(f"delete {slot.address.label}", partial(self._delete, slot))

    def _create(self, place: Address, rotation: str, data: Mapping[str, str]) -> Learned:
        labels = {**CREDENTIAL, MARK: "true", MANAGED_BY: ROTATOR}
        metadata = {"name": place.name, "labels": labels, "annotations": {ROTATION: rotation}}
        self.api.create(SECRET, place.namespace, {"metadata": metadata, "data": _encoded(data)})
        return {}

    def _mend(self, slot: Slot, data: Mapping[str, str]) -> Learned:
        changes = {
            "metadata": {"resourceVersion": slot.fence, "labels": CREDENTIAL},
            "data": {**dict.fromkeys(slot.data), **_encoded(data)},
        }
        self.api.patch(SECRET, slot.address.namespace, slot.name, changes)
        return {}

    def _list(self, consumer: Consumer, names: tuple[str, ...]) -> Learned:
        changes = {"metadata": {"resourceVersion": consumer.fence}, "credentials": list(names)}
        self.api.patch(KONG_CONSUMER, self.at.namespace, self.at.name, changes)
        return {}

    def _delete(self, slot: Slot) -> Learned:
        self.api.delete(SECRET, slot.address.namespace, slot.name, slot.fence)
        return {}

    # --- what is there -----------------------------------------------------------------------------------------

    def _data(self, copy: Copy) -> dict[str, str]:
        """Return what the credential of a version holds. Kong takes a text that is no PEM, and fails on every token then."""
        fields = self.credential.fields(copy.id, copy.material)
        pem = fields["public_key"].reveal()
        load_pem_public_key(pem.encode())
        return {KEY: copy.id, ALGORITHM: fields["algorithm"].reveal(), PEM: pem}

    def _consumer(self) -> Consumer:
        try:
            found = self.api.get(KONG_CONSUMER, self.at.namespace, self.at.name)
        except NotFound as gone:
            raise NotFound(
                gone.what,
                f"{self.label} does not exist: make it, with the annotation {CLASS}",
                code=gone.code,
            ) from None
        if not (found["metadata"].get("annotations") or {}).get(CLASS):
            raise Frozen(
                f"{self.label} has no annotation {CLASS}, so Kong's controller ignores it. Nothing was changed. Add it, as {CLASS}: kong"
            )
        return Consumer(
            listed=tuple(found.get("credentials") or ()),
            fence=found["metadata"]["resourceVersion"],
            waits=_waits(found),
        )

    def _slots(self, rotation: str) -> list[Slot]:
        return [slot for place in self.places if (slot := self._slot(place, rotation))]

    def _slot(self, place: Address, rotation: str) -> Slot | None:
        try:
            found = self.api.get(SECRET, place.namespace, place.name)
        except NotFound:
            return None
        owner = (found["metadata"].get("annotations") or {}).get(ROTATION)
        if owner != rotation:
            whose = f"belongs to the rotation {owner}" if owner else "was not made by rotator"
            raise Frozen(
                f"{place.label} {whose}; it was left untouched. Credentials of this rotation have this name: rename or delete that one"
            )
        labelled = CREDENTIAL.items() <= (found["metadata"].get("labels") or {}).items()
        return Slot(place, _decoded(found.get("data") or {}), labelled, found["metadata"]["resourceVersion"])


def _waits(consumer: Json) -> str:
    """Say why the controller has not applied a consumer as it is now; empty: it has."""
    conditions = (consumer.get("status") or {}).get("conditions") or ()
    found = next((c for c in conditions if c.get("type") == PROGRAMMED), None)
    if found is None:
        return "Kong's controller has not applied it yet (no condition Programmed)"
    if found.get("status") != "True":
        said = ": ".join(str(found[name]) for name in ("reason", "message") if found.get(name))
        return f"Kong's controller has not applied it: {said or 'Programmed is not True'}"
    if found.get("observedGeneration", 0) < consumer["metadata"].get("generation", 0):
        return "Kong's controller has not applied its newest list yet"
    return ""


def _encoded(data: Mapping[str, str]) -> dict[str, str]:
    return {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}


def _decoded(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields as texts; what is none is another text than any of ours."""
    found = {}
    for name, value in data.items():
        try:
            found[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            found[name] = ""
    return found


def build(api: KubernetesApi, declared: Kong, home: Home, credential: Credential) -> KongCredentials:
    """Make what brings the credentials of a rotation where they have to be."""
    return KongCredentials(api, credential, declared.address(home), declared.slots(home))
