"""The kinds of credentials, as they are declared."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from rotator.core.distinguished_names import parse
from rotator.vocabulary.types import (
    APP_ROLE,
    AuthMount,
    ClientId,
    DistinguishedName,
    Issuer,
    JobFile,
    Model,
    OneOf,
    Rule,
    Words,
)

SIGNING_KEY, SHARED, CLIENT_SECRET, CLIENT_KEY = (
    "jwtSigningKey", "sharedSecret", "oauthClient with a secret", "oauthClient with a key"
)  # fmt: skip
DIRECTORY_PASSWORD, APP_ROLE_SECRET, REALM_KEY = "ldapPassword", "vaultAppRole", "keycloakRealmKey"
_BY_KEY = "has(self.credential.oauthClient.authentication) && self.credential.oauthClient.authentication == 'private_key_jwt'"
FORMS = {
    SIGNING_KEY: "has(self.credential.jwtSigningKey)",
    SHARED: "has(self.credential.sharedSecret)",
    CLIENT_SECRET: f"has(self.credential.oauthClient) && !({_BY_KEY})",
    CLIENT_KEY: f"has(self.credential.oauthClient) && {_BY_KEY}",
    DIRECTORY_PASSWORD: "has(self.credential.ldapPassword)",
    APP_ROLE_SECRET: "has(self.credential.vaultAppRole)",
    REALM_KEY: "has(self.credential.keycloakRealmKey)",
}
"""The forms of credentials, each with its condition in CEL, of the spec `self`."""

JwtAlgorithm = Literal[
    "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"
]


class JwtSigningKey(Model):
    """A key pair that signs JWTs; its id is its RFC 7638 thumbprint."""

    algorithm: JwtAlgorithm = Field("ES256", description="The `alg` of the tokens (RFC 7518, RFC 8037).")
    bits: int = Field(
        3072, ge=2048, le=8192, multiple_of=8, description="RSA key size, default 3072; RS and PS only."
    )

    conditional = ("bits",)
    rules = (
        Rule(
            "!has(self.bits) || self.algorithm.startsWith('RS') || self.algorithm.startsWith('PS')",
            "bits goes with RS and PS algorithms; the others have one size",
        ),
    )

    @model_validator(mode="after")
    def _bits_of_rsa(self) -> Self:
        if "bits" in self.model_fields_set and not self.algorithm.startswith(("RS", "PS")):
            raise ValueError(f"bits goes with RS and PS algorithms; {self.algorithm} has one size")
        return self

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a holder can be handed."""
        return ("private_key", "public_key", "jwk", "kid", "algorithm")


_NO_ENCODING = "encoding goes with bytes or algorithm"
_NO_RAW = "without an encoding the value is the key; expected base64, base64url or hex, or none"


class SharedSecret(Model):
    """A secret that both sides hold: an HMAC key for JWTs, or an opaque value."""

    algorithm: Literal["HS256", "HS384", "HS512"] | None = Field(
        None, description="Makes an HMAC key for JWTs. Leave out for an opaque value."
    )
    length: int | None = Field(None, ge=16, le=4096, description="Characters of an opaque value.")
    alphabet: str | None = Field(
        None, min_length=10, max_length=94, description="Its characters; default A-Z a-z 0-9."
    )
    bytes: int | None = Field(
        None, ge=16, le=4096, description="Random bytes of an opaque value; default 32."
    )
    encoding: Literal["base64", "base64url", "hex", "raw"] | None = Field(
        None,
        description="How `bytes` are written; default base64. With `algorithm`: how the value that applications decode writes the key "
        "(base64, base64url or hex); default: the value is the key.",
    )

    rules = (
        Rule(
            "[has(self.algorithm), has(self.length), has(self.bytes)].filter(x, x).size() <= 1",
            "expected one of algorithm, length, bytes",
        ),
        Rule("!has(self.alphabet) || has(self.length)", "alphabet goes with length"),
        Rule("!has(self.encoding) || !has(self.length)", _NO_ENCODING),
        Rule("!has(self.encoding) || !has(self.algorithm) || self.encoding != 'raw'", _NO_RAW),
        Rule(
            "!has(self.alphabet) || (self.alphabet.matches('^[!-~]*$') && "
            "self.alphabet.split('').all(c, self.alphabet.indexOf(c) == self.alphabet.lastIndexOf(c)))",
            "alphabet: expected distinct ASCII characters, and no white space",
        ),
    )

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [self.algorithm is not None, self.length is not None, self.bytes is not None]
        if sum(forms) > 1:
            raise ValueError("expected one of algorithm, length, bytes")
        if self.alphabet is not None and self.length is None:
            raise ValueError("alphabet goes with length")
        if self.encoding is not None and self.length is not None:
            raise ValueError(_NO_ENCODING)
        if self.encoding == "raw" and self.algorithm is not None:
            raise ValueError(_NO_RAW)
        if self.alphabet is not None and not _is_alphabet(self.alphabet):
            raise ValueError("alphabet: expected distinct ASCII characters, and no white space")
        return self

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a holder can be handed."""
        return ("value", "kid", "algorithm", *(("jwk",) if self.algorithm else ()))


def _is_alphabet(text: str) -> bool:
    return len(set(text)) == len(text) and all("!" <= c <= "~" for c in text)


class ClientLogin(Model):
    """How a version is proven: by a login as the client, at an endpoint that discovery names."""

    via: Literal["client_credentials", "introspection", "revocation"] = Field(
        "client_credentials",
        description="client_credentials: ask for a token (RFC 6749, section 4.4). For clients that may not: introspection "
        "(RFC 7662) or revocation (RFC 7009) of a token that does not exist; only the client is looked at.",
    )
    times: int = Field(3, ge=1, le=20, description="How many logins in a row must agree.")
    scope: Words | None = Field(None, description="The scope to ask for.")
    audience: Words | None = Field(None, description="The audience to ask for, where the provider wants one.")
    assertion_audience: Literal["issuer", "token endpoint"] = Field(
        "issuer",
        description="With private_key_jwt: what the client's assertions name as their audience (RFC 7523, section 3).",
    )
    ca_file: JobFile | None = Field(
        None, description="A PEM bundle to verify the issuer with; default: the system's."
    )

    rules = (
        Rule(
            "!(has(self.scope) || has(self.audience)) || !has(self.via) || self.via == 'client_credentials'",
            "scope and audience go with client_credentials",
        ),
    )

    @model_validator(mode="after")
    def _asks_for_a_token(self) -> Self:
        if (self.scope or self.audience) and self.via != "client_credentials":
            raise ValueError("scope and audience go with client_credentials")
        return self


class OAuthClient(Model):
    """What a client of an identity provider proves itself with: a secret, or a key of its own."""

    client_id: ClientId | None = Field(
        None, description="The client. Only where each version is registered anew: left out."
    )
    issuer: Issuer = Field(
        description="The issuer, letter by letter as its tokens name it; its endpoints are found by discovery.",
    )
    authentication: Literal["client_secret_basic", "client_secret_post", "private_key_jwt"] = Field(
        "client_secret_basic", description="How the client proves itself (RFC 7591, section 2)."
    )
    algorithm: JwtAlgorithm = Field(
        "ES256", description="With private_key_jwt: the `alg` of the client's assertions, default ES256."
    )
    length: int = Field(
        48,
        ge=32,
        le=128,
        description="Characters of a secret that rotator makes, default 48.",
    )
    login: ClientLogin = ClientLogin()

    conditional = ("algorithm", "length")
    rules = (
        Rule(
            "!has(self.algorithm) || (has(self.authentication) && self.authentication == 'private_key_jwt')",
            "algorithm goes with private_key_jwt",
        ),
        Rule(
            "!has(self.length) || !has(self.authentication) || self.authentication != 'private_key_jwt'",
            "length goes with a secret; a key has its algorithm",
        ),
    )

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if "algorithm" in self.model_fields_set and not self.has_key:
            raise ValueError("algorithm goes with private_key_jwt")
        if "length" in self.model_fields_set and self.has_key:
            raise ValueError("length goes with a secret; a key has its algorithm")
        return self

    @property
    def has_key(self) -> bool:
        """Whether the client has a key; else it has a secret."""
        return self.authentication == "private_key_jwt"

    @property
    def subject(self) -> str:
        """Whose credential it is, as its provider names them."""
        return self.client_id or ""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a holder can be handed."""
        if self.has_key:
            return ("client_id", "issuer", "private_key", "public_key", "jwk", "kid", "algorithm")
        return ("client_id", "issuer", "client_secret")


class LdapPassword(Model):
    """The password that a service binds with."""

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

    @property
    def subject(self) -> str:
        """Whose credential it is, as its provider names them."""
        return "; ".join(self.accounts)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a holder can be handed."""
        return ("bind_dn", "password")


class VaultAppRole(Model):
    """A secret id with which a program logs in to Vault by AppRole."""

    role: str = Field(pattern=APP_ROLE, max_length=255, description="The role.")
    mount: AuthMount = Field("approle", description="Where the auth method is mounted.")

    @property
    def subject(self) -> str:
        """Whose credential it is. Vault takes a role's name in any case, a mount's only as it is."""
        return f"{self.mount}/{self.role.lower()}"

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a holder can be handed."""
        return ("secret_id",)


class KeycloakRealmKey(Model):
    """A key that a Keycloak realm signs tokens with. Keycloak makes it, and it never leaves Keycloak."""

    algorithm: Literal[
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
    ] = Field("RS256", description="The `alg` of the realm's tokens.")

    @property
    def subject(self) -> str:
        """Which keys of the realm: those of one algorithm."""
        return self.algorithm

    @property
    def fields(self) -> tuple[str, ...]:
        """No field: nobody is handed anything."""
        return ()


class Credential(OneOf):
    """What is rotated."""

    jwt_signing_key: JwtSigningKey | None = None
    shared_secret: SharedSecret | None = None
    oauth_client: OAuthClient | None = None
    ldap_password: LdapPassword | None = None
    vault_app_role: VaultAppRole | None = None
    keycloak_realm_key: KeycloakRealmKey | None = None

    @property
    def subject(self) -> str:
        """Whose credential it is, as its provider names them; empty where the rotation says it all."""
        named = self.oauth_client or self.ldap_password or self.vault_app_role or self.keycloak_realm_key
        return named.subject if named else ""

    @property
    def kind(
        self,
    ) -> JwtSigningKey | SharedSecret | OAuthClient | LdapPassword | VaultAppRole | KeycloakRealmKey:
        """The one that is set."""
        kind: JwtSigningKey | SharedSecret | OAuthClient | LdapPassword | VaultAppRole | KeycloakRealmKey = (
            getattr(self, self.chosen)
        )
        return kind

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a holder can be handed."""
        return self.kind.fields

    @property
    def form(self) -> str:
        """The form, as a key of FORMS."""
        if self.oauth_client:
            return CLIENT_KEY if self.oauth_client.has_key else CLIENT_SECRET
        return to_camel(self.chosen)
