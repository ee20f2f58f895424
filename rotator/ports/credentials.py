"""What is rotated: a credential kind makes versions, and says what of them is handed out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from rotator.core.ring import Version
from rotator.core.sensitive import Material, Sensitive


@dataclass(frozen=True, slots=True)
class Made:
    """A version just made: its id, its material, and a fingerprint of its parameters."""

    id: str
    material: Material
    spec: str
    weak: str | None = None
    """Why it is taken over though nobody should use it any longer."""
    notes: tuple[str, ...] = ()
    """What else people should know of a version that is taken over."""


class Credential(Protocol):
    """A kind of credential."""

    @property
    def spec(self) -> str:
        """A fingerprint of the parameters, in words people know, such as `ES256`."""
        ...

    def make(self, rotation: str, number: int) -> Made:
        """Make the material of version `number`. Only the store may hear of it before it is recorded (I4)."""
        ...

    def adopt(self, value: Sensitive, version_id: str | None, rotation: str) -> Made:
        """Take over an existing credential. Raises ValueError, without quoting it, where that cannot be."""
        ...

    def check(self, version: Version, material: Material) -> None:
        """See that loaded material is what the ring says of its version. Raises ValueError, without quoting it."""
        ...

    def fields(self, version_id: str, material: Material) -> Mapping[str, Sensitive]:
        """Return everything a holder may be handed, by our field names."""
        ...

    def same(self, name: str, theirs: Sensitive, ours: Sensitive) -> bool:
        """Whether what others wrote down means what the field `name` says: one key has many forms."""
        ...

    def accepted(self, version_id: str, material: Material) -> Mapping[str, Any]:
        """Return what a verifier needs to accept the version, as one JSON object."""
        ...


@dataclass(frozen=True, slots=True)
class Copy:
    """A version together with its material, for those who deliver it."""

    id: str
    material: Material
