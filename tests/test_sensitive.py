"""Key material cannot be shown by accident, alone or in whatever holds it."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from rotator.core.ring import Ring
from rotator.core.sensitive import HIDDEN, Sensitive
from rotator.ports import Copy, Entry, Made, Rendered, Seen, Stamp, Want
from rotator.systems.vault.kv import KvDocument
from rotator.systems.vault.settings import VaultSettings

CANARY = "canary-5f1c"
SECRET = Sensitive(CANARY)
RING = Ring(rotation="payments/jwt")
STAMP = Stamp(
    rotation="payments/jwt",
    revision=1,
    version="a",
    content_revision=1,
    since=datetime(2026, 1, 1, tzinfo=UTC),
)

HOLDERS: dict[str, object] = {
    "alone": SECRET,
    "bytes": Sensitive(CANARY.encode()),
    "list": [SECRET],
    "dict": {"value": SECRET},
    "Entry": Entry(ring=RING, material={"a": {"private_key": SECRET}}, fence="1", writer="w"),
    "Copy": Copy("a", {"private_key": SECRET}),
    "Seen": Seen(fields={"private_key": SECRET}, stamp=STAMP, fence="1"),
    "Made": Made("a", {"private_key": SECRET}, "ES256"),
    "Rendered": Rendered({"private_key": SECRET}, {"previous": SECRET}),
    "Want": Want(
        ring=RING,
        copies=(Copy("a", {"value": SECRET}),),
        epoch=1,
        settled=0,
        drift=False,
        known={},
        erase=False,
    ),
    "VaultSettings": VaultSettings(address="https://vault:8200", credential=SECRET),
    "KvDocument": KvDocument(fields={"value": SECRET}, version=1),
}


def log(value: object) -> str:
    """Return what a logger makes of it, as an argument and as an extra."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(value)s"))
    logger = logging.Logger("test")  # noqa: LOG001 - one that nobody else shares
    logger.addHandler(handler)
    logger.error("%s %r", value, value, extra={"value": value})
    return stream.getvalue()


def raised(value: object) -> str:
    """Return what a traceback shows of an exception that carries it."""
    try:
        raise ValueError(value)  # noqa: TRY301 - it is what is shown
    except ValueError as error:
        return "".join(traceback.format_exception(error)) + repr(error) + str(error)


WAYS: dict[str, Callable[[object], str]] = {
    "repr": repr,
    "str": str,
    "format": format,
    "f-string": lambda v: f"{v} {v!r} {v!s} {v!a}",
    "str.format": "{0} {0!r}".format,
    "percent": lambda v: "%s %r %a" % (v, v, v),  # noqa: UP031 - this way is what is tested
    "json with default=str": lambda v: json.dumps({"v": v}, default=str),
    "json with default=repr": lambda v: json.dumps({"v": v}, default=repr),
    "logging": log,
    "exception": raised,
    "ascii": ascii,
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_writing_shows_the_value(holder: str, way: str) -> None:
    """Proves I8 for each way Python writes things, and each thing of ours that holds material."""
    text = WAYS[way](HOLDERS[holder])
    assert CANARY not in text
    assert HIDDEN in text


@pytest.mark.parametrize("holder", HOLDERS)
def test_nothing_that_holds_a_secret_is_pickled(holder: str) -> None:
    """Proves that no protocol of pickle writes it down."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError) as caught:
            pickle.dumps(HOLDERS[holder], protocol)
        assert CANARY not in repr(caught.value)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_secret_is_not_copied(duplicate: Callable[[object], object]) -> None:
    """Proves that there is one of each, and that the refusal does not quote it."""
    with pytest.raises(TypeError) as caught:
        duplicate(SECRET)
    assert CANARY not in repr(caught.value)


@pytest.mark.parametrize("spec", ["", "s", ">40", "x", "d", ".3f"])
def test_no_format_specification_shows_it(spec: str) -> None:
    """Proves that width and type change nothing."""
    assert format(SECRET, spec) == HIDDEN


@pytest.mark.parametrize("conversion", ["%d", "%x", "%f", "%c"])
def test_a_wrong_conversion_does_not_quote_it(conversion: str) -> None:
    """Proves that the error of a number format names the type only."""
    with pytest.raises(TypeError) as caught:
        conversion % SECRET
    assert CANARY not in repr(caught.value)


@pytest.mark.parametrize("holder", HOLDERS)
def test_json_refuses_it(holder: str) -> None:
    """Proves that no document holds it by accident."""
    with pytest.raises(TypeError) as caught:
        json.dumps(HOLDERS[holder])
    assert CANARY not in repr(caught.value)


@pytest.mark.parametrize("holder", ["Entry", "Copy", "Made", "VaultSettings"])
def test_asdict_gives_nothing_away(holder: str) -> None:
    """Proves that the usual way from dataclass to JSON is closed."""
    value = HOLDERS[holder]
    assert dataclasses.is_dataclass(value)
    assert not isinstance(value, type)
    with pytest.raises(TypeError) as caught:
        dataclasses.asdict(value)
    assert CANARY not in repr(caught.value)


def test_it_has_no_dictionary_and_no_hash() -> None:
    """Proves that `vars` has nothing to show, and that it is nobody's key."""
    with pytest.raises(TypeError):
        vars(SECRET)
    with pytest.raises(TypeError):
        hash(SECRET)


@pytest.mark.parametrize("convert", [bytes, list, len, int, float, sorted], ids=lambda f: str(f.__name__))
def test_it_converts_to_nothing(convert: Callable[[object], object]) -> None:
    """Proves that it is no sequence and no number."""
    with pytest.raises(TypeError) as caught:
        convert(SECRET)
    assert CANARY not in repr(caught.value)


def test_only_reveal_and_octets_give_it_away() -> None:
    """Proves the two ways out, for text and for bytes."""
    assert SECRET.reveal() == CANARY
    assert SECRET.octets() == CANARY.encode()
    assert Sensitive("ü").octets() == "ü".encode()


def test_bytes_that_are_no_text_are_not_quoted_by_the_refusal() -> None:
    """Proves that `reveal()` of bytes leaves nothing in the exception, nor in what it was raised from."""
    secret = Sensitive(CANARY.encode() + b"\xff")
    with pytest.raises(ValueError, match="no text") as caught:
        secret.reveal()
    error: BaseException | None = caught.value
    while error is not None:
        assert CANARY not in repr(error)
        assert CANARY not in repr(error.args)
        assert not isinstance(error, UnicodeDecodeError)
        error = error.__cause__ or error.__context__


def test_equal_secrets_are_equal_and_nothing_else_is() -> None:
    """Proves equality by value, text or bytes, and inequality with the plain value."""
    assert Sensitive("a") == Sensitive(b"a")
    assert Sensitive("a") != Sensitive("b")
    assert Sensitive("a") != "a"
    assert Sensitive("") != Sensitive("a")
