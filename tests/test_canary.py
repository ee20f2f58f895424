"""The canary is tested as well: a leak finder that finds nothing would be worse than none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent / "leaks" / "examples.py"


def test_the_canary_finds_every_kind_of_leak_and_shows_none_of_it() -> None:
    """Five tests leak in five ways and fail; the sixth does not and passes; no key is printed on the way."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rfpE", "-p", "no:cacheprovider", str(EXAMPLES)],
        cwd=EXAMPLES.parent.parent.parent, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    summary = [
        line.split(" - ")[0]
        for line in done.stdout.splitlines()
        if line.startswith(("FAILED", "PASSED", "ERROR"))
    ]
    failed = {line.rpartition("::")[2] for line in summary if not line.startswith("PASSED")}
    assert len(failed) == 5, done.stdout
    assert "test_that_keeps_its_secrets" not in failed
    assert "PRIVATE KEY" not in done.stdout
