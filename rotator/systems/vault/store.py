"""The ring in Vault or OpenBao: one KV version 2 document under the rotator's own mount."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rotator.core.reading import Unreadable
from rotator.errors import Frozen
from rotator.ports import Entry
from rotator.ports.entry import from_fields, to_fields
from rotator.systems.vault.kv import vanishing

if TYPE_CHECKING:
    from rotator.systems.vault.client import Vault

KEPT_VERSIONS = 1
"""No history: what is destroyed cannot be read back (I8). The way back is the ring's previous version."""

OWNER = "rotator"


@dataclass(frozen=True)
class VaultStore:
    """Keeps the entry of one rotation at `mount`/`path`."""

    vault: Vault
    mount: str
    path: str

    @property
    def label(self) -> str:
        """`vault rotator/payments/jwt`."""
        return f"vault {self.mount}/{self.path}"

    def load(self) -> Entry | None:
        """Read the entry. A deleted document is not a new beginning: it raises Unreadable."""
        document = self.vault.read(self.mount, self.path)
        if document is None:
            return None
        if document.fields is None:
            raise Unreadable("its current version was deleted; undelete it (kv undelete)")
        return replace(from_fields(document.fields, str(document.version)), vanishes=document.vanishes)

    def check_new(self) -> None:
        """See `rotator.ports.Store`."""
        if unfit := self.vault.unfit(self.mount):
            raise Frozen(f"{self.label} cannot keep a ring: {unfit}. Nothing was written")
        found = self.vault.metadata(self.mount, self.path)
        if (
            found and found.custom.get("owner") != OWNER
        ):  # ours is left where a run was killed before its first write
            raise Frozen(
                f"{self.label} has metadata that others made. Nothing was written. Give the ring a path of its own, or remove it "
                f"(bao kv metadata delete -mount={self.mount} {self.path})"
            )

    def save(self, entry: Entry) -> Entry:
        """Write with check-and-set. The first write sets first that no history is kept."""
        if not entry.fence:
            note = {"rotation": entry.ring.rotation, "owner": OWNER}
            self.vault.write_metadata(self.mount, self.path, note, max_versions=KEPT_VERSIONS)
        written = self.vault.write(self.mount, self.path, to_fields(entry), cas=int(entry.fence or 0))
        if lost := vanishing(self.mount, self.path, written):
            raise Frozen(f"the ring in {self.label} would be lost: {lost}")
        return replace(entry, fence=str(written.version), vanishes="")

    def erase_history(self, *, act: bool) -> bool:
        """Destroy older versions of the document, where a mount keeps more than we asked for."""
        return self.vault.erase_older(self.mount, self.path, act=act)

    def remove(self, entry: Entry) -> None:
        """Delete the document with its metadata and history. Vault has no fence for that: the lease is held."""
        del entry
        self.vault.remove(self.mount, self.path)
