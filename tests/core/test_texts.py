"""What others wrote never breaks, colours or floods the lines that people and programs read."""

from __future__ import annotations

import pytest

from rotator.core.texts import LONGEST, printable
from rotator.engine.outcome import Outcome, Result
from rotator.errors import Frozen, PolicyError, Unavailable

ODD = {
    "escape": ("\x1b[31mred\x1b[0m", "?[31mred?[0m"),
    "title": ("\x1b]0;owned\x07", "?]0;owned?"),
    "line end": ("one\ntwo\r\nthree", "one?two??three"),
    "line separator": ("one\u2028two\u2029\x85", "one?two??"),
    "backspace": ("a\b\x7f", "a??"),
    "8-bit escape": ("\x9b31m", "?31m"),
    "right to left": ("a\u202egpj.exe\u2066", "a?gpj.exe?"),
    "invisible": ("a\u200bb\ufeff\xad", "a?b??"),
    "surrogate": ("a\udc80", "a?"),
    "nul": ("a\0b", "a?b"),
    "words": ("größe ≤ 3, 数", "größe ≤ 3, 数"),
    "long": ("x" * 100_000, "x" * (LONGEST - 1) + "…"),
}
ROWS = pytest.mark.parametrize(("text", "shown"), ODD.values(), ids=ODD)


@ROWS
def test_a_text_of_others_is_one_bounded_line(text: str, shown: str) -> None:
    """As long as it may be it is left whole."""
    assert printable(text) == shown
    assert printable("x" * LONGEST) == "x" * LONGEST


@ROWS
def test_every_error_of_ours_is_printable(text: str, shown: str) -> None:
    """Whichever it is, and whatever a server answered."""
    assert str(Frozen(text)) == shown
    assert str(Unavailable("GET /v1/x", text))[: LONGEST - 1] == f"GET /v1/x: {shown}"[: LONGEST - 1]


def test_a_policy_error_has_a_line_for_each_problem_and_no_more() -> None:
    """A file's name may hold a line end."""
    assert str(PolicyError("a\nb.yaml:1: x", "c.yaml:2: y")) == "a?b.yaml:1: x\nc.yaml:2: y"


@ROWS
def test_an_outcome_is_printable_wherever_it_is_shown(text: str, shown: str) -> None:
    """In the table, as JSON and YAML, in logs, in Events and in the status."""
    outcome = Outcome(
        rotation="a/b", result=Result.FROZEN, reason=text, lasting=text, steps=(text,), waiting_on=(text,)
    )
    assert (outcome.reason, outcome.lasting, outcome.steps, outcome.waiting_on) == (
        shown,
        shown,
        (shown,),
        (shown,),
    )
