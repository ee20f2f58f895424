"""How `rotator serve` answers with a document over HTTP: what is declared of it, and where that is.

Discovery: https://openid.net/specs/openid-connect-discovery-1_0.html, section 4: the configuration stands below the issuer.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from rotator.kinds import LEASE, Address, serving_name
from rotator.vocabulary.footprint import Endpoint, Home, Touch, Use
from rotator.vocabulary.types import (
    HEADER_NAME,
    HEADER_VALUE,
    NETWORK,
    Host,
    LabelValue,
    Model,
    Rule,
    ServedIssuer,
    ServedPath,
)

ANY = "*"
"""Stands for whatever host is asked for."""
AGE_NEEDED = (
    "served: how long may it be cached? Expected maxAge: the lead is computed from it, and it is sent"
)
CONFIGURATION = "/.well-known/openid-configuration"
_ELSEWHERE = "issuer: its configuration is asked for at its own host; expected the same host"
_TWICE = f"path: {CONFIGURATION} is the issuer's configuration; expected another path"

_ONE_SIGN = "how is this reader told from others? Expected header or addresses"
_NAMED_TWICE = "readers: two of them have one name; expected each name once"


def _network(text: str) -> str:
    ip_network(text)
    return text


Network = Annotated[str, Field(max_length=64, pattern=NETWORK), AfterValidator(_network)]
"""A range of addresses as CIDR writes it (RFC 4632, section 3.1; RFC 4291, section 2.3), or one address."""


class ReaderHeader(Model):
    """A header by which a reader is told from others."""

    name: str = Field(max_length=64, pattern=HEADER_NAME, description="The name of the header, as X-Reader.")
    value: str = Field(max_length=256, pattern=HEADER_VALUE, description="The value that the reader sends.")


class Reader(Model):
    """One reader of the set that has to be seen to fetch it."""

    name: LabelValue = Field(
        min_length=1, description="The name under which messages and metrics show the reader."
    )
    header: ReaderHeader | None = Field(
        None, description="The header that the reader sends with its requests."
    )
    addresses: list[Network] | None = Field(
        None,
        min_length=1,
        max_length=16,
        description="The addresses from which the reader connects, as 10.1.0.0/16. Behind an Ingress this is the Ingress: use header there.",
    )

    rules = (Rule("has(self.header) != has(self.addresses)", _ONE_SIGN),)

    @model_validator(mode="after")
    def _has_one_sign(self) -> Self:
        if (self.header is None) == (self.addresses is None):
            raise ValueError(_ONE_SIGN)
        return self


class Served(Model):
    """Where rotator itself answers with a set."""

    path: ServedPath = Field("/.well-known/jwks.json", description="The path at which it is served.")
    host: Host | None = Field(
        None,
        description="The host at which it is served. It counts only where several sets are served at one path. Default: any host.",
    )
    issuer: ServedIssuer | None = Field(
        None,
        description="The issuer of the tokens. Then /.well-known/openid-configuration is served as well, below the issuer.",
    )
    readers: list[Reader] | None = Field(
        None,
        min_length=1,
        max_length=8,
        description="Readers that have to be seen to fetch a new set, beside the computed lead: no step is taken before. "
        "A reader that caches for longer than maxAge, or that cannot reach the address, is named and waited for.",
    )

    rules = (
        Rule(
            "!has(self.readers) || self.readers.all(r, self.readers.exists_one(s, s.name == r.name))",
            _NAMED_TWICE,
        ),
        Rule(
            "!has(self.issuer) || !has(self.host) || url(self.issuer).getHostname() == self.host", _ELSEWHERE
        ),
    )

    @model_validator(mode="after")
    def _at_its_own_host(self) -> Self:
        if self.issuer and self.host and urlsplit(self.issuer).hostname != self.host:
            raise ValueError(_ELSEWHERE)
        if self.issuer and self.path == self.configuration:
            raise ValueError(_TWICE)
        return self

    @model_validator(mode="after")
    def _names_readers_once(self) -> Self:
        names = [reader.name for reader in self.readers or ()]
        if len(names) != len(set(names)):
            raise ValueError(_NAMED_TWICE)
        return self

    @property
    def configuration(self) -> str | None:
        """The path of the issuer's configuration; None: there is none."""
        return urlsplit(self.issuer).path.rstrip("/") + CONFIGURATION if self.issuer else None

    @property
    def authority(self) -> str:
        """The host whose requests are answered, or `*`."""
        return self.host or (urlsplit(self.issuer).hostname if self.issuer else None) or ANY

    @property
    def address(self) -> str:
        """Where it is served: `https://api.example.com/.well-known/jwks.json`; the issuer may name a port."""
        at = urlsplit(self.issuer).netloc if self.issuer else self.authority
        return f"https://{at}{self.path}"

    def touched(self, document: str, home: Home, *at: str) -> Iterator[Touch]:
        """Yield what serving the set of that name touches: its addresses, and the Lease on which all who serve it say so.

        `at`: where this stands, below the verifier.
        """
        yield Touch(Endpoint(f"https://{self.authority}{self.path}", document), Use.ANSWERED, at)
        if self.issuer:
            of = f"the configuration of {self.issuer} for {document} at {self.path}"
            yield Touch(Endpoint(f"https://{self.authority}{self.configuration}", of), Use.ANSWERED, at)
        yield Touch(Address(LEASE, home.namespace, serving_name(home.name)), Use.TOLD, at)
