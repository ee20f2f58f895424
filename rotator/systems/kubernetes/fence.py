"""The fence of a restart: a pod that would start with an old copy of a Secret cannot start at all.

A kubelet starts containers from its own copy of a Secret or ConfigMap. After the node has lost the API server, the watch
that renews the copy comes back by itself, after that of pods perhaps: a new pod then starts with the old value, is Ready, and
nobody can see it. So each new content brings one more data key whose *name* is that of the content, and the pod
template refers to it. A copy without the key is an old copy: the kubelet reports CreateContainerConfigError, and tries
again (https://kubernetes.io/docs/tasks/inject-data-application/distribute-credentials-secure/).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from rotator.core.fence import FENCE, short_hash
from rotator.systems.kubernetes.api import Json
from rotator.systems.kubernetes.readers import Source, volumes_of

GROUPS = ("initContainers", "containers")
_FILE, _FILE_OF_ALL = ".rotator-fence-", ".rotator-fence-all-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """What a pod template has to refer to."""

    source: Source
    key: str
    """The data key of the content."""
    files: frozenset[str] = frozenset()
    """The other data keys that are there, and stay there as long as this content does."""
    alone: bool = False
    """Whether the document holds these and nothing else, so that a folder of all its files may be listed."""

    @property
    def variable(self) -> str:
        """The environment variable that refers to the key; one a source."""
        return f"{FENCE}{self._id}"

    @property
    def _id(self) -> str:
        return short_hash(f"{self.source.kind}/{self.source.name}")

    def holds(self, pod_spec: Json) -> bool:
        """Whether every container that reads the source refers to the key: one that runs has read this content or a later."""
        return all(any(self._refers(env) for env in c.get("env") or ()) for c in self._readers(pod_spec))

    def leaves_gap(self, pod_spec: Json) -> bool:
        """Whether a folder is mounted that cannot refer to the key, so that it may be older than the variables."""
        return any(self._has_gap(volume, pod_spec) for volume in self._volumes(pod_spec))

    def put(self, pod_spec: Json) -> Json:
        """Return the parts of a pod spec that differ once it refers to the key, each of them whole."""
        wanted = {
            group: [self._container(c, pod_spec) for c in pod_spec.get(group) or ()] for group in GROUPS
        }
        wanted["volumes"] = [self._volume(v, pod_spec) for v in pod_spec.get("volumes") or ()]
        return {name: part for name, part in wanted.items() if part != (pod_spec.get(name) or [])}

    # --- containers -------------------------------------------------------------------------------------------

    def _readers(self, pod_spec: Json) -> Iterator[Json]:
        volumes = volumes_of(pod_spec, self.source)
        for group in GROUPS:
            yield from (c for c in pod_spec.get(group) or () if self._reads(c, volumes))

    def _reads(self, container: Json, volumes: Collection[str]) -> bool:
        by_env = (env for env in container.get("env") or () if env.get("name") != self.variable)
        return (
            any(self.source.key_in_env(env) is not None for env in by_env)
            or any(self.source.is_in_env_from(env) for env in container.get("envFrom") or ())
            or any(mount.get("name") in volumes for mount in container.get("volumeMounts") or ())
        )

    def _refers(self, env: Json) -> bool:
        ref = (env.get("valueFrom") or {}).get(self.source.key_ref) or {}
        return (
            env.get("name") == self.variable
            and (ref.get("name"), ref.get("key")) == (self.source.name, self.key)
            and not ref.get("optional")
        )

    def _container(self, container: Json, pod_spec: Json) -> Json:
        if not self._reads(container, volumes_of(pod_spec, self.source)):
            return container
        others = [env for env in container.get("env") or () if env.get("name") != self.variable]
        reference = {self.source.key_ref: {"name": self.source.name, "key": self.key}}
        return {**container, "env": [*others, {"name": self.variable, "valueFrom": reference}]}

    # --- volumes ----------------------------------------------------------------------------------------------

    def _volumes(self, pod_spec: Json) -> list[Json]:
        return list(volumes_of(pod_spec, self.source).values())

    def _volume(self, volume: Json, pod_spec: Json) -> Json:
        if self.source.is_in_volume(volume):
            kind = self.source.volume_type
            return {**volume, kind: self._plain(volume, pod_spec)}
        projected = volume.get("projected") or {}
        sources = projected.get("sources") or ()
        if any(self.source.is_in_projection(p) for p in sources):
            return {**volume, "projected": {**projected, "sources": list(self._projected(sources))}}
        return volume

    def _plain(self, volume: Json, pod_spec: Json) -> Json:
        """Return a volume that refers to the key, if that takes no file away; else as its owner wrote it."""
        named = self._unfenced(volume[self.source.volume_type])
        if items := named.get("items"):
            return {**named, "items": [*items, self._item(_FILE)]}
        files = self._files(volume, pod_spec)
        if not files:
            return named
        return {**named, "items": [*({"key": f, "path": f} for f in files), self._item(_FILE_OF_ALL)]}

    def _files(self, volume: Json, pod_spec: Json) -> list[str]:
        """Return the files that a volume without `items` has to go on showing; empty: not known."""
        mounts = [m for c in _containers(pod_spec) for m in c.get("volumeMounts") or ()]
        mounts = [m for m in mounts if m.get("name") == volume.get("name")]
        single = {str(m.get("subPath") or "") for m in mounts}
        if single and single <= self.files:
            return sorted(single)
        return sorted(self.files) if self.alone else []

    def _unfenced(self, named: Json) -> Json:
        """Return a volume as it was before us: where all items are ours, it had none."""
        items = named.get("items") or []
        if any(i.get("path") == f"{_FILE_OF_ALL}{self._id}" for i in items):
            return {name: value for name, value in named.items() if name != "items"}
        kept = [i for i in items if i.get("path") != f"{_FILE}{self._id}"]
        return {**named, "items": kept} if kept != items else named

    def _projected(self, sources: Iterable[Json]) -> Iterator[Json]:
        """Yield the sources, with one before ours that holds the key alone: they are read one after the other."""
        kind, done = self.source.volume_type, False
        for projection in sources:
            if not self.source.is_in_projection(projection):
                yield projection
            elif not _is_fence(projection[kind], self._id):
                if not done:
                    yield {kind: {"name": self.source.name, "items": [self._item(_FILE)]}}
                done = True
                yield projection

    def _item(self, file: str) -> Json:
        return {"key": self.key, "path": f"{file}{self._id}"}

    def _has_gap(self, volume: Json, pod_spec: Json) -> bool:
        if not self.source.is_in_volume(volume):
            return False
        named = self._plain(volume, pod_spec)
        return bool(named.get("optional")) or not named.get("items")


def _is_fence(named: Json, hashed: str) -> bool:
    return [i.get("path") for i in named.get("items") or ()] == [f"{_FILE}{hashed}"]


def _containers(pod_spec: Json) -> Iterator[Json]:
    for group in GROUPS:
        yield from pod_spec.get(group) or ()
