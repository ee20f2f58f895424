"""Identity providers and directories, as they are declared: where they are, how we are let in, what they can do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from rotator.core.distinguished_names import parse
from rotator.policy.types import (
    LDAP_URL,
    ClientId,
    DistinguishedName,
    Duration,
    Id,
    Issuer,
    JobFile,
    Model,
    OneOf,
    Rule,
    SecretKey,
    Url,
    VaultField,
    Words,
    place_of,
)

Others = Literal["Stop", "Leave"]
_OTHERS = (
    "What to do about credentials there that somebody else made: Stop, and say so; or Leave them, where they are not in "
    "the way."
)
_REALM = "The realm, as it stands in its addresses."
_NOT_BY_KEY = "a realm's key lets nobody in at its API; expected client or token"
_CA = "A PEM bundle to verify the server with; default: the system's."


class SecretSource(OneOf):
    """Where a secret of rotator's own is read from, whenever it is needed."""

    secret: SecretKey | None = Field(None, description="A Secret in the rotation's namespace.")
    vault: VaultField | None = Field(None, description="A Vault document.")
    file: JobFile | None = Field(None, description="A file of the job. Not in a custom resource.")


class Own(Model):
    """Rotator logs in with the very credential that this rotation is about."""


class ClientAccess(Model):
    """A client of rotator's own, let in by its secret or its key (client credentials grant)."""

    client_id: ClientId = Field(description="The client.")
    secret: SecretSource | None = Field(None, description="Its secret.")
    key: SecretSource | None = Field(None, description="Its private key in PEM, for private_key_jwt.")
    kid: str | None = Field(
        None, min_length=1, max_length=255, description="The key's id; default: its RFC 7638 thumbprint."
    )
    assertion_audience: Literal["issuer", "token endpoint"] = Field(
        "issuer", description="With key: what its assertions name as their audience (RFC 7523, section 3)."
    )
    issuer: Issuer | None = Field(
        None,
        description="Who issues its tokens; default: the issuer of the rotated client; at Okta and Auth0 the url; for a "
        "realm's keys the realm.",
    )
    scope: Words | None = Field(
        None, description="The scope to ask for; default: what the provider's API needs."
    )
    audience: Words | None = Field(
        None, description="The audience to ask for; default: what the provider's API needs."
    )

    rules = (
        Rule("has(self.secret) != has(self.key)", "expected exactly one of secret, key"),
        Rule("!has(self.kid) || has(self.key)", "kid goes with key"),
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.secret is None) == (self.key is None):
            raise ValueError("expected exactly one of secret, key")
        if self.kid and not self.key:
            raise ValueError("kid goes with key")
        return self


class Auth(OneOf):
    """How rotator is let in at the provider's API."""

    client: ClientAccess | None = None
    token: SecretSource | None = Field(None, description="An API token that lasts.")
    own: Own | None = Field(
        None, description="The rotated client is rotator's own: it logs in with the version that works."
    )


class Provider(Model):
    """What is declared of every provider."""

    ca_file: JobFile | None = Field(None, description=_CA)
    propagation: Duration | None = Field(
        None,
        description="Until all nodes of the provider know of a change. Default: depends on the provider.",
    )

    settles: ClassVar[timedelta] = timedelta(seconds=5)
    """The default of `propagation`."""

    def label(self, subject: str) -> str:
        """Return the unique label of the client `subject` there, the same for all spellings of where it is."""
        raise NotImplementedError

    @property
    def travel(self) -> timedelta:
        """The propagation that counts."""
        return self.settles if self.propagation is None else self.propagation


class Keycloak(Provider):
    """A client of a Keycloak realm. Two secrets overlap by the realm's client policies (executor secret-rotation)."""

    url: Url = Field(
        description="Where Keycloak is, as https://sso.example.com; with its path, if it has one."
    )
    realm: Id = Field(description=_REALM)
    auth: Auth
    overlap: bool = Field(
        default=True,
        description="Whether the old secret stays accepted. Without it every switch is an outage, and `outage` says when.",
    )
    ensure_policy: bool = Field(
        default=False,
        description="Whether rotator may add a client profile and a client policy of its own to the realm, which allow two "
        "secrets for this client. Otherwise somebody else has to.",
    )
    others: Others = Field(
        "Stop",
        description="What to do about a secret of the client that somebody else made: Stop, and say so; or Leave it, accepted "
        "beside rotator's until it ends.",
    )

    def label(self, subject: str) -> str:
        """Name it."""
        return f"keycloak {place_of(self.url)}/realms/{self.realm} client {subject}"


class KeycloakRealmKeys(Provider):
    """The keys that a Keycloak realm publishes and signs with."""

    url: Url = Field(
        description="Where Keycloak is, as https://sso.example.com; with its path, if it has one."
    )
    realm: Id = Field(description=_REALM)
    auth: Auth
    max_age: Duration = Field(
        timedelta(hours=24), description="How long those who verify the realm's tokens may cache its keys."
    )

    rules = (Rule("!has(self.auth.own)", f"auth: {_NOT_BY_KEY}"),)

    @model_validator(mode="after")
    def _not_by_its_key(self) -> Self:
        if self.auth.own:
            raise ValueError(f"auth: {_NOT_BY_KEY}")
        return self

    def label(self, subject: str) -> str:
        """Name it."""
        return f"keycloak {place_of(self.url)}/realms/{self.realm} keys {subject}"


class Okta(Provider):
    """An app of an Okta organisation: two secrets at a time."""

    url: Url = Field(description="The organisation, as https://acme.okta.com.")
    app: Id = Field(description="The app's id.")
    auth: Auth
    others: Others = Field("Stop", description=_OTHERS)
    settles: ClassVar[timedelta] = timedelta(seconds=30)

    def label(self, subject: str) -> str:
        """Name it."""
        del subject
        return f"okta {place_of(self.url)} app {self.app}"


class Entra(Provider):
    """An application of Microsoft Entra ID: Microsoft makes the secrets."""

    url: Url = Field(
        "https://graph.microsoft.com", description="Microsoft Graph; another one in national clouds."
    )
    application: Id = Field(description="The application's object id (not its client id).")
    auth: Auth
    others: Others = Field("Stop", description=_OTHERS)
    settles: ClassVar[timedelta] = timedelta(minutes=2)

    def label(self, subject: str) -> str:
        """Name it."""
        del subject
        return f"entra {place_of(self.url)} application {self.application.lower()}"


class Auth0(Provider):
    """An application of an Auth0 tenant. Its keys overlap (private_key_jwt), its secrets do not."""

    url: Url = Field(description="The tenant, as https://acme.eu.auth0.com.")
    auth: Auth
    others: Others = Field("Stop", description=_OTHERS)
    settles: ClassVar[timedelta] = timedelta(seconds=30)

    def label(self, subject: str) -> str:
        """Name it."""
        return f"auth0 {place_of(self.url)} client {subject}"


class Hydra(Provider):
    """A client of Ory Hydra: Hydra makes the secrets, and the previous ones stay valid until they are cleared."""

    url: Url = Field(description="Hydra's admin API.")
    auth: Auth | None = Field(None, description="Where a proxy before the admin API asks for it.")
    others: Others = Field(
        "Stop",
        description="What to do where somebody else changes the client: Stop, and say so; or Leave, which takes each change for "
        "one of its settings: a secret made then ends with the next of rotator's.",
    )

    def label(self, subject: str) -> str:
        """Name it."""
        return f"hydra {place_of(self.url)} client {subject}"


class Registration(Provider):
    """Dynamic registration (RFC 7591, RFC 7592): each version is a client of its own."""

    endpoint: Url | None = Field(None, description="The registration endpoint; default: found by discovery.")
    token: SecretSource | None = Field(
        None, description="The initial access token, where the provider wants one."
    )
    grant_types: list[Words] = Field(
        ["client_credentials"], min_length=1, max_length=16, description="What each client may use."
    )
    redirect_uris: list[Words] = Field(
        [],
        max_length=64,
        description="Where users may be sent back to; needed by the authorization code grant.",
    )
    response_types: list[Words] = Field([], max_length=16, description="As code, with that grant.")
    scope: Words | None = Field(
        None,
        description="The scopes that each client may ask for, with blanks between; default: the provider's.",
    )
    client_name: Words | None = Field(
        None,
        description="What each client's name begins with; the rotation and the version follow. Default: rotator.",
    )

    def label(self, subject: str) -> str:
        """Name it."""
        return f"registration of {subject}"


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
    others: Others = Field("Stop", description=_OTHERS)
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


class AppRole(Provider):
    """The AppRole auth method of the Vault that the job is logged in to."""

    settles: ClassVar[timedelta] = timedelta(0)

    def label(self, subject: str) -> str:
        """Name it."""
        return f"approle {subject}"


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


def secret_sources(declared: object) -> Iterator[SecretSource]:
    """Yield every place below `declared` from which a secret of rotator's own is read."""
    if isinstance(declared, SecretSource):
        yield declared
    elif isinstance(declared, Model):
        for name in type(declared).model_fields:
            yield from secret_sources(getattr(declared, name))


def uses_own(provider: Provider) -> bool:
    """Whether rotator is let in by the very credential that is rotated."""
    auth: Auth | Bind | None = getattr(provider, "auth", None) or getattr(provider, "bind", None)
    return auth is not None and auth.own is not None


PROVIDERS: dict[str, type[Provider]] = {
    "keycloak": Keycloak,
    "keycloakRealmKeys": KeycloakRealmKeys,
    "okta": Okta,
    "entra": Entra,
    "auth0": Auth0,
    "hydra": Hydra,
    "registration": Registration,
    "ldap": Ldap,
    "appRole": AppRole,
}
"""The verifiers that are providers, by their names in a file; a test holds them equal to the schema's."""
WITH_OWN = tuple(
    (name, way)
    for name, kind in PROVIDERS.items()
    for way in ("auth", "bind")
    if way in kind.model_fields and kind is not KeycloakRealmKeys
)
"""Where `own` may stand: provider and field."""
