"""One job: read what is declared, advance what is due, and tell everybody who wants to know."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from rotator.clients.meter import Span, no_span
from rotator.clients.retry import PATIENCE
from rotator.core.request import Request
from rotator.engine.fleet import LOOK_EVERY, Fleet, Report
from rotator.engine.outcome import Outcome, Result
from rotator.engine.rotation import Rotation
from rotator.errors import Forbidden, RotatorError, SettingsError
from rotator.kinds import Kind
from rotator.policy.model import RotationPolicy
from rotator.run import wiring
from rotator.run.custom_resources import Found, leave, let_go, load_resources, prepare, release
from rotator.run.declared import Declared
from rotator.systems.kubernetes.lease import LEASE_DURATION
from rotator.world import CONCURRENCY, World
from rotator.world import world as connected

log = logging.getLogger("rotator")
Json = dict[str, Any]
Tell = Callable[[Outcome], None]


@dataclass(frozen=True, kw_only=True)
class Systems:
    """How the systems are reached."""

    context: str | None = None
    deadline: timedelta = timedelta(minutes=10)
    timeout: timedelta = timedelta(seconds=10)
    concurrency: int = CONCURRENCY
    lease: timedelta = LEASE_DURATION
    listed: Collection[Kind] = wiring.LISTED
    look_every: timedelta = LOOK_EVERY


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run over what is declared."""

    declared: Declared
    systems: Systems
    act: bool
    request: Request | None = None
    """What is asked of every wanted rotation."""
    tell_last: bool = False
    """Without acting: whether a rotation that the last run left frozen is shown so."""
    events: bool = False
    """Whether Kubernetes Events are written."""
    leaves: bool = False
    """Whether it is the last run: it ends the deletions that were asked for, lets all other Rotations go, and advances none."""
    span: Span = no_span

    def connect(self) -> World:
        """Return the systems, connected when they are first needed."""
        systems = self.systems
        timeout = systems.timeout.total_seconds()
        return connected(
            context=systems.context,
            deadline=systems.deadline,
            timeout=timeout,
            patience=PATIENCE if self.act else 0.0,
            hurry=math.inf
            if self.act
            else timeout,  # a person who looks waits for one answer that does not come
            concurrency=systems.concurrency,
            span=self.span,
        )

    def run(self, world: World, files: Sequence[RotationPolicy], tell: Callable[[int], Tell]) -> Report:
        """Advance what is due. `tell` is called with the number of rotations, and what it returns with each outcome."""
        with self.span("run", {}):
            found = self.found(world, files)
            rotations, others = self._rotations(world, files, found)
            if self.request and not rotations and not others:
                raise SettingsError(
                    "no rotation was chosen, so none was begun; expected labels that some have"
                )
            first = tell(len(rotations))
            report = self._fleet(world, self._tellers(world, _undisputed(found, files)), first).advance(
                rotations
            )
            report = replace(report, outcomes=tuple(self._released(world, found, o) for o in report.outcomes))
            told = _each([first, *self._tellers(world, found.documents)])
            for outcome in others:
                told(outcome)
            for outcome in found.unread:
                first(outcome)
            return report.and_others((*others, *found.unread))

    def found(self, world: World, files: Sequence[RotationPolicy]) -> Found:
        """Return what custom resources declare beside `files`."""
        declared = self.declared
        if not declared.namespaces:
            declared.check_names([p.ref for p in files])
            return Found()
        found = load_resources(world.kubernetes, declared.namespaces, files, declared.reach)
        if not found.unread:
            declared.check_names([*(p.ref for p in files), *found.documents])
        return found

    def _rotations(
        self, world: World, files: Sequence[RotationPolicy], found: Found
    ) -> tuple[list[Rotation], list[Outcome]]:
        """Wire what is wanted; return with it what became of the rest."""
        if self.leaves:
            rotations, others = self._wire(world, [(p, True) for p in found.leaving], found)
            return rotations, [*others, *self._kept(world, found), *leave(world.kubernetes, found)]
        wants = self.declared.wants
        resources = [p for p in found.policies if wants(p)]
        others = [o for o in found.refused if self.declared.wants_document(found.documents[o.rotation])]
        if self.act:
            resources, held_up = prepare(world.kubernetes, resources, found.documents)
            others += held_up
            others += self._kept(world, found)
        rotations = [self._wired(world, p) for p in files if wants(p)]
        leaving = [(p, True) for p in found.leaving if wants(p)]
        wired, unwired = self._wire(world, [*((p, False) for p in resources), *leaving], found)
        return [*rotations, *wired], [*others, *unwired]

    def _kept(self, world: World, found: Found) -> list[Outcome]:
        """Let those go that are being deleted, and whose credentials stay after all."""
        documents = found.documents
        wanted = [ref for ref in found.kept if self.declared.wants_document(documents[ref])]
        return [let_go(world.kubernetes, ref, documents) for ref in wanted]

    def _wire(
        self, world: World, resources: Sequence[tuple[RotationPolicy, bool]], found: Found
    ) -> tuple[list[Rotation], list[Outcome]]:
        """Wire custom resources, each with whether it is being deleted; return with them those that cannot be."""
        rotations, others = list[Rotation](), list[Outcome]()
        for policy, leaves in resources:
            ending = leaves and policy.metadata.namespace in found.ending
            try:
                rotations.append(self._wired(world, policy, leaving=leaves, ending=ending))
            except (RotatorError, ValueError, OSError) as error:  # it must not stop the others
                reason = str(error) if isinstance(error, RotatorError) else type(error).__name__
                others.append(Outcome(rotation=policy.ref, result=Result.REFUSED, reason=reason))
        return rotations, others

    def _fleet(self, world: World, tellers: Sequence[Tell], first: Tell) -> Fleet:
        systems = self.systems
        return wiring.fleet(
            world,
            act=self.act,
            concurrency=systems.concurrency,
            lease=systems.lease,
            listed=systems.listed,
            look_every=systems.look_every,
            tell_last=self.tell_last,
            finished=_each([first, *tellers]),
            under_way=_each(tellers),
        )

    def _wired(
        self, world: World, policy: RotationPolicy, *, leaving: bool = False, ending: bool = False
    ) -> Rotation:
        return wiring.rotation(world, policy, request=self.request, leaving=leaving, ending=ending)

    def _released(self, world: World, found: Found, outcome: Outcome) -> Outcome:
        return release(world.kubernetes, outcome, found.documents) if self.act else outcome

    # --- who is told ----------------------------------------------------------------------------------------

    def _tellers(self, world: World, documents: Mapping[str, Json]) -> list[Tell]:
        """Return what tells an outcome in the cluster; `documents` are the custom resources. None of them ever fails."""
        tellers = []
        if self.act and documents:
            from rotator.telemetry.status import StatusBoard  # noqa: PLC0415 - only for custom resources

            tellers.append(_harmless(StatusBoard(world.kubernetes, documents, world.clock).tell))
        if self.act and self.events:
            from rotator.telemetry.events import Events  # noqa: PLC0415 - only where they are on

            events = Events(world.kubernetes, world.identity, world.clock, documents)
            tellers.append(_harmless(events.tell))
        return tellers


def _each(tellers: Sequence[Tell]) -> Tell:
    """Return what tells all of them."""

    def told(outcome: Outcome) -> None:
        for tell in tellers:
            tell(outcome)

    return told


def _undisputed(found: Found, files: Sequence[RotationPolicy]) -> Mapping[str, Json]:
    """Return the resources but for those of which a file declares the same name: they are another thing."""
    in_files = {p.ref for p in files}
    return {ref: document for ref, document in found.documents.items() if ref not in in_files}


_ODD = (LookupError, TypeError, ValueError, AttributeError)
"""What an answer of an odd shape leads to."""


def _harmless(tell: Tell) -> Tell:
    """Make `tell` never fail: what people read must not stop a rotation. Where it is forbidden it is not tried again."""
    forbidden: set[str] = set()

    def told(outcome: Outcome) -> None:
        namespace = outcome.rotation.partition("/")[0]
        try:
            if namespace not in forbidden:
                tell(outcome)
        except (RotatorError, *_ODD) as error:
            if isinstance(error, Forbidden):
                forbidden.add(namespace)
            reason = str(error) if isinstance(error, RotatorError) else type(error).__name__
            log.warning("could not be told", extra={"rotation": outcome.rotation, "reason": reason})

    return told
