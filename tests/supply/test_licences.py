"""What the image is made of may be given away with it: every dependency's licence is a permissive one."""

from __future__ import annotations

from email import message_from_string
from importlib import metadata

import pytest

from docs.reference.dependencies import licences, locked

PERMISSIVE = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD License", "ISC", "MIT", "MIT-0", "PSF-2.0"}
FILE_LEVEL = {("certifi", "MPL-2.0"), ("ldap3", "LGPL v3")}
"""Copyleft of single files, or of a library that we import and hand on unchanged, with its source: for exactly these."""


@pytest.mark.parametrize("package", [each.name for each in locked()])
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
        ("License: X\nClassifier: License :: OSI Approved :: BSD License", {"X"}),
        ("Classifier: License :: OSI Approved :: BSD License", {"BSD License"}),
        ("Classifier: License :: Other/Proprietary License", {"none is named"}),
        ("Name: x", {"none is named"}),
    ],
)
def test_a_licence_is_read_whole(said: str, found: set[str]) -> None:
    """Proves that every part of an expression counts, and that silence is no permission."""
    assert licences(message_from_string(said)) == found
