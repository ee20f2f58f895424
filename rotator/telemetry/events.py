"""Kubernetes Events: what happened to a rotation, where `kubectl describe` and `kubectl events` show it.

They are written for news only, when it happens: steps that were recorded, a rotation that froze, one that goes on again. Their names
derive from what they say, so a repeated run writes nothing twice.
API: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from rotator.core.machine import Step
from rotator.core.texts import printable
from rotator.engine.outcome import Outcome, Result
from rotator.errors import Conflict
from rotator.kinds import EVENT, LEASE, ROTATION, ROTATOR, Kind, lease_name
from rotator.ports import Clock
from rotator.systems.kubernetes.api import Json, KubernetesApi

LONGEST = 1024
"""Characters of a message."""
WORDS = {*(str(step) for step in Step), "create", "write", "repair", "restart", "erase", "delete"}
"""What the steps of an outcome begin with."""
BAD = {Result.FROZEN, Result.REFUSED}
TOLD = {*BAD, Result.WAITING}


@dataclass(frozen=True)
class Events:
    """Writes the Events of one run."""

    api: KubernetesApi
    identity: str
    clock: Clock
    resources: Mapping[str, Json]
    """The custom resources by `namespace/name`: Events are about them, else about the rotation's Lease."""
    _told: dict[str, int] = field(default_factory=dict)
    """How many steps of each rotation were told."""

    def tell(self, outcome: Outcome) -> None:
        """Write what is news. Raises ClientError where the API does not take it."""
        for step in outcome.steps[self._told.get(outcome.rotation, 0) :]:
            self._post(outcome, _reason(step), step)
            self._told[outcome.rotation] = self._told.get(outcome.rotation, 0) + 1
        if outcome.result in BAD and outcome.news:
            self._post(outcome, str(outcome.result), outcome.reason)

    def _post(self, outcome: Outcome, reason: str, note: str) -> None:
        document = self._event(outcome, reason, note)
        with suppress(Conflict):  # an earlier run has said the same
            self.api.post(EVENT, document["metadata"]["namespace"], document)

    def _event(self, outcome: Outcome, reason: str, note: str) -> Json:
        namespace, _, name = outcome.rotation.partition("/")
        digest = hashlib.sha256(f"{outcome.rotation} {outcome.summary.revision} {reason} {note}".encode())
        now = f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}"
        return {
            "metadata": {"name": f"{name}.{digest.hexdigest()[:16]}", "namespace": namespace},
            "involvedObject": self._regarding(outcome.rotation, namespace, name),
            "type": "Warning" if outcome.result in BAD and reason == str(outcome.result) else "Normal",
            "reason": reason,
            "message": printable(note, LONGEST),
            "source": {"component": ROTATOR, "host": self.identity},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }

    def _regarding(self, rotation: str, namespace: str, name: str) -> Json:
        if resource := self.resources.get(rotation):
            metadata = resource["metadata"]
            return _reference(ROTATION, namespace, name) | {"uid": metadata.get("uid", "")}
        return _reference(LEASE, namespace, lease_name(name))


def _reference(kind: Kind, namespace: str, name: str) -> Json:
    return {"apiVersion": kind.api, "kind": kind.name, "namespace": namespace, "name": name}


def _reason(step: str) -> str:
    """Return the first word of a step, as Events write reasons: `Activate`, `Restart`."""
    word = step.partition(" ")[0]
    return word.capitalize() if word in WORDS else "Notice"
