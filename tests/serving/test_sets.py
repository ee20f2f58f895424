"""Whether what was read replaces what is served: a table, and what may be shown to everybody."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from rotator.core.reading import Unreadable
from rotator.ports import Stamp
from rotator.serving.sets import PRIVATE, Found, State, public, seen, unseen

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EC = {"kty": "EC", "kid": "a", "alg": "ES256", "crv": "P-256", "x": "x", "y": "y"}


def body(*keys: Any) -> str:
    """Return a set."""
    return json.dumps({"keys": keys})


def stamp(revision: int, second: int = 0) -> Stamp:
    """Return the stamp of a write at a revision."""
    since = NOW.replace(second=second)
    return Stamp(rotation="a/b", revision=revision, version="v", content_revision=revision, since=since)


def found(text: str, *, at: Stamp | None) -> Found:
    """Return a document as it was read."""
    return Found(body=text.encode(), stamps={at.rotation: at} if at else {})


def after(state: State, document: Found | None) -> State:
    """Return what is known after a look."""
    return seen(state, document, NOW, 1.0)


OLD, NEW = body(EC), body(EC, {**EC, "kid": "b"})
HELD = after(State(), found(OLD, at=stamp(5)))


def test_the_first_set_is_taken() -> None:
    """With a strong tag, its algorithms, and since when."""
    assert HELD.held is not None
    assert (HELD.held.body, HELD.held.algorithms, HELD.held.since) == (OLD.encode(), ("ES256",), NOW)
    assert HELD.floor == {"a/b": 5}
    assert not HELD.trouble


@pytest.mark.parametrize(
    ("document", "kids", "trouble"),
    [
        (found(NEW, at=stamp(6)), ["a", "b"], ""),
        (found(NEW, at=stamp(5, second=1)), ["a", "b"], ""),  # written again at the same revision, by rotator
        (found(OLD, at=stamp(6)), ["a"], ""),
        (found(NEW, at=stamp(4)), ["a"], "the document is at revision 4, and 5 was served: it was restored from a copy"),
        (found(OLD, at=stamp(4)), ["a"], "the document is at revision 4, and 5 was served: it was restored from a copy"),
        (found(NEW, at=stamp(5)), ["a"], "somebody else has changed the document, and rotator has not"),
        (found(NEW, at=None), ["a"], "the document is gone, or has no stamp of rotator any more"),
        (None, ["a"], "the document is gone, or has no stamp of rotator any more"),
        (found("{", at=stamp(6)), ["a"], "what the document holds is not served: it is no JSON"),
        (found(body({**EC, "d": "x"}), at=stamp(6)), ["a"], "what the document holds is not served: it holds a key that is not public"),
    ],
)  # fmt: skip
def test_what_is_held_is_replaced_by_what_rotator_wrote_later(
    document: Found | None, kids: list[str], trouble: str
) -> None:
    """Anything else leaves it, and is told: old keys are better than none."""
    state = after(HELD, document)
    assert state.held is not None
    assert [key["kid"] for key in json.loads(state.held.body)["keys"]] == kids
    assert state.trouble == trouble
    assert state.looked == 1.0


def both(text: str, one: int, other: int) -> Found:
    """Return a document that two rotations share."""
    stamps = {"a/b": stamp(one), "a/c": replace(stamp(other), rotation="a/c")}
    return Found(body=text.encode(), stamps=stamps, is_shared=True)


@pytest.mark.parametrize(
    ("document", "kids", "trouble"),
    [
        (both(NEW, 5, 8), ["a", "b"], ""),
        (both(NEW, 6, 7), ["a", "b"], ""),
        (both(NEW, 5, 7), ["a", "b"], ""),  # others have changed their keys
        (
            both(NEW, 4, 9),
            ["a"],
            "the document is at revision 4, and 5 was served: it was restored from a copy",
        ),
        (found(NEW, at=stamp(6)), ["a", "b"], ""),  # one of the two has left
    ],
)
def test_of_a_shared_set_none_goes_back(document: Found, kids: list[str], trouble: str) -> None:
    """Each rotation has revisions of its own, and others may change what is theirs."""
    state = after(after(State(), both(OLD, 5, 7)), document)
    assert state.held is not None
    assert [key["kid"] for key in json.loads(state.held.body)["keys"]] == kids
    assert state.trouble == trouble


def test_a_revision_alone_changes_nothing_of_what_is_answered() -> None:
    """Since when it is answered with stays: nobody was answered otherwise."""
    later = seen(HELD, found(OLD, at=stamp(9)), NOW.replace(hour=5), 1.0)
    assert later.held is not None
    assert (later.held.since, later.held.revision, later.floor) == (NOW, 9, {"a/b": 9})


def test_a_replica_that_was_started_again_knows_what_it_has_served() -> None:
    """It answers with nothing rather than with less."""
    state = after(State(floor={"a/b": 6}), found(OLD, at=stamp(5)))
    assert state.held is None
    assert state.trouble.endswith("it was restored from a copy")
    assert not state.settled


def test_what_was_never_delivered_is_no_trouble() -> None:
    """A rotation that has just been declared has no set yet."""
    for document in (None, found(OLD, at=None)):
        state = after(State(), document)
        assert (state.held, state.missing, state.settled, state.trouble) == (None, True, True, "")


def test_a_look_that_fails_leaves_what_is_held() -> None:
    """And says why."""
    state = unseen(HELD, "no answer")
    assert state == replace(HELD, trouble="no answer")


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
