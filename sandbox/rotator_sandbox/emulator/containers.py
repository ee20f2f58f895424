"""What containers start with: their environment and their mounted files, read from Secrets and ConfigMaps.

Pure functions over a pod and what a kubelet holds of the objects that it names. The rules are the kubelet's:
https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets. A literal value is not expanded, and what is
taken from elsewhere (fields of the pod, tokens, other volumes) is left out.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from .wire import Object, as_object

if TYPE_CHECKING:
    from collections.abc import Mapping

_GROUPS = ("initContainers", "containers")


class Ref(NamedTuple):
    """An object that a pod names, in the pod's own namespace."""

    plural: str
    name: str


class HeldBackError(Exception):
    """A container cannot start for now; the kubelet tries again."""

    def __init__(self, reason: str, message: str) -> None:
        """Say why, in the kubelet's words."""
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Started:
    """What one container was started with."""

    env: Mapping[str, bytes] = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    """By path, as they were when they were mounted; the kubelet renews those of a folder later, not those of a `subPath`."""


Lookup: TypeAlias = Callable[[Ref], Object | None]
"""The object as the kubelet holds it; None: it does not exist."""
Files: TypeAlias = dict[str, bytes]


def contents(obj: Object) -> Files:
    """Give the data keys of a Secret or a ConfigMap."""
    secret = obj.get("kind") == "Secret"
    data = as_object(obj.get("data")).items()
    found = {key: base64.b64decode(value) if secret else str(value).encode() for key, value in data}
    binary = as_object(obj.get("binaryData")).items()
    return found | {key: base64.b64decode(value) for key, value in binary}


def references(pod: Object) -> frozenset[Ref]:
    """Give every object that a pod names."""
    spec = as_object(pod.get("spec"))
    parts = [part for volume in spec.get("volumes") or () for part in _parts(volume)]
    for container in _containers(spec):
        parts += [as_object(env.get("valueFrom")) for env in container.get("env") or ()]
        parts += container.get("envFrom") or []
    return frozenset(found[0] for part in parts if (found := _named(part)))


def mount(pod: Object, look_up: Lookup) -> dict[str, Files]:
    """Give the files of each volume that a container mounts. Raises HeldBackError."""
    spec = as_object(pod.get("spec"))
    wanted = {each["name"] for container in _containers(spec) for each in container.get("volumeMounts") or ()}
    volumes = [volume for volume in spec.get("volumes") or () if volume["name"] in wanted]
    return {volume["name"]: _files(volume, look_up) for volume in volumes}


def start(pod: Object, volumes: Mapping[str, Files], look_up: Lookup) -> dict[str, Started]:
    """Give what each container of a pod starts with, by name. Raises HeldBackError."""
    spec = as_object(pod.get("spec"))
    return {
        container["name"]: Started(_environment(container, look_up), _mounted(container, volumes))
        for container in _containers(spec)
    }


def _containers(spec: Object) -> Iterator[Object]:
    for group in _GROUPS:
        yield from spec.get(group) or ()


def _parts(volume: Object) -> list[Object]:
    return [volume, *(as_object(volume.get("projected")).get("sources") or ())]


_FIELDS = {
    "secretKeyRef": "secrets",
    "configMapKeyRef": "configmaps",
    "secretRef": "secrets",
    "configMapRef": "configmaps",
    "secret": "secrets",
    "configMap": "configmaps",
}


def _named(part: Object) -> tuple[Ref, Object] | None:
    """Give the object that a part of a pod names, and how."""
    for name, plural in _FIELDS.items():
        how = as_object(part.get(name))
        if target := how.get("secretName") or how.get("name"):
            return Ref(plural, str(target)), how
    return None


def _data(ref: Ref, how: Object, look_up: Lookup, reason: str) -> Files | None:
    """Give the data of a named object; None where it is missing and may be."""
    obj = look_up(ref)
    if obj is not None:
        return contents(obj)
    if how.get("optional"):
        return None
    raise HeldBackError(reason, f'{ref.plural.removesuffix("s")} "{ref.name}" not found')


_CONFIG = "CreateContainerConfigError"
_CREATING = "ContainerCreating"
"""What the status of a container shows while its volumes cannot be mounted."""


def _environment(container: Object, look_up: Lookup) -> Files:
    env: Files = {}
    for source in container.get("envFrom") or ():
        if found := _named(source):
            data = _data(*found, look_up, _CONFIG) or {}
            env |= {f"{source.get('prefix') or ''}{key}": value for key, value in data.items()}
    for each in container.get("env") or ():
        found = _named(as_object(each.get("valueFrom")))
        value = _value(*found, look_up) if found else str(each.get("value") or "").encode()
        if value is not None and (found or "valueFrom" not in each):
            env[each["name"]] = value
    return env


def _value(ref: Ref, how: Object, look_up: Lookup) -> bytes | None:
    """Give one data key; None where it is missing and may be."""
    data = _data(ref, how, look_up, _CONFIG) or {}
    if how["key"] not in data and not how.get("optional"):
        raise HeldBackError(_CONFIG, f"couldn't find key {how['key']} in {ref.plural} {ref.name}")
    return data.get(how["key"])


def _files(volume: Object, look_up: Lookup) -> Files:
    """Give the files of a volume: of a projected one those of its sources, one after the other."""
    files: Files = {}
    for part in _parts(volume):
        if not (found := _named(part)):
            continue
        ref, how = found
        data = _data(ref, how, look_up, _CREATING) or {}
        items = how.get("items") or [{"key": key, "path": key} for key in data]
        for item in items:
            if item["key"] in data:
                files[item["path"]] = data[item["key"]]
            elif not how.get("optional"):
                raise HeldBackError(_CREATING, f"references non-existent {ref.plural} key: {item['key']}")
    return files


def _mounted(container: Object, volumes: Mapping[str, Files]) -> Files:
    """Give the files that a container sees, by their whole path."""
    seen: Files = {}
    for each in container.get("volumeMounts") or ():
        files, place, part = volumes.get(each["name"], {}), each["mountPath"].rstrip("/"), each.get("subPath")
        if not part:
            seen |= {f"{place}/{path}": value for path, value in files.items()}
        elif part in files:
            seen[place] = files[part]
    return seen
