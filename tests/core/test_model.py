"""A Hypothesis machine lives lives at random and checks the invariants against a model of the world.

The world: verifiers that hold what they were last brought to, holders likewise, tokens that live for a while, a clock
that moves as it likes, people who edit by hand, policies that change. Only `decide` and `evolve` say what happens.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rotator.core.machine import Observed, Part, Policy, Record, Sighting, Step, Sync, decide, evolve
from rotator.core.ring import Ring, State, Version
from rotator.core.soundness import problems
from rotator.core.timing import Windows
from tests.core.rings import HOUR, T0, made

VERIFIERS, HOLDERS, TTL, STALE = 2, 2, HOUR, HOUR
LEAST = Windows(every=100 * HOUR, lead=STALE, overlap=TTL, converge=9 * HOUR, forget=STALE)


@dataclass
class Document:
    """What one verifier or holder shows, since when, and at which revision it was written."""

    shows: tuple[str, ...] = ()
    since: datetime = T0
    revision: int = 0
    before: list[tuple[datetime, tuple[str, ...]]] = field(default_factory=list)
    """What it showed earlier, and until when."""

    def write(self, shows: tuple[str, ...], now: datetime, revision: int) -> None:
        """Change it."""
        if self.shows:
            self.before.append((now, self.shows))
        self.shows, self.since, self.revision = shows, now, revision

    def within(self, stale: timedelta, now: datetime) -> list[tuple[str, ...]]:
        """Return everything it has shown in the last `stale`."""
        return [self.shows, *(s for until, s in self.before if until > now - stale)]


class World(RuleBasedStateMachine):
    """Lives."""

    def __init__(self) -> None:
        super().__init__()
        self.now = T0
        self.ring = Ring(rotation="payments/jwt")
        self.policy = Policy(windows=LEAST, spec="ES256")
        self.observed = Observed()
        self.verifiers = [Document() for _ in range(VERIFIERS)]
        self.holders = [Document() for _ in range(HOLDERS)]
        self.tokens: dict[str, datetime] = {}
        """Until when a token of each version may be valid."""
        self.edited = False
        self.active_since_first = False

    # --- what the engine does ---------------------------------------------------------------------------------

    @rule(turns=st.integers(1, 12), lazy=st.sets(st.sampled_from(range(VERIFIERS + HOLDERS)), max_size=2))
    def run(self, turns: int, lazy: set[int]) -> None:
        """One run: a few turns of the engine's loop, killed anywhere, with some who do not follow."""
        self.observed = Observed()
        for _ in range(turns):
            decision = decide(self.policy, self.ring, self.observed, self.now)
            if isinstance(decision, Sync):
                self._sync(decision.part, lazy)
            elif isinstance(decision, Record):
                self._record(decision)
            else:
                return

    def _sync(self, part: Part, lazy: set[int]) -> None:
        if part is Part.VERIFIERS:
            seen = [self._bring(d, self.ring.accepted, n in lazy) for n, d in enumerate(self.verifiers)]
        elif part is Part.HOLDERS:
            wanted = self.ring.held[:1]
            seen = [self._bring(d, wanted, VERIFIERS + n in lazy) for n, d in enumerate(self.holders)]
        else:
            seen = [Sighting(name="gate", confirmed=True)]
        self.observed = self.observed.seen(part, tuple(seen))

    def _bring(self, document: Document, wanted: tuple[str, ...], lazy: bool) -> Sighting:
        if document.shows != wanted and not lazy:
            document.write(wanted, self.now, self.ring.revision)
        return Sighting(
            name="x", confirmed=document.shows == wanted, since=document.since, revision=document.revision
        )

    def _record(self, record: Record) -> None:
        if record.step is Step.STAGE:
            number = max((v.number for v in self.ring.versions), default=0) + 1
            record = replace(record, version=made(number, self.now))
        self.ring = evolve(self.ring, record, self.now, self.policy.windows)
        self.observed = self.observed.without(Part.VERIFIERS, Part.HOLDERS)

    # --- what the world does ----------------------------------------------------------------------------------

    @rule(hours=st.floats(0.01, 30))
    def time_passes(self, hours: float) -> None:
        """The clock moves, and those who hold a key sign with it to the last instant."""
        self._sign()
        self.now += hours * HOUR
        self._sign()

    def _sign(self) -> None:
        for document in self.holders:
            for version in document.shows:
                self.tokens[version] = self.now + TTL

    @rule(lead=st.integers(1, 9), overlap=st.integers(1, 9), forget=st.integers(1, 9))
    def policy_changes(self, lead: int, overlap: int, forget: int) -> None:
        """Windows are edited, never below what is safe: a shorter one is refused when the file is read."""
        windows = replace(LEAST, lead=lead * HOUR, overlap=overlap * HOUR, forget=forget * HOUR)
        self.policy = replace(self.policy, windows=windows)

    @precondition(
        lambda self: self.ring.candidate is not None and self.ring.candidate.state is State.PUBLISHED
    )
    @rule(who=st.sampled_from(range(VERIFIERS)))
    def somebody_removes_the_new_key_by_hand(self, who: int) -> None:
        """A verifier's list is edited during the lead: the new version is gone from it."""
        document, candidate = self.verifiers[who], self.ring.candidate
        assert candidate
        kept = tuple(v for v in document.shows if v != candidate.id)
        if kept != document.shows:
            document.write(kept, self.now, document.revision)

    # --- what must hold ---------------------------------------------------------------------------------------

    @invariant()
    def no_valid_token_is_refused(self) -> None:
        """I1, I2: whatever is signed, and whatever was signed and is valid, is in every list a verifier may know."""
        self._sign()
        valid = {v for v, until in self.tokens.items() if until > self.now}
        for document in self.verifiers:
            for shown in document.within(STALE, self.now):
                assert valid <= set(shown), f"{valid} signed, {shown} known"

    @invariant()
    def exactly_one_is_active_from_the_first_activation_on(self) -> None:
        """I3."""
        active = [v for v in self.ring.versions if v.state is State.ACTIVE]
        self.active_since_first |= bool(active)
        assert len(active) == (1 if self.active_since_first else 0)
        assert len(self.ring.live) <= 3

    @invariant()
    def what_is_out_there_is_in_the_ring(self) -> None:
        """I4, and what is destroyed is out there no more."""
        states = {v.id: v.state for v in self.ring.versions}
        for document in (*self.verifiers, *self.holders):
            for version in document.shows:
                assert states.get(version) not in {None, State.DESTROYED}

    @invariant()
    def what_is_destroyed_is_in_no_cache(self) -> None:
        """Whoever was told that a version is dead finds nobody who accepts it."""
        dead = {v.id for v in self.ring.versions if v.state is State.DESTROYED}
        for document in self.verifiers:
            for shown in document.within(STALE, self.now):
                assert not dead & set(shown), f"{dead} destroyed, {shown} known"

    @invariant()
    def the_ring_never_contradicts_itself(self) -> None:
        """What is looked for in a ring that was read is never in one that was made."""
        assert problems(self.ring) == ()

    @invariant()
    def instants_follow_each_other(self) -> None:
        """The record of a version is in the order of its life."""
        for version in self.ring.versions:
            assert _ordered(version)


def _ordered(version: Version) -> bool:
    life = (
        version.staged_at, version.published_at, version.activated_at,
        version.converged_at, version.withdrawn_at, version.proven_at, version.destroyed_at,
    )  # fmt: skip
    instants = [i for i in life if i]
    return instants == sorted(instants)


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=150, stateful_step_count=60)
