"""Whether what was read replaces what is served: a table, and what may be shown to everybody."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator.core.reading import Unreadable
from rotator.kinds import CONFIG_MAP, Address
from rotator.ports import Stamp
from rotator.serving.declared import Source
from rotator.serving.sets import PRIVATE, Read, State, public, seen, unseen

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EC = {"kty": "EC", "kid": "a", "alg": "ES256", "crv": "P-256", "x": "x", "y": "y"}


MINUTE = timedelta(minutes=1)
PLACE = Address(CONFIG_MAP, "n", "m")
ALONE = Source(name="configmap n/m", place=PLACE, key="jwks.json", ages={"a/b": MINUTE})


def body(*keys: Any) -> str:
    """Return a set."""
    return json.dumps({"keys": keys})


def stamp(revision: int, second: int = 0) -> Stamp:
    """Return the stamp of a write at a revision."""
    since = NOW.replace(second=second)
    return Stamp(rotation="a/b", revision=revision, version="v", content_revision=revision, since=since)


def found(text: str, *at: Stamp) -> Read:
    """Return a document as it was read."""
    return Read(body=text.encode(), stamps={each.rotation: each for each in at})


def after(state: State, document: Read | None, source: Source = ALONE) -> State:
    """Return what is known after a look."""
    return seen(state, document, source, NOW, 1.0)


OLD, NEW = body(EC), body(EC, {**EC, "kid": "b"})
HELD = after(State(), found(OLD, stamp(5)))


def test_the_first_set_is_taken() -> None:
    """With a strong tag, its algorithms, and since when."""
    assert HELD.held is not None
    assert (HELD.held.body, HELD.held.algorithms, HELD.held.since) == (OLD.encode(), ("ES256",), {"a/b": NOW})
    assert HELD.floors == {"a/b": 5}
    assert not HELD.trouble


COPY = "the document is at revision 4 of a/b, and 5 was served: it was restored from a copy"
GONE = "the document is gone, or has no stamp of rotator any more"


@pytest.mark.parametrize(
    ("document", "kids", "trouble"),
    [
        (found(NEW, stamp(6)), ["a", "b"], ""),
        (found(NEW, stamp(5, second=1)), ["a", "b"], ""),  # written again at the same revision, by rotator
        (found(OLD, stamp(6)), ["a"], ""),
        (found(NEW, stamp(4)), ["a"], COPY),
        (found(OLD, stamp(4)), ["a"], COPY),
        (found(NEW, stamp(5)), ["a"], "somebody else has changed what a/b wrote, and rotator has not"),
        (found(NEW), ["a"], GONE),
        (None, ["a"], GONE),
        (found("{", stamp(6)), ["a"], "what the document holds is not served: it is no JSON"),
        (found(body({**EC, "d": "x"}), stamp(6)), ["a"], "what the document holds is not served: it holds a key that is not public"),
    ],
)  # fmt: skip
def test_what_is_held_is_replaced_by_what_rotator_wrote_later(
    document: Read | None, kids: list[str], trouble: str
) -> None:
    """Anything else leaves it, and is told: old keys are better than none."""
    state = after(HELD, document)
    assert state.held is not None
    assert [key["kid"] for key in json.loads(state.held.body)["keys"]] == kids
    assert state.trouble == trouble
    assert state.looked == 1.0


def test_a_revision_alone_changes_nothing_of_what_is_answered() -> None:
    """Since when it is answered with stays: nobody was answered otherwise."""
    moved = replace(stamp(9), content_revision=5, since=NOW)
    later = seen(HELD, found(OLD, moved), ALONE, NOW.replace(hour=5), 1.0)
    assert later.held is not None
    assert (later.held.since, later.held.stamps["a/b"].revision, later.floors) == (
        {"a/b": NOW},
        9,
        {"a/b": 9},
    )


def test_a_replica_that_was_started_again_knows_what_it_has_served() -> None:
    """It answers with nothing rather than with less."""
    state = after(State().with_floor("a/b", 6), found(OLD, stamp(5)))
    assert state.held is None
    assert state.trouble.endswith("it was restored from a copy")
    assert not state.settled


def test_what_was_never_delivered_is_no_trouble() -> None:
    """A rotation that has just been declared has no set yet."""
    for document in (None, found(OLD)):
        state = after(State(), document)
        assert (state.held, state.missing, state.settled, state.trouble) == (None, True, True, "")


def test_a_look_that_fails_leaves_what_is_held() -> None:
    """And says why."""
    state = unseen(HELD, "no answer")
    assert state == replace(HELD, trouble="no answer")


# --- several rotations in one set -------------------------------------------------------------------------------------

ONE, TWO, THEIRS = ({**EC, "kid": kid} for kid in ("one", "two", "theirs"))
SHARED = Source(
    name="configmap n/m", place=PLACE, key="jwks.json", shared=True, ages={"a/one": MINUTE, "a/two": MINUTE}
)


def of(rotation: str, revision: int, *keys: str, second: int = 0) -> Stamp:
    """Return the stamp of one of several rotations."""
    return replace(stamp(revision, second), rotation=f"a/{rotation}", keys=keys)


BOTH = (of("one", 5, "one"), of("two", 7, "two"))
TOGETHER = after(State(), found(body(ONE, TWO, THEIRS), *BOTH), SHARED)


@pytest.mark.parametrize(
    ("keys", "stamps", "trouble"),
    [
        ((ONE, TWO), BOTH, ""),  # others have taken their key out
        ((TWO, {**THEIRS, "kid": "more"}, ONE), BOTH, ""),
        ((ONE, {**ONE, "kid": "next"}, TWO), (of("one", 6, "one", "next"), BOTH[1]), ""),
        ((ONE,), (BOTH[0],), "the document has no stamp of a/two any more, whose keys are served: it was restored from a copy, or written over"),
        ((ONE, TWO), (BOTH[0], of("two", 6, "two")), "the document is at revision 6 of a/two, and 7 was served: it was restored from a copy"),
        ((ONE, {**TWO, "x": "evil"}), BOTH, "somebody else has changed what a/two wrote, and rotator has not"),
        ((ONE, TWO, {**TWO, "x": "evil"}), BOTH, "somebody else has changed what a/two wrote, and rotator has not"),
        ((TWO, THEIRS), BOTH, "somebody else has changed what a/one wrote, and rotator has not"),
        ((ONE, TWO, {"kty": "oct", "k": "x"}), BOTH, "what the document holds is not served: it holds a key that is not public"),
    ],
)  # fmt: skip
def test_in_a_shared_set_each_rotation_is_looked_at_by_itself(
    keys: tuple[Any, ...], stamps: tuple[Stamp, ...], trouble: str
) -> None:
    """What others do with their keys is theirs; what they do with a rotation's is not served."""
    text = body(*keys)
    state = after(TOGETHER, found(text, *stamps), SHARED)
    assert state.trouble == trouble
    assert state.held is not None
    assert (state.held.body == text.encode()) == (not trouble)


def test_a_rotation_that_is_declared_no_more_may_take_its_keys_out() -> None:
    """Its stamp goes with them."""
    alone = replace(SHARED, ages={"a/one": MINUTE})
    state = after(TOGETHER, found(body(ONE), BOTH[0]), alone)
    assert (state.trouble, state.floors) == ("", {"a/one": 5})


def test_since_when_is_told_for_each_rotation() -> None:
    """What one writes does not move the instant from which another one counts its lead."""
    hour = NOW.replace(hour=3)
    next_one = of("one", 6, "one", "next", second=5)
    state = seen(
        TOGETHER, found(body(ONE, {**ONE, "kid": "next"}, TWO), next_one, BOTH[1]), SHARED, hour, 1.0
    )
    assert state.held is not None
    assert state.held.since == {"a/one": hour, "a/two": NOW}


# --- what may be shown to everybody -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PRIVATE))
@pytest.mark.parametrize("kty", ["RSA", "EC", "OKP"])
def test_nothing_private_is_shown(name: str, kty: str) -> None:
    """Whichever member it is, and whoever put it there."""
    with pytest.raises(Unreadable, match="not public"):
        public(body(EC, {"kty": kty, name: "x"}).encode())


@pytest.mark.parametrize("key", [{"kty": "oct", "kid": "a"}, {"kty": "new"}, {"kid": "a"}, 7, {"kty": ""}])
def test_what_is_not_known_to_be_public_is_not_shown(key: Any) -> None:
    """A type of keys that nobody knows here may have any private member."""
    with pytest.raises(Unreadable):
        public(body(key).encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"keys": {}}',
        '{"keys": [',
        "\ud800".encode("utf-16", "surrogatepass").decode("latin-1"),
    ],
)
def test_what_is_no_set_is_not_shown(text: str) -> None:
    """It would take all keys from whoever reads it."""
    with pytest.raises(Unreadable):
        public(text.encode())
