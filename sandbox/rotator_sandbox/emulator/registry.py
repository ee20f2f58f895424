"""The kinds that are served now: the built-in ones, and those that definitions add."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .kinds import BUILTIN

if TYPE_CHECKING:
    from .resources import Kind
    from .store import Storage


class Registry:
    """The kinds served now: the built-in ones, and those that definitions add."""

    def __init__(self) -> None:
        """Serve the built-in kinds."""
        self._kinds = {(kind.group, kind.version, kind.plural): kind for kind in BUILTIN}
        self._versions = Counter((kind.group, kind.version) for kind in BUILTIN)
        self._served: dict[Storage, list[Kind]] = {kind.storage: [kind] for kind in BUILTIN}

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """Give the kind served at a path."""
        return self._kinds.get((group, version, plural))

    def has_version(self, group: str, version: str) -> bool:
        """Say whether any kind is served in a version of a group."""
        return (group, version) in self._versions

    def by_storage(self, storage: Storage) -> Kind:
        """Give the kind (in its first served version) of what is kept at a place."""
        return self._served[storage][0]

    def by_name(self, api_version: str, name: str) -> Kind | None:
        """Give the kind that an owner reference or a manifest names."""
        for kind in self._kinds.values():
            if kind.name == name and kind.api_version == api_version:
                return kind
        return None

    def every(self) -> list[Kind]:
        """Give all kinds, in a stable order."""
        return list(self._kinds.values())

    def serve(self, storage: Storage, kinds: list[Kind]) -> None:
        """Serve a custom resource in these versions and in no others."""
        self.withdraw(storage)
        for kind in kinds:
            self._kinds[(kind.group, kind.version, kind.plural)] = kind
            self._versions[(kind.group, kind.version)] += 1
        if kinds:
            self._served[storage] = kinds

    def withdraw(self, storage: Storage) -> None:
        """Serve a custom resource no longer."""
        for kind in self._served.pop(storage, []):
            del self._kinds[(kind.group, kind.version, kind.plural)]
            self._versions -= Counter([(kind.group, kind.version)])

    def builtin(self, storage: Storage) -> bool:
        """Say whether a place belongs to a built-in kind."""
        return storage in self._served and self._served[storage][0].custom is None
