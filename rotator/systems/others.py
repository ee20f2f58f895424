"""Providers that other distributions bring: found by an entry point, and loaded only where a setting names them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib.metadata import EntryPoint, entry_points

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
    brought = {point.name: point for point in entry_points(group=GROUP)}
    for name in named.split():
        if name in known:
            raise SettingsError(f"{SETTING}: {name} is a verifier of rotator itself; expected another name")
        if name not in brought:
            raise SettingsError(
                f"{SETTING}: no installed distribution brings {name}; there are: {', '.join(sorted(brought)) or 'none'}. "
                "Nothing was done"
            )
        yield _loaded(brought[name])


def _loaded(point: EntryPoint) -> type[Provider]:
    """Load one. Whatever its code raises is its own fault, and said with its name."""
    try:
        kind = point.load()
    except Exception as error:  # noqa: BLE001 - the code of others
        raise SettingsError(f"{_named(point)} cannot be loaded: {type(error).__name__}: {error}") from None
    if not (isinstance(kind, type) and issubclass(kind, Provider) and kind.declared_as == point.name):
        raise SettingsError(
            f"{_named(point)} is no rotator.systems.provider.Provider that is declared as {point.name}"
        )
    return kind


def _named(point: EntryPoint) -> str:
    of = f", which {point.dist.name} {point.dist.version} brings," if point.dist else ""
    return f"{SETTING}: {point.name} ({point.value}){of}"
