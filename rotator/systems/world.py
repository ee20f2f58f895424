"""The systems of one run, and its clock: connected when they are needed, and closed together."""

from __future__ import annotations

import copy
import math
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rotator.clients.clock import RunClock
from rotator.clients.meter import Meter, Span, no_span
from rotator.clients.retry import Retry
from rotator.late import Late
from rotator.ports import Deadline

if TYPE_CHECKING:
    from rotator.clients import http
    from rotator.clients.http import Connect, Http
    from rotator.clients.ldap import Ldap as Directory
    from rotator.systems.kubernetes import client as kubernetes_client
    from rotator.systems.kubernetes.client import Kubernetes
    from rotator.systems.vault import client as vault_client
    from rotator.systems.vault import settings
    from rotator.systems.vault.client import Vault
else:
    http = Late("rotator.clients.http")
    kubernetes_client = Late("rotator.systems.kubernetes.client")
    vault_client, settings = Late("rotator.systems.vault.client"), Late("rotator.systems.vault.settings")

NODE = "NODE_NAME"
"""The variable that names the node: the manifests fill it from the pod (downward API)."""
TIMEOUT = 10.0
"""Seconds that a request may take."""
CONCURRENCY = 8
"""Rotations at a time, and connections to each system."""
GRACE = timedelta(seconds=15)
GRACE_SHARE = 0.1
"""Of a run's time, this share is kept for giving back leases and tokens, up to GRACE."""


@dataclass
class World:
    """The systems of one run, connected when first needed and closed together."""

    clock: RunClock
    deadline: Deadline
    connect_kubernetes: Callable[[Retry, Meter], Kubernetes]
    connect_vault: Callable[[Retry, Meter], Vault]
    timeout: float = TIMEOUT
    """The longest time a request may take, in seconds."""
    patience: float = 0.0
    """For how many seconds a read is tried again while a system is away."""
    hurry: float = math.inf
    """After how many seconds nothing is tried again: a person waits."""
    identity: str = ""
    node: str = ""
    """The node that the run is on, where that is known."""
    span: Span = no_span
    connect_http: Connect | None = None
    """Makes the connections to providers, where they are not those of the network."""
    connect_directory: Callable[..., Directory] | None = None
    """Makes a client of a directory, likewise."""
    meter: Meter = field(init=False)
    retry: Retry = field(init=False)
    _kubernetes: Kubernetes | None = None
    _vault: Vault | None = None
    _http: list[Http] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Give the run its name, its meter and its retries."""
        self.identity = self.identity or f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self.meter = Meter(self.clock, self.span, self.node)
        self.retry = Retry(self.clock, self.deadline, patience=self.patience, hurry=self.hurry)

    @property
    def landing(self) -> timedelta:
        """The longest time between stamping a write and its taking effect."""
        return 2 * timedelta(seconds=self.timeout)

    @property
    def kubernetes(self) -> Kubernetes:
        """The Kubernetes API."""
        if self._kubernetes is None:
            self._kubernetes = self.connect_kubernetes(self.retry, self.meter)
        return self._kubernetes

    def as_it_ends(self, namespace: str) -> World:
        """Return the same world for what is to be removed from a namespace that is being deleted."""
        other = copy.copy(self)
        other._kubernetes = self.kubernetes.as_it_ends(namespace)  # noqa: SLF001 - a copy of our own
        return other

    @property
    def vault(self) -> Vault:
        """Vault or OpenBao; settings are read when a rotation first needs it."""
        if self._vault is None:
            self._vault = self.connect_vault(self.retry, self.meter)
        return self._vault

    def http(self, **given: Any) -> Http:
        """Return a client of an HTTP server; `given`: what `Http` takes beside the run's own."""
        made = http.Http(self.retry, self.meter, **given)
        self._http.append(made)
        return made

    def close(self) -> None:
        """Revoke our Vault token and close all connections."""
        for client in self._http:
            client.close()
        if self._vault:
            self._vault.close()
        if self._kubernetes:
            self._kubernetes.close()


def ends_after(clock: RunClock, length: timedelta) -> Deadline:
    """Return the deadline of a run that may take `length`; the last part of it is kept for giving back."""
    grace = min(GRACE, length * GRACE_SHARE)
    return clock.deadline(length - grace, grace)


def world(  # noqa: PLR0913 - what the command line may ask
    *,
    context: str | None = None,
    deadline: timedelta,
    timeout: float = TIMEOUT,
    patience: float = 0.0,
    hurry: float = math.inf,
    concurrency: int = CONCURRENCY,
    span: Span = no_span,
) -> World:
    """Return the world as the environment describes it."""
    clock = RunClock()

    def kubernetes(retry: Retry, meter: Meter) -> Kubernetes:
        connect = kubernetes_client.connect
        api = retry.bounded(kubernetes_client.PROGRAM, lambda: connect(context, pool=concurrency))
        return kubernetes_client.Kubernetes(api, retry, meter, timeout=timeout)

    def vault(retry: Retry, meter: Meter) -> Vault:
        found = settings.VaultSettings.from_environment(os.environ)
        return vault_client.Vault(found, retry, meter, pool=concurrency)

    return World(
        clock=clock,
        deadline=ends_after(clock, deadline),
        connect_kubernetes=kubernetes,
        connect_vault=vault,
        timeout=timeout,
        patience=patience,
        hurry=hurry,
        node=os.environ.get(NODE, ""),
        span=span,
    )
