"""Requests by kind: what a process asked of which system, and how large it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Request:
    """One request that was sent."""

    method: str
    path: str
    size: int
    """Bytes of its body."""

    @property
    def kind(self) -> str:
        """`kubernetes PATCH leases`, `vault POST data`, `vault POST auth`."""
        segments = self.path.partition("?")[0].strip("/").split("/")
        if segments[0] == "v1":
            part = "auth" if segments[1] == "auth" else "/".join(segments[2:3])
            return f"vault {self.method} {part}"
        if "namespaces" in segments[:-2]:
            return f"kubernetes {self.method} {segments[segments.index('namespaces') + 2]}"
        return f"kubernetes {self.method} {segments[-1]}"


@dataclass(frozen=True, slots=True)
class Traffic:
    """All requests of one kind."""

    kind: str
    count: int
    size: int
    """Bytes of an average body."""

    @property
    def writes(self) -> bool:
        """Whether it changes what a system keeps; a session's login and end do not count."""
        return " GET " not in self.kind and not self.kind.endswith(" auth")


def summarize(requests: Iterable[Request]) -> list[Traffic]:
    """Return the requests by kind, in the order in which each kind was first seen."""
    sizes: dict[str, list[int]] = {}
    for request in requests:
        sizes.setdefault(request.kind, []).append(request.size)
    return [Traffic(kind, len(found), sum(found) // len(found)) for kind, found in sizes.items()]


def writes(traffic: Sequence[Traffic]) -> list[Traffic]:
    """Keep the writes."""
    return [t for t in traffic if t.writes]


def share(count: int, parts: int, index: int) -> int:
    """Return the share of part `index` where `count` things are dealt out to `parts`."""
    return count // parts + (index < count % parts)
