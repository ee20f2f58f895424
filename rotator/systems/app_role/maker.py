"""Secret ids of Vault's AppRole auth method, made here and not by Vault: so they are recorded before they exist (I4)."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rotator.core.ring import Version
from rotator.core.sensitive import Material, Sensitive
from rotator.credentials.loaded import need
from rotator.ports import Made
from rotator.systems.app_role import VaultAppRole as Declared
from rotator.vocabulary.credential import Beside

ID_LENGTH = 16
SECRET_ID = "secret_id"  # noqa: S105 - a field's name
ADOPTED = "approle.adopted"
"""Stands with a version that was taken over: it is not made anew where it is gone."""
LONGEST = 4096
"""Characters: Vault takes at most so many (`secret_id` in the API of AppRole)."""


@dataclass(frozen=True)
class AppRoleSecret:
    """Makes secret ids of the form that Vault itself gives them: a random UUID (RFC 9562), 122 bits."""

    @property
    def spec(self) -> str:
        """The form in one word."""
        return "secret-id-uuid"

    def make(self, rotation: str, number: int) -> Made:
        """Draw a secret id. The version's id is derived from rotation and number, never from it."""
        return Made(_derived(f"{rotation}\0{number}"), {SECRET_ID: Sensitive(str(uuid.uuid4()))}, self.spec)

    def adopt(self, value: Sensitive, version_id: str | None, rotation: str) -> Made:
        """Take over a secret id as it is. Raises ValueError for what Vault would not take."""
        try:
            text = value.reveal()
        except ValueError:
            text = ""
        if not text.strip() or len(text) > LONGEST:
            raise ValueError(f"it is no text of 1 to {LONGEST} characters, as a secret id is")
        material = {SECRET_ID: value, ADOPTED: Sensitive("true")}
        return Made(version_id or _derived(f"{rotation}\0adopted"), material, self.spec)

    def check(self, version: Version, material: Material) -> None:
        """See `rotator.ports.Credential`."""
        del version
        need(material, SECRET_ID)

    def fields(self, version_id: str, material: Material) -> Mapping[str, Sensitive]:
        """Return `secret_id`."""
        del version_id
        return {SECRET_ID: material[SECRET_ID]}

    def same(self, name: str, theirs: Sensitive, ours: Sensitive) -> bool:
        """See `rotator.ports.Credential`. A secret id has one form."""
        del name
        return theirs == ours

    def accepted(self, version_id: str, material: Material) -> Mapping[str, Any]:
        """Return `id`: Vault is told the rest by a call."""
        del material
        return {"id": version_id}


def _derived(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def build(declared: Declared, beside: Beside) -> AppRoleSecret:
    """Make what makes secret ids: all have one form."""
    del declared, beside
    return AppRoleSecret()
