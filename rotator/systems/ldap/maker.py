"""Passwords of directory accounts: one account, or several that take turns."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rotator.core.ring import Version
from rotator.core.sensitive import Material, Sensitive
from rotator.credentials.loaded import need
from rotator.ports import Made
from rotator.systems.ldap import LdapPassword as Declared
from rotator.vocabulary.credential import Beside

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
"""Characters that are themselves in a URL, a shell, YAML and a directory's own file formats: 5.95 bits each."""
LENGTH = 32
"""190 bits: no hash of it can be searched, whichever scheme the directory keeps it in."""
CLASSES = ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789")
"""Each password has one character of each: what directories that check quality ask for first."""
SALT_BYTES = 8
ID_LENGTH = 16
DN, PASSWORD = "bind_dn", "password"
SALT = "ldap.salt"
"""With which the password is hashed by us, so that the stored value is the same each time."""
CLOSING = "ldap.closing"
"""The password that an account is given when it is not its turn any more. It is handed to nobody."""
ADOPTED = "ldap.adopted"
"""Stands with a version that was taken over: its password is not ours to set."""


@dataclass(frozen=True, kw_only=True)
class LdapPassword:
    """Makes passwords of `length` characters for `accounts`, which take turns where there are several."""

    accounts: Sequence[str]
    """Their distinguished names."""
    length: int = LENGTH

    @property
    def spec(self) -> str:
        """The form in one word: `password-32`. That accounts were added or left out shows when their turn comes."""
        return f"password-{self.length}"

    def make(self, rotation: str, number: int) -> Made:
        """Draw a password for the account whose turn it is. The id is derived from rotation and number."""
        version_id = _derived(f"{rotation}\0{number}")
        account = self.accounts[(number - 1) % len(self.accounts)]
        return Made(version_id, self._material(account, self._draw()), self.spec)

    def adopt(self, value: Sensitive, version_id: str | None, rotation: str) -> Made:
        """Take over the password of the first account as it is. Raises ValueError for what nobody can bind with."""
        if not value.octets() or b"\0" in value.octets():
            raise ValueError("it is empty or holds a zero byte, and no directory takes such a password")
        value.reveal()
        material = {**self._material(self.accounts[0], value), ADOPTED: Sensitive("true")}
        return Made(version_id or _derived(f"{rotation}\0adopted"), material, self.spec)

    def check(self, version: Version, material: Material) -> None:
        """See `rotator.ports.Credential`."""
        del version
        need(material, DN, PASSWORD, SALT)

    def fields(self, version_id: str, material: Material) -> Mapping[str, Sensitive]:
        """Return `bind_dn` and `password`; never a note about the directory."""
        del version_id
        return {DN: material[DN], PASSWORD: material[PASSWORD]}

    def same(self, name: str, theirs: Sensitive, ours: Sensitive) -> bool:
        """See `rotator.ports.Credential`. A password has one form."""
        del name
        return theirs == ours

    def accepted(self, version_id: str, material: Material) -> Mapping[str, Any]:
        """Return `id` and `bind_dn`: a directory is told the rest by a call."""
        return {"id": version_id, DN: material[DN].reveal()}

    def _material(self, account: str, password: Sensitive) -> Material:
        closing = {CLOSING: self._draw()} if len(self.accounts) > 1 else {}
        salt = Sensitive(secrets.token_hex(SALT_BYTES))
        return {DN: Sensitive(account), PASSWORD: password, SALT: salt, **closing}

    def _draw(self) -> Sensitive:
        while True:
            drawn = "".join(secrets.choice(ALPHABET) for _ in range(self.length))
            if all(set(drawn) & set(kind) for kind in CLASSES):
                return Sensitive(drawn)


def _derived(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def build(declared: Declared, beside: Beside) -> LdapPassword:
    """Make what makes passwords as they are declared."""
    del beside
    return LdapPassword(accounts=tuple(declared.accounts), length=declared.length)
