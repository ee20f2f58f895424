"""Looks every few seconds at what is declared to be served, and at the documents, and says on Leases what is served.

Nothing here depends on a run. While a system is away, what is held goes on being served.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

from rotator.errors import ClientError, Forbidden, NotFound, RotatorError
from rotator.kinds import POD
from rotator.policy.model import RotationPolicy
from rotator.serving import public
from rotator.serving.answers import Answer, Asked
from rotator.serving.census import Census
from rotator.serving.declared import Source, declared
from rotator.serving.sets import Read, State, Table, seen, unseen
from rotator.systems.at import target
from rotator.systems.kubernetes.pods import terminal
from rotator.systems.kubernetes.replicas import Replica, ServingLease, Shown
from rotator.systems.world import World

log = logging.getLogger("rotator")
LOOK = 10.0
"""Seconds that one look may take."""
ANEW = 60.0
"""Seconds after which what is declared, and who else serves, is looked at again."""
RECONNECT = 300.0
"""Seconds after which all connections are made anew, with the tokens, addresses and authorities of then."""


@dataclass
class Refresher:
    """Keeps a table of what is served. One thread calls it; any may read `table`."""

    policies: Callable[[], Sequence[RotationPolicy]]
    """Reads what is declared. Raises RotatorError."""
    connect: Callable[[], World]
    replica: Replica
    """Who this is; what it shows is added."""
    steady: Callable[[], float]
    table: Table = field(default_factory=Table)
    census: Census = field(default_factory=Census)
    _world: World | None = None
    _connected: float = 0.0
    _declared_at: float | None = None
    _looked_beside: float | None = None
    _failed: bool = False
    """Whether something could not be read in this look."""
    _said: dict[str, Replica] = field(default_factory=dict)
    """What stands on the Lease of each rotation, as it was written last."""

    def refresh(self) -> None:
        """Look once. What fails is told in the table; nothing is raised."""
        self._declare()
        if not (self.table.declared.sources or self._said):
            return
        try:
            with self._connection() as world:
                self._register(world)
                for source in self.table.declared.sources.values():
                    self._look(world, source)
                self._tell(world)
                self._look_beside(world)
        except RotatorError as error:  # no connection could be made
            self._change(
                {name: unseen(self.table.state(name), str(error)) for name in self.table.declared.sources}
            )

    def answer(self, asked: Asked) -> Answer:
        """Answer a request of everybody, and note which declared reader it is from. Any thread may ask."""
        table = self.table
        given = public.answer(table, asked)
        self.census.note(table, asked, given, self.steady())
        return given

    def hurry(self, why: str) -> None:
        """End the look that is under way, from another thread."""
        if world := self._world:
            world.deadline.end(world.clock.now(), why)

    def leave(self, seconds: float = LOOK) -> None:
        """Say within so many seconds that this replica serves no more. What cannot be said stays until its pod is seen to be gone."""
        self.close()
        if not self._said:
            return
        try:
            with self._connection(min(seconds, LOOK)) as world:
                for rotation in sorted(self._said):
                    ServingLease(world.kubernetes, rotation).take_off(self.replica)
        except RotatorError as error:
            log.warning(
                "this replica could not be taken off a list of those who serve", extra={"reason": str(error)}
            )
        finally:
            self.close()

    def close(self) -> None:
        """Close all connections."""
        if self._world:
            world, self._world = self._world, None
            with suppress(RotatorError):
                world.close()

    # --- what is declared -------------------------------------------------------------------------------------

    def _declare(self) -> None:
        """Read what is declared, now and then. Where that fails, what was declared before goes on."""
        now = self.steady()
        if self._declared_at is not None and now - self._declared_at < ANEW:
            return
        self._declared_at = now
        try:
            found = declared(self.policies())
        except RotatorError as error:
            self._trouble(str(error))
            return
        states = {name: self.table.state(name) for name in found.sources}
        self.table = Table(declared=found, states=states, known=True)

    def _trouble(self, why: str) -> None:
        if why != self.table.trouble:
            log.error(
                "what is declared cannot be read; what was declared before goes on", extra={"reason": why}
            )
        self.table = replace(self.table, trouble=why)

    # --- who is counted -----------------------------------------------------------------------------------------

    def _register(self, world: World) -> None:
        """Stand on the Lease of each rotation before its documents are read.

        Then no run can have seen all others serve something newer than what is read here without having waited for us. What this
        replica has served before it was started again is read back from there.
        """
        for rotation in sorted(self.table.declared.rotations - self._said.keys()):
            lease = ServingLease(world.kubernetes, rotation)
            try:
                found = lease.read()
                before = next((r for r in found if r.key == self.replica.key), self.replica)
                kept = {label: replace(shown, content="", at=None) for label, shown in before.shown.items()}
                starting = replace(self.replica, shown=kept)
                lease.say(starting)
            except ClientError as error:
                self._unregistered(rotation, error)
                continue
            self._said[rotation] = starting
            for source in self._of(rotation):
                for said in found:
                    self.census.recall(source, rotation, said.of(source.label).newest_readers)
            self._change(
                {
                    source.name: self.table.state(source.name).with_floor(
                        rotation, kept[source.label].revision
                    )
                    for source in self._of(rotation)
                    if source.label in kept
                }
            )
        counted = {
            name: replace(self.table.state(name), counted=True, barred="")
            for name, source in self.table.declared.sources.items()
            if source.ages.keys() <= self._said.keys()
        }
        self._change(counted)

    def _of(self, rotation: str) -> list[Source]:
        """Return what is served of a rotation."""
        return [source for source in self.table.declared.sources.values() if rotation in source.ages]

    def _unregistered(self, rotation: str, error: ClientError) -> None:
        self._failed = True
        why = f"the Lease on which replicas say what they serve cannot be written: {error}"
        self._change({s.name: replace(self.table.state(s.name), barred=why) for s in self._of(rotation)})

    # --- what is served -----------------------------------------------------------------------------------------

    def _look(self, world: World, source: Source) -> None:
        before = self.table.state(source.name)
        try:
            after = seen(before, _read(world, source), source, world.clock.now(), self.steady())
        except RotatorError as error:
            self._failed = True
            after = unseen(before, str(error))
        self._change({source.name: after})

    def _change(self, states: Mapping[str, State]) -> None:
        """Replace what is known of some sets, and log what is news."""
        for name, after in states.items():
            before = self.table.state(name)
            for why, known in ((after.trouble, before.trouble), (after.barred, before.barred)):
                if why and why != known:
                    log.warning("the newest set is not served", extra={"where": name, "reason": why})
            if after.held and (before.held is None or after.held.stamps != before.held.stamps):
                for rotation, stamp in after.held.stamps.items():
                    news = {"where": name, "rotation": rotation, "revision": stamp.revision}
                    log.info("served", extra=news)
        self.table = replace(self.table, states={**self.table.states, **states})

    def _tell(self, world: World) -> None:
        """Say on each rotation's Lease what is served now, where that is news there."""
        for rotation in sorted(self._said):
            shows = self._shows(rotation)
            if shows == self._said[rotation]:
                continue
            lease = ServingLease(world.kubernetes, rotation)
            try:
                if rotation in self.table.declared.rotations:
                    lease.say(shows)
                    self._said[rotation] = shows
                else:
                    lease.take_off(shows)
                    del self._said[rotation]
            except ClientError as error:
                log.warning(
                    "what is served could not be said", extra={"rotation": rotation, "reason": str(error)}
                )

    def _shows(self, rotation: str) -> Replica:
        """Return this replica with what it shows of the documents of one rotation."""
        shown = {}
        for source in self._of(rotation):
            held = self.table.serves(source.name)
            if held and (stamp := held.stamps.get(rotation)):
                shown[source.label] = Shown(
                    content=stamp.content,
                    revision=stamp.revision,
                    at=held.since[rotation],
                    max_age=source.max_age,
                    readers={
                        name: fetch.content for name, fetch in self.census.fetched(source, rotation).items()
                    },
                )
        return replace(self.replica, shown=shown)

    # --- who else serves ----------------------------------------------------------------------------------------

    def _look_beside(self, world: World) -> None:
        """See now and then that we are on the lists, and take off them whose pod is gone."""
        now = self.steady()
        if self._looked_beside is not None and now - self._looked_beside < ANEW:
            return
        self._looked_beside = now
        for rotation in sorted(self._said):
            try:
                self._beside(world, ServingLease(world.kubernetes, rotation), self._said[rotation])
            except ClientError as error:
                log.warning(
                    "who else serves cannot be seen", extra={"rotation": rotation, "reason": str(error)}
                )

    def _beside(self, world: World, lease: ServingLease, ours: Replica) -> None:
        found = lease.read()
        if ours not in found:
            lease.say(ours)
        for other in found:
            if other.key != ours.key and self._is_gone(world, other):
                lease.take_off(other)
                log.warning(
                    "a replica's pod is gone: it is not waited for any more",
                    extra={"rotation": lease.rotation, "where": other.name},
                )

    def _is_gone(self, world: World, other: Replica) -> bool:
        """Whether the pod of another replica has ended. Only pods of our own namespace may be looked at."""
        if not (other.namespace and other.namespace == self.replica.namespace):
            return False
        try:
            pod = world.kubernetes.get(POD, other.namespace, other.name)
        except NotFound:
            return True
        except Forbidden:
            return False
        return terminal(pod) or bool(other.uid and pod["metadata"].get("uid", other.uid) != other.uid)

    # --- connections --------------------------------------------------------------------------------------------

    @contextmanager
    def _connection(self, seconds: float = LOOK) -> Iterator[World]:
        """Give the systems for one look: connected anew now and then, and wherever one could not be reached."""
        now = self.steady()
        if self._world and now - self._connected >= RECONNECT:
            self.close()
        if self._world is None:
            self._world, self._connected = self.connect(), now
        world = self._world
        world.deadline.at = world.clock.now() + timedelta(seconds=seconds)
        self._failed = False
        try:
            yield world
        finally:
            if self._failed:
                self.close()


def _read(world: World, source: Source) -> Read | None:
    """Read a document with the stamps of all rotations that have keys in it. Raises RotatorError."""
    first = min(source.ages)
    document = target(world, source.place, first if source.shared else "")
    found = document.read((source.key,))
    stamps = document.sharers if source.shared else {}
    if source.shared and found and not stamps:  # a rotation that shares from now on has had it alone
        found = target(world, source.place).read((source.key,))
    if found is None:
        return None
    value = found.fields.get(source.key)
    alone = {found.stamp.rotation: found.stamp} if found.stamp else {}
    return Read(body=value.octets() if value else b"", stamps=dict(stamps) or alone)
