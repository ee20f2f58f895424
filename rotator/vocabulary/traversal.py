"""What a declaration names, in whatever field it stands and however deep: found by type, so that nothing is overlooked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


def models(declared: object) -> Iterator[Model]:
    """Yield `declared` and every part below it, in whatever field it stands."""
    if isinstance(declared, list):
        for each in declared:
            yield from models(each)
    elif isinstance(declared, Model):
        yield declared
        for name, patterns in _patterns(type(declared)).items():
            if not patterns and (value := getattr(declared, name)) is not None:
                yield from models(value)


def named(declared: object, patterns: frozenset[str]) -> Iterator[str]:
    """Yield every text below `declared` whose type has one of `patterns`, in whatever field it stands."""
    for part in models(declared):
        for name, given in _patterns(type(part)).items():
            if given & patterns and (value := getattr(part, name)) is not None:
                yield from [value] if isinstance(value, str) else value


def touched(declared: object, home: Home) -> Iterator[Touch]:
    """Yield what `declared` and everything below it touches: what its classes say, and every address and file that it names."""
    for part in models(declared):
        yield from part.touches(home)
    yield from (Touch(Server(url), Use.ASKED) for url in named(declared, ADDRESSES))
    yield from (Touch(JobFile(path), Use.READ) for path in named(declared, FILES))


@cache
def _patterns(kind: type[Model]) -> Mapping[str, frozenset[str]]:
    """Return the patterns of each field, in whatever its type wraps them."""
    return {
        name: frozenset({*_of(info.annotation), *(p for m in info.metadata for p in _of(m))})
        for name, info in kind.model_fields.items()
    }


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
