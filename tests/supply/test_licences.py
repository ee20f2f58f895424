"""What the image is made of may be given away with it: every dependency's licence is a permissive one."""

from __future__ import annotations

import re
from email import message_from_string
from email.message import Message
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PERMISSIVE = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0"}
FILE_LEVEL = {("certifi", "MPL-2.0"), ("ldap3", "LGPL v3")}
"""Copyleft of single files, or of a library that we import and hand on unchanged, with its source: for exactly these."""
OLD_NAMES = {"3-Clause BSD License": "BSD-3-Clause", "Apache 2.0": "Apache-2.0"}
"""What some packages write in place of an SPDX id."""


def shipped() -> list[str]:
    """Return the packages that either image may hold on this platform."""
    lines = (ROOT / "requirements-otel.txt").read_text().splitlines()
    wanted = [Requirement(line.rstrip(" \\")) for line in lines if "==" in line]
    return [each.name for each in wanted if not each.marker or each.marker.evaluate()]


def licences(said: Message) -> set[str]:
    """Return the SPDX ids in a package's metadata: those of its expression, else what its licence field says."""
    if expression := said.get("License-Expression"):
        return set(re.split(r"\s+(?:AND|OR|WITH)\s+|[()]", expression)) - {""}
    named = said.get("License", "none is named")
    return {OLD_NAMES.get(named, named)}


@pytest.mark.parametrize("package", shipped())
def test_a_dependencys_licence_is_permissive(package: str) -> None:
    """Proves that nobody who installs the image owes more than a notice."""
    said = message_from_string(metadata.distribution(package).read_text("METADATA") or "")
    others = licences(said) - PERMISSIVE
    assert {(package, other) for other in others} <= FILE_LEVEL


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("License-Expression: MIT AND (GPL-3.0-only OR MIT-0)", {"MIT", "GPL-3.0-only", "MIT-0"}),
        ("License-Expression: Apache-2.0", {"Apache-2.0"}),
        ("License: Proprietary", {"Proprietary"}),
        ("Name: x", {"none is named"}),
    ],
)
def test_a_licence_is_read_whole(said: str, found: set[str]) -> None:
    """Proves that every part of an expression counts, and that silence is no permission."""
    assert licences(message_from_string(said)) == found
