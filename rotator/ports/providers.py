"""Identity providers and directories: systems that accept credentials and are changed by calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from rotator.core.sensitive import Material, Sensitive
from rotator.ports.credentials import Copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What a provider is to be brought to."""

    rotation: str
    """`namespace/name`."""
    accept: tuple[Copy, ...]
    """What it has to accept, oldest first, and nothing else of ours. With one slot: only the newest.

    Where the provider makes the value, the newest copy may have no value yet: `material` lacks it.
    """
    forget: tuple[Copy, ...]
    """What it must not accept any more, as far as the material is known still."""
    known: frozenset[str]
    """The ids of all versions that the ring remembers, destroyed ones too: what carries one of these is ours."""
    settled: bool
    """Whether the provider was recorded to be exactly so: then a difference is somebody else's doing."""


Learned = Mapping[str, Material]
"""What a call's answer told, by version id: fields to be kept with that version's material."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call that changes something at a provider. Harmless when it comes late or twice (I5)."""

    does: str
    """For people, without anything secret: `add the secret 3f2a at SYSTEM client payments`."""
    run: Callable[[], Learned]
    """Makes the call. Raises ClientError; Ambiguous where it may have taken effect."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Nothing can be done now, and waiting will end it."""

    waiting: str
    until: datetime | None = None


class Provider(Protocol):
    """An identity provider, a directory: it accepts credentials, is changed by calls, and has no fence (I5)."""

    @property
    def label(self) -> str:
        """Unique in the fleet, for people: `keycloak https://sso.example.com/realms/acme client payments`."""
        ...

    def next_call(self, aim: Aim) -> Call | Blocked | None:
        """Read what is there, and return the one call that comes next; None where all is as `aim` wants it.

        This is asked again after every call, whatever came of it: nothing is concluded from an answer that can be
        read. Raises Frozen where somebody else made what is found, and names it.
        """
        ...

    def check_free(self, rotation: str) -> None:
        """Before `rotation` has any version, and nothing is taken over: raise Frozen where the first is in the way."""
        ...

    def current(self) -> Sensitive | None:
        """Return the value in use, to be taken over; None where the provider does not show it."""
        ...


class Login(Protocol):
    """Logs in as a holder would: the only proof that counts."""

    @property
    def name(self) -> str:
        """For people: `login at https://sso.example.com/realms/acme`."""
        ...

    def accepted(self, copy: Copy) -> bool:
        """Log in with `copy`; False only where the credential itself was refused.

        Raises ClientError for every answer that says nothing about the credential.
        """
        ...

    def stir(self, copy: Copy) -> bool:
        """Make whoever looks at a key set again only when it meets an unknown key do so; False: there is nothing to do."""
        ...


class Access(Protocol):
    """How we are let in at a provider's own API."""

    def headers(self) -> Mapping[str, Sensitive]:
        """Return what every request carries, such as `Authorization`. Raises ClientError, SettingsError."""
        ...
