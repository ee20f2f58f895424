"""Logs: JSON with stable keys where a program reads, one plain coloured line where a person does."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, TextIO

from rotator.late import Late

if TYPE_CHECKING:
    from pythonjsonlogger import json

    from rotator.engine.outcome import Outcome
else:
    json = Late("pythonjsonlogger.json")  # a terminal never needs it

_COLOURS = {logging.WARNING: "\033[33m", logging.ERROR: "\033[31m"}
_KEYS = (
    "rotation",
    "result",
    "reason",
    "until",
    "step",
    "error",
    "where",
    "revision",
    "active",
    "exit_code",
    "seconds",
)
"""The keys that a record may carry besides time, level and message."""


class PlainFormatter(logging.Formatter):
    """A line for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return `message key=value …`, coloured by level."""
        values = " ".join(f"{k}={getattr(record, k)}" for k in _KEYS if getattr(record, k, None))
        colour = _COLOURS.get(record.levelno, "\033[2m")
        return f"{colour}{record.getMessage()} {values}\033[0m"


def set_up(*, verbose: bool, stream: TextIO | None = None) -> None:
    """Send the `rotator` logger to `stream` (standard error): plain on a terminal, JSON otherwise."""
    out = stream or sys.stderr
    handler = logging.StreamHandler(out)
    handler.setFormatter(PlainFormatter() if out.isatty() else _json_formatter())
    logger = logging.getLogger("rotator")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)


def log_outcome(outcome: Outcome) -> None:
    """Log what became of one rotation, with stable keys."""
    logging.getLogger("rotator").log(
        logging.ERROR if outcome.result == "Frozen" else logging.INFO,
        "rotation",
        extra={
            "rotation": outcome.rotation,
            "result": str(outcome.result),
            "reason": outcome.reason,
            "until": outcome.until.isoformat() if outcome.until else None,
            "step": list(outcome.steps),
            "revision": outcome.summary.revision,
        },
    )


def _json_formatter() -> logging.Formatter:
    formatter = json.JsonFormatter(
        "%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%SZ",
        rename_fields={"asctime": "time", "levelname": "level"},
    )
    formatter.converter = time.gmtime
    return formatter
