"""Modules that are slow to load, and that only some calls need."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Late:
    """Stands for a module, and loads it when something of it is first used.

    Beside each there is an import of the same module under `TYPE_CHECKING`, so that mypy sees every type and the rules of
    imports hold.
    """

    def __init__(self, name: str) -> None:
        """Name the module in full."""
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        """Return what the module has under that name. Raises ImportError, AttributeError."""
        return getattr(import_module(self._name), attribute)
