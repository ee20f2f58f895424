"""What a verb is about: where rotations are declared, and which of them are wanted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotator.errors import SettingsError
from rotator.policy.files import load
from rotator.policy.model import RotationPolicy
from rotator.policy.reach import Reach

if TYPE_CHECKING:
    from rotator.engine.fleet import Shard


@dataclass(frozen=True, kw_only=True)
class Declared:
    """Where rotations are declared, and which of them are wanted."""

    paths: Sequence[Path] = ()
    namespaces: Sequence[str] = ()
    """Where custom resources are read."""
    trust_resources: bool = False
    gate_urls: Sequence[str] = ()
    """Below which addresses the gates of custom resources may ask."""
    selector: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None
    names: Collection[str] = ()
    shard: Shard | None = None

    def files(self) -> list[RotationPolicy]:
        """Return what files declare; all are checked, a bad one is never skipped over. Raises PolicyError."""
        return load(self.paths) if self.paths else []

    def wants(self, policy: RotationPolicy) -> bool:
        """Whether `policy` was asked for."""
        return (
            self.selector.items() <= policy.metadata.labels.items()
            and self.wants_named(policy.ref)
            and (self.kind is None or policy.kind_name == self.kind)
        )

    def wants_named(self, rotation: str) -> bool:
        """Whether the rotation was asked for, of which only the name is known."""
        return (not self.names or rotation in self.names) and (self.shard is None or self.shard.has(rotation))

    def wants_document(self, document: Mapping[str, Any]) -> bool:
        """Whether a custom resource was asked for, of which the spec may be of no use."""
        metadata = document["metadata"]
        labels = metadata.get("labels") or {}
        ref = f"{metadata['namespace']}/{metadata['name']}"
        return self.wants_named(ref) and self.selector.items() <= labels.items() and self.kind is None

    @property
    def reach(self) -> Reach:
        """How far custom resources may reach."""
        return Reach(anywhere=self.trust_resources, gates=tuple(self.gate_urls))

    def chosen(self) -> list[RotationPolicy]:
        """Return those that files declare and that are wanted. Raises PolicyError, SettingsError."""
        files = self.files()
        self.check_names([p.ref for p in files])
        return [p for p in files if self.wants(p)]

    def check_names(self, known: Sequence[str]) -> None:
        """Raise SettingsError where a rotation was asked for that is not declared."""
        if unknown := set(self.names) - set(known):
            raise SettingsError(
                f"no rotation {', '.join(sorted(unknown))}; declared: {', '.join(known) or 'none'}"
            )
