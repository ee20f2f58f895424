"""The vendors' own SDKs as second clients of our stand-ins: were these made up, an SDK would not read them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.providers.install import LOCKED_SDKS, PLACE

Sdk = Callable[[str], Any]
"""Gives a module of an SDK by its name."""
INSTALLED = PLACE / "sdk"


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> Sdk:
    """Let one test import SDKs. They come after our own packages, whose versions they share: the lock sees to that."""
    lock = INSTALLED / LOCKED_SDKS.name
    if not lock.is_file() or lock.read_bytes() != LOCKED_SDKS.read_bytes():
        pytest.skip("NO SDKS, or others than are locked: run make test-providers")
    monkeypatch.setattr(sys, "path", [*sys.path, str(INSTALLED)])
    return importlib.import_module
