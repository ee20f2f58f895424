"""What every part of the cluster shares: the store, the kinds, the clock, the tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .registry import Registry
from .store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from .authn import Tokens, User
    from .wire import Request


def timestamp(moment: datetime) -> str:
    """Give an instant as metav1.Time writes it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class State:
    """The cluster's mutable heart; whoever uses it holds `store.lock`."""

    clock: Callable[[], datetime]
    tokens: Tokens
    rbac: bool
    store: Store = field(default_factory=Store)
    registry: Registry = field(default_factory=Registry)
    closed: bool = False

    def now(self) -> str:
        """Give the clock's instant as metav1.Time."""
        return timestamp(self.clock())


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request on its way through the cluster."""

    state: State
    request: Request
    user: User

    @property
    def query(self) -> dict[str, str]:
        """The query of the request."""
        return self.request.query
