"""What every store keeps its word on. A subclass of StoreTests says where there is a place for a ring."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator.core.reading import Unreadable
from rotator.core.request import Request
from rotator.core.ring import Ring, State, Version
from rotator.core.sensitive import Sensitive
from rotator.core.shapes import MOST
from rotator.errors import Conflict
from rotator.ports import Entry, Store
from tests.core.rings import STABLE

SECRET = "xV9kLmQ2rT7wYb4NcD"
ACTIVE = "v1"
ENTRY = Entry(ring=STABLE, material={ACTIVE: {"jwk": Sensitive(SECRET)}}, writer="run-1")


class StorePlace(Protocol):
    """A place for one ring, where nothing is yet: how the product reaches it, and how somebody else does."""

    def store(self) -> Store:
        """Return the store, as a new run would."""
        ...

    def shown(self) -> Mapping[str, bytes] | None:
        """Return what is stored, field by field; None for nothing."""
        ...

    def overwrite(self, fields: Mapping[str, bytes]) -> None:
        """Put exactly these fields there."""
        ...

    def remove(self) -> None:
        """Remove it, as if it had never been."""
        ...


Places = Callable[[], StorePlace]

# --- rings and material of every form ----------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8"))
INSTANTS = st.datetimes(
    datetime(1901, 1, 1),  # noqa: DTZ001 - Hypothesis asks for naive bounds
    datetime(7999, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
REVISIONS = st.integers(min_value=0, max_value=MOST)
_MAYBE = st.none() | INSTANTS
VERSIONS = st.builds(
    Version,
    id=TEXTS,
    number=REVISIONS,
    state=st.sampled_from(State),
    reason=TEXTS,
    spec=TEXTS,
    staged_at=INSTANTS,
    published_at=_MAYBE,
    activate_after=_MAYBE,
    activated_at=_MAYBE,
    converge_by=_MAYBE,
    converged_at=_MAYBE,
    destroy_after=_MAYBE,
    forgotten_by=_MAYBE,
    withdrawn_at=_MAYBE,
    destroyed_at=_MAYBE,
)
RINGS = st.builds(
    Ring,
    rotation=st.from_regex(r"[a-z0-9-]{1,20}/[a-z0-9-]{1,40}", fullmatch=True),
    revision=REVISIONS,
    versions=st.lists(VERSIONS, max_size=4, unique_by=lambda v: v.id).map(tuple),
    acceptance_revision=REVISIONS,
    acceptance_confirmed=REVISIONS,
    holding_revision=REVISIONS,
    holding_confirmed=REVISIONS,
    requests=st.lists(
        st.builds(
            Request,
            reason=TEXTS,
            verb=st.sampled_from(["rotate", "revoke"]),
            version=st.none() | TEXTS,
            by=TEXTS,
        ),
        max_size=3,
        unique_by=lambda request: request.key,
    ).map(tuple),
)
MATERIAL = st.dictionaries(TEXTS, TEXTS.map(Sensitive), max_size=3)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Draw an entry that a run could have written, and many that none would."""
    ring = draw(RINGS)
    needed = [v.id for v in ring.live if v.withdrawn_at is None]
    return Entry(ring=ring, material={i: draw(MATERIAL) for i in needed}, writer=draw(TEXTS))


# --- damage ------------------------------------------------------------------------------------------------------

Fields = dict[str, bytes]


def _document(fields: Fields, **changes: Any) -> Fields:
    return fields | {"ring": json.dumps({**json.loads(fields["ring"]), **changes}).encode()}


DAMAGES: Mapping[str, Callable[[Fields], Fields]] = {
    "nothing of ours in it": lambda _: {"other": SECRET.encode()},
    "no ring": lambda f: {n: v for n, v in f.items() if n != "ring"},
    "no material": lambda f: {n: v for n, v in f.items() if n != "material"},
    "an empty ring": lambda f: f | {"ring": b""},
    "a ring that is no JSON": lambda f: f | {"ring": SECRET.encode()},
    "half a ring": lambda f: f | {"ring": f["ring"][: len(f["ring"]) // 2]},
    "a ring that is no object": lambda f: f | {"ring": json.dumps([SECRET]).encode()},
    "a ring nested without end": lambda f: f | {"ring": b"[" * 100_000},
    "a ring with garbage in a field": lambda f: _document(f, revision=SECRET),
    "a ring with an endless number": lambda f: _document(f, revision=float("inf")),
    "a ring with an instant beyond all time": lambda f: _document(
        f, versions=[{**json.loads(f["ring"])["versions"][0], "staged_at": "0001-01-01T00:00:00+23:59"}]
    ),
    "a ring of a newer format": lambda f: _document(f, format=2, secret=SECRET),
    "half of the material": lambda f: f | {"material": f["material"][: len(f["material"]) // 2]},
    "material that is no object": lambda f: f | {"material": json.dumps([SECRET]).encode()},
    "a version's material that is no object": lambda f: (
        f | {"material": json.dumps({ACTIVE: SECRET}).encode()}
    ),
    "no material of a live version": lambda f: (
        f | {"material": json.dumps({SECRET: {"jwk": SECRET}}).encode()}
    ),
}


class StoreTests:
    """The contract of `rotator.ports.Store`."""

    @pytest.fixture(scope="class")
    @classmethod
    def places(cls) -> Places:
        """Return what makes a new place each time."""
        raise NotImplementedError

    @pytest.fixture
    def place(self, places: Places) -> StorePlace:
        """Return a new place."""
        return places()

    def test_nothing_is_loaded_where_nothing_was_saved(self, place: StorePlace) -> None:
        """A place nobody wrote to is None, and no error."""
        assert place.store().load() is None

    @settings(
        max_examples=15,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.differing_executors,
            HealthCheck.data_too_large,
        ],
    )
    @given(first=entries(), second=entries())
    def test_what_is_saved_is_loaded_by_another_run(
        self, places: Places, first: Entry, second: Entry
    ) -> None:
        """Rings and material of any form survive the first save, and the next, and carry the fence to save at."""
        place = places()
        saved = place.store().save(first)
        assert place.store().load() == saved == replace(first, fence=saved.fence)
        again = place.store().save(replace(second, fence=saved.fence))
        assert place.store().load() == again == replace(second, fence=again.fence)

    def test_each_save_changes_the_fence(self, place: StorePlace) -> None:
        """No two contents share a fence, so that one of them cannot be taken for the other."""
        store, fences, entry = place.store(), set(), ENTRY
        for revision in range(5, 9):
            entry = store.save(replace(entry, ring=replace(STABLE, revision=revision)))
            assert entry.fence
            fences.add(entry.fence)
        assert len(fences) == 4

    def test_a_stale_fence_is_refused_and_changes_nothing(self, place: StorePlace) -> None:
        """Whoever loaded before another run saved cannot save (I5)."""
        stale = place.store().save(ENTRY)
        newer = place.store().save(replace(stale, writer="run-2"))
        before = place.shown()
        with pytest.raises(Conflict):
            place.store().save(replace(stale, writer="run-3"))
        assert place.shown() == before
        assert place.store().load() == newer

    def test_a_ring_begins_once(self, place: StorePlace) -> None:
        """Of two runs that found nothing, one saves; the other hears of it."""
        first = place.store().save(ENTRY)
        with pytest.raises(Conflict):
            place.store().save(replace(ENTRY, writer="run-2"))
        assert place.store().load() == first

    def test_what_was_removed_in_between_is_not_made_anew(self, place: StorePlace) -> None:
        """A save at the fence of a document that is gone is a conflict: whoever removed it wrote in between."""
        saved = place.store().save(ENTRY)
        place.remove()
        with pytest.raises(Conflict):
            place.store().save(saved)
        assert place.store().load() is None

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_what_is_no_ring_is_unreadable_and_never_quoted(self, place: StorePlace, damage: str) -> None:
        """Garbage is no new beginning, and the message says nothing of what stands there."""
        place.store().save(ENTRY)
        shown = place.shown()
        assert shown is not None
        place.overwrite(DAMAGES[damage](dict(shown)))
        with pytest.raises(Unreadable) as caught:
            place.store().load()
        assert str(caught.value)
        assert SECRET not in f"{caught.value!s} {caught.value!r}"

    def test_a_part_of_the_material_that_is_no_text_is_unreadable(
        self, place: StorePlace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A number where a key has to stand is found when it is read, not when it is delivered."""
        place.store().save(ENTRY)
        shown = place.shown()
        assert shown is not None
        place.overwrite({**shown, "material": json.dumps({ACTIVE: {"jwk": 7}}).encode()})
        monkeypatch.undo()  # the canary's own wrapper refuses what is no text
        with pytest.raises(Unreadable):
            place.store().load()

    def test_a_newer_format_is_named_as_such(self, place: StorePlace) -> None:
        """A person has to know that the program is too old, not that the ring is broken."""
        place.store().save(ENTRY)
        shown = place.shown()
        assert shown is not None
        place.overwrite(_document(dict(shown), format=2))
        with pytest.raises(Unreadable, match="another version of rotator"):
            place.store().load()

    def test_fields_of_others_do_not_make_a_ring_unreadable(self, place: StorePlace) -> None:
        """A field that somebody added is passed over."""
        saved = place.store().save(ENTRY)
        shown = place.shown()
        assert shown is not None
        place.overwrite({**shown, "remark": b"do not touch"})
        loaded = place.store().load()
        assert loaded is not None
        assert replace(loaded, fence=saved.fence) == saved

    def test_without_history_there_is_nothing_to_erase(self, place: StorePlace) -> None:
        """A place nobody wrote to, and one that was written once, hold nothing older; erasing leaves the entry."""
        assert place.store().erase_history(act=False)
        assert place.store().erase_history(act=True)
        saved = place.store().save(ENTRY)
        assert place.store().erase_history(act=False)
        assert place.store().erase_history(act=True)
        assert place.store().load() == saved

    def test_no_representation_shows_a_secret(self, place: StorePlace) -> None:
        """Neither the entry nor the store tells the material when printed (I8)."""
        store = place.store()
        saved = store.save(ENTRY)
        loaded = store.load()
        assert loaded is not None
        assert loaded.copy(ACTIVE).material["jwk"].reveal() == SECRET
        shown = f"{saved!r} {loaded!r} {loaded.copy(ACTIVE)!r} {store!r} {store.label}"
        assert SECRET not in shown
        assert "[redacted]" in shown

    def test_the_label_says_where_it_is(self, place: StorePlace) -> None:
        """People find the place by its label, and two places have two."""
        assert place.store().label == place.store().label
        system, _, where = place.store().label.partition(" ")
        assert system in {"vault", "secret"}
        assert "/" in where
