"""Weeks of one process, in virtual time: nothing is gathered, every token and authority is renewed, and every key is served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.faults.environment import Bao

ROOT = Path(__file__).parents[2]
TICKS = 1000
SETTLED = 3
"""Measurements after which caches are full."""


@pytest.mark.no_cover
@pytest.mark.timeout(900)
def test_a_process_lives_for_weeks(bao: Bao, tmp_path: Path) -> None:
    """A thousand runs over three weeks, each with connections and logins of its own, to an API server and a Vault with TLS."""
    server = bao.server
    vault = {"address": server.address, "role": bao.role, "secret": bao.secret, "ca": server.ca_file}
    done = subprocess.run(
        [sys.executable, "-m", "tests.serving.weeks", str(TICKS), str(tmp_path), json.dumps(vault)],
        cwd=ROOT, env={**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig")}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    seen = json.loads(done.stdout)
    assert seen["days"] > 20
    assert seen["codes"] == {"0": TICKS}, (
        "no run failed, though tokens expire each hour and the authority changes each week"
    )
    assert seen["authorities"] > 2
    assert seen["unserved"] == 0
    assert all(found > 5 for found in seen["keys"].values()), (
        "keys of many rotations were served, from both stores"
    )
    assert seen["frozen"] == []
    settled = seen["samples"][SETTLED:]
    for name, most in (("descriptors", 0), ("threads", 0), ("objects", 200), ("memory", 2 << 20)):
        grown = settled[-1][name] - settled[0][name]
        assert grown <= most, f"{name}: {[sample[name] for sample in seen['samples']]}"
    assert all(later["objects"] - earlier["objects"] < 100 for earlier, later in pairwise(settled))
