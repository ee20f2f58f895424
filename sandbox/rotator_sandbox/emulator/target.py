"""What a path means: a kind, a namespace, a name, a subresource."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .status import no_such_resource

if TYPE_CHECKING:
    from .registry import Registry
    from .resources import Kind

_MAX_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Target:
    """The resource that a request is about; empty parts are absent."""

    kind: Kind
    namespace: str
    name: str
    subresource: str

    @property
    def key(self) -> tuple[str, str]:
        """Where the object is kept within its kind."""
        return (self.namespace, self.name)


def _group_of(parts: list[str]) -> tuple[str, str, list[str]] | None:
    if parts[0] == "api" and len(parts) > 2:  # noqa: PLR2004
        return "", parts[1], parts[2:]
    if parts[0] == "apis" and len(parts) > 3:  # noqa: PLR2004
        return parts[1], parts[2], parts[3:]
    return None


def parse_target(registry: Registry, path: str) -> Target | None:
    """Read a resource path; nothing when it is no resource path, 404 when none is served."""
    parts = path.strip("/").split("/")
    found = _group_of(parts)
    if found is None:
        return None
    group, version, rest = found
    namespace = ""
    in_namespace = rest[0] == "namespaces" and len(rest) > 2  # noqa: PLR2004
    if in_namespace and not (group == "" and rest[2] in {"status", "finalize"}):
        namespace, rest = rest[1], rest[2:]
    if not registry.has_version(group, version):
        return None
    kind = registry.find(group, version, rest[0])
    if kind is None or len(rest) > _MAX_DEPTH or (namespace and not kind.namespaced):
        raise no_such_resource()
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) == _MAX_DEPTH else ""
    if (subresource and not kind.has(subresource)) or (name and kind.namespaced and not namespace):
        raise no_such_resource()
    return Target(kind, namespace, name, subresource)
