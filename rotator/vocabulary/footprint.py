"""What a declared part touches outside. Owners, rights, reach and lists are projections of one list of touches."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from rotator.kinds import Address

Location = tuple[int | str, ...]
"""Where something stands in a declaration."""


@dataclass(frozen=True, slots=True)
class Home:
    """The rotation that a part is declared in."""

    namespace: str
    name: str
    subjects: tuple[str, ...] = ()
    """Whose credential is rotated, as its provider names them."""

    @property
    def ref(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Document:
    """A document in a KV version 2 engine of Vault."""

    mount: str
    path: str

    @property
    def label(self) -> str:
        """Unique in the fleet, for people: `vault secret/payments/jwt`."""
        return f"vault {self.mount}/{self.path}"


@dataclass(frozen=True, slots=True)
class VaultCall:
    """A path of Vault's API that is no document, and what is done there."""

    path: str
    capabilities: tuple[str, ...]
    why: str
    """For people; the rotation follows."""


@dataclass(frozen=True, slots=True)
class Account:
    """A client or an account at a provider."""

    label: str
    """Unique in the fleet, for people: `keycloak https://sso.example.com/realms/acme client shop`."""


@dataclass(frozen=True, slots=True)
class Server:
    """An address that is asked over the network."""

    url: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address at which rotator itself answers (`rotator serve`)."""

    url: str
    """Unique in the fleet: `https://api.example.com/.well-known/jwks.json`; with `*` for any host. Empty: it answers nowhere."""
    document: str
    """Names what it answers with: one address has one."""


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file on the job's own disk."""

    path: str


Place = Address | Document
"""Where a document is kept, or delivered."""
Thing = Address | Document | VaultCall | Account | Server | JobFile | Endpoint


class Use(Enum):
    """What is done to a thing."""

    READ = "read"
    DELIVERED = "made and changed, for others who read it"
    SHARED = "changed beside other rotations, for others who read it"
    EDITED = "changed in a part, and never made or deleted"
    PER_VERSION = "made for a version and deleted with it, for others who read it"
    KEPT = "made and changed, for rotator alone"
    TOLD = "made and changed, by all who serve at once"
    LISTED = "listed"
    RESTARTED = "looked at, and restarted"
    ASKED = "asked, or changed by calls"
    ANSWERED = "answered at, by rotator"


WRITTEN = frozenset({Use.DELIVERED, Use.SHARED, Use.PER_VERSION, Use.KEPT})
"""The uses by which rotator writes a document."""


class Touch(NamedTuple):
    """One thing outside, and what a declared part does to it."""

    thing: Thing
    use: Use
    below: Location = ()
    """Where it is declared, below the part."""

    @property
    def owned(self) -> str:
        """The label of a thing that belongs to one rotation, or to those who share it; empty: several may touch it."""
        if isinstance(self.thing, Account):
            return self.thing.label
        if isinstance(self.thing, Address | Document) and self.use in WRITTEN:
            return self.thing.label
        return ""
