"""What every provider keeps, whatever system it speaks to: subclass `ProviderContract` and give it a `Bench`.

A bench plays the engine: it keeps what it learns before it goes on, and asks again after every call. A kill is a call of
which nothing was learned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rotator.core.machine import Sighting
from rotator.core.ring import Ring, State, Version
from rotator.core.sensitive import Material
from rotator.engine.installation import Installation
from rotator.engine.rotation import MOST_CALLS
from rotator.ports import Copy, Learned, Provider, Want

ROTATION = "payments/client"
SINCE = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class Bench:
    """A provider at a fresh client or account, and the memory that the store would be."""

    provider: Callable[[], Provider]
    """Returns the provider as a new run would make it."""
    make: Callable[[int], Copy]
    """Makes version `number`, as the credential kind would: without what the provider makes itself."""
    logs_in: Callable[[Copy], bool]
    """Whether a holder with this copy is let in now; beside the product's own code where that is possible."""
    one_slot: bool = False
    """Whether it accepts one version at a time, as its declaration says."""
    settle: Callable[[], None] = lambda: None
    """Lets what is only eventually consistent become so."""
    material: dict[str, Material] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def version(self, number: int) -> str:
        """Make version `number` and record it, before anybody hears of it; return its id."""
        copy = self.make(number)
        self.material[copy.id] = dict(copy.material)
        self.numbers[copy.id] = number
        return copy.id

    def copy(self, version_id: str) -> Copy:
        """Return a version with what is known of it."""
        return Copy(version_id, self.material[version_id])

    def want(self, accept: Sequence[str], forget: Sequence[str] = (), *, settled: bool = False) -> Want:
        """Return what the engine would ask for."""
        versions = tuple(
            Version(
                id=i,
                number=n,
                state=State.ACTIVE,
                reason="Age",
                spec="x",
                staged_at=SINCE,
                published_at=SINCE,
            )
            for i, n in self.numbers.items()
        )
        return Want(
            ring=Ring(rotation=ROTATION, revision=9, versions=versions),
            copies=tuple(self.copy(i) for i in accept),
            epoch=1,
            settled=2 if settled else 0,
            drift=settled,
            known={},
            erase=bool(forget),
            withdrawn=tuple(self.copy(i) for i in forget),
        )

    def step(self, accept: Sequence[str], forget: Sequence[str] = (), *, keep: bool = True) -> Sighting:
        """Do what one look of the engine does; `keep`: whether the run lives long enough to keep what it learns."""
        installation = Installation(self.provider(), one_slot=self.one_slot)
        sighting = installation.sync(self.want(accept, forget), act=True, fresh=False)
        if keep:
            self.learn(sighting.learned)
        return sighting

    def learn(self, learned: Learned) -> None:
        """Keep what was learned."""
        for version_id, fields in learned.items():
            self.material[version_id] = {**self.material[version_id], **fields}

    def reach(
        self, accept: Sequence[str], forget: Sequence[str] = (), *, killed_at: int | None = None
    ) -> int:
        """Go on until all is as wanted; the call number `killed_at` is made, and nothing of it is kept.

        Returns the number of calls.
        """
        calls = 0
        for _ in range(3 * MOST_CALLS):
            sighting = self.step(accept, forget, keep=calls != killed_at)
            calls += len(sighting.changes)
            if sighting.confirmed:
                return calls
            self.settle()
        raise AssertionError(f"not reached: {sighting.waiting}")

    def remove(self, forget: Sequence[str], guard: Callable[[], None] = lambda: None) -> tuple[str, ...]:
        """Do what the deletion of the rotation does here. `guard` stands before each call."""
        return Installation(self.provider(), one_slot=self.one_slot).remove(
            ROTATION, lambda: [self.copy(version) for version in forget], guard
        )

    def changes_nothing(self, accept: Sequence[str], forget: Sequence[str] = ()) -> bool:
        """Whether a look finds nothing to do."""
        found = Installation(self.provider(), one_slot=self.one_slot).sync(
            self.want(accept, forget), act=False, fresh=False
        )
        return found.confirmed and not found.changes


class ProviderContract:
    """The suite. A subclass has a fixture `bench` that returns a `Bench` at a fresh client."""

    def test_the_first_version_is_accepted(self, bench: Bench) -> None:
        first = bench.version(1)
        bench.reach([first])
        assert bench.logs_in(bench.copy(first))

    def test_what_is_in_place_is_left_alone(self, bench: Bench) -> None:
        first = bench.version(1)
        bench.reach([first])
        bench.settle()
        assert bench.changes_nothing([first])

    def test_a_plan_changes_nothing(self, bench: Bench) -> None:
        first = bench.version(1)
        bench.reach([first])
        second = bench.version(2)
        for _ in range(2):
            found = Installation(bench.provider(), one_slot=bench.one_slot).sync(
                bench.want([first, second]), act=False, fresh=False
            )
            assert found.changes
            assert not found.again
        assert bench.changes_nothing([first])

    def test_the_second_is_accepted_beside_the_first(self, bench: Bench) -> None:
        first = bench.version(1)
        bench.reach([first])
        second = bench.version(2)
        bench.reach([first, second])
        assert bench.logs_in(bench.copy(second))
        assert bench.logs_in(bench.copy(first)) is not bench.one_slot

    def test_the_first_is_refused_once_it_is_withdrawn(self, bench: Bench) -> None:
        first = bench.version(1)
        bench.reach([first])
        second = bench.version(2)
        bench.reach([first, second])
        bench.reach([second], [first])
        bench.settle()
        assert bench.logs_in(bench.copy(second))
        assert not bench.logs_in(bench.copy(first))
        assert bench.changes_nothing([second], [first])

    def test_what_is_in_use_works_after_every_single_call(self, bench: Bench) -> None:
        first = bench.version(1)
        bench.reach([first])
        if bench.one_slot:
            return
        second = bench.version(2)
        for accept, forget, used in (([first, second], [], first), ([second], [first], second)):
            for _ in range(3 * MOST_CALLS):
                sighting = bench.step(accept, forget)
                assert bench.logs_in(bench.copy(used))
                if sighting.confirmed:
                    break
                bench.settle()

    def test_a_run_killed_after_any_call_is_carried_on(self, bench: Bench) -> None:
        """Each call of a life is made by a run that is killed before it keeps what it learned."""
        overlaps = not bench.one_slot
        number, active = 1, bench.version(1)
        bench.reach([active], killed_at=0)
        assert bench.logs_in(bench.copy(active))
        for killed_at in range(4):
            number += 1
            fresh = bench.version(number)
            bench.reach([active, fresh], killed_at=killed_at)
            assert bench.logs_in(bench.copy(fresh))
            assert bench.logs_in(bench.copy(active)) is overlaps
            bench.reach([fresh], [active], killed_at=killed_at)
            bench.settle()
            assert bench.logs_in(bench.copy(fresh))
            assert not bench.logs_in(bench.copy(active))
            active = fresh

    def test_nothing_of_ours_is_left_after_a_deletion(self, bench: Bench) -> None:
        first = bench.version(1)
        bench.reach([first])
        second = bench.version(2)
        bench.reach([first, second])
        bench.remove([first, second])
        bench.settle()
        assert not bench.logs_in(bench.copy(first))
        assert not bench.logs_in(bench.copy(second))

    def test_it_says_who_it_is_and_nothing_secret(self, bench: Bench) -> None:
        first = bench.version(1)
        sightings = [bench.step([first])]
        bench.reach([first])
        said = " ".join([repr(bench.provider()), bench.provider().label, *(str(s) for s in sightings)])
        hidden = [v.reveal() for n, v in bench.material[first].items() if n in {"client_secret", "password"}]
        assert bench.provider().label
        assert not [value for value in hidden if value in said]
