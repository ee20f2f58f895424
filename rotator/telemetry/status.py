"""The status of a Rotation custom resource: what a run found, for `kubectl get rotations`.

The status is a view of the ring and of the lease's memo; nothing is decided by it. Conditions follow
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rotator.core.codec import instant
from rotator.core.ring import AT_REST
from rotator.core.texts import printable
from rotator.engine.outcome import Outcome, Result
from rotator.errors import Ambiguous, Conflict, NotFound
from rotator.kinds import ROTATION
from rotator.ports import Clock
from rotator.systems.kubernetes.api import Json, KubernetesApi

ATTEMPTS = 3
LONGEST = 1024
"""Characters of a sentence in the status; the whole is in the log."""
MOST = 100
"""Names of those who are waited for."""
UNTOLD = {Result.HELD, Result.DELETED}
"""What is not for the status: another run knows more, or nobody will read it."""


@dataclass(frozen=True)
class StatusBoard:
    """Writes the status of the custom resources that one run read."""

    api: KubernetesApi
    resources: Mapping[str, Json]
    """The custom resources as they were read, by `namespace/name`."""
    clock: Clock
    _latest: dict[str, Json] = field(default_factory=dict)
    """The custom resources as this run left them."""

    def tell(self, outcome: Outcome) -> None:
        """Write what became of a rotation, if it is a custom resource and its status says otherwise.

        Fenced (I5) by the resourceVersion that was read; where somebody wrote since, what a later run wrote stays. Raises
        ClientError where the API does not take it; the next run writes it then.
        """
        resource = self.resources.get(outcome.rotation)
        nothing_new = outcome.last_result is Result.WAITING and not outcome.summary.phase
        if resource is None or outcome.result in UNTOLD or nothing_new or outcome.lasting == "":
            return
        namespace, _, name = outcome.rotation.partition("/")
        generation = int(resource["metadata"].get("generation") or 0)
        resource = self._latest.get(outcome.rotation, resource)
        for attempt in range(ATTEMPTS):
            live = resource.get("status") or {}
            if attempt and _is_ahead(live, outcome, generation):
                return
            status = wanted(outcome, generation, live, self.clock.now())
            if all(live.get(k) == v for k, v in status.items()):
                return
            changes = {
                "metadata": {"resourceVersion": resource["metadata"]["resourceVersion"]},
                "status": status,
            }
            try:
                self._latest[outcome.rotation] = self.api.patch_status(ROTATION, namespace, name, changes)
            except (Conflict, Ambiguous):
                resource = self.api.get(ROTATION, namespace, name)
            except NotFound:
                return
            else:
                return


def _is_ahead(live: Json, outcome: Outcome, generation: int) -> bool:
    """Whether whoever wrote since we read the resource was a later run: of a later ring, or of a later declaration."""
    overtaken = int(live.get("revision") or 0) > outcome.summary.revision
    return int(live.get("observedGeneration") or 0) > generation or (
        overtaken and outcome.result is not Result.REFUSED
    )


def wanted(outcome: Outcome, generation: int, live: Mapping[str, Any], now: datetime) -> Json:
    """Return the status that says what `outcome` says; None for what is to be removed, nothing for what is unknown."""
    summary, result = outcome.summary, outcome.last_result
    known = {
        "phase": summary.phase,
        "active": summary.active or None,
        "activeSince": instant(summary.active_since) if summary.active_since else None,
        "revision": summary.revision,
    }
    status: Json = {
        "observedGeneration": generation,
        "result": str(result),
        "reason": printable(outcome.stays, LONGEST),
        "next": instant(outcome.until) if outcome.until else None,
        "waitingOn": [printable(name, LONGEST) for name in outcome.waiting_on[:MOST]],
        "type": outcome.kind or None,
        **(known if summary.phase else {}),
    }
    if outcome.ring:
        status["versions"] = [
            {"id": v.id, "number": v.number, "state": str(v.state)} for v in outcome.ring.versions
        ]
    if outcome.result is Result.IDLE:
        del status["waitingOn"]
    before = {c["type"]: c for c in live.get("conditions") or ()}
    ours = [
        _since(before.get(c["type"], {}), {**c, "observedGeneration": generation}, now)
        for c in _conditions(outcome)
    ]
    others = [c for kind, c in before.items() if kind not in {c["type"] for c in ours}]
    status["conditions"] = [*ours, *others]
    return status


def _conditions(outcome: Outcome) -> list[Json]:
    summary, result = outcome.summary, outcome.last_result
    if result is not Result.WAITING:
        ready = ("False", str(result))
    else:
        ready = ("True", "Active") if summary.active else ("False", "Beginning")
    found = [("Ready", *ready)]
    if summary.phase:
        found.append(("Progressing", "False" if summary.phase in AT_REST else "True", summary.phase))
    return [
        {"type": kind, "status": status, "reason": reason, "message": printable(outcome.stays, LONGEST)}
        for kind, status, reason in found
    ]


def _since(before: Json, condition: Json, now: datetime) -> Json:
    """Add since when the condition has its status."""
    same = before.get("status") == condition["status"]
    since = before.get("lastTransitionTime") if same else None
    return {**condition, "lastTransitionTime": since or f"{now:%Y-%m-%dT%H:%M:%SZ}"}
