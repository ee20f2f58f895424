"""What one run is asked to do, as a value: where rotations are declared, which are wanted, how, and who is told.

The command line fills it from its options. Its defaults are those of the options.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotator.core.request import Request
from rotator.errors import SettingsError
from rotator.kinds import CONFIG_MAP, SECRET, Kind

if TYPE_CHECKING:
    from rotator.engine.fleet import Shard
    from rotator.policy.model import RotationPolicy

POLICIES = Path("/etc/rotator/policies")
"""Where a job finds its policies, unless it is told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Declarations:
    """Where rotations are declared."""

    paths: Sequence[Path] = ()
    """Files, and folders of files, that were named."""
    namespaces: Sequence[str] = ()
    """Where custom resources are read."""
    trust_resources: bool = False
    """Whether custom resources may name other namespaces, any Vault path, provider, AppRole role and file."""
    gate_urls: Sequence[str] = ()
    """Below which addresses the gates and providers of custom resources may ask."""

    @property
    def files(self) -> Sequence[Path]:
        """What is read: the files that were named; `POLICIES` where neither files nor namespaces were."""
        return self.paths or (() if self.namespaces else (POLICIES,))


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which of the declared rotations are wanted: those that meet every condition that is set."""

    selector: Mapping[str, str] = field(default_factory=dict)
    """Labels that they have."""
    kind: str | None = None
    """Their credential kind, as it is declared, such as jwtSigningKey."""
    names: Collection[str] = ()
    """`NAMESPACE/NAME` of each."""
    shard: Shard | None = None

    def wants(self, policy: RotationPolicy) -> bool:
        """Whether `policy` was asked for."""
        return (
            self.selector.items() <= policy.metadata.labels.items()
            and self.wants_named(policy.ref)
            and (self.kind is None or policy.kind_name == self.kind)
        )

    def wants_named(self, rotation: str) -> bool:
        """Whether the rotation was asked for, of which only the name is known."""
        return (not self.names or rotation in self.names) and (self.shard is None or self.shard.has(rotation))

    def wants_document(self, document: Mapping[str, Any]) -> bool:
        """Whether a custom resource was asked for, of which the spec may be of no use."""
        metadata = document["metadata"]
        labels = metadata.get("labels") or {}
        ref = f"{metadata['namespace']}/{metadata['name']}"
        return self.wants_named(ref) and self.selector.items() <= labels.items() and self.kind is None

    def check_names(self, known: Sequence[str]) -> None:
        """Raise SettingsError where a rotation was asked for that is not declared."""
        if unknown := set(self.names) - set(known):
            raise SettingsError(
                f"no rotation {', '.join(sorted(unknown))}; declared: {', '.join(known) or 'none'}"
            )


@dataclass(frozen=True, kw_only=True)
class Connections:
    """How systems are reached, and the limits of time and number that hold there."""

    context: str | None = None
    """Of the kubeconfig; None: the pod's own cluster."""
    deadline: timedelta = timedelta(minutes=10)
    """The run ends inside this time."""
    timeout: timedelta = timedelta(seconds=10)
    """The longest one request may take."""
    concurrency: int = 8
    """Rotations at a time, and connections to each system."""


@dataclass(frozen=True, kw_only=True)
class FleetSettings:
    """How the rotations of a run are taken, and what is looked at to see that one is idle."""

    lease: timedelta = timedelta(seconds=30)
    """A killed run is waited for so long."""
    listed: Collection[Kind] = (CONFIG_MAP, SECRET)
    """Kinds of targets that are listed, to see edits in one request."""
    look_every: timedelta = timedelta(hours=1)
    """What no list shows is looked at at least so often."""


@dataclass(frozen=True, kw_only=True)
class Notices:
    """Who is told what a run did, beside the one who started it."""

    events: bool = False
    """Whether Kubernetes Events are written."""
    metrics_push: str | None = None
    """The Pushgateway's address."""
    metrics_file: Path | None = None
    """For a textfile collector."""
    metrics_job: str = "rotator"
    """The job under which metrics are pushed."""


@dataclass(frozen=True, kw_only=True)
class Serving:
    """How one process does runs, and what it answers (`rotator serve`)."""

    every: timedelta = timedelta(minutes=1)
    """Between the beginnings of two runs, where there is no schedule."""
    schedule: str | None = None
    """In place of it: minute, hour, day, month and weekday, as of cron."""
    time_zone: str = "UTC"
    """In which the schedule is read."""
    jitter: timedelta | None = None
    """Each run begins up to so much later, so that replicas do not begin together."""
    public: str = "0.0.0.0:8080"
    """Where everybody is answered."""
    operator: str = "0.0.0.0:9464"
    """Where operators are answered."""
    refresh: timedelta = timedelta(seconds=5)
    """Between two looks at what is served."""
    drain: timedelta = timedelta(seconds=5)
    """When the process is asked to end, it goes on answering for so long, until nobody sends it requests any more."""
    grace: timedelta = timedelta(seconds=25)
    """When the process is asked to end, it has ended after so long."""


class Mode(StrEnum):
    """What a run does with the rotations that are wanted."""

    ADVANCE = "advance"
    """Advance those that are due, or all of them where something is asked."""
    LEAVE = "leave"
    """The last run: carry out the deletions that were asked for, let all other custom resources go, advance none."""
    PLAN = "plan"
    """Look only: what would `ADVANCE` do now?"""
    STATUS = "status"
    """Look only, and show a rotation that the last run left frozen as frozen."""


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """One run."""

    declarations: Declarations = Declarations()
    selection: Selection = Selection()
    connections: Connections = Connections()
    fleet: FleetSettings = FleetSettings()
    notices: Notices = Notices()
    mode: Mode = Mode.ADVANCE
    asked: Request | None = None
    """What is asked of every wanted rotation; None: the run advances what is due."""

    @property
    def acts(self) -> bool:
        """Whether anything is changed."""
        return self.mode in {Mode.ADVANCE, Mode.LEAVE}

    @property
    def publishes(self) -> bool:
        """Whether metrics are published: a run that one asks for by hand says nothing of the scheduled ones."""
        return bool(self.notices.metrics_push or self.notices.metrics_file) and self.asked is None
