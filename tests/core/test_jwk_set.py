"""The text of a shared JWK Set: whatever is done to our keys, those of others stay byte for byte, and in order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core import jwk_set
from rotator.core.reading import Unreadable

BLANKS = st.text(" \t\n\r", max_size=3)
OURS = ("ours-1", "ours-2", "ours-3")
VALUES = st.one_of(
    st.text(max_size=5), st.integers(-9, 9), st.lists(st.text('[]{},:"\\', max_size=3), max_size=2)
)
JWKS = st.dictionaries(st.text(max_size=4), VALUES, max_size=3)
KIDS = st.sampled_from((*OURS, "theirs", "", "]}", 'a"b\\'))


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Draw the text of a set, however it is spaced, and the texts of its keys."""

    def blank() -> str:
        return draw(BLANKS)

    keys = []
    for jwk in draw(st.lists(JWKS, max_size=5)):
        kid: Mapping[str, Any] = {"kid": draw(KIDS)} if draw(st.booleans()) else {}
        indent = draw(st.sampled_from((None, 1)))
        keys.append(json.dumps({**jwk, **kid}, indent=indent, ensure_ascii=draw(st.booleans())))
    listed = ",".join(f"{blank()}{key}{blank()}" for key in keys) or blank()
    others = [f'"x": {json.dumps(draw(VALUES))}'] if draw(st.booleans()) else []
    members = draw(st.permutations([f'"keys"{blank()}:{blank()}[{listed}]', *others]))
    return f"{blank()}{{{blank()}{','.join(f'{blank()}{m}{blank()}' for m in members)}}}{blank()}", keys


def written(found: jwk_set.JwkSetText) -> list[str]:
    """Return the keys as they are written."""
    return [found.text[e.start : e.end] for e in found.entries]


@given(texts())
def test_every_key_is_found_where_it_stands(drawn: tuple[str, list[str]]) -> None:
    """However the set is spaced, and whatever its keys have in their texts."""
    text, keys = drawn
    assert written(jwk_set.read(text)) == keys


@given(texts(), st.sets(st.sampled_from(OURS)), st.lists(st.sampled_from(("new-1", "new-2")), unique=True))
def test_keys_of_others_stay_byte_for_byte_and_in_order(
    drawn: tuple[str, list[str]], gone: set[str], new: list[str]
) -> None:
    """Ours are taken out wherever they stand, new ones come last; what else the set says stays too."""
    text, keys = drawn
    left = jwk_set.read(text).without(lambda e: e.kid in gone)
    kept = [key for key in keys if json.loads(key).get("kid") not in gone]
    assert written(left) == kept
    added = left.with_keys([{"kid": kid} for kid in new])
    assert written(added) == [*kept, *(json.dumps({"kid": kid}) for kid in new)]
    before, after = json.loads(text), json.loads(added.text)
    assert {**before, "keys": None} == {**after, "keys": None}


@given(texts())
def test_nothing_to_do_changes_nothing(drawn: tuple[str, list[str]]) -> None:
    """No byte, not even a blank."""
    text, _ = drawn
    assert jwk_set.read(text).without(lambda _: False).with_keys([]).text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"keys": {}}',
        '{"keys": [1]}',
        '{"keys": [], "keys": []}',
        '{"keys": []} more',
        '{"keys": [{}],}',
        '{"keys": ' + "[" * 100 + "]" * 100 + "}",
        "-----BEGIN PUBLIC KEY-----",
    ],
)
def test_what_is_no_set_or_two_is_refused(text: str) -> None:
    """Readers would not agree on it either."""
    with pytest.raises(Unreadable):
        jwk_set.read(text)


KEY = {"kty": "OKP", "crv": "Ed25519", "x": "AAA", "kid": "a", "alg": "EdDSA", "use": "sig"}
MEANINGS: dict[str, tuple[dict[str, Any], bool]] = {
    "itself": ({}, True),
    "a member more": ({"x5t": "abc"}, True),
    "no use": ({"use": None}, True),
    "no algorithm": ({"alg": None}, True),
    "another use": ({"use": "enc"}, False),
    "another algorithm": ({"alg": "ES256"}, False),
    "another key": ({"x": "BBB"}, False),
    "another kid": ({"kid": "b"}, False),
}


@pytest.mark.parametrize(("change", "expected"), MEANINGS.values(), ids=MEANINGS)
def test_keys_are_compared_by_what_they_mean(change: dict[str, Any], *, expected: bool) -> None:
    """What verifiers do not need may differ; what they go by may be missing, and must not say otherwise."""
    theirs = {name: value for name, value in {**KEY, **change}.items() if value is not None}
    assert jwk_set.same(theirs, KEY) is expected
