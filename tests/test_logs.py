"""Logs: JSON with stable keys for programs, one line for people."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.sensitive import Sensitive
from rotator.telemetry.logs import set_up

CANARY = "canary-5f1c"
OUTCOME = {
    "rotation": "payments/jwt",
    "result": "Waiting",
    "reason": "lead",
    "until": None,
    "step": ["stage"],
    "revision": 3,
}


class Terminal(io.StringIO):
    """A stream that people watch."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def logger() -> Iterator[logging.Logger]:
    """Lend the logger that everything of ours writes to, and put it back as it was found."""
    ours = logging.getLogger("rotator")
    before = ours.handlers, ours.propagate, ours.level
    yield ours
    ours.handlers, ours.propagate, ours.level = before


def test_a_program_reads_one_json_object_a_line(logger: logging.Logger) -> None:
    """Proves the keys and types of a record."""
    stream = io.StringIO()
    set_up(verbose=False, stream=stream)
    logger.info("rotation", extra=OUTCOME)
    logger.error("unexpected error", extra={"error": "KeyError", "where": "core/ring.py:7"})
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first.pop("time")
    assert first == {"level": "INFO", "message": "rotation", **OUTCOME}
    assert set(second) == {"time", "level", "message", "error", "where"}
    assert second["level"] == "ERROR"


def test_the_instant_is_rfc_3339(logger: logging.Logger) -> None:
    """Proves that log collectors read the time, in UTC whatever the zone of the machine."""
    stream = io.StringIO()
    set_up(verbose=False, stream=stream)
    before = datetime.now(UTC) - timedelta(seconds=1)
    logger.info("rotation")
    time = json.loads(stream.getvalue())["time"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", time)
    assert before <= datetime.fromisoformat(time) <= datetime.now(UTC)


def test_a_line_break_in_a_value_makes_no_second_record(logger: logging.Logger) -> None:
    """Proves that nobody forges a record through a value."""
    stream = io.StringIO()
    set_up(verbose=False, stream=stream)
    logger.info("rotation", extra={"reason": 'a\n{"level": "ERROR"}'})
    assert len(stream.getvalue().splitlines()) == 1


def test_people_get_one_line_with_what_is_known(logger: logging.Logger) -> None:
    """Proves the form for a terminal: message, then keys that have a value."""
    stream = Terminal()
    set_up(verbose=False, stream=stream)
    logger.info("rotation", extra=OUTCOME)
    assert (
        "rotation rotation=payments/jwt result=Waiting reason=lead step=['stage'] revision=3"
        in stream.getvalue()
    )
    assert "until" not in stream.getvalue()


def test_people_see_errors_in_red(logger: logging.Logger) -> None:
    """Proves that levels look different."""
    stream = Terminal()
    set_up(verbose=False, stream=stream)
    for log in (logger.info, logger.warning, logger.error):
        log("x")
    starts = [line.partition("x")[0] for line in stream.getvalue().splitlines()]
    assert starts == ["\033[2m", "\033[33m", "\033[31m"]


@pytest.mark.parametrize("verbose", [True, False])
def test_verbose_decides_about_the_small_things(logger: logging.Logger, *, verbose: bool) -> None:
    """Proves `-v`."""
    stream = io.StringIO()
    set_up(verbose=verbose, stream=stream)
    logger.debug("small")
    assert ("small" in stream.getvalue()) is verbose


def test_setting_up_twice_logs_once(logger: logging.Logger) -> None:
    """Proves that handlers do not pile up, and that the root logger hears nothing."""
    first, second = io.StringIO(), io.StringIO()
    set_up(verbose=False, stream=first)
    set_up(verbose=False, stream=second)
    logger.info("x")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1
    assert logger.propagate is False


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_secret_is_never_written(logger: logging.Logger, stream: type[io.StringIO]) -> None:
    """Proves I8 for both forms: as an argument, as a value, inside a value, in an exception."""
    out = stream()
    set_up(verbose=True, stream=out)
    secret = Sensitive(CANARY)
    logger.info("%s %r", secret, {"a": secret}, extra={"reason": secret, "step": [secret]})
    try:
        raise ValueError(secret)  # noqa: TRY301 - it is what is logged
    except ValueError:
        logger.exception("failed")
    assert CANARY not in out.getvalue()
    assert "[redacted]" in out.getvalue()
