"""What is declared of every provider, and what is known of it before it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from rotator.credentials.oauth_client import OAuthClient
from rotator.systems.verifier import VerifierKind, milliseconds, needed
from rotator.vocabulary.access import Auth, ClientAccess
from rotator.vocabulary.credential import CredentialKind
from rotator.vocabulary.footprint import Account, Home, Touch, Use
from rotator.vocabulary.types import Duration, JobFile

Others = Literal["Stop", "Leave"]
OTHERS = (
    "What to do about credentials there that somebody else made: Stop, and say so; or Leave them, where they are not in "
    "the way."
)


@dataclass(frozen=True, slots=True)
class When:
    """A condition on what is declared of a provider, and on the credential: in Python, and the same in CEL."""

    holds: Callable[[Any, Any], bool]
    """Takes the declared provider and the credential."""
    cel: str = ""
    """Of the verifier `v` in the spec `self`, beside `has(v.NAME)`; empty: nothing more is asked."""


ITSELF = "this is the very credential that is rotated, and would be out of date after it; expected own"

ALWAYS = When(lambda _declared, _credential: True)
NEVER = When(lambda _declared, _credential: False, "false")


class Provider(VerifierKind):
    """What is declared of every provider."""

    ca_file: JobFile | None = Field(
        None, description="A PEM bundle to verify the server with; default: the system's."
    )
    propagation: Duration | None = Field(
        None,
        description="Until all nodes of the provider know of a change. Default: depends on the provider.",
    )

    waits_at_first: ClassVar[bool] = True
    """Whether the first version waits for the lead too: its nodes learn of it one after the other."""
    system: ClassVar[str]
    """What it is called in logs, metrics and traces."""
    settles: ClassVar[timedelta] = timedelta(seconds=5)
    """The default of `propagation`."""
    slots: ClassVar[int | None] = None
    """How many versions it accepts at a time, where that is more than one; None: as many as it is given."""
    expires: ClassVar[bool] = False
    """Whether the previous version also ends by itself, at a time that rotator sets."""
    makes: ClassVar[bool] = False
    """Whether it makes the value itself: then the value is learned from its answer."""
    one_slot: ClassVar[When] = NEVER
    """When it accepts one version at a time, so that every switch is an outage."""
    shows: ClassVar[When] = NEVER
    """When it shows the value in use, so that `takeOver.provider` can be declared."""
    alternates: ClassVar[When] = NEVER
    """When each version has a client or an account of its own."""
    registers: ClassVar[bool] = False
    """Whether each version is registered as a client of its own, so that none can be declared."""
    takes_over: ClassVar[bool] = True
    """Whether a credential in use can become its first version."""
    with_own: ClassVar[str] = ""
    """The field in which `own` may stand: rotator authenticates with the credential that is rotated; empty: nowhere."""
    token_scheme: ClassVar[str] = "Bearer"  # noqa: S105 - how, not which
    """Of the Authorization header that carries an API token."""
    max_length: ClassVar[int | None] = None
    """The most characters of a secret that it takes; None: as many as a declaration may ask for."""
    algorithms: ClassVar[tuple[str, ...]] = ()
    """The algorithms of keys that it takes; empty: all that can be declared."""

    def label(self, subject: str) -> str:
        """Return the unique label of the client `subject` there, the same for all spellings of where it is."""
        raise NotImplementedError

    @property
    def travel(self) -> timedelta:
        """The propagation that counts."""
        return self.settles if self.propagation is None else self.propagation

    @property
    def caches(self) -> timedelta:
        """How long those behind it may cache what it publishes."""
        return timedelta()

    def cache(self, *, restarted: bool) -> timedelta:
        """See `VerifierKind.cache`; nothing that is restarted reads it."""
        del restarted
        return self.caches

    def lingers(self, *, restarted: bool) -> timedelta:
        """See `VerifierKind.lingers`; what the provider itself accepts is proven by a login."""
        return self.cache(restarted=restarted)

    def titles(self, home: Home) -> tuple[str, ...]:
        """Return the label of each client or account that is rotated."""
        return tuple(self.label(subject) for subject in home.subjects or (home.ref,))

    def touches(self, home: Home) -> Iterator[Touch]:
        """Each client or account has one owner."""
        yield from (Touch(Account(title), Use.ASKED) for title in self.titles(home))

    @classmethod
    def stale(cls) -> str:
        """Return, in CEL, the milliseconds until it, and those behind it, are as it was told."""
        at = f"v.{cls.camel()}"
        caches = f"{needed(f'{at}.maxAge')} + " if "max_age" in cls.model_fields else ""
        default = milliseconds(cls.settles)
        return f"{caches}(has({at}.propagation) ? {needed(f'{at}.propagation')} : {default})"

    @property
    def access(self) -> Any:
        """How rotator authenticates there, where that is declared by client, token or own."""
        return getattr(self, "auth", None)

    @property
    def own(self) -> bool:
        """Whether rotator authenticates with the very credential that is rotated."""
        return bool(self.access and self.access.own)

    def strategy(self, credential: CredentialKind) -> str:
        """Return how versions of a credential overlap there, in two words."""
        if self.alternates.holds(self, credential):
            return "alternate clients"
        if self.one_slot.holds(self, credential):
            return "no overlap"
        if self.slots is None:
            return "many"
        return "timed previous" if self.expires else "two slots"

    def is_itself(self, credential: CredentialKind) -> bool:
        """Whether rotator authenticates with the credential that is rotated, though `own` is not what was declared."""
        ours: ClientAccess | None = self.access.client if isinstance(self.access, Auth) else None
        return (
            isinstance(credential, OAuthClient)
            and ours is not None
            and ours.client_id == credential.client_id
            and ours.issuer in {None, credential.issuer}
        )

    @classmethod
    def itself(cls) -> str:
        """Return, in CEL, that the verifier `v` is of this kind and `is_itself`; empty: it cannot be."""
        if cls.with_own != "auth":
            return ""
        at, rotated = f"v.{cls.camel()}", "self.credential.oauthClient"
        ours = f"{at}.auth.client"
        return (
            f"(has({rotated}) && has({rotated}.clientId) && has({at}) && has({at}.auth) && has({ours}) && "
            f"{ours}.clientId == {rotated}.clientId && (!has({ours}.issuer) || {ours}.issuer == {rotated}.issuer))"
        )

    def one_slot_for(self, credential: CredentialKind) -> bool:
        """Whether it accepts one version at a time; see `VerifierKind.one_slot_for`."""
        return self.one_slot.holds(self, credential)
