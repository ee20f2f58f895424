"""Secret ids of a role of Vault's or OpenBao's AppRole auth method: as many as are given, each withdrawn by itself.

API: https://openbao.org/api-docs/auth/approle/ (Vault serves the same). The secret ids are ours, so they are recorded before
they exist. Secret ids of others are never listed and never touched: each instance of a program may have its own.

What a run needs in its policy, M the mount and R the role: `read` on `auth/M/role/R/role-id`, and `update` on
`auth/M/role/R/custom-secret-id`, `auth/M/role/R/secret-id/lookup` and `auth/M/role/R/secret-id/destroy`. The login needs
nothing. It may be the role by which the run itself is logged in: its token outlives the secret id that brought it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rotator.core.sensitive import Sensitive
from rotator.errors import Ambiguous, Frozen, NotFound
from rotator.ports import Aim, Call, Copy, Learned
from rotator.systems.app_role import AppRole, VaultAppRole
from rotator.systems.app_role.maker import ADOPTED, SECRET_ID
from rotator.systems.at import At, Wired
from rotator.systems.vault.client import Vault

NEVER = "0001-01-01T00:00:00Z"
"""When a secret id expires that does not."""


@dataclass(frozen=True)
class AppRoleSecretIds:
    """The secret ids of one role."""

    vault: Vault
    mount: str
    role: str

    @property
    def label(self) -> str:
        """Where, and whose secret ids."""
        return f"approle {self.mount}/{self.role}"

    def next_call(self, aim: Aim) -> Call | None:
        """Ask after each secret id: first those that are to work, then those that are not."""
        if not aim.accept and self._is_gone():
            return None
        for copy in aim.accept:
            found = self._find(copy)
            if found is not None:
                self._check_lasting(found)
            elif ADOPTED in copy.material and not aim.settled:
                raise Frozen(
                    f"{self.label} does not know the secret id taken over as {copy.id}. Nothing was changed there. Put the "
                    "one that is in use where spec.takeOver reads it, and declare the rotation anew"
                )
            else:
                return self._add(copy, aim.rotation)
        for copy in aim.forget:
            if self._find(copy) is not None:
                return self._destroy(copy)
        return None

    def check_free(self, rotation: str) -> None:
        """See that there is such a role: nothing else can be in the way; see `rotator.ports.Provider`."""
        del rotation
        self._check_role()

    def current(self) -> Sensitive | None:
        """Return nothing: Vault keeps hashes."""
        return None

    def _find(self, copy: Copy) -> Mapping[str, Any] | None:
        try:
            return self.vault.find_secret_id(self.mount, self.role, copy.material[SECRET_ID])
        except Ambiguous:  # HTTP 500 also where there is no such role
            self._check_role()
            raise

    def _check_role(self) -> None:
        if self._is_gone():
            raise Frozen(
                f"{self.label}: there is no such role, or no AppRole mounted there. Nothing was changed. Make the role, or "
                "correct credential.vaultAppRole"
            )

    def _is_gone(self) -> bool:
        try:
            self.vault.app_role_id(self.mount, self.role)
        except NotFound:
            return True
        return False

    def _check_lasting(self, found: Mapping[str, Any]) -> None:
        """Refuse limits by which a secret id would end between two runs, or be used up by the proof."""
        limits = {
            "secret_id_ttl": found["expiration_time"] != NEVER,
            "secret_id_num_uses": bool(found.get("secret_id_num_uses")),
        }
        if ours := [name for name, set_ in limits.items() if set_]:
            raise Frozen(
                f"{self.label}: its secret ids end by themselves ({' and '.join(ours)} of the role is set), so one that is "
                "in use would be refused some day before it is rotated. Set that to 0; secret ids made so far keep "
                "their limit, so rotate once more afterwards"
            )

    def _add(self, copy: Copy, rotation: str) -> Call:
        metadata = {"rotation": rotation, "version": copy.id}

        def add() -> Learned:
            self.vault.add_secret_id(self.mount, self.role, copy.material[SECRET_ID], metadata)
            return {}

        return Call(does=f"add the secret id of {copy.id} to {self.label}", run=add)

    def _destroy(self, copy: Copy) -> Call:
        def destroy() -> Learned:
            self.vault.destroy_secret_id(self.mount, self.role, copy.material[SECRET_ID])
            return {}

        return Call(does=f"destroy the secret id of {copy.id} in {self.label}", run=destroy)


@dataclass(frozen=True)
class AppRoleLogin:
    """A login by AppRole, as holders make it; see `rotator.ports.Login`. The token that it brings is ended at once."""

    vault: Vault
    mount: str
    role: str

    @property
    def name(self) -> str:
        """Where it logs in."""
        return f"login at auth/{self.mount} as {self.role}"

    def stir(self, copy: Copy) -> bool:
        """Nobody has keys to look at; see `rotator.ports.Login`."""
        del copy
        return False

    def accepted(self, copy: Copy) -> bool:
        """Log in; False only where role id and secret id are taken for wrong, and the role id is not."""
        role_id = self.vault.app_role_id(self.mount, self.role)
        return self.vault.try_app_role(self.mount, role_id, copy.material[SECRET_ID])


def build(declared: AppRole, at: At) -> Wired:
    """Make what changes the secret ids of the declared role."""
    del declared  # the Vault is the run's own
    vault, role = at.world.vault, at.of(VaultAppRole)
    login = AppRoleLogin(vault, role.mount, role.role)
    return Wired(AppRoleSecretIds(vault, role.mount, role.role), login=login)
