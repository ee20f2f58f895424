"""Vault: the secret ids of an AppRole role."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from rotator.systems.provider import Provider
from rotator.vocabulary.credential import CredentialKind
from rotator.vocabulary.footprint import Home, Touch, Use, VaultCall
from rotator.vocabulary.types import APP_ROLE, AuthMount

APP_ROLE_SECRET = "vaultAppRole"  # noqa: S105 - a name


class VaultAppRole(CredentialKind):
    """A secret id with which a program logs in to Vault by AppRole."""

    declared_as: ClassVar[str] = "vault_app_role"
    forms: ClassVar[Mapping[str, str]] = {APP_ROLE_SECRET: "has(self.credential.vaultAppRole)"}

    role: str = Field(pattern=APP_ROLE, max_length=255, description="The role.")
    mount: AuthMount = Field("approle", description="Where the auth method is mounted.")

    @classmethod
    def examples(cls) -> Mapping[str, CredentialKind]:
        """Return one for some role."""
        return {condition: cls(role="x") for condition in cls.forms.values()}

    @property
    def subjects(self) -> tuple[str, ...]:
        """The role. Vault takes its name in any case, a mount's only as it is."""
        return (f"{self.mount}/{self.role.lower()}",)

    def touches(self, home: Home) -> Iterator[Touch]:
        """Secret ids are never listed: rotator asks after its own only."""
        del home
        at, whose = f"auth/{self.mount}/role/{self.role}", "secret ids of"
        for path, capability, why in (
            ("role-id", "read", f"proves the {whose}"),
            ("custom-secret-id", "update", f"makes the {whose}"),
            ("secret-id/lookup", "update", f"looks for the {whose}"),
            ("secret-id/destroy", "update", f"withdraws the {whose}"),
        ):
            yield Touch(VaultCall(f"{at}/{path}", (capability,), why), Use.ASKED)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a holder can be handed."""
        return ("secret_id",)


class AppRole(Provider):
    """The AppRole auth method of the Vault that the job is logged in to."""

    declared_as: ClassVar[str] = "app_role"
    system: ClassVar[str] = "vault"
    suits: ClassVar[tuple[str, ...]] = (APP_ROLE_SECRET,)

    settles: ClassVar[timedelta] = timedelta(0)

    def label(self, subject: str) -> str:
        """Return the unique label; see `Provider.label`."""
        return f"approle {subject}"
