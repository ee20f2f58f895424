"""Alternatives of which a run reads a few: what reads one is made when it is first declared, not at the start of each run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from rotator.vocabulary.types import Model

_KIND = "rotator_kind"
"""Where the metadata of pydantic's own schema names the class."""


def first_used(kind: type[Model]) -> Any:
    """Return a type whose values are read and written as those of `kind`."""
    return Annotated[kind, _FirstUsed(kind)]


def behind(schema: core_schema.PlainValidatorFunctionSchema) -> CoreSchema:
    """Return the schema of the class for which pydantic's own schema stands."""
    kind: type[Model] = schema["metadata"][_KIND]
    kind.model_rebuild()
    return kind.__pydantic_core_schema__


@dataclass(frozen=True)
class _FirstUsed:
    kind: type[Model]

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        """Leave all to the class, when it comes to that."""
        del handler
        return core_schema.no_info_plain_validator_function(
            self.kind.model_validate,
            serialization=core_schema.plain_serializer_function_ser_schema(_written, info_arg=True),
            metadata={_KIND: self.kind},
        )


def _written(one: Model, how: core_schema.SerializationInfo) -> Any:
    return one.model_dump(
        mode=how.mode,
        by_alias=bool(how.by_alias),
        exclude_none=how.exclude_none,
        exclude_unset=how.exclude_unset,
        exclude_defaults=how.exclude_defaults,
    )
