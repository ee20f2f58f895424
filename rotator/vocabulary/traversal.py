"""What a declaration names, in whatever field it stands and however deep: found by type, so that nothing is overlooked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic.fields import FieldInfo

from rotator.vocabulary.footprint import Home, JobFile, Server, Touch, Use
from rotator.vocabulary.types import BASE_URL, DNS_LABEL, FILE, ISSUER_URL, LDAP_URL, PROVIDER_URL, URL, Model

Part = TypeVar("Part", bound=Model)

ADDRESSES = frozenset({BASE_URL, ISSUER_URL, LDAP_URL, PROVIDER_URL, URL})
"""The patterns of texts that are asked over the network."""
NAMESPACES = frozenset({DNS_LABEL})
"""The pattern of names of namespaces."""
FILES = frozenset({FILE})
"""The pattern of texts that are read from the job's own disk."""


def parts(declared: object, kind: type[Part]) -> Iterator[Part]:
    """Yield every part of a declaration that is of one kind, itself or in whatever field it stands."""
    return (part for part in models(declared) if isinstance(part, kind))


def models(declared: object) -> list[Model]:
    """Return `declared` and every part below it, in whatever field it stands."""
    found: list[Model] = []
    _gather(declared, found)
    return found


def _gather(declared: object, found: list[Model]) -> None:
    if isinstance(declared, list):
        for each in declared:
            _gather(each, found)
    elif isinstance(declared, Model):
        found.append(declared)
        for name in _plan(type(declared)).inner:
            if (value := getattr(declared, name)) is not None:
                _gather(value, found)


def named(declared: object, patterns: frozenset[str]) -> Iterator[str]:
    """Yield every text below `declared` whose type has one of `patterns`, in whatever field it stands."""
    return (text for part in models(declared) for text in _texts(part, patterns))


def _texts(part: Model, patterns: frozenset[str]) -> Iterator[str]:
    for name, given in _plan(type(part)).patterns.items():
        if given & patterns and (value := getattr(part, name)) is not None:
            yield from [value] if isinstance(value, str) else value


def touched(declared: object, home: Home) -> Iterator[Touch]:
    """Yield what `declared` and everything below it touches: what its classes say, and every address and file that it names."""
    for part in models(declared):
        yield from part.touches(home)
        if _plan(type(part)).outside:
            yield from (Touch(Server(url), Use.ASKED) for url in _texts(part, ADDRESSES))
            yield from (Touch(JobFile(path), Use.READ) for path in _texts(part, FILES))


@dataclass(frozen=True, slots=True)
class _Plan:
    """What there is to look for in a class."""

    patterns: Mapping[str, frozenset[str]]
    """The patterns of its texts by field, in whatever their types wrap them."""
    inner: tuple[str, ...]
    """The fields in which further parts may stand."""
    outside: bool
    """Whether a text names an address or a file."""


@cache
def _plan(kind: type[Model]) -> _Plan:
    found = {
        name: frozenset({*_of(info.annotation), *(p for m in info.metadata for p in _of(m))})
        for name, info in kind.model_fields.items()
    }
    return _Plan(
        {name: patterns for name, patterns in found.items() if patterns},
        tuple(name for name, info in kind.model_fields.items() if _holds_models(info.annotation)),
        any(patterns & (ADDRESSES | FILES) for patterns in found.values()),
    )


def _holds_models(annotation: Any) -> bool:
    """Whether a value of a type can be, or hold, another part."""
    if isinstance(annotation, type) and not get_args(annotation):
        return issubclass(annotation, Model)
    return any(_holds_models(each) for each in get_args(annotation))


def _of(part: Any) -> Iterator[str]:
    if isinstance(part, FieldInfo):
        for each in part.metadata:
            yield from _of(each)
    elif isinstance(pattern := getattr(part, "pattern", None), str):
        yield pattern
    if get_origin(part) is Annotated:
        for each in part.__metadata__:
            yield from _of(each)
    for each in get_args(part):
        yield from _of(each)
