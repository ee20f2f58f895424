"""Nodes that start containers from their own copies of Secrets and ConfigMaps, which may be old.

A kubelet watches its pods, and each object that they name by itself
(https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically). After the node
has lost the API server each of these watches comes back on its own. Until then the node has its old copy: it may
start a new pod with it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from .containers import Files, HeldBackError, Ref, Started, mount, references, start
from .wire import Object, as_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from .calls import Caller

NODES = ("node-1", "node-2")
PODS = "pods"
MOST_LATE = 60.0
"""Seconds that a watch may come back later than the API server: it asks again after 0.8 to 30 s, times up to 2."""
_OK, _NOT_FOUND = 200, 404

_Place: TypeAlias = tuple[str, Ref]
"""A namespace, and an object in it."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """An object as it was when the node lost the API server, used until its watch is back."""

    obj: Object | None = field(repr=False)
    back: datetime


@dataclass
class _Node:
    """What one node knows while it has lost the API server."""

    api_back: datetime
    pods_back: datetime
    copies: dict[_Place, _Copy]


@dataclass
class _Here:
    """A pod that a node knows."""

    node: str
    objects: frozenset[_Place]
    volumes: dict[str, Files] | None = field(default=None, repr=False)
    """Its files, once they are mounted: a container that is tried again finds the same."""
    started: Mapping[str, Started] | None = field(default=None, repr=False)


class Nodes:
    """The kubelets, as far as they read for the containers that they start."""

    def __init__(self, call: Caller) -> None:
        """Read from the API server behind `call`."""
        self._call = call
        self._lost: dict[str, _Node] = {}
        self._here: dict[str, _Here] = {}

    def lose_api(self, now: datetime, lasts: timedelta, late: Callable[[str], float]) -> None:
        """Cut all nodes off for so long; the watch of PODS, or of an object by its name, comes back `late` seconds after that."""
        for node in NODES:
            held, api_back = dict(self._held_by(node, now)), now + lasts
            copies = {
                (namespace, ref): _Copy(obj, api_back + timedelta(seconds=late(ref.name)))
                for (namespace, ref), obj in held.items()
            }
            self._lost[node] = _Node(api_back, api_back + timedelta(seconds=late(PODS)), copies)

    def sees_pods(self, node: str, now: datetime) -> bool:
        """Whether a node hears of pods that come and go, and is heard."""
        lost = self._lost.get(node)
        return lost is None or now >= lost.pods_back

    def has_started(self, pod: Object) -> bool:
        """Whether the containers of a pod run."""
        here = self._here.get(pod["metadata"]["uid"])
        return here is not None and here.started is not None

    def started(self, pod: Object) -> Mapping[str, Started]:
        """Give what the containers of a pod were started with; nothing while they are not."""
        here = self._here.get(pod["metadata"]["uid"])
        return (here.started if here else None) or {}

    def start(self, pod: Object, now: datetime) -> None:
        """Start the containers of a pod that its node has heard of. Raises HeldBackError."""
        node, namespace = str(pod["spec"]["nodeName"]), pod["metadata"]["namespace"]
        objects = frozenset((namespace, ref) for ref in references(pod))
        here = self._here.setdefault(pod["metadata"]["uid"], _Here(node, objects))
        lost = self._lost.get(node)

        def look_up(ref: Ref) -> Object | None:
            return self._held(lost, (namespace, ref), now)

        if here.volumes is None:
            here.volumes = mount(pod, look_up)
        here.started = start(pod, here.volumes, look_up)

    def forget_all_but(self, uids: set[str]) -> None:
        """Forget the pods that are gone."""
        self._here = {uid: pod for uid, pod in self._here.items() if uid in uids}

    def _held_by(self, node: str, now: datetime) -> Iterator[tuple[_Place, Object | None]]:
        """Yield all that a node holds for the pods that it knows."""
        places = {place for pod in self._here.values() if pod.node == node for place in pod.objects}
        for place in sorted(places):
            with suppress(HeldBackError):
                yield place, self._held(self._lost.get(node), place, now)

    def _held(self, lost: _Node | None, place: _Place, now: datetime) -> Object | None:
        """Give an object as a node holds it: its old copy, or what the API server says."""
        copy = lost.copies.get(place) if lost else None
        if copy and now < copy.back:
            return copy.obj
        if lost and now < lost.api_back:
            raise HeldBackError("CreateContainerConfigError", "failed to sync the cache: timed out")
        namespace, ref = place
        path = f"/api/v1/namespaces/{namespace}/{ref.plural}/{ref.name}"
        status, answer = self._call("GET", path, {}, None)
        if status not in {_OK, _NOT_FOUND}:
            raise HeldBackError("CreateContainerConfigError", f"failed to sync the cache: HTTP {status}")
        return as_object(answer) if status == _OK else None
