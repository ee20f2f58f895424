"""How the containers of a pod read a Secret or a ConfigMap: pure functions over its spec.

API: https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets. The kubelet renews a mounted folder in a
running pod. It never renews environment variables, nor a file that is mounted by `subPath`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from posixpath import normpath

from rotator.core.codec import parse_instant
from rotator.kinds import SECRET, Kind
from rotator.systems.kubernetes.api import Json
from rotator.systems.kubernetes.pods import created


class How(StrEnum):
    """One way to read it, in the words of the API."""

    ENV = "env"
    ENV_FROM = "envFrom"
    SUB_PATH = "subPath"
    INIT = "an init container"
    FOLDER = "a mounted folder"
    DRIVER = "a CSI driver"
    LOGIN = "the login of a volume"


ONLY_AT_START = frozenset({How.ENV, How.ENV_FROM, How.SUB_PATH, How.INIT, How.LOGIN})
"""What a running pod never reads again."""
LOGINS = {
    "azureFile": "secretName",
    **dict.fromkeys(("cephfs", "cinder", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"), "secretRef"),
}
"""Volumes that are mounted with a Secret, and the field that names it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A Secret or a ConfigMap, named as a pod spec names it: pods read from their own namespace alone."""

    kind: Kind
    name: str

    @property
    def key_ref(self) -> str:
        """The field of `env[].valueFrom` that names one of its keys."""
        return "secretKeyRef" if self.kind is SECRET else "configMapKeyRef"

    @property
    def volume_type(self) -> str:
        """The field of a volume, and of a projected source, that names it."""
        return "secret" if self.kind is SECRET else "configMap"

    def is_in_volume(self, volume: Json) -> bool:
        """Whether a volume of its own type is made of it."""
        named = volume.get(self.volume_type) or {}
        return bool(named) and named.get("secretName" if self.kind is SECRET else "name") == self.name

    def is_in_projection(self, projection: Json) -> bool:
        """Whether one source of a projected volume is it."""
        return (projection.get(self.volume_type) or {}).get("name") == self.name

    def key_in_env(self, env: Json) -> str | None:
        """Return which of its keys one environment variable is taken from; None: of none."""
        ref = (env.get("valueFrom") or {}).get(self.key_ref) or {}
        return str(ref.get("key")) if ref.get("name") == self.name else None

    def is_in_env_from(self, source: Json) -> bool:
        """Whether all its keys become environment variables."""
        ref = source.get("secretRef" if self.kind is SECRET else "configMapRef") or {}
        return bool(ref.get("name") == self.name)


@dataclass(frozen=True, slots=True)
class Reading:
    """One container that reads it in one way; a driver reads for the whole pod."""

    container: str
    how: How


def references(pod_spec: Json, source: Source) -> bool:
    """Whether a pod reads `source` in any way, or mounts a volume that holds it."""
    return any(True for _ in _readings(pod_spec, source, None)) or bool(volumes_of(pod_spec, source))


def readings(pod_spec: Json, source: Source, keys: Collection[str]) -> tuple[Reading, ...]:
    """Return every way in which a pod reads any of the data keys `keys` of `source`."""
    return tuple(dict.fromkeys(_readings(pod_spec, source, keys)))


def volumes_of(pod_spec: Json, source: Source) -> dict[str, Json]:
    """Return the volumes that hold `source`, by name."""
    return {str(v.get("name")): v for v in pod_spec.get("volumes") or () if _holds(v, source)}


def _holds(volume: Json, source: Source) -> bool:
    return source.is_in_volume(volume) or any(source.is_in_projection(p) for p in _projections(volume))


def _projections(volume: Json) -> Sequence[Json]:
    return (volume.get("projected") or {}).get("sources") or ()


def _readings(pod_spec: Json, source: Source, keys: Collection[str] | None) -> Iterator[Reading]:
    volumes = volumes_of(pod_spec, source)
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for container in pod_spec.get(group) or ():
            once = group == "initContainers" and container.get("restartPolicy") != "Always"
            for how in _ways(container, source, volumes, keys):
                yield Reading(str(container.get("name")), How.INIT if once else how)
    for volume in pod_spec.get("volumes") or ():
        ref = (volume.get("csi") or {}).get("nodePublishSecretRef") or {}
        if source.kind is SECRET and ref.get("name") == source.name:
            yield Reading(str(volume.get("name")), How.DRIVER)
        if source.kind is SECRET and source.name in _logins(volume):
            yield Reading(str(volume.get("name")), How.LOGIN)


def _logins(volume: Json) -> Iterator[object]:
    """Yield the Secrets that a volume is mounted with."""
    for kind, named in LOGINS.items():
        found = (volume.get(kind) or {}).get(named)
        yield found.get("name") if isinstance(found, dict) else found


def _ways(
    container: Json, source: Source, volumes: Mapping[str, Json], keys: Collection[str] | None
) -> Iterator[How]:
    named = [key for env in container.get("env") or () if (key := source.key_in_env(env)) is not None]
    if any(keys is None or key in keys for key in named):
        yield How.ENV
    if any(source.is_in_env_from(env) for env in container.get("envFrom") or ()):
        yield How.ENV_FROM
    for mount in container.get("volumeMounts") or ():
        volume = volumes.get(str(mount.get("name")))
        if volume is None:
            continue
        file = normpath(str(mount.get("subPath") or "."))
        if mount.get("subPathExpr"):
            yield How.SUB_PATH  # what it comes to is not known here
        elif keys is None or _shows(volume, source, file, keys):
            yield How.FOLDER if file == "." else How.SUB_PATH


def _shows(volume: Json, source: Source, file: str, keys: Collection[str]) -> bool:
    """Whether a volume shows any of `keys` in the file or folder `file`; `.` is all of it."""
    parts = [p[source.volume_type] for p in _projections(volume) if source.is_in_projection(p)]
    parts += [volume[source.volume_type]] if source.is_in_volume(volume) else []
    return any(_part_shows(part.get("items"), file, keys) for part in parts)


def _part_shows(items: Sequence[Json] | None, file: str, keys: Collection[str]) -> bool:
    if not items:
        return file == "." or file in keys
    ours = (normpath(str(item.get("path"))) for item in items if item.get("key") in keys)
    return any(file in {".", path} or path.startswith(f"{file}/") for path in ours)


# --- running pods ------------------------------------------------------------------------------------------------


def stuck(pod: Json, source: Source, keys: Collection[str], since: datetime) -> tuple[Reading, ...]:
    """Return how a pod reads `keys` so that it never reads them again, though it started before `since`."""
    once = (r for r in readings(pod.get("spec") or {}, source, keys) if r.how in ONLY_AT_START)
    return tuple(r for r in once if _started_before(pod, r.container, since))


def _started_before(pod: Json, container: str, since: datetime) -> bool:
    """Whether a container started before `since`; one that has not started, or has ended, holds nothing.

    What an init container has read lives on in what it left for the others.
    """
    status = pod.get("status") or {}
    for group in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        for shown in status.get(group) or ():
            if shown.get("name") == container:
                state = shown.get("state") or {}
                ended = state.get("terminated") if group == "initContainerStatuses" else None
                began = (state.get("running") or ended or {}).get("startedAt")
                return began is not None and parse_instant(str(began)) < since
    return created(pod) < since
