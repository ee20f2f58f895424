"""Providers that other distributions bring: found by an entry point, and loaded only where a setting names them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from importlib.util import find_spec

from rotator.errors import SettingsError
from rotator.systems.provider import Provider

GROUP = "rotator.systems"
"""The group of entry points; each names a class below `Provider`, by the name that declarations give it."""
SETTING = "ROTATOR_SYSTEMS"
"""The variable that names those that are to be loaded, with blanks between."""


def others(named: str, known: Collection[str]) -> Iterator[type[Provider]]:
    """Load the providers that a setting names; `known` are the verifiers that there are already, in snake case.

    Raises SettingsError for a name that no distribution brings, or several do, and for what is no provider.
    """
    names = dict.fromkeys(named.split())
    brought = entry_points(group=GROUP) if names else EntryPoints()  # it reads all that is installed
    for name in names:
        if name in known:
            raise SettingsError(
                f"{SETTING}: {name} is a verifier of rotator itself; expected another name. Nothing was done"
            )
        yield _loaded(_the_one(name, brought))


def _the_one(name: str, brought: EntryPoints) -> EntryPoint:
    """Return the entry point of a name."""
    points = [point for point in brought if point.name == name]
    if not points:
        there = ", ".join(sorted(brought.names)) or "none"
        raise SettingsError(
            f"{SETTING}: no installed distribution brings {name}; there are: {there}. Nothing was done"
        )
    if len(points) > 1:
        several = " and ".join(sorted(point.dist.name for point in points if point.dist))
        raise SettingsError(
            f"{SETTING}: {several} bring a {name} each; expected one of them to be installed. Nothing was done"
        )
    return points[0]


def _loaded(point: EntryPoint) -> type[Provider]:
    """Load one. Whatever its code raises is its own fault, and said with its name."""
    try:
        kind = point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the code of others
        raise SettingsError(
            f"{_named(point)} cannot be loaded: {type(error).__name__}: {error}. Nothing was done"
        ) from None
    if fault := _fault(kind, point.name):
        raise SettingsError(f"{_named(point)} {fault}. Nothing was done")
    found: type[Provider] = kind
    return found


def _fault(kind: object, name: str) -> str:
    """Return why something cannot be declared as the provider `name`; empty: it can."""
    if not (isinstance(kind, type) and issubclass(kind, Provider)):
        return "is no class below rotator.systems.provider.Provider"
    if lacking := [said for said in sorted(kind.__class_vars__) if not hasattr(kind, said)]:
        return f"does not say {', '.join(lacking)}"
    if kind.declared_as != name:
        return f"is declared as {kind.declared_as}; expected the name of its entry point"
    with suppress(ModuleNotFoundError):  # of what is no package
        if find_spec(f"{kind.__module__}.client"):
            return ""
    return f"cannot be called; expected a module {kind.__module__}.client with a function build"


def _named(point: EntryPoint) -> str:
    of = f", which {point.dist.name} {point.dist.version} brings," if point.dist else ""
    return f"{SETTING}: {point.name} ({point.value}){of}"
