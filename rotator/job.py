"""One job: read what is declared, advance what is due, and tell everybody who wants to know."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rotator import wiring
from rotator.clients.meter import Span, no_span
from rotator.custom_resources import Found, load_resources, prepare, release
from rotator.declared import Declared
from rotator.engine.deletion import Deletion
from rotator.engine.fleet import LOOK_EVERY, Fleet, Report
from rotator.engine.outcome import Outcome
from rotator.engine.rotation import Rotation
from rotator.errors import Forbidden, RotatorError, SettingsError
from rotator.kinds import PREFIX, Kind
from rotator.policy import RotationPolicy
from rotator.wiring import World

log = logging.getLogger("rotator")
ROTATE = f"{PREFIX}/rotate"
"""The annotation of a Rotation that asks for one now; its value is the reason, and each reason rotates once."""

Tell = Callable[[Outcome], None]


@dataclass(frozen=True, kw_only=True)
class Systems:
    """How the systems are reached."""

    context: str | None = None
    deadline: timedelta = timedelta(minutes=10)
    timeout: timedelta = timedelta(seconds=10)
    concurrency: int = wiring.CONCURRENCY
    lease: timedelta = wiring.LEASE
    listed: Collection[Kind] = wiring.LISTED
    look_every: timedelta = LOOK_EVERY


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run over what is declared."""

    declared: Declared
    systems: Systems
    act: bool
    request: str | None = None
    """Why every wanted rotation is to begin now."""
    tell_last: bool = False
    """Without acting: whether a rotation that the last run left frozen is shown so."""
    events: bool = False
    """Whether Kubernetes Events are written."""
    span: Span = no_span

    def connect(self) -> World:
        """Return the systems, connected when they are first needed."""
        systems = self.systems
        return wiring.world(
            context=systems.context,
            deadline=systems.deadline,
            timeout=systems.timeout.total_seconds(),
            concurrency=systems.concurrency,
            span=self.span,
        )

    def run(self, world: World, files: Sequence[RotationPolicy], tell: Callable[[int], Tell]) -> Report:
        """Advance what is due. `tell` is called with the number of rotations, and what it returns with each outcome."""
        with self.span("run", {}):
            found = self.found(world, files)
            policies = [p for p in (*files, *found.policies) if self.declared.wants(p)]
            if self.request and not policies:
                raise SettingsError(
                    "no rotation was chosen, so none was begun; expected labels that some have"
                )
            told = self._told(world, found, tell(len(policies)))
            fleet = self._fleet(world, told)
            report = fleet.advance([self._wired(world, p) for p in policies])
            others = [o for o in found.refused if self.declared.wants_named(o.rotation)]
            others += self._deleted(world, found, fleet)
            for outcome in others:
                told(outcome)
            return report.and_others(others)

    def found(self, world: World, files: Sequence[RotationPolicy]) -> Found:
        """Return what custom resources declare beside `files`."""
        declared = self.declared
        if not declared.namespaces:
            declared.check_names([p.ref for p in files])
            return Found()
        found = load_resources(world.kubernetes, declared.namespaces, files, trusted=declared.trust_resources)
        declared.check_names([*(p.ref for p in files), *found.documents])
        if self.act:
            prepare(world.kubernetes, [p for p in found.policies if declared.wants(p)], found.documents)
        return found

    def _fleet(self, world: World, told: Tell) -> Fleet:
        systems = self.systems
        return wiring.fleet(
            world,
            act=self.act,
            concurrency=systems.concurrency,
            lease=systems.lease,
            listed=systems.listed,
            look_every=systems.look_every,
            tell_last=self.tell_last,
            finished=told,
        )

    def _wired(self, world: World, policy: RotationPolicy) -> Rotation:
        request = self.request or policy.metadata.annotations.get(ROTATE) or None
        return wiring.rotation(world, policy, request=request)

    def _deleted(self, world: World, found: Found, fleet: Fleet) -> Iterator[Outcome]:
        deletion = Deletion(fleet.run, fleet.leases)
        for policy in found.deleted:
            if self.declared.wants(policy):
                outcome = deletion.delete(self._wired(world, policy))
                if self.act:
                    release(world.kubernetes, outcome, found.documents)
                yield outcome

    # --- who is told ----------------------------------------------------------------------------------------

    def _told(self, world: World, found: Found, first: Tell) -> Tell:
        tellers = [first]
        if self.act and found.documents:
            from rotator.telemetry.status import StatusBoard  # noqa: PLC0415 - only for custom resources

            tellers.append(_harmless(StatusBoard(world.kubernetes, found.documents, world.clock).tell))
        if self.act and self.events:
            from rotator.telemetry.events import Events  # noqa: PLC0415 - only where they are on

            tellers.append(
                _harmless(Events(world.kubernetes, world.identity, world.clock, found.documents).tell)
            )

        def told(outcome: Outcome) -> None:
            for tell in tellers:
                tell(outcome)

        return told


def _harmless(tell: Tell) -> Tell:
    """Make `tell` never fail: what people read must not stop a rotation. What is forbidden is not tried again."""
    allowed = [True]

    def told(outcome: Outcome) -> None:
        try:
            if allowed[0]:
                tell(outcome)
        except RotatorError as error:
            allowed[0] = allowed[0] and not isinstance(error, Forbidden)
            log.warning("could not be told", extra={"rotation": outcome.rotation, "reason": str(error)})

    return told
