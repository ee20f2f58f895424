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
    "core is pure": [("rotator/core/due.py", "rotator.ports"), ("rotator/core/ring.py", "rotator.kinds")],
    "what a rotation is made of": [
        ("rotator/credentials/loaded.py", "rotator.systems.vault.target"),
        ("rotator/systems/vault/store.py", "rotator.systems.kubernetes.store"),
    ],
    "systems do not know": [("rotator/systems/okta/client.py", "rotator.systems.entra.client")],
    "declarations stand on": [
        ("rotator/systems/at.py", "rotator.policy.model"),
        ("rotator/systems/kubernetes/target.py", "rotator.systems.world"),
        ("rotator/clients/retry.py", "rotator.kinds"),
        ("rotator/serving/view.py", "rotator.run.run"),
    ],
    "the vocabulary is": [("rotator/vocabulary/types.py", "rotator.clients.http")],
    "only clients speak": [
        ("rotator/systems/okta/client.py", "urllib3"),
        ("rotator/systems/kubernetes/rollout.py", "kubernetes"),
        ("rotator/systems/vault/target.py", "hvac"),
    ],
    "the engine knows": [
        ("rotator/engine/delivery.py", "rotator.clients.retry"),
        ("rotator/engine/fleet.py", "rotator.kinds"),
        ("rotator/engine/rotation.py", "rotator.systems.kubernetes.rollout"),
        ("rotator/ports/readers.py", "rotator.systems.kubernetes.readers"),
    ],
    "runs know no scheduler": [
        ("rotator/run/job.py", "apscheduler"),
        ("rotator/serving/public.py", "uvicorn"),
    ],
    "nothing of the product": [("rotator/cli/report.py", "rotator_sandbox")],
}
"""For each rule, by how its name begins: files, and for each an import that the rule forbids there."""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Plant everything in a copy, and return what import-linter says of it, on one line."""
    folder = tmp_path_factory.mktemp("planted")
    for package in ("rotator", "sandbox/rotator_sandbox"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, folder / Path(package).name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for file, imported in (plant for plants in PLANTED.values() for plant in plants):
        place = folder / file
        place.write_text(place.read_text().replace("\nfrom ", f"\nimport {imported}\nfrom ", 1))
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_rule_that_is_broken_says_so(said: str, name: str) -> None:
    """Each rule has its planted imports, and names every one of them."""
    (planted,) = (plants for begins, plants in PLANTED.items() if name.startswith(begins))
    assert f"{name} BROKEN" in said
    for file, imported in planted:
        module = file.removesuffix(".py").replace("/", ".")
        assert f"{module} -> {imported} (l." in said
