"""The life of pods after they are created: running, ready, terminating, gone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from .containers import HeldBackError
from .pods import held_back_status, ready_since, running_status
from .wire import Object, as_object

if TYPE_CHECKING:
    from datetime import datetime

    from .nodes import Nodes

_MOVED = frozenset({"ReplicaSet", "StatefulSet", "DaemonSet"})

Writer: TypeAlias = Callable[[str, str, dict[str, str], Object | None], Object]


@dataclass(frozen=True, slots=True)
class Timing:
    """How long pods take."""

    seconds_to_ready: float
    terminating_seconds: float


def _path(pod: Object) -> str:
    meta = pod["metadata"]
    return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"


@dataclass
class PodLives:
    """A kubelet for pods that run nothing."""

    write: Writer
    timing: Timing
    nodes: Nodes
    _began: dict[str, datetime] = field(default_factory=dict)
    _leaving: dict[str, datetime] = field(default_factory=dict)

    def born(self, pod: Object, now: datetime) -> None:
        """Start a pod that was created, if its node hears of it and has what it reads; report that it runs."""
        if not self.nodes.sees_pods(pod["spec"]["nodeName"], now):
            return
        try:
            self.nodes.start(pod, now)
        except HeldBackError as held:
            self._hold_back(pod, held)
        else:
            self._began[pod["metadata"]["uid"]] = now
            self._report(pod, running_status(pod, now, ready=False))

    def _hold_back(self, pod: Object, held: HeldBackError) -> None:
        status = held_back_status(pod, held)
        if as_object(pod.get("status")).get("containerStatuses") != status["containerStatuses"]:
            self._report(pod, status)

    def _report(self, pod: Object, status: Object) -> None:
        self.write("PATCH", f"{_path(pod)}/status", {}, {"status": status})

    def ask_to_leave(self, path: str, now: datetime) -> None:
        """Delete a pod with the time it takes to terminate as its grace."""
        grace = math.ceil(self.timing.terminating_seconds)
        answer = self.write("DELETE", path, {"gracePeriodSeconds": str(grace)}, None)
        if answer:
            self._leaving[answer["metadata"]["uid"]] = now

    def forget_all_but(self, pods: list[Object]) -> None:
        """Forget the pods that are gone."""
        seen = {pod["metadata"]["uid"] for pod in pods}
        self.nodes.forget_all_but(seen)
        self._began = {uid: at for uid, at in self._began.items() if uid in seen}
        self._leaving = {uid: at for uid, at in self._leaving.items() if uid in seen}

    def advance(self, pods: list[Object], stalled: set[str], now: datetime) -> None:
        """Make pods ready, and let go those that have terminated."""
        for pod in pods:
            node = as_object(pod.get("spec")).get("nodeName")
            if not node or not self.nodes.sees_pods(node, now):
                continue
            if pod["metadata"].get("deletionTimestamp"):
                self._finish(pod, now)
            elif pod["metadata"]["uid"] not in stalled and ready_since(pod) is None:
                self._make_ready(pod, now)

    def _finish(self, pod: Object, now: datetime) -> None:
        since = self._leaving.setdefault(pod["metadata"]["uid"], now)
        if (now - since).total_seconds() >= self.timing.terminating_seconds:
            self.write("DELETE", _path(pod), {"gracePeriodSeconds": "0"}, None)

    def _make_ready(self, pod: Object, now: datetime) -> None:
        if not _is_ours(pod):
            return
        if not self.nodes.has_started(pod):
            self.born(pod, now)
            return
        since = self._began[pod["metadata"]["uid"]]
        if (now - since).total_seconds() >= self.timing.seconds_to_ready:
            self._report(pod, running_status(pod, now, ready=True))


def _is_ours(pod: Object) -> bool:
    """Say whether a pod belongs to a workload that this controller moves, and has not ended."""
    owners = pod["metadata"].get("ownerReferences") or []
    ended = as_object(pod.get("status")).get("phase") in {"Succeeded", "Failed"}
    return not ended and any(owner.get("controller") and owner["kind"] in _MOVED for owner in owners)
