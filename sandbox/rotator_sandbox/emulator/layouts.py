"""How the lists and maps of each kind merge: what the OpenAPI extensions say, as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .wire import Object, as_object

if TYPE_CHECKING:
    from .resources import Kind

MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
    "podIPs": "ip",
    "conditions": "type",
    "ownerReferences": "uid",
    "secrets": "name",
}
"""patchMergeKey: the key by which a strategic merge patch matches the items of a list."""

PRIMITIVE_MERGE = frozenset({"finalizers"})
"""Lists of primitives that a strategic merge patch adds to."""

RETAIN_KEYS = frozenset({"volumes", "strategy", "updateStrategy"})
"""Where patchStrategy has retainKeys."""

ATOMIC_MAPS = frozenset(
    {
        "selector",
        "nodeSelector",
        "labelSelector",
        "namespaceSelector",
        "configMapKeyRef",
        "secretKeyRef",
        "fieldRef",
        "resourceFieldRef",
        "secretRef",
        "involvedObject",
        "related",
        "roleRef",
    }
)
"""x-kubernetes-map-type: atomic."""

STRUCTS = frozenset(
    {
        "metadata",
        "spec",
        "status",
        "template",
        "jobTemplate",
        "strategy",
        "updateStrategy",
        "resources",
        "containers",
        "names",
    }
)
"""Structs that are always present in the Go types: no owner is recorded for the struct itself."""

_APPLY_KEYS: dict[str, tuple[str, ...]] = {
    **{name: (key,) for name, key in MERGE_KEYS.items()},
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
_PORT_KEYS = {"containers": "containerPort", "initContainers": "containerPort"}


def ports_key(parent: str) -> str:
    """Give the key of a `ports` list: a container's ports differ from a service's."""
    return _PORT_KEYS.get(parent, "port")


@dataclass(frozen=True, slots=True)
class Layout:
    """How one place in an object merges; `parent` is the name of the list or map it is in."""

    name: str = ""
    parent: str = ""
    custom: bool = False
    schema: Object = field(default_factory=dict, repr=False)

    def child(self, name: str) -> Layout:
        """Give the layout of a field."""
        if not self.custom:
            return Layout(name, self.name)
        properties = as_object(self.schema.get("properties"))
        if self.name == "" and name == "metadata":
            return Layout(name)
        schema = properties.get(name, self.schema.get("additionalProperties"))
        return Layout(name, self.name, custom=True, schema=as_object(schema))

    def item(self) -> Layout:
        """Give the layout of the items of a list."""
        if not self.custom:
            return self
        return Layout(self.name, self.parent, custom=True, schema=self._items())

    def _items(self) -> Object:
        return as_object(self.schema.get("items"))

    def keys(self) -> tuple[str, ...]:
        """Give the keys that tell the items of a list apart; none when it is not keyed."""
        if self.custom:
            listed = self.schema.get("x-kubernetes-list-type") == "map"
            return tuple(self.schema.get("x-kubernetes-list-map-keys", ())) if listed else ()
        if self.name == "ports":
            return (ports_key(self.parent), "protocol")
        return _APPLY_KEYS.get(self.name, ())

    def is_set(self) -> bool:
        """Say whether a list is a set of primitives."""
        if self.custom:
            return self.schema.get("x-kubernetes-list-type") == "set"
        return self.name in PRIMITIVE_MERGE

    def atomic_map(self) -> bool:
        """Say whether a map has one owner as a whole."""
        if self.custom:
            return self.schema.get("x-kubernetes-map-type") == "atomic"
        return self.name in ATOMIC_MAPS

    def key_defaults(self) -> Object:
        """Give the defaults of the keys of a keyed list."""
        if self.name == "ports" and not self.custom:
            return {"protocol": "TCP"}
        properties = as_object(self._items().get("properties"))
        return {
            key: properties[key]["default"]
            for key in self.keys()
            if "default" in as_object(properties.get(key))
        }


def layout_of(kind: Kind) -> Layout:
    """Give the layout of a kind's objects."""
    if kind.custom is None:
        return Layout()
    return Layout(custom=True, schema=kind.custom.schema)
