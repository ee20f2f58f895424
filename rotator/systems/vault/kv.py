"""What KV version 2 of Vault and OpenBao keeps, as it was read: documents, their metadata, the settings of a mount."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rotator.core.sensitive import Sensitive

_LASTING = "Use a mount that keeps it, or bao write {}/config delete_version_after=0s"


@dataclass(frozen=True, slots=True, kw_only=True)
class KvDocument:
    """One document of KV version 2 as it was read."""

    fields: Mapping[str, Sensitive] | None
    """None where the current version is deleted or destroyed."""
    version: int
    """What a write must name as `cas`."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The fields as they came: those of others need not be texts."""
    vanishes: str = ""
    """When Vault deletes this version by itself (`deletion_time`); empty: never."""
    custom: Mapping[str, str] = field(default_factory=dict)
    """What people read about it (`custom_metadata`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KvMetadata:
    """The metadata of one document."""

    max_versions: int
    """How many versions the path keeps at least; 0: as many as its mount."""
    delete_version_after: str
    """How long a version lives; empty: as long as the mount says."""
    metadata_cas_required: bool
    custom: Mapping[str, str]
    """What people read about it (`custom_metadata`)."""
    older: tuple[int, ...]
    """The versions before the current one whose data can still be read or undeleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KvSettings:
    """What a KV version 2 engine does with everything that is written below it (`GET MOUNT/config`)."""

    max_versions: int
    """How many versions it keeps at least; 0: as many as a path says, or ten."""
    delete_version_after: str
    """How long a version lives, such as `12h0m0s`; empty: for ever. A path can shorten it, and cannot lengthen it."""
    metadata_cas_required: bool
    """Whether metadata takes no write that does not name its version (OpenBao)."""

    def unfit(self, mount: str) -> str:
        """Say why nothing of ours can be kept there; empty: it can. Check-and-set we name in every write anyway."""
        if self.delete_version_after:
            return f"the mount {mount} deletes every version {self.delete_version_after} after it was written. {_LASTING.format(mount)}"
        if self.metadata_cas_required:
            return (
                f"the mount {mount} asks for metadata_cas in every write of metadata, which rotator does not name. Use another "
                f"mount, or bao write {mount}/config metadata_cas_required=false"
            )
        return ""


def vanishing(mount: str, path: str, written: KvDocument) -> str:
    """Say what was just written there and will not stay; empty: it stays."""
    if not written.vanishes:
        return ""
    return (
        f"it was written, and Vault deletes it by itself at {written.vanishes}: delete_version_after is set for the mount, or for the "
        f"path (bao kv metadata get -mount={mount} {path}). {_LASTING.format(mount)}. The next run writes it again"
    )
