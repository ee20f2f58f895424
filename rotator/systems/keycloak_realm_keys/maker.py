"""A key that a Keycloak realm signs with: Keycloak makes it, and nobody else ever has it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rotator.core.ring import Version
from rotator.core.sensitive import Material, Sensitive
from rotator.credentials.loaded import need, need_spec
from rotator.ports import Made
from rotator.systems.keycloak_realm_keys import KeycloakRealmKey as Declared
from rotator.vocabulary.credential import Beside

ID_LENGTH = 16


@dataclass(frozen=True)
class RealmKey:
    """Names keys: there is nothing else to make."""

    algorithm: str
    """The `alg` of the realm's tokens (RFC 7518)."""

    @property
    def spec(self) -> str:
        """The algorithm."""
        return self.algorithm

    def make(self, rotation: str, number: int) -> Made:
        """Return an id that is derived from rotation and number, by which the key is found again."""
        version_id = hashlib.sha256(f"{rotation}\0{number}".encode()).hexdigest()[:ID_LENGTH]
        return Made(version_id, {"algorithm": Sensitive(self.algorithm)}, self.spec)

    def adopt(self, value: Sensitive, version_id: str | None, rotation: str) -> Made:
        """Nothing can be taken over. Raises ValueError."""
        del value, version_id, rotation
        raise ValueError("a realm's key cannot be taken out of Keycloak")

    def check(self, version: Version, material: Material) -> None:
        """See `rotator.ports.Credential`."""
        need(material, "algorithm")
        need_spec(version.spec, material["algorithm"].reveal())

    def fields(self, version_id: str, material: Material) -> Mapping[str, Sensitive]:
        """Return nothing: nobody is handed anything."""
        del version_id, material
        return {}

    def same(self, name: str, theirs: Sensitive, ours: Sensitive) -> bool:
        """See `rotator.ports.Credential`. Nobody is handed anything."""
        del name
        return theirs == ours

    def accepted(self, version_id: str, material: Material) -> Mapping[str, Any]:
        """Return the version's id: Keycloak publishes the key itself."""
        del material
        return {"id": version_id}


def build(declared: Declared, beside: Beside) -> RealmKey:
    """Make what names keys of the declared algorithm."""
    del beside
    return RealmKey(declared.algorithm)
