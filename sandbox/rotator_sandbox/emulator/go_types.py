"""The Go types behind the built-in kinds: which fields they have, and of what type."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("go_types.txt")
_INLINE = frozenset({"localObjectReference", "volumeSource", "handler", "ephemeralContainerCommon"})
"""Embedded structs, whose fields stand in the parent in JSON."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its JSON name, its type, and whether it is a list (*) or a map (@) of it."""

    name: str
    type: str
    mark: str

    @property
    def inline(self) -> bool:
        """Say whether its own fields stand in the parent."""
        return self.name in _INLINE


def _parse_field(text: str) -> tuple[int, Field]:
    number, name, type_ = text.split()
    mark = type_[0] if type_[0] in "*@" else ""
    return int(number), Field(name, type_.lstrip("*@"), mark)


@cache
def _table() -> dict[str, dict[int, Field]]:
    table = {}
    for line in _TABLE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            name, _, fields = line.partition(": ")
            table[name] = dict(_parse_field(each) for each in fields.split("; "))
    return table


def is_known(type_: str) -> bool:
    """Say whether a struct is in the table."""
    return type_ in _table()


def by_number(type_: str) -> dict[int, Field]:
    """Give the fields of a struct by their numbers in protobuf."""
    return _table()[type_]


@cache
def by_name(type_: str) -> dict[str, Field]:
    """Give the fields of a struct by their names in JSON, the embedded ones among them."""
    fields: dict[str, Field] = {}
    for field in _table()[type_].values():
        if field.inline:
            fields.update(by_name(field.type))
        else:
            fields[field.name] = field
    return fields
