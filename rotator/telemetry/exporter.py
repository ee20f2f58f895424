"""Metrics for a scrape: where all rotations stand by what the last runs left on their Leases. Reads nothing else.

It notices what no job can tell: that none has run.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

from rotator.errors import ClientError, SettingsError
from rotator.policy.files import load
from rotator.policy.model import RotationPolicy
from rotator.ports import Lease, Leases
from rotator.systems.kubernetes.lease import LEASE_DURATION, KubernetesLeases
from rotator.systems.world import TIMEOUT, world
from rotator.telemetry import metrics_out, metrics_server
from rotator.telemetry.figures import RotationFigures
from rotator.telemetry.metrics import registry_of
from rotator.telemetry.sources import of_lease

log = logging.getLogger("rotator")
PORT = 9464
SCRAPE = timedelta(seconds=10)
"""So long one look at all leases may take."""


class Exporter:
    """Looks at the Leases in the namespaces of what is declared."""

    def __init__(self, *, paths: Sequence[Path], namespaces: Sequence[str], context: str | None) -> None:
        """Read the files once. Raises PolicyError."""
        self._files = load(paths) if paths else []
        self._namespaces = {*namespaces, *(p.metadata.namespace for p in self._files)}
        self._context = context

    def collect(self) -> CollectorRegistry:
        """Look once: one list a namespace. Raises RotatorError."""
        systems = world(context=self._context, deadline=SCRAPE, hurry=TIMEOUT)
        try:
            found = self._read(KubernetesLeases(systems.kubernetes, systems.clock, "", LEASE_DURATION))
        finally:
            systems.close()
        figures = [of_lease(lease) for lease in found.values()]
        figures += [_unseen(policy) for policy in self._files if policy.ref not in found]
        return registry_of(rotations=figures)

    def _read(self, leases: Leases) -> dict[str, Lease]:
        """Read what can be read. Raises ClientError where that is nothing."""
        found: dict[str, Lease] = {}
        errors: list[ClientError] = []
        for namespace in sorted(self._namespaces):
            try:
                found |= leases.list([namespace])
            except ClientError as error:
                errors.append(error)
                log.warning("the leases of a namespace cannot be read", extra={"reason": str(error)})
        if errors and len(errors) == len(self._namespaces):
            raise errors[0]
        return found


def _unseen(policy: RotationPolicy) -> RotationFigures:
    """Return what is known of a rotation at which no run has looked yet."""
    return RotationFigures(
        namespace=policy.metadata.namespace,
        name=policy.metadata.name,
        type=policy.kind_name,
        period=policy.spec.every,
    )


def text(exporter: Exporter) -> str:
    """Return the metrics once, as OpenMetrics text."""
    return metrics_out.text(exporter.collect())


def serve(exporter: Exporter, listen: str) -> None:
    """Serve them at `ADDRESS:PORT` until the process is told to end. Raises SettingsError."""
    address, colon, port = listen.rpartition(":")
    if not (colon and port.isdecimal()):
        raise SettingsError(f"--listen {listen}: expected ADDRESS:PORT, as 0.0.0.0:{PORT}")
    metrics_server.serve(address.strip("[]"), int(port), exporter.collect)
