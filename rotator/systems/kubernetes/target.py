"""A Kubernetes Secret or ConfigMap: our data keys in it, our stamp in its annotations, fenced by resourceVersion."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from rotator.core.sensitive import Sensitive
from rotator.errors import Conflict, Frozen, NotFound
from rotator.kinds import MANAGED_BY, MARK, PREFIX, ROTATOR, SECRET, Address, SecretMeta
from rotator.ports import Seen, Stamp
from rotator.ports.stamp import ALONE, Signature, sharers
from rotator.systems.kubernetes.api import Json, KubernetesApi
from rotator.systems.kubernetes.obstacles import is_needed, obstacle
from rotator.systems.kubernetes.writers import last_writer

PLAIN = SecretMeta()
FENCE_KEY = "fence_key"
"""The part of a stamp that only an object has from which a kubelet starts pods."""


@dataclass
class KubernetesObject:
    """One Secret or ConfigMap. Data keys that are not ours are never touched."""

    api: KubernetesApi
    address: Address
    signature: Signature = ALONE
    meta: SecretMeta = PLAIN
    """What is said of the object where rotator makes it; what others made keeps what they say of it."""
    _last: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    """The object as it was read or written last; None: it was not there."""

    @property
    def label(self) -> str:
        """`secret payments/signing-key`."""
        return self.address.label

    @property
    def takes_bytes(self) -> bool:
        """A Secret does: its values are in base64."""
        return self.address.kind is SECRET

    def read(self, names: Sequence[str]) -> Seen | None:
        """Read the data keys `names`."""
        self._last = self._document()
        return None if self._last is None else self._seen(self._last, names)

    def annotation(self, name: str) -> str | None:
        """Read one annotation, such as `rotator.dev/accepts`; None where there is none."""
        document = self._document()
        if document is None:
            return None
        annotations: Mapping[str, str] = document["metadata"].get("annotations") or {}
        return annotations.get(name)

    @property
    def sharers(self) -> Mapping[str, Stamp]:
        """The stamps of the rotations that share the object, as it was last read."""
        return sharers(_texts(self._last["metadata"])) if self._last else {}

    def write(
        self, fields: Mapping[str, Sensitive | None], stamp: Stamp, seen: Seen | None, note: Mapping[str, str]
    ) -> Seen:
        """Create the object, or change it at the resourceVersion that was seen."""
        del note  # the stamp is all that people need here: `kubectl describe` shows it
        meta = self.meta if seen is None or (self._last and _is_made(self._last)) else PLAIN
        made = {} if seen else {MANAGED_BY: ROTATOR}
        metadata = {
            "name": self.address.name,
            "labels": {**meta.labels, MARK: "true", **made},
            "annotations": {**meta.annotations, **self._annotations(stamp)},
        }
        document = {"metadata": metadata, **self._placed(self._last or {}, fields)}
        if seen is None:
            of_type = {"type": self.meta.type} if self.meta.type else {}
            self._last = self._create(_without_nothing({**document, **of_type}))
        else:
            self._last = self._change(document, seen, applied=self._applies(seen, fields))
        return self._seen(self._last, list(fields))

    def _create(self, document: Json) -> Json:
        at = self.address
        try:
            return self.api.create(at.kind, at.namespace, document)
        except NotFound:
            raise Frozen(
                f"{self.label} cannot be created: the namespace {at.namespace} does not exist. "
                "Create it, or correct the rotation's namespace; nothing else was changed"
            ) from None

    def _applies(self, seen: Seen, fields: Mapping[str, Sensitive | None]) -> bool:
        """Whether a change is applied: what others made is, so that it stays when they stop applying the same value.

        Not where rotations share it: who applies takes away what it applied before, and that is the stamp of another.
        """
        return seen.stamp is None and not self.signature.sharer and None not in fields.values()

    def _change(self, document: Json, seen: Seen, *, applied: bool) -> Json:
        at = self.address
        document["metadata"]["resourceVersion"] = seen.fence
        try:
            if applied:
                return self.api.apply(at.kind, at.namespace, at.name, _without_nothing(document))
            return self.api.patch(at.kind, at.namespace, at.name, document)
        except NotFound as gone:
            raise Conflict(gone.what, "it was deleted in between", code=gone.code) from None

    def obstacle(self, names: Sequence[str], *, adopted: bool) -> str:
        """See `rotator.ports.Target`."""
        if self._last is None:
            return ""
        found, asked = self._last.get("type"), self.meta.type
        if asked and found != asked and _is_made(self._last):
            return (
                f"its type is {found}, {asked} is declared, and Kubernetes changes no type. Name another Secret, or delete this one in a "
                "quiet hour: rotator makes it again at once, with the credential in use"
            )
        return obstacle(self._last, names, adopted=adopted)

    def last_writer(self, names: Sequence[str]) -> str:
        """See `rotator.ports.Target`."""
        document = self._document()
        return last_writer(document, names) if document else ""

    def erase_history(self, *, act: bool) -> bool:
        """Kubernetes keeps no readable history of an object."""
        del act
        return True

    def remove(
        self, names: Sequence[str], seen: Seen, rest: Mapping[str, Sensitive] = MappingProxyType({})
    ) -> tuple[str, ...]:
        """Delete the object as it was seen; where others made it, or keep fields in it, remove only what is ours, and name theirs.

        `rest`: what is left of a field that others have a part of.
        """
        at = self.address
        try:
            document = self.api.get(at.kind, at.namespace, at.name)
            if document["metadata"]["resourceVersion"] != seen.fence:
                raise Conflict(self.label, "it changed in between")
            gone = set(names) - rest.keys()
            others = sorted({*(document.get("data") or {}), *(document.get("binaryData") or {})} - gone)
            made = _is_made(document)
            if not others and (made or is_needed(document, names)):
                self.api.delete(at.kind, at.namespace, at.name, seen.fence)
                return ()
            shared = self.sharers.keys() - {self.signature.sharer}
            labels = () if shared else (MARK, MANAGED_BY) if made else (MARK,)
            metadata = {
                "resourceVersion": seen.fence,
                "labels": dict.fromkeys(labels),
                "annotations": self._annotations(None),
            }
            left = {name: self._encode(value) for name, value in rest.items()}
            changes = {"metadata": metadata, "data": {**dict.fromkeys(names), **left}}
            self.api.patch(at.kind, at.namespace, at.name, changes)
        except NotFound:
            return ()
        return tuple(others) or ("the object itself, which others made",)

    def _document(self) -> Mapping[str, Any] | None:
        at = self.address
        try:
            return self.api.get(at.kind, at.namespace, at.name)
        except NotFound:
            return None

    def _seen(self, document: Mapping[str, Any], names: Sequence[str]) -> Seen:
        metadata, data = document["metadata"], self._data(document)
        return Seen(
            fields={n: self._decode(data[n]) for n in names if n in data},
            stamp=self._stamp(metadata),
            fence=metadata["resourceVersion"],
            names=frozenset(data) | frozenset(document.get("binaryData") or {}),
            described=not _is_made(document) or self._is_described(metadata),
        )

    def _data(self, document: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the fields of an object as they are written."""
        return document.get("data") or {}

    def _placed(self, document: Mapping[str, Any], fields: Mapping[str, Sensitive | None]) -> Json:
        """Return the part of a write that sets fields of an object that was read."""
        del document
        return {"data": {name: self._encode(value) for name, value in fields.items()}}

    def _is_described(self, metadata: Mapping[str, Any]) -> bool:
        labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
        return (
            self.meta.labels.items() <= labels.items()
            and self.meta.annotations.items() <= annotations.items()
        )

    def _stamp(self, metadata: Mapping[str, Any]) -> Stamp | None:
        texts = _texts(metadata)
        stamp = self.signature.read(texts, self.label)
        return stamp and replace(stamp, fence_key=str(texts.get(FENCE_KEY) or ""))

    def _annotations(self, stamp: Stamp | None) -> dict[str, str | None]:
        texts = {**self.signature.texts(stamp), FENCE_KEY: (stamp and stamp.fence_key) or None}
        return {_annotation(name): text for name, text in texts.items()}

    def _encode(self, value: Sensitive | None) -> str | None:
        if value is None:
            return None
        return base64.b64encode(value.octets()).decode() if self.takes_bytes else value.reveal()

    def _decode(self, text: str) -> Sensitive:
        if not self.takes_bytes:
            return Sensitive(text)
        try:
            return Sensitive(base64.b64decode(text, validate=True))
        except ValueError:
            return Sensitive("")


def _is_made(document: Mapping[str, Any]) -> bool:
    """Whether rotator has made an object."""
    return (document["metadata"].get("labels") or {}).get(MANAGED_BY) == ROTATOR


def _without_nothing(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document without the entries that say that something is not to be there."""
    return {
        name: _without_nothing(value) if isinstance(value, dict) else value
        for name, value in document.items()
        if value is not None
    }


def _annotation(name: str) -> str:
    return f"{PREFIX}/{name.replace('_', '-')}"


def _texts(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return what our annotations say, by the names of the texts."""
    annotations = metadata.get("annotations") or {}
    ours = (name for name in annotations if name.startswith(f"{PREFIX}/"))
    return {name.removeprefix(f"{PREFIX}/").replace("-", "_"): str(annotations[name]) for name in ours}
