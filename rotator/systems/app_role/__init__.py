"""Vault: the secret ids of an AppRole role."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from rotator.systems.provider import Provider
from rotator.vocabulary.credentials import APP_ROLE_SECRET


class AppRole(Provider):
    """The AppRole auth method of the Vault that the job is logged in to."""

    name: ClassVar[str] = "app_role"
    system: ClassVar[str] = "vault"
    suits: ClassVar[tuple[str, ...]] = (APP_ROLE_SECRET,)

    settles: ClassVar[timedelta] = timedelta(0)

    def label(self, subject: str) -> str:
        """Return the unique label; see `Provider.label`."""
        return f"approle {subject}"
