"""The program as a process of its own, forked from one that has loaded its modules: a start costs nothing."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_LONGEST = 300.0
"""Seconds after which a process that has not ended is ended: none takes so long."""
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "rotator.cli.verbs",
        "rotator.cli.report",
        "rotator.run.run",
        "rotator.run.job",
        "rotator.telemetry.logs",
    ]
)


def start(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> tuple[int, str, str]:
    """Run `rotator ARGUMENTS` with exactly this environment; return its exit code, its output and what it said."""
    texts = [folder / f"{stream}-{os.urandom(4).hex()}" for stream in ("out", "said")]
    process = _FORKS.Process(target=_be, args=(list(arguments), dict(environment), folder, texts))
    process.start()
    process.join(_LONGEST)
    if process.exitcode is None:
        process.kill()
        process.join()
    out, said = (text.read_text(encoding="utf-8") for text in texts)
    return process.exitcode or 0, out, said


def _be(arguments: list[str], environment: dict[str, str], folder: Path, texts: list[Path]) -> None:
    """Become the program."""
    for number, text in enumerate(texts, start=1):
        os.dup2(os.open(text, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["rotator", *arguments]
    from rotator.cli.verbs import main  # noqa: PLC0415 - loaded already, where the process was forked

    main()
