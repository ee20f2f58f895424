"""The bill of materials, made as the image's recipe makes it: it is CycloneDX, and says exactly what is installed."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import rotator
from tests.supply.containerfile import Containerfile

ROOT = Path(__file__).parents[2]


def locked(file: str) -> dict[str, str]:
    """Return what a lock installs on this platform: canonical name to version."""
    lines = (ROOT / file).read_text().splitlines()
    wanted = [Requirement(line.rstrip(" \\")) for line in lines if "==" in line]
    return {
        canonicalize_name(each.name): str(each.specifier).removeprefix("==")
        for each in wanted
        if not each.marker or each.marker.evaluate()
    }


def recipe() -> list[str]:
    """Return the arguments that the recipe calls cyclonedx-py with, but for the file and the environment."""
    (run,) = (
        r
        for r in Containerfile.read(ROOT / "cronjobs/image/Containerfile").stage("builder").all("RUN")
        if "cyclonedx-py" in r.text
    )
    (call,) = re.findall(r"/cyclonedx-py ([^&]*)", run.text)
    *arguments, flag, _file, _python = shlex.split(call)
    assert flag == "--output-file"
    return arguments


def environment(folder: Path, packages: dict[str, str]) -> Path:
    """Make an environment that has the metadata of these packages: nothing else of them is read."""
    venv.create(folder, with_pip=False)
    (places,) = folder.glob("lib/python*/site-packages")
    for name in packages:
        info = metadata.distribution(name)._path  # type: ignore[attr-defined] # noqa: SLF001 - where it is, PEP 376
        (places / info.name).symlink_to(info)
    return folder / "bin" / "python"


def bill(folder: Path, packages: dict[str, str], check: str = "--no-validate") -> dict[str, Any]:
    """Return the bill of materials of an environment with these packages."""
    done = subprocess.run(
        [
            Path(sys.executable).parent / "cyclonedx-py",
            *recipe(),
            check,
            environment(folder, packages),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-otel.txt"])
def test_the_bill_lists_exactly_what_is_installed(lock: str, tmp_path: Path) -> None:
    """Proves that each locked package is listed once with its version and its purl, and nothing else is."""
    packages = locked(lock)
    said = bill(tmp_path / "venv", {**packages, "rotator": rotator.__version__})
    assert (said["bomFormat"], said["specVersion"]) == ("CycloneDX", "1.6")
    product = said["metadata"]["component"]
    assert (product["name"], product["version"], product["type"]) == (
        "rotator",
        rotator.__version__,
        "application",
    )
    listed = [(canonicalize_name(each["name"]), each["version"]) for each in said["components"]]
    assert sorted(listed) == sorted(packages.items())
    assert {each["purl"] for each in said["components"]} == {f"pkg:pypi/{n}@{v}" for n, v in packages.items()}


def test_the_bill_is_checked_against_the_standard(tmp_path: Path) -> None:
    """Proves that the tool's own check of CycloneDX's schema passes, and that the recipe does not switch it off.

    The check of a whole bill takes ten seconds; the image's build does it each time.
    """
    assert not {"--no-validate", "--validate"} & set(recipe())
    few = dict(list(locked("requirements.txt").items())[:3])
    assert len(bill(tmp_path / "venv", few, check="--validate")["components"]) == 3


def test_the_bill_says_nothing_that_changes_by_itself(tmp_path: Path) -> None:
    """Proves that bills of equal environments at different places are equal: no serial number, no clock, no path."""
    few = dict(list(locked("requirements.txt").items())[:3])
    assert bill(tmp_path / "one", few) == bill(tmp_path / "two", few)
