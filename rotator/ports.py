"""The ports: what the engine asks of the world, and what a provider has to be able to do.

A credential kind only says how to make a version; a verifier only how to accept and forget, and whether it did;
a holder only how to receive, and whether all of it has switched; a store only how to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from rotator.core.machine import Sighting
from rotator.core.ring import Ring, Version
from rotator.core.sensitive import Material, Sensitive


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Return the instant, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


@dataclass
class Deadline:
    """When a run has to end. What it holds is given back within the grace after that."""

    at: datetime
    grace: timedelta = timedelta()
    signal: str = ""
    """The signal by which the run was asked to stop; empty: it was not."""

    def end(self, now: datetime, signal: str) -> None:
        """End the run now, since it was asked to stop."""
        self.at, self.signal = min(self.at, now), signal

    @property
    def why(self) -> str:
        """Why the run ends then, for people."""
        return f"the run was asked to stop ({self.signal})" if self.signal else "the run's time is used up"

    @property
    def last(self) -> datetime:
        """The last instant at which a request may begin."""
        return self.at + self.grace


# --- credentials -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Made:
    """A version just made: its id, its material, and a fingerprint of its parameters."""

    id: str
    material: Material
    spec: str
    weak: str | None = None
    """Why it is taken over though nobody should use it any longer."""
    notes: tuple[str, ...] = ()
    """What else people should know of a version that is taken over."""


class Credential(Protocol):
    """A kind of credential."""

    @property
    def spec(self) -> str:
        """A fingerprint of the parameters, in words people know, such as `ES256`."""
        ...

    def make(self, rotation: str, number: int) -> Made:
        """Make the material of version `number`. Only the store may hear of it before it is recorded (I4)."""
        ...

    def adopt(self, value: Sensitive, version_id: str | None, rotation: str) -> Made:
        """Take over an existing credential. Raises ValueError, without quoting it, where that cannot be."""
        ...

    def check(self, version: Version, material: Material) -> None:
        """See that loaded material is what the ring says of its version. Raises ValueError, without quoting it."""
        ...

    def fields(self, version_id: str, material: Material) -> Mapping[str, Sensitive]:
        """Return everything a holder may be handed, by our field names."""
        ...

    def same(self, name: str, theirs: Sensitive, ours: Sensitive) -> bool:
        """Whether what others wrote down means what the field `name` says: one key has many forms."""
        ...

    def accepted(self, version_id: str, material: Material) -> Mapping[str, Any]:
        """Return what a verifier needs to accept the version, as one JSON object."""
        ...


# --- what is delivered -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Copy:
    """A version together with its material, for those who deliver it."""

    id: str
    material: Material


@dataclass(frozen=True, slots=True, kw_only=True)
class Deeds:
    """What was done for one target that nothing else may show: somebody else can take all traces of it away."""

    repaired: datetime | None = None
    """When it was last put right after somebody else had changed it; None: not lately."""
    undone: bool = False
    """Whether that was undone: then it is left as it is."""
    restarts: Mapping[str, str] = field(default_factory=dict)
    """The workloads that were restarted for what the target holds, by uid, with the value of the annotation that they got."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What the ring wants a verifier to accept, or a holder to hold."""

    ring: Ring
    copies: tuple[Copy, ...]
    """Verifiers: all accepted versions, oldest first. Holders: the active one, then the previous one."""
    epoch: int
    """Content that carries an older revision than this is written again, even where it is equal (I5)."""
    settled: int
    """The revision at which all of it was last recorded to be in place, 0 for never. What was written later than
    this has to be seen to work again."""
    drift: bool
    """Whether a difference now can only be somebody else's edit: then it is repaired, and said so."""
    known: Mapping[str, str]
    """The targets that were delivered to before, by label, each with its fence as the last run left it."""
    erase: bool
    """Whether nothing older may be readable any more, version histories included (I8)."""
    deeds: Mapping[str, Deeds] = field(default_factory=dict)
    """What earlier runs did, by the label of the target."""
    withdrawn: tuple[Copy, ...] = ()
    """Verifiers: versions that are not accepted any more, and not yet proven dead."""
    guard: Callable[[], None] = field(default=lambda: None, compare=False, repr=False)
    """Sees that the lease is still ours; raises LeaseLost. Called between a look and a change that has no fence: who was
    overtaken before it stops, who is overtaken after it has decided on what was there before the other run began (I5)."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What one target is to hold."""

    current: Mapping[str, Sensitive]
    """Fields of what is in force. Who reads them has to be seen to have read them."""
    previous: Mapping[str, Sensitive | None] = field(default_factory=dict)
    """Fields of the version on its way out; None where there is none."""
    same: Callable[[str, Sensitive, Sensitive], bool] = field(
        default=lambda _, theirs, ours: theirs == ours, compare=False
    )
    """Whether what others wrote in a field means what is to stand there."""
    carriers: frozenset[str] = frozenset()
    """The fields that are the credential itself: where one of them was there before us, others can be added unnoticed."""


class Render(Protocol):
    """Says what a target is to hold."""

    @property
    def names(self) -> Sequence[str]:
        """The fields of the target that are ours."""
        ...

    def __call__(self, want: Want) -> Rendered:
        """Return the fields with their values. Raises ValueError, without quoting it, for what they cannot hold."""
        ...


class Party(Protocol):
    """A verifier or a holder: somebody to be brought in line with the ring, and looked at."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def sync(self, want: Want, *, act: bool, fresh: bool) -> Sighting:
        """Look, write where something differs (only if `act`), and say what was seen.

        `fresh` asks for a new look at what was seen before in the same run. Raises Superseded where the target
        carries a newer revision, Frozen where a person must decide.
        """
        ...

    def fences(self) -> Mapping[str, str]:
        """Return the fence of each target with which it was last seen in place, by label; empty: not in this run."""
        ...

    def deeds(self) -> Mapping[str, Deeds]:
        """Return what the next run has to know was done, by the label of the target; empty: not looked at in this run."""
        ...

    def check_free(self, rotation: str) -> None:
        """Before `rotation` has any version: raise Frozen where something is in the way of the first one."""
        ...

    def check_first(self, want: Want) -> None:
        """Before a version that is taken over is recorded: raise Frozen where `want` could not be delivered."""
        ...

    def check_next(self, *, adopted: bool) -> None:
        """Before any version is made: raise Frozen where what is there could not take it, or not without harm to others.

        `adopted`: the version is one that is in use already, so that no value will change yet.
        """
        ...

    def remove(
        self, rotation: str, live: Callable[[], Sequence[Copy]], guard: Callable[[], None]
    ) -> tuple[str, ...]:
        """Take away what `rotation` delivered, and nothing else; return what was removed.

        `live` reads its versions, with their material as far as it is known, oldest first; it raises Frozen. `guard` is
        called between each look and the removal that follows it, as `Want.guard` is.
        """
        ...


class Gate(Protocol):
    """A condition that must be seen before a step."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def check(self, version_id: str) -> Sighting:
        """Look at it now."""
        ...


# --- identity providers and directories --------------------------------------------------------------------------


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


# --- documents that are delivered ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What each delivered document says of itself."""

    rotation: str
    revision: int
    """The ring's revision at the last write; never goes backwards (I5)."""
    version: str
    """The id of the version that the document makes current."""
    content_revision: int
    """The ring's revision at which the current version's fields were last written."""
    since: datetime
    """When those fields were written, by the writer's clock, just before the request."""
    fence_key: str = ""
    """The data key whose name stands for that content (`rotator.engine.fence`); empty: none was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A document as it was read."""

    fields: Mapping[str, Sensitive]
    """Only the fields asked for."""
    stamp: Stamp | None
    """None where we never wrote it."""
    fence: str
    """What the next write must name so that it fails if anybody wrote in between."""
    names: frozenset[str] = frozenset()
    """The names of all fields that are there, asked for or not."""
    shaped: frozenset[str] = frozenset()
    """Those asked for that are no texts: objects, lists, numbers."""
    vanishes: str = ""
    """When the system deletes it by itself; empty: never."""


class Target(Protocol):
    """One document somewhere: a Kubernetes Secret or ConfigMap, a Vault path."""

    @property
    def label(self) -> str:
        """Unique in the fleet, for people and for the list of fences: `secret payments/key`."""
        ...

    @property
    def takes_bytes(self) -> bool:
        """Whether a field can hold bytes that are no text."""
        ...

    def read(self, names: Sequence[str]) -> Seen | None:
        """Read the fields `names`; None where the document does not exist."""
        ...

    def write(
        self, fields: Mapping[str, Sensitive | None], stamp: Stamp, seen: Seen | None, note: Mapping[str, str]
    ) -> Seen:
        """Set `fields` (None removes one) if the document still is as it was `seen`; leave all others alone.

        `note` is for people: state and instants of the current version. Raises Conflict where somebody wrote in
        between, Ambiguous where the answer was lost.
        """
        ...

    def obstacle(self, names: Sequence[str], *, adopted: bool) -> str:
        """Say why writing the fields `names` into what `read` has shown would be refused, harm others or be undone.

        Empty: nothing is in the way. Asked before a version is made, when nothing has begun yet. `adopted`: the version is one
        that is in use already; as long as it is, others may write the same value, so that they can be told to stop.
        """
        ...

    def last_writer(self, names: Sequence[str]) -> str:
        """Name who wrote the fields `names` last besides rotator, and who keeps the document; empty: it does not say."""
        ...

    def erase_history(self, *, act: bool) -> bool:
        """Make sure that nothing but the current content can be read; return whether that is so."""
        ...

    def remove(self, names: Sequence[str], seen: Seen) -> tuple[str, ...]:
        """Remove our fields `names` and our stamp from the document as it was `seen`, or all of it if that is all.

        Returns the names of the fields that are left. Raises Conflict where somebody wrote in between, Ambiguous where
        the answer was lost.
        """
        ...


# --- the store -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A ring with the material of its live versions, as stored."""

    ring: Ring
    material: Mapping[str, Material] = field(default_factory=dict)
    """By version id."""
    fence: str = ""
    """What the next save must find unchanged; empty: there is nothing yet."""
    writer: str = ""
    """Which run wrote it."""
    vanishes: str = ""
    """When the system deletes what was loaded by itself; empty: never."""

    def copy(self, version_id: str) -> Copy:
        """Return the version with its material."""
        return Copy(version_id, self.material[version_id])


class Store(Protocol):
    """Keeps one rotation's ring and material in one document, so that both change in one write."""

    @property
    def label(self) -> str:
        """For people: `vault rotator/payments/jwt`."""
        ...

    def load(self) -> Entry | None:
        """Read it; None where there is none. Raises `reading.Unreadable` for garbage."""
        ...

    def check_new(self) -> None:
        """Before the first save: raise Frozen where the system cannot keep a ring safely. Writes nothing."""
        ...

    def save(self, entry: Entry) -> Entry:
        """Write it if it still carries `entry.fence`; Conflict otherwise, Ambiguous where the answer was lost."""
        ...

    def erase_history(self, *, act: bool) -> bool:
        """Make sure that no older copy of the document can be read; return whether that is so."""
        ...

    def remove(self, entry: Entry) -> None:
        """Delete the document with ring, material and history. One that is gone already is no error."""
        ...
