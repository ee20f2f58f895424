"""Modules that are slow to load, and that only some calls need."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
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


@contextmanager
def in_part(package: str, *, without: Collection[str]) -> Iterator[None]:
    """Let what is imported of a library meanwhile load nothing of it but what it needs itself, and none of `without`.

    Libraries load all that they may ever need. Here the package's own module, which loads all others of it, is run only when
    something of it is used, and the modules of `without` load when something of them is called. No other
    thread may import one of those meanwhile: it would get what can only be called.
    """
    if package not in sys.modules and (spec := find_spec(package)):
        sys.modules[package] = module_from_spec(spec)
        sys.modules[package].__class__ = _Package
    absent = {name: _StandIn(name) for name in without if name not in sys.modules}
    sys.modules.update(absent)
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


class _Package(ModuleType):
    """A package whose own module was not run yet, and each of whose other modules loads when it is first used."""

    def __getattr__(self, name: str) -> Any:
        if find_spec(f"{self.__name__}.{name}"):
            return import_module(f"{self.__name__}.{name}")
        self.__class__ = ModuleType  # type: ignore[assignment]
        if self.__spec__ and self.__spec__.loader:
            self.__spec__.loader.exec_module(self)
        return getattr(self, name)


class _StandIn(ModuleType):
    """Has whatever is imported of it, to be called when the module that it stands for can be loaded."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*given: Any, **named: Any) -> Any:
            return getattr(import_module(self.__name__), name)(*given, **named)

        return call
