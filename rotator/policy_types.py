"""The types that declarations are made of: durations, names, closed models, and choices of exactly one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue

from rotator.core.timing import (
    format_duration,
    parse_duration,
)

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|[dhms]))+$"
DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
VAULT_PATH = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$"
DATA_KEY = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$"
URL = r"^https?://[^\s]+$"
PATTERNS = {
    DNS_LABEL: "expected lower-case letters, digits and -, as payments-jwt",
    DNS_SUBDOMAIN: "expected lower-case letters, digits, - and ., as payments-jwt",
    VAULT_PATH: "expected letters, digits, -, _ and . in parts between /, none of them starting with a dot",
    DATA_KEY: "expected letters, digits, -, _ and ., as tls.key",
    URL: "expected a URL that starts with https:// or http://",
}
"""What each pattern asks for, in words."""


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("expected a duration such as 30d, 15m or 90s")  # noqa: TRY004 - pydantic wants this one
    return parse_duration(value)


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["30d", "15m", "90s"]}),
]


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise ValueError("expected more than 0s")
    return value


Positive = Annotated[Duration, AfterValidator(_positive)]
Name = Annotated[str, Field(pattern=DNS_SUBDOMAIN, max_length=253)]
Namespace = Annotated[str, Field(pattern=DNS_LABEL, max_length=63)]
DataKey = Annotated[str, Field(pattern=DATA_KEY, max_length=253)]


class Model(BaseModel):
    """Closed, frozen, and in the camelCase of Kubernetes."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_default=True,
        hide_input_in_errors=True,
    )


class OneOf(Model):
    """A choice: exactly one of the fields listed in `choices` is set."""

    @classmethod
    def choices(cls) -> tuple[str, ...]:
        """Return the names of the fields that are alternatives: all that default to None."""
        return tuple(n for n, f in cls.model_fields.items() if f.default is None and n not in cls.extras())

    @classmethod
    def extras(cls) -> tuple[str, ...]:
        """Return optional fields that are no alternatives."""
        return ()

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        """Say in the schema too that exactly one is set."""
        schema = handler(core)
        names = [to_camel(n) for n in cls.choices()]
        handler.resolve_ref_schema(schema)["oneOf"] = [
            {"required": [n], "properties": {n: {"not": {"type": "null"}}}} for n in names
        ]
        return schema

    @property
    def chosen(self) -> str:
        """The name of the one that is set."""
        return next(n for n in self.choices() if getattr(self, n) is not None)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [n for n in self.choices() if getattr(self, n) is not None]
        if len(given) != 1:
            names = ", ".join(to_camel(n) for n in self.choices())
            raise ValueError(f"expected exactly one of {names}")
        return self
