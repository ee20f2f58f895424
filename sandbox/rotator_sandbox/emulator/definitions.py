"""CustomResourceDefinitions: what one must look like, and the kinds it makes the cluster serve."""

from __future__ import annotations

from .resources import Column, Custom, Kind
from .wire import Object, as_object

_TEXT: Object = {"type": "string"}
_TEXTS: Object = {"type": "array", "items": _TEXT}
_OPEN: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _struct(*required: str, **properties: Object) -> Object:
    return {"type": "object", "required": list(required), "properties": properties}


_NAMES = _struct(
    "plural",
    "kind",
    plural=_TEXT,
    singular=_TEXT,
    kind=_TEXT,
    listKind=_TEXT,
    shortNames=_TEXTS,
    categories=_TEXTS,
)
_COLUMN = _struct(
    "name",
    "type",
    "jsonPath",
    name=_TEXT,
    type=_TEXT,
    jsonPath=_TEXT,
    format=_TEXT,
    description=_TEXT,
    priority={"type": "integer"},
)
_SCALE = _struct(
    "specReplicasPath",
    "statusReplicasPath",
    specReplicasPath=_TEXT,
    statusReplicasPath=_TEXT,
    labelSelectorPath=_TEXT,
)
_VERSION = _struct(
    "name",
    "served",
    "storage",
    name=_TEXT,
    served={"type": "boolean"},
    storage={"type": "boolean"},
    deprecated={"type": "boolean"},
    deprecationWarning=_TEXT,
    schema=_struct(openAPIV3Schema=_OPEN),
    subresources=_struct(status=_OPEN, scale=_SCALE),
    additionalPrinterColumns={"type": "array", "items": _COLUMN},
    selectableFields={"type": "array", "items": _OPEN},
)
DEFINITION_SCHEMA = _struct(
    "spec",
    spec=_struct(
        "group",
        "scope",
        "names",
        "versions",
        group=_TEXT,
        scope={"type": "string", "enum": ["Cluster", "Namespaced"]},
        names=_NAMES,
        versions={"type": "array", "items": _VERSION},
        conversion=_OPEN,
        preserveUnknownFields={"type": "boolean"},
    ),
    status=_OPEN,
)
"""The shape of a CustomResourceDefinition."""


def definition_kinds(definition: Object) -> list[Kind]:
    """Give the kinds that a CustomResourceDefinition serves, storage version first."""
    versions = definition["spec"].get("versions") or []
    ordered = sorted(versions, key=lambda version: not version.get("storage"))
    storage = ordered[0]["name"] if ordered else ""
    return [
        _version_kind(definition["spec"], version, storage) for version in ordered if version.get("served")
    ]


def _version_kind(spec: Object, version: Object, storage: str) -> Kind:
    names, subresources = spec["names"], as_object(version.get("subresources"))
    schema = as_object(as_object(version.get("schema")).get("openAPIV3Schema"))
    columns = [
        Column(
            each.get("name", ""),
            each.get("type", "string"),
            each.get("jsonPath", ""),
            each.get("priority", 0),
            each.get("description", ""),
        )
        for each in version.get("additionalPrinterColumns") or []
    ]
    return Kind(
        spec["group"],
        version["name"],
        names["plural"],
        names["kind"],
        tuple(names.get("shortNames") or ()),
        namespaced=spec.get("scope") == "Namespaced",
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(name for name in ("status", "scale") if name in subresources),
        generation=True,
        unconditional_update=False,
        custom=Custom(schema, tuple(columns), storage, subresources.get("scale")),
    )
