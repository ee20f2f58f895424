"""Rings are written and read back without loss; what is no ring is refused without being quoted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rotator.core.codec import from_document, to_document
from rotator.core.machine import Step
from rotator.core.reading import Unreadable
from rotator.core.request import Request
from tests.core.rings import FIRST, STABLE, after

LIFE = (*FIRST, *FIRST, Step.WITHDRAW, Step.DESTROY)


@pytest.mark.parametrize("length", range(len(LIFE) + 1))
def test_a_ring_survives_being_written_down(length: int) -> None:
    """Every ring of a whole life reads back equal."""
    ring = after(*LIFE[:length])
    assert from_document(json.loads(json.dumps(to_document(ring)))) == ring


def _broken(**changes: Any) -> dict[str, Any]:
    return {**to_document(STABLE), **changes}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (None, "not a JSON object"),
        ([], "not a JSON object"),
        ({}, "format None"),
        (_broken(format=2), "written by another version"),
        (_broken(revision="secret-x"), "damaged"),
        (_broken(versions=[{"id": "a"}]), "damaged"),
        (_broken(versions="secret-x"), "damaged"),
        (_broken(requests=None), "damaged"),
        (_broken(asked=[{"verb": "rotate"}]), "damaged"),
        (_broken(asked=[{"verb": 1, "reason": "secret-x"}]), "damaged"),
    ],
)
def test_what_is_no_ring_is_refused_and_not_quoted(document: Any, expected: str) -> None:
    """The message says what is wrong, never what stands there."""
    with pytest.raises(Unreadable, match=expected) as caught:
        from_document(document)
    assert "secret-x" not in str(caught.value)


ASKED = (
    Request(reason="INC-1"),
    Request(reason="INC-2", by="rotator-5d8f-1a2b3c4d"),
    Request(reason="a leak", verb="revoke", version="k1", by="rotator-5d8f-1a2b3c4d"),
)


def test_what_was_asked_for_is_kept_with_who_asked() -> None:
    """Also what only a later rotator can do: then it is not asked for again after a way back."""
    ring = replace(STABLE, requests=ASKED)
    found = from_document(json.loads(json.dumps(to_document(ring))))
    assert [(r.verb, r.reason, r.version, r.by) for r in found.requests] == [
        (r.verb, r.reason, r.version, r.by) for r in ASKED
    ]


def test_rings_from_before_requests_had_a_verb_are_read_and_can_be_read_there() -> None:
    """An earlier rotator keeps the reasons of rotations as texts, and knows nothing else; one may go back to it."""
    old = {k: v for k, v in to_document(STABLE).items() if k != "asked"}
    found = from_document({**old, "requests": ["INC-1", "INC-2"]})
    assert found.requests == (Request(reason="INC-1"), Request(reason="INC-2"))
    written = to_document(replace(STABLE, requests=ASKED))
    assert written["format"] == old["format"]
    assert written["requests"] == ["INC-1", "INC-2"]


def test_a_reason_that_an_earlier_rotator_added_is_read_beside_what_a_later_one_wrote() -> None:
    """Which an earlier one leaves out, as all that it does not know."""
    written = to_document(replace(STABLE, requests=ASKED))
    found = from_document({**written, "requests": [*written["requests"], "INC-3"]})
    assert {r.key for r in found.requests} == {*(r.key for r in ASKED), "INC-3"}


def test_requests_are_the_same_by_what_is_asked_and_why() -> None:
    """Not by who asks; and for another version or by another verb it is another one."""
    one = Request(reason="INC-1", by="a")
    assert one == Request(reason="INC-1", by="b")
    others = [
        Request(reason="INC-2"),
        Request(reason="INC-1", version="k1"),
        Request(reason="INC-1", verb="revoke"),
    ]
    assert all(other != one for other in others)
    assert len({one.key, *(other.key for other in others)}) == len(others), (
        "a version is none of rotate's business"
    )
