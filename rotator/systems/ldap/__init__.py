"""A directory (LDAP): the passwords of its accounts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from rotator.core.distinguished_names import parse, same
from rotator.systems.provider import OTHERS, Others, Provider, When
from rotator.vocabulary.access import Own, SecretSource
from rotator.vocabulary.credential import CredentialKind
from rotator.vocabulary.types import LDAP_URL, DistinguishedName, OneOf, Rule, place_of

DIRECTORY_PASSWORD = "ldapPassword"  # noqa: S105 - a name


class LdapPassword(CredentialKind):
    """The password that a service binds with."""

    declared_as: ClassVar[str] = "ldap_password"
    forms: ClassVar[Mapping[str, str]] = {DIRECTORY_PASSWORD: "has(self.credential.ldapPassword)"}

    accounts: list[DistinguishedName] = Field(
        min_length=1,
        max_length=8,
        description="The distinguished names. Two or more: versions take turns, and holders are handed the name too. What is "
        "taken over is the password of the first.",
    )
    length: int = Field(32, ge=16, le=128, description="Characters of the password.")

    rules = (
        Rule(
            "self.accounts.all(a, self.accounts.exists_one(b, b.lowerAscii() == a.lowerAscii()))",
            "an account is there twice; expected each once",
        ),
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({parse(account) for account in self.accounts}) < len(self.accounts):
            raise ValueError("an account is there twice; expected each once")
        return self

    @classmethod
    def examples(cls) -> Mapping[str, CredentialKind]:
        """Return one for some account."""
        return {condition: cls(accounts=["cn=x"]) for condition in cls.forms.values()}

    @property
    def subjects(self) -> tuple[str, ...]:
        """The accounts."""
        return tuple(self.accounts)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a holder can be handed."""
        return ("bind_dn", "password")


def _accounts(credential: CredentialKind) -> int:
    return len(credential.accounts) if isinstance(credential, LdapPassword) else 0


_ACCOUNTS = "has(self.credential.ldapPassword) && self.credential.ldapPassword.accounts.size()"
_ONE_VALUE = When(
    lambda declared, credential: declared.values == "One" and _accounts(credential) == 1,
    f"has(v.ldap.values) && v.ldap.values == 'One' && {_ACCOUNTS} == 1",
)
_IN_TURN = When(lambda _, credential: _accounts(credential) > 1, f"{_ACCOUNTS} > 1")


class Bind(OneOf):
    """How rotator binds to the directory."""

    password: SecretSource | None = Field(None, description="The password of dn.")
    own: Own | None = Field(
        None, description="The rotated account is rotator's own: it binds with the version that works."
    )
    dn: DistinguishedName | None = Field(None, description="The distinguished name; with own: none.")

    rules = (Rule("has(self.dn) == has(self.password)", "dn goes with password"),)

    @classmethod
    def extras(cls) -> tuple[str, ...]:
        """Return the optional fields that are no alternatives."""
        return ("dn",)

    @model_validator(mode="after")
    def _dn_with_password(self) -> Self:
        if (self.dn is None) != (self.password is None):
            raise ValueError("dn goes with password")
        return self


class Ldap(Provider):
    """A directory that holds the password."""

    declared_as: ClassVar[str] = "ldap"
    system: ClassVar[str] = "ldap"
    with_own: ClassVar[str] = "bind"
    suits: ClassVar[tuple[str, ...]] = (DIRECTORY_PASSWORD,)
    one_slot: ClassVar[When] = _ONE_VALUE
    alternates: ClassVar[When] = _IN_TURN

    url: str = Field(pattern=LDAP_URL, max_length=1024, description="As ldaps://ldap.example.com.")
    start_tls: bool = Field(
        default=False, description="With ldap://: StartTLS before anything else; it is never left out."
    )
    bind: Bind
    values: Literal["Several", "One"] = Field(
        "Several",
        description="How many passwords a single account may have at a time. One: every switch is an outage. With several "
        "accounts they take turns, and each has one.",
    )
    others: Others = Field("Stop", description=OTHERS)
    settles: ClassVar[timedelta] = timedelta(seconds=30)

    rules = (
        Rule(
            "self.url.startsWith('ldaps://') != (has(self.startTls) && self.startTls)",
            "expected ldaps://, or ldap:// with startTls",
        ),
    )

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        if self.url.startswith("ldaps://") == self.start_tls:
            raise ValueError("expected ldaps://, or ldap:// with startTls")
        return self

    def label(self, subject: str) -> str:
        """Name it: by host, for a directory is the same by ldaps:// and by StartTLS; and by the account's one spelling."""
        return f"ldap {place_of(self.url).partition('://')[2]} account {_spelled(subject)}"

    @property
    def access(self) -> Bind:
        """How rotator binds."""
        return self.bind

    def is_itself(self, credential: CredentialKind) -> bool:
        """Whether rotator binds as an account that is rotated."""
        dn = self.bind.dn
        return (
            dn is not None
            and isinstance(credential, LdapPassword)
            and any(same(dn, account) for account in credential.accounts)
        )

    @classmethod
    def itself(cls) -> str:
        """Return the same in CEL, as far as it can compare names."""
        return (
            "(has(self.credential.ldapPassword) && has(v.ldap) && has(v.ldap.bind.dn) && "
            "self.credential.ldapPassword.accounts.exists(a, a.lowerAscii() == v.ldap.bind.dn.lowerAscii()))"
        )


def _spelled(name: str) -> str:
    """Return a distinguished name in the one form that all its spellings share; what is none, as it is."""
    try:
        read = parse(name)
    except ValueError:
        return name  # of another credential, which does not suit a directory: that is said elsewhere
    parts = (sorted(f"{kind}={_escaped(value)}" for kind, value in part) for part in read)
    return ",".join("+".join(part) for part in parts)


def _escaped(value: str) -> str:
    return "".join(f"\\{character}" if character in "\\,+" else character for character in value)
