"""Rings are written and read back without loss; what is no ring is refused without being quoted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rotator.core.codec import from_document, to_document
from rotator.core.machine import Step
from rotator.core.reading import Unreadable
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
    ],
)
def test_what_is_no_ring_is_refused_and_not_quoted(document: Any, expected: str) -> None:
    """The message says what is wrong, never what stands there."""
    with pytest.raises(Unreadable, match=expected) as caught:
        from_document(document)
    assert "secret-x" not in str(caught.value)
