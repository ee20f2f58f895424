"""What every target keeps its word on. A subclass of TargetTests says where there is a place for a document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from rotator.core.sensitive import Sensitive
from rotator.errors import Conflict
from rotator.ports import Stamp, Target

KEY = "mW7pLx3QvT9sKd5RfZ"
OTHER_KEY = "bN4hYc8JgX2wPa6VtE"
NAMES = ("key", "kid", "previous_key")
FIELDS = {"key": Sensitive(KEY), "kid": Sensitive("v1"), "previous_key": None}
STAMP = Stamp(
    rotation="payments/jwt",
    revision=7,
    version="v1",
    content_revision=5,
    since=datetime(2026, 1, 1, 12, 30, 1, 250, tzinfo=UTC),
)
NEXT = replace(STAMP, revision=9, version="v2", content_revision=9, since=STAMP.since + timedelta(days=30))
NOTE = {"rotation": "payments/jwt", "current_version": "v1", "current_state": "Active"}


class TargetPlace(Protocol):
    """A place for one document, where nothing is yet: how the product reaches it, and how somebody else does."""

    def target(self) -> Target:
        """Return the target, as a new run would."""
        ...

    def shown(self) -> Mapping[str, bytes]:
        """Return all fields as consumers read them."""
        ...

    def edit(self, fields: Mapping[str, str]) -> None:
        """Set fields by hand, or make the document with them."""
        ...

    def scribble(self, name: str, text: str | None) -> None:
        """Change one text of the stamp by hand, or remove it."""
        ...

    def remove(self) -> None:
        """Remove the document, as if it had never been."""
        ...


Places = Callable[[], TargetPlace]


class TargetTests:
    """The contract of `rotator.ports.Target`."""

    @pytest.fixture(scope="class")
    @classmethod
    def places(cls) -> Places:
        """Return what makes a new place each time."""
        raise NotImplementedError

    @pytest.fixture
    def place(self, places: Places) -> TargetPlace:
        """Return a new place."""
        return places()

    def test_nothing_is_read_where_nothing_was_written(self, place: TargetPlace) -> None:
        """A document that does not exist is None, and no error."""
        assert place.target().read(NAMES) is None

    def test_what_is_created_is_read_by_another_run(self, place: TargetPlace) -> None:
        """Fields and stamp come back as they were written, with the fence that the write returned."""
        written = place.target().write(FIELDS, STAMP, None, NOTE)
        seen = place.target().read(NAMES)
        assert seen == written
        assert seen is not None
        assert seen.fields == {"key": Sensitive(KEY), "kid": Sensitive("v1")}
        assert seen.stamp == STAMP
        assert seen.fence
        assert place.shown()["key"] == KEY.encode()

    def test_only_the_fields_asked_for_are_read(self, place: TargetPlace) -> None:
        """What is not ours is not even looked at."""
        place.target().write(FIELDS, STAMP, None, NOTE)
        seen = place.target().read(["kid", "nothing"])
        assert seen is not None
        assert dict(seen.fields) == {"kid": Sensitive("v1")}

    def test_a_second_write_replaces_ours_removes_what_is_none_and_keeps_the_rest(
        self, place: TargetPlace
    ) -> None:
        """Fields of others stay as they are from write to write; the fence changes."""
        target = place.target()
        first = target.write({**FIELDS, "previous_key": Sensitive(OTHER_KEY)}, STAMP, None, NOTE)
        place.edit({"remark": "theirs"})
        seen = target.read(NAMES)
        assert seen is not None
        assert seen.fence != first.fence
        second = target.write({"key": Sensitive(OTHER_KEY), "previous_key": None}, NEXT, seen, NOTE)
        shown = place.shown()
        assert second.fence not in {first.fence, seen.fence}
        assert shown["key"] == OTHER_KEY.encode()
        assert shown["kid"] == b"v1"
        assert shown["remark"] == b"theirs"
        assert "previous_key" not in shown
        again = place.target().read(NAMES)
        assert again is not None
        assert again.stamp == NEXT

    def test_a_document_of_others_has_no_stamp_and_can_be_taken_over(self, place: TargetPlace) -> None:
        """Who decides to write it keeps what was there."""
        place.edit({"remark": "theirs"})
        target = place.target()
        seen = target.read(NAMES)
        assert seen is not None
        assert seen.stamp is None
        assert dict(seen.fields) == {}
        target.write(FIELDS, STAMP, seen, NOTE)
        assert place.shown()["remark"] == b"theirs"
        assert place.shown()["key"] == KEY.encode()

    def test_a_stale_write_is_refused_and_changes_nothing(self, place: TargetPlace) -> None:
        """Whoever looked before another run wrote cannot write (I5)."""
        stale = place.target()
        seen = stale.write(FIELDS, STAMP, None, NOTE)
        newer = place.target()
        newer.write({"key": Sensitive(OTHER_KEY)}, NEXT, newer.read(NAMES), NOTE)
        before = place.shown()
        with pytest.raises(Conflict):
            stale.write({"key": Sensitive(KEY), "kid": None}, STAMP, seen, NOTE)
        assert place.shown() == before
        after = place.target().read(NAMES)
        assert after is not None
        assert after.stamp == NEXT

    def test_an_edit_by_hand_fences_a_write_off(self, place: TargetPlace) -> None:
        """Somebody who is no run counts as somebody too."""
        target = place.target()
        seen = target.write(FIELDS, STAMP, None, NOTE)
        place.edit({"key": "edited"})
        with pytest.raises(Conflict):
            target.write(FIELDS, NEXT, seen, NOTE)
        assert place.shown()["key"] == b"edited"

    def test_a_document_is_created_once(self, place: TargetPlace) -> None:
        """Who saw nothing cannot overwrite what has come since."""
        place.edit({"key": "theirs"})
        with pytest.raises(Conflict):
            place.target().write(FIELDS, STAMP, None, NOTE)
        assert place.shown() == {"key": b"theirs"}

    def test_what_was_removed_in_between_is_a_conflict(self, place: TargetPlace) -> None:
        """A document that is gone was changed by somebody: it is looked at again, and then created."""
        target = place.target()
        seen = target.write(FIELDS, STAMP, None, NOTE)
        place.remove()
        with pytest.raises(Conflict):
            target.write(FIELDS, NEXT, seen, NOTE)
        assert target.read(NAMES) is None
        target.write(FIELDS, NEXT, None, NOTE)
        assert place.shown()["key"] == KEY.encode()

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("rotation", None),
            ("revision", None),
            ("revision", "seven"),
            ("revision", ""),
            ("version", None),
            ("content_revision", "7.5"),
            ("since", None),
            ("since", "yesterday"),
            ("since", "2026-01-01T00:00:00"),
            ("since", "0001-01-01T00:00:00+23:59"),
        ],
    )
    def test_a_damaged_stamp_counts_as_none(self, place: TargetPlace, name: str, text: str | None) -> None:
        """It is no error of ours, and no stamp that anything could be concluded from."""
        place.target().write(FIELDS, STAMP, None, NOTE)
        place.scribble(name, text)
        seen = place.target().read(NAMES)
        assert seen is not None
        assert seen.stamp is None
        assert seen.fields["key"] == Sensitive(KEY)

    def test_without_history_there_is_nothing_to_erase(self, place: TargetPlace) -> None:
        """A document that was written once holds nothing older; erasing leaves it."""
        assert place.target().erase_history(act=False)
        place.target().write(FIELDS, STAMP, None, NOTE)
        assert place.target().erase_history(act=False)
        assert place.target().erase_history(act=True)
        assert place.shown()["key"] == KEY.encode()

    def test_no_representation_shows_a_secret(self, place: TargetPlace) -> None:
        """Neither what was seen nor the target, which may keep it, tells the fields when printed (I8)."""
        target = place.target()
        written = target.write(FIELDS, STAMP, None, NOTE)
        seen = target.read(NAMES)
        shown = f"{written!r} {seen!r} {target!r} {target.label}"
        assert KEY not in shown
        assert "[redacted]" in shown
