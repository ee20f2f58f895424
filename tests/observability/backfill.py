"""A Prometheus that already knows a past: `promtool tsdb create-blocks-from openmetrics` writes it as blocks."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.observability.servers import Prometheus


def with_past(folder: Path, lines: Iterable[str]) -> Prometheus:
    """Return a Prometheus whose data are `lines` of OpenMetrics with timestamps."""
    if shutil.which("promtool") is None:
        pytest.skip("NO PROMTOOL: a past cannot be written")
    past = folder / "past.om"
    with past.open("w") as out:
        out.writelines(lines)
    subprocess.run(
        [
            "promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=720h",
            str(past), str(folder / "data"),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return Prometheus(folder)
