"""The rules of imports hold, and each of them can be broken: whatever a rule forbids is planted, and the rule says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTRACTS = {
    contract["name"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
PLANTED = {
    "core is pure": ("rotator/core/due.py", "import rotator.kinds, rotator.ports"),
    "what a rotation is made of": ("rotator/credentials/loaded.py", "import rotator.targets.vault"),
    "systems do not know": ("rotator/systems/okta/client.py", "import rotator.systems.entra.client"),
    "declarations stand on": ("rotator/systems/at.py", "import rotator.policy.model"),
    "the vocabulary is": ("rotator/vocabulary/types.py", "import rotator.clients.http"),
    "only clients speak": ("rotator/systems/okta/client.py", "import urllib3"),
    "the engine knows": ("rotator/engine/delivery.py", "import rotator.clients.retry"),
    "nothing of the product": ("rotator/cli/report.py", "import rotator_sandbox"),
}
"""For each rule, by how its name begins: a file, and an import that the rule forbids there."""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Plant everything in a copy, and return what import-linter says of it, on one line."""
    folder = tmp_path_factory.mktemp("planted")
    for package in ("rotator", "sandbox/rotator_sandbox"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, folder / Path(package).name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for file, line in PLANTED.values():
        place = folder / file
        place.write_text(place.read_text().replace("\nfrom ", f"\n{line}\nfrom ", 1))
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_rule_that_is_broken_says_so(said: str, name: str) -> None:
    """Each rule has its planted import."""
    assert sum(name.startswith(begins) for begins in PLANTED) == 1
    assert f"{name} BROKEN" in said
