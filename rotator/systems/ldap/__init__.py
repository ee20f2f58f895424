"""A directory (LDAP): the passwords of its accounts."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from rotator.core.distinguished_names import parse, same
from rotator.systems.provider import ITSELF, OTHERS, Others, Provider, When
from rotator.vocabulary.access import Own, SecretSource
from rotator.vocabulary.credentials import DIRECTORY_PASSWORD, Credential
from rotator.vocabulary.types import LDAP_URL, DistinguishedName, OneOf, Rule, place_of


def _accounts(credential: Credential) -> int:
    return len(credential.ldap_password.accounts) if credential.ldap_password else 0


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

    name: ClassVar[str] = "ldap"
    system: ClassVar[str] = "ldap"
    with_own: ClassVar[str] = "bind"
    suits: ClassVar[tuple[str, ...]] = (DIRECTORY_PASSWORD,)
    one_slot: ClassVar[When] = _ONE_VALUE
    alternates: ClassVar[When] = _IN_TURN
    spec_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.credential.ldapPassword) || self.verifiers.all(v, !has(v.ldap) || !has(v.ldap.bind.dn) || "
            "!self.credential.ldapPassword.accounts.exists(a, a.lowerAscii() == v.ldap.bind.dn.lowerAscii()))",
            ITSELF,
            field=".verifiers",
        ),
    )

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

    def is_itself(self, credential: Credential) -> bool:
        """Whether rotator binds as an account that is rotated."""
        dn, password = self.bind.dn, credential.ldap_password
        return bool(dn and password and any(same(dn, account) for account in password.accounts))


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
