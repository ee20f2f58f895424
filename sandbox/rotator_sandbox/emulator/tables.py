"""Lists as metav1.Table: what kubectl get shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .columns import AGE, BUILTIN_COLUMNS, NAME, age_of
from .durations import age
from .resources import Column, Kind
from .wire import Object, Value

if TYPE_CHECKING:
    from datetime import datetime

_STEP = re.compile(r"""\.?([A-Za-z0-9_-]+)|\[\?\(@\.(\w+)\s*==\s*["'](\w+)["']\)\]|\[(\d+|\*)\]""")


def read_path(obj: Value, path: str) -> Value:
    """Give what a simple JSON path of a printer column leads to: names, indexes, one filter."""
    for name, key, wanted, index in _STEP.findall(path.replace("\\.", "\0")):
        if name and isinstance(obj, dict):
            obj = obj.get(name.replace("\0", "."))
        elif key and isinstance(obj, list):
            obj = next((item for item in obj if str(item.get(key)) == wanted), None)
        elif index.isdigit() and isinstance(obj, list):
            obj = obj[int(index)] if int(index) < len(obj) else None
        else:
            return None
    return obj


def _custom_cell(column: Column, obj: Object, now: datetime) -> Value:
    value = read_path(obj, column.path)
    if value is None:
        return None
    if column.type == "date":
        return age(str(value), now)
    if column.type in {"integer", "number", "boolean"}:
        return value
    return value if isinstance(value, str) else str(value)


def _plain_cells(obj: Object, now: datetime) -> list[Value]:
    return [obj["metadata"]["name"], age_of(obj, now)]


def _custom_columns(kind: Kind) -> tuple[Column, ...]:
    if kind.custom is None or not kind.custom.columns:
        return ()
    return kind.custom.columns


def columns_of(kind: Kind) -> tuple[Column, ...]:
    """Give the columns of a kind's table."""
    if kind.name in BUILTIN_COLUMNS and kind.custom is None:
        return BUILTIN_COLUMNS[kind.name][0]
    declared = _custom_columns(kind)
    return (NAME, *declared) if declared else (NAME, AGE)


def cells_of(kind: Kind, obj: Object, now: datetime) -> list[Value]:
    """Give what stands in an object's row."""
    if kind.name in BUILTIN_COLUMNS and kind.custom is None:
        return BUILTIN_COLUMNS[kind.name][1](obj, now)
    declared = _custom_columns(kind)
    if not declared:
        return _plain_cells(obj, now)
    return [obj["metadata"]["name"], *(_custom_cell(each, obj, now) for each in declared)]


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": "name" if column.name == "Name" else "",
        "description": column.description,
        "priority": column.priority,
    }


def _included(obj: Object, include: str) -> Object | None:
    if include == "None":
        return None
    if include == "Object":
        return obj
    head = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return {**head, "metadata": obj["metadata"]}


def table(kind: Kind, objects: list[Object], meta: Object, include: str, now: datetime) -> Object:
    """Give objects as a Table, with as much of each in its row as the client asks for."""
    rows = [{"cells": cells_of(kind, obj, now), "object": _included(obj, include)} for obj in objects]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": [_definition(column) for column in columns_of(kind)],
        "rows": rows,
    }
