"""The work of one run: read what is declared, advance what is due, and tell everybody who wants to know."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rotator.clients.meter import Span, no_span
from rotator.clients.retry import PATIENCE
from rotator.engine.fleet import Fleet
from rotator.engine.outcome import Outcome, Result
from rotator.engine.rotation import Declared
from rotator.errors import Forbidden, RotatorError, SettingsError
from rotator.late import Late
from rotator.policy.model import RotationPolicy
from rotator.policy.reach import Reach
from rotator.run import wiring
from rotator.run.custom_resources import Found, leave, let_go, load_resources, prepare, release
from rotator.run.report import Report, report_of
from rotator.run.request import Mode, RunRequest
from rotator.systems.world import World, world

if TYPE_CHECKING:
    from rotator.telemetry import events, status
else:
    events, status = Late("rotator.telemetry.events"), Late("rotator.telemetry.status")

log = logging.getLogger("rotator")
Json = dict[str, Any]
Tell = Callable[[Outcome], None]
Watch = Callable[[int], Tell]
"""Is called with the number of rotations, and what it returns with each outcome."""


def connect(request: RunRequest, span: Span = no_span) -> World:
    """Return the systems, connected when they are first needed."""
    asked = request.connections
    timeout = asked.timeout.total_seconds()
    return world(
        context=asked.context,
        deadline=asked.deadline,
        timeout=timeout,
        patience=PATIENCE if request.acts else 0.0,
        hurry=math.inf
        if request.acts
        else timeout,  # a person who looks waits for one answer that does not come
        concurrency=asked.concurrency,
        span=span,
    )


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a request asks for, in a world."""

    request: RunRequest
    world: World

    def run(self, files: Sequence[RotationPolicy], watch: Watch) -> Report:
        """Do it; `files` are what files declare. Raises SettingsError where the request names what is not declared."""
        with self.world.span("run", {}):
            found = self.found(files)
            rotations, others = self._rotations(files, found)
            if self.request.asked and not rotations and not others:
                raise SettingsError(
                    "no rotation was chosen, so none was begun; expected labels that some have"
                )
            first = watch(len(rotations))
            done = self._fleet(self._tellers(_undisputed(found, files)), first).advance(rotations)
            done = replace(done, outcomes=tuple(self._released(found, o) for o in done.outcomes))
            told = _each([first, *self._tellers(found.documents)])
            for outcome in others:
                told(outcome)
            for outcome in found.unread:
                first(outcome)
            return report_of(self.request, done.and_others((*others, *found.unread)))

    def found(self, files: Sequence[RotationPolicy]) -> Found:
        """Return what custom resources declare beside `files`."""
        declared, selection = self.request.declarations, self.request.selection
        if not declared.namespaces:
            selection.check_names([p.ref for p in files])
            return Found()
        reach = Reach(anywhere=declared.trust_resources, gates=tuple(declared.gate_urls))
        found = load_resources(self.world.kubernetes, declared.namespaces, files, reach)
        if not found.unread:
            selection.check_names([*(p.ref for p in files), *found.documents])
        return found

    def _rotations(
        self, files: Sequence[RotationPolicy], found: Found
    ) -> tuple[list[Declared], list[Outcome]]:
        """Wire what is wanted; return with it what became of the rest."""
        selection = self.request.selection
        if self.request.mode is Mode.LEAVE:
            rotations, others = self._wire([(p, True) for p in found.leaving], found)
            return rotations, [*others, *self._kept(found), *leave(self.world.kubernetes, found)]
        wants = selection.wants
        resources = [p for p in found.policies if wants(p)]
        others = [o for o in found.refused if selection.wants_document(found.documents[o.rotation])]
        if self.request.acts:
            resources, held_up = prepare(self.world.kubernetes, resources, found.documents)
            others += held_up
            others += self._kept(found)
        rotations = [self._wired(p) for p in files if wants(p)]
        leaving = [(p, True) for p in found.leaving if wants(p)]
        wired, unwired = self._wire([*((p, False) for p in resources), *leaving], found)
        return [*rotations, *wired], [*others, *unwired]

    def _kept(self, found: Found) -> list[Outcome]:
        """Let those go that are being deleted, and whose credentials stay after all."""
        documents, wants = found.documents, self.request.selection.wants_document
        return [let_go(self.world.kubernetes, ref, documents) for ref in found.kept if wants(documents[ref])]

    def _wire(
        self, resources: Sequence[tuple[RotationPolicy, bool]], found: Found
    ) -> tuple[list[Declared], list[Outcome]]:
        """Wire custom resources, each with whether it is being deleted; return with them those that cannot be."""
        rotations, others = list[Declared](), list[Outcome]()
        for policy, leaves in resources:
            ending = leaves and policy.metadata.namespace in found.ending
            try:
                rotations.append(self._wired(policy, leaving=leaves, ending=ending))
            except (RotatorError, ValueError, OSError) as error:  # it must not stop the others
                reason = str(error) if isinstance(error, RotatorError) else type(error).__name__
                others.append(Outcome(rotation=policy.ref, result=Result.REFUSED, reason=reason))
        return rotations, others

    def _fleet(self, tellers: Sequence[Tell], first: Tell) -> Fleet:
        asked = self.request.fleet
        return wiring.fleet(
            self.world,
            act=self.request.acts,
            concurrency=self.request.connections.concurrency,
            lease=asked.lease,
            listed=asked.listed,
            look_every=asked.look_every,
            tell_last=self.request.mode is Mode.STATUS,
            finished=_each([first, *tellers]),
            under_way=_each(tellers),
        )

    def _wired(self, policy: RotationPolicy, *, leaving: bool = False, ending: bool = False) -> Declared:
        return wiring.declared(self.world, policy, request=self.request.asked, leaving=leaving, ending=ending)

    def _released(self, found: Found, outcome: Outcome) -> Outcome:
        if not self.request.acts:
            return outcome
        return release(self.world.kubernetes, outcome, found.documents)

    # --- who is told ----------------------------------------------------------------------------------------

    def _tellers(self, documents: Mapping[str, Json]) -> list[Tell]:
        """Return what tells an outcome in the cluster; `documents` are the custom resources. None of them ever fails."""
        world, tellers = self.world, []
        if self.request.acts and documents:
            tellers.append(status.StatusBoard(world.kubernetes, documents, world.clock).tell)
        if self.request.acts and self.request.notices.events:
            tellers.append(events.Events(world.kubernetes, world.identity, world.clock, documents).tell)
        return [_harmless(tell) for tell in tellers]


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
