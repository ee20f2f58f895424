"""A Vault path for consumers: flat string fields, the stamp among them, fenced by check-and-set.

Read unchanged by Vault Agent, the CSI provider, Vault Secrets Operator and External Secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from rotator.core.sensitive import Sensitive
from rotator.errors import Conflict, Frozen
from rotator.kinds import PREFIX
from rotator.ports import Seen, Stamp
from rotator.ports.stamp import ALONE, SHARER, STAMP_FIELDS, Signature, sharers
from rotator.systems.vault.kv import KvDocument, KvMetadata, vanishing

if TYPE_CHECKING:
    from rotator.systems.vault.client import Vault

KEPT_VERSIONS = 1
"""KV versions kept: the previous credential is a field of the current document, never history (I8)."""
KEPT_BY_DEFAULT = 10
"""KV versions kept where neither the path nor the mount says how many."""
MOST_ENTRIES = 64
"""Entries of `custom_metadata` that Vault takes."""
MADE = f"{PREFIX}/made"
"""Stands in the metadata of paths that were not there before us."""
_OF_A_VERSION = ("version", "state", "since")
NOTED = (
    "rotation",
    "revision",
    *(f"{which}_{part}" for which in ("current", "previous") for part in _OF_A_VERSION),
)
"""What people are told in the metadata."""
_OWN_PATH = "Give the holder a path of its own"


@dataclass
class VaultPath:
    """One KV version 2 document. Fields that are not ours are kept as they are."""

    vault: Vault
    mount: str
    path: str
    signature: Signature = ALONE
    _document: KvDocument | None = field(default=None, repr=False)
    _others: frozenset[str] = frozenset()
    """The fields that are not ours, as they were last seen."""

    @property
    def label(self) -> str:
        """`vault secret/payments/jwt`."""
        return f"vault {self.mount}/{self.path}"

    @property
    def takes_bytes(self) -> bool:
        """No: a document is JSON."""
        return False

    def read(self, names: Sequence[str]) -> Seen | None:
        """Read the fields `names`. A deleted current version counts as a document without fields."""
        self._document = self.vault.read(self.mount, self.path)
        return None if self._document is None else self._seen(self._document, names)

    @property
    def sharers(self) -> Mapping[str, Stamp]:
        """The stamps of the rotations that share the document, as it was last read."""
        return sharers(_texts(self._document)) if self._document else {}

    def write(
        self, fields: Mapping[str, Sensitive | None], stamp: Stamp, seen: Seen | None, note: Mapping[str, str]
    ) -> Seen:
        """Write the document if its KV version still is the one that was seen.

        The metadata has no fence. Of a document that is ours the note goes first, so that whoever sees the new content can
        trust what it says; otherwise it goes last, for until then the path may be somebody else's. How many versions are
        kept is ours to say only where there was no metadata before us: what others have set, and noted, stays.
        """
        texts = self.signature.texts(stamp)
        ours = {**fields, **{n: Sensitive(t) if t else None for n, t in texts.items()}}
        note = {} if self.signature.sharer else note  # it has no place for several
        before = self._document.raw if self._document and seen else {}
        untouched = seen is None and self.vault.metadata(self.mount, self.path) is None
        noted = seen is not None and seen.stamp is not None
        if noted:
            self.vault.note(self.mount, self.path, _note(note))
        self._document = self.vault.write(
            self.mount,
            self.path,
            {n: v for n, v in ours.items() if v is not None},
            cas=int(seen.fence) if seen else 0,
            beside={n: v for n, v in before.items() if n not in ours},
        )
        if untouched:
            made = {n: t for n, t in {**_note(note), MADE: "true"}.items() if t is not None}
            self.vault.write_metadata(self.mount, self.path, made, max_versions=KEPT_VERSIONS)
        elif not noted:
            self.vault.note(self.mount, self.path, _note(note))
        if lost := vanishing(self.mount, self.path, self._document):
            raise Frozen(f"{self.label} would be lost: {lost}")
        return self._seen(self._document, list(fields))

    def obstacle(self, names: Sequence[str], *, adopted: bool) -> str:
        """See `rotator.ports.Target`."""
        del adopted
        if unfit := self.vault.unfit(self.mount):
            return unfit
        if self._document is None or (self._seen(self._document, names).stamp and not self._others):
            return ""  # what we made has the metadata that we gave it
        found = self.vault.metadata(self.mount, self.path)
        return self._in_the_way(found) if found else ""

    def _in_the_way(self, found: KvMetadata) -> str:
        """Say what others have set, or wrote, that does not go with a credential beside it."""
        at = f"-mount={self.mount} {self.path}"
        if found.delete_version_after:
            return (
                f"its versions are deleted {found.delete_version_after} after they were written. Take a path of its own, or "
                f"bao kv metadata put -delete-version-after=0s {at}"
            )
        if found.metadata_cas_required:
            return (
                f"its metadata asks for metadata_cas in every write, which rotator does not name. {_OWN_PATH}"
            )
        if len(found.custom.keys() | _note({}).keys()) > MOST_ENTRIES:
            return f"its metadata has {len(found.custom)} entries, and Vault takes no more than {MOST_ENTRIES}. {_OWN_PATH}"
        settings = self.vault.mount_settings(self.mount)
        kept = max(found.max_versions, settings.max_versions if settings else 0) or KEPT_BY_DEFAULT
        if self._others and kept > KEPT_VERSIONS:
            return (
                f"it holds fields of others ({', '.join(sorted(self._others))}), and keeps {kept} versions: withdrawn credentials "
                f"would stay in its history, and to erase them would erase theirs. {_OWN_PATH}, or let it keep one version (bao kv "
                f"metadata put -max-versions=1 {at}; the mount's own max_versions must not be more)"
            )
        if not self._others and found.older:
            numbers = ",".join(map(str, found.older))
            return (
                f"its history has versions of others ({numbers}), which would be erased with the credential. {_OWN_PATH}, or, if nobody "
                f"needs them, erase them (bao kv destroy -versions={numbers} {at})"
            )
        return ""

    def last_writer(self, names: Sequence[str]) -> str:
        """See `rotator.ports.Target`. Only Vault knows who wrote."""
        del names
        return "Vault's audit log says who"

    def erase_history(self, *, act: bool) -> bool:
        """Destroy what the path's history still holds; a destroyed version cannot be undeleted.

        Raises Frozen where others have fields in it: then it is their history, too.
        """
        if not self._others:
            return self.vault.erase_older(self.mount, self.path, act=act)
        if older := self.vault.older_versions(self.mount, self.path):
            numbers = ",".join(map(str, older))
            raise Frozen(
                f"{self.label} has older versions ({numbers}), with a withdrawn credential and fields of others. Nothing was erased. "
                f"Erase them (bao kv destroy -versions={numbers} -mount={self.mount} {self.path}), and let the path keep one "
                "version (max_versions)"
            )
        return True

    def remove(
        self, names: Sequence[str], seen: Seen, rest: Mapping[str, Sensitive] = MappingProxyType({})
    ) -> tuple[str, ...]:
        """Delete the document with its history; where others keep fields or metadata in it, leave them, and name the fields.

        `rest`: what is left of a field that others have a part of.
        """
        self._document = self.vault.read(self.mount, self.path)
        if self._document is None or str(self._document.version) != seen.fence:
            raise Conflict(self.label, "it changed in between")
        ours = {*names, *self.signature.names}
        others = {n: v for n, v in self._document.raw.items() if n not in ours}
        others |= {n: value.reveal() for n, value in rest.items()}
        if others:
            self._others = frozenset(others)
            self.vault.write(self.mount, self.path, {}, cas=int(seen.fence), beside=others)
            self.vault.note(self.mount, self.path, _note({}))
            self.erase_history(act=True)
        elif MADE in self._document.custom:
            self.vault.remove(self.mount, self.path)
        else:
            self.vault.note(self.mount, self.path, _note({}))
            older = self.vault.older_versions(self.mount, self.path)
            self.vault.destroy(self.mount, self.path, [*older, self._document.version])
            return ("the metadata, which others made",)
        return tuple(sorted(others))

    def _seen(self, document: KvDocument, names: Sequence[str]) -> Seen:
        """Return what was read, and remember what of it is not ours: in a set that several share, keys of others may be."""
        there = frozenset(document.raw)
        self._others = there - {*names, *self.signature.names} | (
            there & {*names} if self.signature.sharer else set()
        )
        fields = document.fields or {}
        return Seen(
            fields={n: fields[n] for n in names if n in fields},
            stamp=self.signature.read(_texts(document), self.label),
            fence=str(document.version),
            names=frozenset(fields),
            shaped=frozenset(n for n in names if n in document.raw and not isinstance(document.raw[n], str)),
            vanishes=document.vanishes,
        )


def _note(note: Mapping[str, str]) -> dict[str, str | None]:
    """Return the entries of our own, by names that nobody else uses; None for those that there are no more."""
    return {f"{PREFIX}/{name}": note.get(name) for name in NOTED}


def _texts(document: KvDocument) -> dict[str, str]:
    """Return the fields that can be parts of a stamp."""
    fields = document.fields or {}
    return {n: fields[n].reveal() for n in fields if n in STAMP_FIELDS or n.startswith(SHARER)}
