"""Which pods a workload makes and deletes next: pure functions over what is there."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .wire import Object, Value, as_object

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_HASH_LENGTH = 10


@dataclass(frozen=True, slots=True)
class Pod:
    """What a rollout needs to know about one pod."""

    name: str
    revision: str
    ready: bool = False
    available: bool = False
    terminating: bool = False
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Moves:
    """What to do now: how many pods to make (or in which slots), and which to delete."""

    create: int = 0
    slots: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()


def template_hash(template: Object) -> str:
    """Give the name of a pod template's revision, as pod-template-hash spells them."""
    text = json.dumps(template, sort_keys=True).encode()
    digest = hashlib.sha256(text).digest()[:_HASH_LENGTH]
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest)


def resolve(value: Value, total: int, default: int, *, up: bool) -> int:
    """Give an IntOrString of a strategy as a number of pods."""
    if value is None:
        return default
    if isinstance(value, int):
        return value
    share = int(str(value).rstrip("%")) * total / 100
    return math.ceil(share) if up else math.floor(share)


def surge_and_unavailable(strategy: Object, desired: int) -> tuple[int, int]:
    """Give maxSurge and maxUnavailable; when both are zero one pod may be unavailable."""
    quarter_up, quarter_down = math.ceil(desired / 4), desired // 4
    surge = resolve(strategy.get("maxSurge"), desired, quarter_up, up=True)
    unavailable = resolve(strategy.get("maxUnavailable"), desired, quarter_down, up=False)
    return (0, 1) if surge == unavailable == 0 else (surge, unavailable)


def _unready_first(pods: Sequence[Pod]) -> list[Pod]:
    return sorted(pods, key=lambda pod: (pod.available, pod.ready, pod.name))


def rolling(pods: Sequence[Pod], desired: int, revision: str, strategy: Object) -> Moves:
    """Give the next moves of a rolling update (the deployment controller's rules)."""
    surge, unavailable = surge_and_unavailable(strategy, desired)
    live = [pod for pod in pods if not pod.terminating]
    new = [pod for pod in live if pod.revision == revision]
    old = [pod for pod in live if pod.revision != revision]
    surplus = _unready_first(new)[: max(len(new) - desired, 0)]
    create = max(min(desired - len(new), desired + surge - len(live)), 0)
    waiting = sum(1 for pod in new if not pod.available)
    room = max(len(live) - (desired - unavailable) - waiting, 0)
    broken = [pod for pod in old if not pod.available]
    retired = (
        broken[:room] + [pod for pod in _unready_first(old) if pod.available][: max(room - len(broken), 0)]
    )
    return Moves(create, delete=tuple(pod.name for pod in surplus + retired))


def recreate(pods: Sequence[Pod], desired: int, revision: str) -> Moves:
    """Give the next moves of strategy Recreate: all old pods go before a new one comes."""
    old = [pod for pod in pods if pod.revision != revision]
    if old:
        return Moves(delete=tuple(pod.name for pod in old if not pod.terminating))
    return resize(pods, desired)


def resize(pods: Sequence[Pod], desired: int) -> Moves:
    """Give the moves that only change the number of pods."""
    live = [pod for pod in pods if not pod.terminating]
    surplus = _unready_first(live)[: max(len(live) - desired, 0)]
    return Moves(max(desired - len(live), 0), delete=tuple(pod.name for pod in surplus))


def ordered(pods: Sequence[Pod], spec: Object, revision: str) -> Moves:
    """Give the next moves of a StatefulSet: by ordinal, one at a time, from the last down."""
    desired = int(spec.get("replicas", 1))
    by_slot = {pod.slot: pod for pod in pods}
    parallel = spec.get("podManagementPolicy") == "Parallel"
    create = []
    for ordinal in range(desired):
        pod = by_slot.get(str(ordinal))
        if pod is None:
            create.append(str(ordinal))
        if not parallel and (pod is None or pod.terminating or not pod.ready):
            break
    beyond = [
        pod
        for pod in sorted(pods, key=lambda pod: -int(pod.slot))
        if int(pod.slot) >= desired and not pod.terminating
    ]
    if beyond:
        gone = beyond if parallel else beyond[:1]
        return Moves(slots=tuple(create), delete=tuple(pod.name for pod in gone))
    return Moves(slots=tuple(create), delete=_next_ordinal(by_slot, spec, desired, revision))


def _next_ordinal(by_slot: dict[str, Pod], spec: Object, desired: int, revision: str) -> tuple[str, ...]:
    """Give the one pod that a StatefulSet's rolling update replaces next."""
    strategy = as_object(spec.get("updateStrategy"))
    if strategy.get("type") == "OnDelete":
        return ()
    partition = int(as_object(strategy.get("rollingUpdate")).get("partition", 0))
    for ordinal in range(desired - 1, partition - 1, -1):
        pod = by_slot.get(str(ordinal))
        if pod is None or pod.terminating:
            return ()
        if pod.revision != revision:
            return (pod.name,)
        if not pod.ready:
            return ()
    return ()


def per_node(pods: Sequence[Pod], nodes: Sequence[str], strategy: Object, revision: str) -> Moves:
    """Give the next moves of a DaemonSet: one pod a node, few unavailable at a time."""
    by_slot = {pod.slot: pod for pod in pods}
    create = tuple(node for node in nodes if node not in by_slot)
    lost = tuple(pod.name for pod in pods if pod.slot not in nodes and not pod.terminating)
    if strategy.get("type") == "OnDelete":
        return Moves(slots=create, delete=lost)
    limit = as_object(strategy.get("rollingUpdate")).get("maxUnavailable")
    allowed = max(resolve(limit, len(nodes), 1, up=True), 1)
    held = [by_slot.get(node) for node in nodes]
    unavailable = sum(1 for pod in held if pod is None or pod.terminating or not pod.available)
    stale = [pod for pod in held if pod and pod.revision != revision and not pod.terminating]
    broken = [pod for pod in stale if not pod.available]
    sound = [pod for pod in stale if pod.available][: max(allowed - unavailable, 0)]
    return Moves(slots=create, delete=lost + tuple(pod.name for pod in broken + sound))
