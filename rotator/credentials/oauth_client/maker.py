"""OAuth clients: a secret, or a key pair with which the client signs that it is itself (`private_key_jwt`)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rotator.core.ring import Version
from rotator.core.sensitive import Material, Sensitive
from rotator.credentials.jwt_signing_key.maker import RSA_BITS, JwtSigningKey
from rotator.credentials.loaded import need
from rotator.credentials.oauth_client import OAuthClient as Declared
from rotator.ports import Made
from rotator.vocabulary.credential import Beside

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
"""Characters that are themselves in a form, a header, a URL, a shell and YAML: 5.95 bits of entropy each."""
LENGTH = 48
"""285 bits of entropy. RFC 6749, section 10.10, wants at least 128, and recommends 160: 22 and 27 characters."""
ID_LENGTH = 16
BY_PROVIDER = "client-secret-by-provider"
PREFIX = "private-key-jwt-"
_HANDED_OUT = ("client_id", "client_secret")


@dataclass(frozen=True, kw_only=True)
class OAuthClient:
    """Makes client secrets; or, where the provider makes them, the places that they are learned into."""

    issuer: str
    client_id: str | None = None
    """None: each version is a client of its own, and its id is learned too."""
    length: int = LENGTH
    made_by_provider: bool = False

    @property
    def spec(self) -> str:
        """The form in one word: `client-secret-43`, or `client-secret-by-provider`; nothing of it is secret."""
        return BY_PROVIDER if self.made_by_provider else f"client-secret-{self.length}"

    def make(self, rotation: str, number: int) -> Made:
        """Draw a secret, or leave it to the provider. The id is derived from rotation and number, never from the secret."""
        version_id = _derived(f"{rotation}\0{number}")
        material = {**self._known(), **({} if self.made_by_provider else {"client_secret": self._draw()})}
        return Made(version_id, material, self.spec)

    def adopt(self, value: Sensitive, version_id: str | None, rotation: str) -> Made:
        """Take over the secret in use as it is. Raises ValueError where it is none that can be sent."""
        _check_sendable(value)
        material = {**self._known(), "client_secret": value}
        return Made(version_id or _derived(f"{rotation}\0adopted"), material, self.spec)

    def check(self, version: Version, material: Material) -> None:
        """See `rotator.ports.Credential`. What a provider makes may not be learned yet."""
        if version.spec != BY_PROVIDER:
            need(material, "client_secret")
        if "client_secret" in material:
            _check_sendable(material["client_secret"])

    def fields(self, version_id: str, material: Material) -> Mapping[str, Sensitive]:
        """Return `client_id`, `client_secret` and `issuer`; never a note about the provider."""
        del version_id
        known = {name: material[name] for name in _HANDED_OUT if name in material}
        return {**known, "issuer": Sensitive(self.issuer)}

    def same(self, name: str, theirs: Sensitive, ours: Sensitive) -> bool:
        """See `rotator.ports.Credential`. A client secret has one form."""
        del name
        return theirs == ours

    def accepted(self, version_id: str, material: Material) -> Mapping[str, Any]:
        """Return `id`, `client_id` and `client_secret`, as far as they are known, for whoever installs it by hand."""
        known = {name: material[name].reveal() for name in _HANDED_OUT if name in material}
        return {"id": version_id, **known}

    def _known(self) -> Material:
        return {"client_id": Sensitive(self.client_id)} if self.client_id else {}

    def _draw(self) -> Sensitive:
        return Sensitive("".join(secrets.choice(ALPHABET) for _ in range(self.length)))


@dataclass(frozen=True, kw_only=True)
class OAuthClientKey:
    """Makes key pairs for clients that authenticate with `private_key_jwt` (RFC 7523)."""

    issuer: str
    client_id: str
    algorithm: str = "ES256"
    bits: int = RSA_BITS

    @property
    def spec(self) -> str:
        """The parameters in one word: `private-key-jwt-ES256`."""
        return f"{PREFIX}{self._keys.spec}"

    @property
    def _keys(self) -> JwtSigningKey:
        return JwtSigningKey(self.algorithm, self.bits)

    def make(self, rotation: str, number: int) -> Made:
        """Make a key pair. The id is its RFC 7638 thumbprint."""
        return self._with_client(self._keys.make(rotation, number))

    def adopt(self, value: Sensitive, version_id: str | None, rotation: str) -> Made:
        """Take over an existing private key in PEM; the server may know it by another `kid` than the thumbprint."""
        return self._with_client(self._keys.adopt(value, version_id, rotation))

    def check(self, version: Version, material: Material) -> None:
        """See `rotator.ports.Credential`."""
        need(material, "client_id")
        self._keys.check(replace(version, spec=version.spec.removeprefix(PREFIX)), material)

    def fields(self, version_id: str, material: Material) -> Mapping[str, Sensitive]:
        """Return what `JwtSigningKey` does, `client_id` and `issuer`."""
        key = self._keys.fields(version_id, material)
        return {**key, "client_id": material["client_id"], "issuer": Sensitive(self.issuer)}

    def same(self, name: str, theirs: Sensitive, ours: Sensitive) -> bool:
        """See `rotator.ports.Credential`."""
        return self._keys.same(name, theirs, ours)

    def accepted(self, version_id: str, material: Material) -> Mapping[str, Any]:
        """Return the public JWK, for the key set that the server reads or is given."""
        return self._keys.accepted(version_id, material)

    def _with_client(self, made: Made) -> Made:
        material = {**made.material, "client_id": Sensitive(self.client_id)}
        return replace(made, material=material, spec=f"{PREFIX}{made.spec}")


def _derived(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def _check_sendable(value: Sensitive) -> None:
    """A secret is printable ASCII (RFC 6749, appendix A.2). Raises ValueError, without quoting it, for another."""
    octets = value.octets()
    if not octets:
        raise ValueError("it is empty")
    if any(not 0x20 <= octet <= 0x7E for octet in octets):  # noqa: PLR2004 - the range of VSCHAR
        raise ValueError(
            "it holds a line end or another character that no client secret has (RFC 6749, appendix A)"
        )


def build(declared: Declared, beside: Beside) -> OAuthClient | OAuthClientKey:
    """Make what makes secrets or keys as they are declared."""
    if declared.has_key:
        (client_id,) = declared.subjects
        return OAuthClientKey(issuer=declared.issuer, client_id=client_id, algorithm=declared.algorithm)
    return OAuthClient(
        issuer=declared.issuer,
        client_id=declared.client_id,
        length=declared.length,
        made_by_provider=beside.made_by_provider,
    )
