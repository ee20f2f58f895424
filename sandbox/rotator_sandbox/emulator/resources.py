"""What a kind is like: its names, its scope, and how its writes behave."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from .wire import encode

if TYPE_CHECKING:
    from .store import Storage
    from .wire import Object

ALL_VERBS = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)


@dataclass(frozen=True)
class Column:
    """One additional printer column of a custom resource."""

    name: str
    type: str
    path: str
    priority: int = 0
    description: str = ""


@dataclass(frozen=True)
class Custom:
    """What a CustomResourceDefinition says about one of its versions."""

    schema: Object = field(repr=False)
    columns: tuple[Column, ...] = ()
    storage_version: str = ""
    scale: Object | None = None


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind in one version: its names, its scope, and how its writes behave."""

    group: str
    version: str
    plural: str
    name: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    fields: tuple[str, ...] = ("spec", "status")
    generation: bool = False
    unconditional_update: bool = True
    create_on_update: bool = False
    returns_deleted: bool = False
    custom: Custom | None = None

    @cached_property
    def api_version(self) -> str:
        """The apiVersion of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @cached_property
    def storage(self) -> Storage:
        """Where its objects are kept."""
        return (self.group, self.plural)

    @cached_property
    def qualified(self) -> str:
        """The plural with its group, as error messages say it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @cached_property
    def singular(self) -> str:
        """The kind in lower case."""
        return self.name.lower()

    @cached_property
    def prefix(self) -> bytes:
        """How the JSON text of its objects starts."""
        return encode({"kind": self.name, "apiVersion": self.api_version})[:-1] + b","

    @cached_property
    def known_fields(self) -> frozenset[str]:
        """The top-level fields of its objects; others are dropped."""
        return frozenset((*self.fields, "kind", "apiVersion", "metadata"))

    def has(self, subresource: str) -> bool:
        """Say whether it declares the subresource."""
        return subresource in self.subresources
