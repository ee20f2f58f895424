"""The jobs' entry points, run as the image runs them: `python3 /jobs/NAME`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

JOBS = Path(__file__).parents[2] / "cronjobs"
VERBS = [("rotate", "run"), ("rotate-now", "rotate")]
ASKED = {"rotate": [], "rotate-now": ["payments/a", "--reason", "INC-1"]}


def job(name: str, *arguments: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a job from a folder that is not the repository, with the settings of the image and no cluster."""
    return subprocess.run(
        [sys.executable, "-P", JOBS / name, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": str(folder / "none"), **env},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(("name", "verb"), VERBS)
def test_a_job_is_its_verb(name: str, verb: str, tmp_path: Path) -> None:
    """Proves which verb a job runs, by its help."""
    done = job(name, "--help", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: rotator {verb} [OPTIONS]")


@pytest.mark.parametrize("name", ASKED)
def test_without_policies_a_job_ends_with_2_and_a_sentence(name: str, tmp_path: Path) -> None:
    """Proves that the exit code is the product's, that settings come by environment, and that nothing is traced."""
    missing = tmp_path / "policies"
    done = job(name, *ASKED[name], folder=tmp_path, ROTATOR_POLICIES=str(missing))
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"rotator: {missing}: no such file; expected ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ASKED)
def test_a_jobs_arguments_are_the_verbs(name: str, tmp_path: Path) -> None:
    """Proves that `args:` of a manifest reach the verb, and that one that is none ends with 2."""
    done = job(name, *ASKED[name], "--policies", str(tmp_path / "here"), folder=tmp_path)
    assert (done.returncode, str(tmp_path / "here") in done.stderr) == (2, True)
    done = job(name, *ASKED[name], "--nope", folder=tmp_path)
    assert (done.returncode, "--nope" in done.stderr) == (2, True)
