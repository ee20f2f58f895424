"""What a run asks of its process: garbage collection that suits a short life, and signals that end it in order."""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable

GARBAGE = 50_000
"""Objects made between two looks for garbage: a run is short, and nearly all it makes is freed by reference counts."""


def begin_loading() -> None:
    """Look for no garbage while modules and declarations are loaded: that makes none worth looking for."""
    gc.disable()


def begin_work(stop: Callable[[str], None]) -> None:
    """Keep what is loaded by now to the end, and end the run in order when the process is asked to end."""
    gc.freeze()
    gc.set_threshold(GARBAGE)
    gc.enable()
    _stop_when_asked(stop)


def begin_service() -> None:
    """Keep what is loaded by now to the end, and look for garbage as Python does by itself: the process lives for weeks."""
    gc.freeze()
    gc.enable()


def end() -> None:
    """Let Python look for no garbage once more as it ends: all memory goes with the process."""
    gc.freeze()


def _stop_when_asked(stop: Callable[[str], None]) -> None:
    """On the first SIGTERM or Ctrl-C stop at the next safe point and give everything back; on the second, at once."""

    def end(number: int, frame: object) -> None:
        del frame
        stop(signal.Signals(number).name)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
