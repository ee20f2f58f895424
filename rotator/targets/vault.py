"""A Vault path for consumers: flat string fields, the stamp among them, fenced by check-and-set.

Read unchanged by Vault Agent, the CSI provider, Vault Secrets Operator and External Secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rotator.clients.vault import KvDocument, Vault, vanishing
from rotator.core.sensitive import Sensitive
from rotator.errors import Conflict, Frozen
from rotator.ports import Seen, Stamp
from rotator.targets.stamp import STAMP_FIELDS, from_texts, to_texts

KEPT_VERSIONS = 1
"""KV versions kept: the previous credential is a field of the current document, never history (I8)."""


@dataclass
class VaultPath:
    """One KV version 2 document. Fields that are not ours are kept as they are."""

    vault: Vault
    mount: str
    path: str
    _document: KvDocument | None = field(default=None, repr=False)

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
        return None if self._document is None else _seen(self._document, names)

    def write(
        self, fields: Mapping[str, Sensitive | None], stamp: Stamp, seen: Seen | None, note: Mapping[str, str]
    ) -> Seen:
        """Write the document if its KV version still is the one that was seen.

        The metadata has no fence. Of a document that is ours it goes first, so that whoever sees the new content can
        trust what it says; of one that is to be created it goes last, for until then the path may be somebody else's.
        """
        if seen:
            self.vault.write_metadata(self.mount, self.path, note, max_versions=KEPT_VERSIONS)
        ours = {**fields, **{n: Sensitive(t) for n, t in to_texts(stamp).items()}}
        before = self._document.raw if self._document and seen else {}
        self._document = self.vault.write(
            self.mount,
            self.path,
            {n: v for n, v in ours.items() if v is not None},
            cas=int(seen.fence) if seen else 0,
            beside={n: v for n, v in before.items() if n not in ours},
        )
        if not seen:
            self.vault.write_metadata(self.mount, self.path, note, max_versions=KEPT_VERSIONS)
        if lost := vanishing(self.mount, self.path, self._document):
            raise Frozen(f"{self.label} would be lost: {lost}")
        return _seen(self._document, list(fields))

    def obstacle(self, names: Sequence[str], *, adopted: bool) -> str:
        """See `rotator.ports.Target`."""
        del names, adopted
        return self.vault.unfit(self.mount)

    def last_writer(self, names: Sequence[str]) -> str:
        """See `rotator.ports.Target`. Only Vault knows who wrote."""
        del names
        return "Vault's audit log says who"

    def erase_history(self, *, act: bool) -> bool:
        """Destroy what the path's history still holds; a destroyed version cannot be undeleted."""
        return self.vault.erase_older(self.mount, self.path, act=act)

    def remove(self, names: Sequence[str], seen: Seen) -> tuple[str, ...]:
        """Delete the document with its history; where others keep fields in it, leave and name those."""
        self._document = self.vault.read(self.mount, self.path)
        if self._document is None or str(self._document.version) != seen.fence:
            raise Conflict(self.label, "it changed in between")
        ours = {*names, *STAMP_FIELDS}
        others = {n: v for n, v in self._document.raw.items() if n not in ours}
        if not others:
            self.vault.remove(self.mount, self.path)
            return ()
        self.vault.write(self.mount, self.path, {}, cas=int(seen.fence), beside=others)
        self.vault.erase_older(self.mount, self.path, act=True)
        return tuple(sorted(others))


def _seen(document: KvDocument, names: Sequence[str]) -> Seen:
    fields = document.fields or {}
    return Seen(
        fields={n: fields[n] for n in names if n in fields},
        stamp=from_texts({n: fields[n].reveal() for n in STAMP_FIELDS if n in fields}),
        fence=str(document.version),
        names=frozenset(fields),
        shaped=frozenset(n for n in names if n in document.raw and not isinstance(document.raw[n], str)),
        vanishes=document.vanishes,
    )
