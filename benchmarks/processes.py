"""Whole processes, measured from start to end."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that has ended well."""

    seconds: float
    peak_mb: float
    output: str


def measure(command: Sequence[str | Path], env: Mapping[str, str]) -> Finished:
    """Run a command from its start to its end. RuntimeError with the end of its output where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        launched = [sys.executable, "-I", "-S", str(LAUNCHER), str(report), *map(str, command)]
        done = subprocess.run(launched, env=dict(env), capture_output=True, text=True, check=False)
        if done.returncode:
            shown = f"{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
            raise RuntimeError(f"{' '.join(map(str, command[:4]))} ended with {done.returncode}:\n{shown}")
        figures = json.loads(report.read_text())
    return Finished(figures["seconds"], figures["peak_kb"] / 1024, done.stdout)
