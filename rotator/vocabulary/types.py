"""The types that declarations are made of: durations, names, closed models, and choices of exactly one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
    alias_generators,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue

from rotator.core.codec import parse_instant
from rotator.core.distinguished_names import parse
from rotator.core.fence import FENCE
from rotator.core.ring import LONGEST_ID, is_id
from rotator.core.timing import LONGEST, REMEMBERED, format_duration, parse_duration
from rotator.kinds import SECRET, Address
from rotator.vocabulary.footprint import Document, Home, Touch, Use

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

to_camel = cache(alias_generators.to_camel)
"""Turns a name in snake case into one as Kubernetes writes names; the same few are asked for again and again."""

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|[dhms]))+$"
DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
VAULT_PATH = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$"
DATA_KEY = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$"
_PORT = r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
"""A port, 1 to 65535 (RFC 6335, section 6)."""
_ANY_HOST = r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
URL = rf"^https?://{_ANY_HOST}{_PORT}(/[!-~]*)?$"
_HOST = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"
_HERE = r"(localhost|127\.0\.0\.1|\[::1\])"
"""The machine itself: what is sent there passes no network, so it needs no TLS."""
_PART = r"[A-Za-z0-9_~!$&'()*+,;=:@%-][A-Za-z0-9._~!$&'()*+,;=:@%-]*"
"""A part of a URL's path (RFC 3986, section 3.3); none begins with a dot, so none leads upwards."""
PROVIDER_URL = rf"^(https://{_HOST}|http://{_HERE}){_PORT}(/{_PART})*$"
ISSUER_URL = rf"^(https://{_HOST}|http://{_HERE}){_PORT}(/{_PART})*/?$"
SERVED_ISSUER = rf"^https://{_HOST}{_PORT}(/{_PART})*/?$"
HOST = rf"^{_HOST}$"
SERVED_PATH = r"^(/\.?[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$"
"""A path whose parts need no encoding, and of which none leads upwards (RFC 3986, section 2.3)."""
NETWORK = r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"
HEADER_NAME = r"^[A-Za-z0-9][A-Za-z0-9-]*$"
HEADER_VALUE = r"^[!-~]([ -~]*[!-~])?$"
LDAP_URL = rf"^ldaps?://{_HOST}{_PORT}$"
ID = r"^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$"
CLIENT_ID = r"^[ -~]*[ -\-/-~][ -~]*$"
DISTINGUISHED_NAME = r"^[^=,]+=.+$"
APP_ROLE = r"^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$"
TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
FILE = r"^[ -~]+$"
BASE_URL = rf'^https?://{_ANY_HOST}{_PORT}(/[!-"$->@-~]*)?$'
KID = r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0][^\x00-\x1f\x7f-\x9f]*$"
INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})$"
LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
PATTERNS = {
    LABEL_KEY: "expected letters, digits, -, _ and ., perhaps after a domain and /, as konghq.com/credential",
    LABEL_VALUE: "expected letters, digits, -, _ and ., beginning and ending with a letter or digit",
    INSTANT: "expected an instant of RFC 3339, as 2027-01-31T00:00:00Z",
    DNS_LABEL: "expected lower-case letters, digits and -, as payments-jwt",
    DNS_SUBDOMAIN: "expected lower-case letters, digits, - and ., as payments-jwt",
    VAULT_PATH: "expected letters, digits, -, _ and . in parts between /, none of them starting with a dot",
    DATA_KEY: "expected letters, digits, -, _ and ., as tls.key",
    PROVIDER_URL: "expected a URL as https://sso.example.com/auth: its host in lower case, without / at its end, ? and # "
    "(http:// only on the machine itself)",
    ISSUER_URL: "expected a URL as https://sso.example.com/realms/acme: its host in lower case, without ? and # (http:// only "
    "on the machine itself)",
    SERVED_ISSUER: "expected a URL as https://api.example.com: https, its host in lower case, without ? and #",
    HOST: "expected the name of a host in lower case and without a port, as api.example.com",
    SERVED_PATH: "expected a path as /.well-known/jwks.json: letters, digits, -, ., _ and ~ in parts that each follow a /",
    NETWORK: "expected a range of addresses, as 10.1.0.0/16 or 2001:db8::/32",
    HEADER_NAME: "expected the name of a header: letters, digits and -, as X-Reader",
    HEADER_VALUE: "expected printable ASCII characters, without blanks around them",
    LDAP_URL: "expected ldaps://HOST or ldap://HOST in lower case, perhaps with a port",
    ID: "expected letters, digits, -, _, ~ and ., not beginning with a dot",
    CLIENT_ID: "expected printable ASCII characters, and not only dots",
    DISTINGUISHED_NAME: "expected a distinguished name, as cn=payments,dc=example,dc=org",
    APP_ROLE: "expected lower-case letters, digits, -, _ and ., as payments: Vault writes names of roles so",
    TIME_OF_DAY: "expected a time of day, as 02:30",
    FILE: "expected the path of a file, in printable ASCII characters",
    BASE_URL: "expected a URL that starts with https:// or http://, without user, password, ? and #, with a port up to 65535",
    URL: "expected a URL that starts with https:// or http://, without user or password, with a port up to 65535",
    KID: "expected characters that can be printed, and not only blanks",
}
"""What each pattern asks for, in words."""
LONGEST_DURATION_TEXT = 32
"""Characters of a duration; `36500d23h59m59s999ms` has 20. A bound lets the API server say what a check costs."""

CEL = "x-kubernetes-validations"
CONDITIONAL = "x-rotator-conditional"
"""Keywords of our own JSON schema that only the custom resource's schema is made from (`rotator.policy.crd`)."""


@dataclass(frozen=True)
class Rule:
    """What a validator beside it checks, once more in CEL: the API server refuses it at `kubectl apply`.

    A rule never refuses what the validator accepts. It stands in a class's `rules`, or annotates a type.
    """

    expression: str
    """In CEL; `self` is the value. True where all is well."""
    message: str
    field: str = ""
    """The field that the message is about, as `.every`; default: the value itself."""
    written_out: str = ""
    """A message with the figures in it, in CEL; `message` stands in where it cannot be computed."""

    def as_schema(self) -> dict[str, str]:
        """Return it the way a CustomResourceDefinition holds it."""
        whole = {
            "rule": self.expression,
            "message": self.message,
            "fieldPath": self.field,
            "messageExpression": self.written_out,
        }
        return {name: text for name, text in whole.items() if text}

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        """Add it to the schema of the type that it annotates."""
        schema = handler(core)
        return {**schema, CEL: [*schema.get(CEL, ()), self.as_schema()]}


_DIGITS = {"d": 6, "h": 7, "m": 9, "s": 11, "ms": 14}
"""So many digits before the point are too many, by unit."""
_TOO_MANY = "|".join(f"[1-9][0-9]{{{n - 1}}}[0-9]*([.][0-9]+)?{unit}" for unit, n in _DIGITS.items())
_IS_SHORT = f"!self.matches('(^|[a-z])0*({_TOO_MANY})([0-9]|$)')"
"""No part of a duration has more digits than a thousand years need. It costs the API server a tenth of the sum; the reader sums up."""


def seconds(duration: str) -> str:
    """Return the CEL text that reads the duration in the expression `duration`, as `parse_duration` does."""
    units = "{'d': 86400.0, 'h': 3600.0, 'm': 60.0, 's': 1.0, 'ms': 0.001}"
    part = f"double(p.find('[0-9.]+')) * {units}[p.find('[a-z]+')]"
    return f"{duration}.findAll('[0-9.]+[a-z]+').map(p, {part}).sum()"


_short_duration = lru_cache(maxsize=REMEMBERED)(parse_duration)
"""Reads a duration of a usual length; the same few stand in thousands of declarations."""


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("expected a duration such as 30d, 15m or 90s")  # noqa: TRY004 - pydantic wants this one
    if len(value) <= LONGEST_DURATION_TEXT:
        return _short_duration(value)
    parse_duration(value)
    raise ValueError(f"too long: expected at most {LONGEST_DURATION_TEXT} characters")


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": DURATION_PATTERN,
            "maxLength": LONGEST_DURATION_TEXT,
            "examples": ["30d", "15m", "90s"],
        }
    ),
    Rule(_IS_SHORT, f"too long: expected at most {format_duration(LONGEST)}"),
]


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise ValueError("expected more than 0s")
    return value


Positive = Annotated[
    Duration, AfterValidator(_positive), Rule("self.matches('[1-9]')", "expected more than 0s")
]
Name = Annotated[str, Field(pattern=DNS_SUBDOMAIN, max_length=253)]
Namespace = Annotated[str, Field(pattern=DNS_LABEL, max_length=63)]


def _is_free(key: str) -> str:
    if key.startswith(FENCE):
        raise ValueError(f"reserved; expected a name that does not begin with {FENCE}")
    return key


DataKey = Annotated[str, Field(pattern=DATA_KEY, max_length=253), AfterValidator(_is_free)]
LabelKey = Annotated[str, Field(pattern=LABEL_KEY, max_length=253)]
LabelValue = Annotated[str, Field(pattern=LABEL_VALUE, max_length=63)]
SecretType = Annotated[str, Field(pattern=LABEL_KEY, max_length=253)]
Words = Annotated[str, Field(min_length=1, max_length=1024)]
Url = Annotated[str, Field(pattern=PROVIDER_URL, max_length=1024)]
Issuer = Annotated[str, Field(pattern=ISSUER_URL, max_length=1024)]
"""An address that is compared letter by letter: those that end with / stay so."""
ServedIssuer = Annotated[str, Field(pattern=SERVED_ISSUER, max_length=1024)]
"""An issuer for whom rotator answers: it is never asked."""
Host = Annotated[str, Field(pattern=HOST, max_length=253)]
ServedPath = Annotated[str, Field(pattern=SERVED_PATH, max_length=255)]
Id = Annotated[str, Field(min_length=1, max_length=255, pattern=ID)]
"""An identifier that stands in a URL as it is."""
ClientId = Annotated[str, Field(min_length=1, max_length=255, pattern=CLIENT_ID)]
JobFile = Annotated[str, Field(min_length=1, max_length=4096, pattern=FILE)]


def _kid(text: str) -> str:
    if not is_id(text):
        raise ValueError(
            f"expected at most {LONGEST_ID} bytes, of characters that can be printed, and not only blanks"
        )
    return text


def _instant(text: str) -> str:
    parse_instant(text)
    return text


Instant = Annotated[str, Field(max_length=32, pattern=INSTANT), AfterValidator(_instant)]
"""An instant as RFC 3339 writes it, such as `2027-01-31T00:00:00Z`."""

Kid = Annotated[str, Field(min_length=1, max_length=LONGEST_ID, pattern=KID), AfterValidator(_kid)]
"""A key id that others chose: it goes into tokens, annotations, logs and onto terminals."""


def _entry(text: str) -> str:
    parse(text)
    return text


DistinguishedName = Annotated[
    str, Field(min_length=3, max_length=1024, pattern=DISTINGUISHED_NAME), AfterValidator(_entry)
]
"""The name of an entry in a directory (RFC 4514)."""


_PORTS = {"https": 443, "http": 80, "ldaps": 636, "ldap": 389}


MOUNT_IS_RESERVED = (
    "sys, auth, identity, cubbyhole and audit are Vault's own; expected the mount of a KV version 2 engine"
)
MOUNT_HAS_API = "data/, metadata/ and the like come from addresses of Vault's API; expected the mount alone, as in bao secrets list"
PATH_HAS_API = (
    "data/ and metadata/ come from addresses of Vault's API; expected the path alone, as in bao kv get"
)
AUTH_MOUNT_IS_RESERVED = "expected the mount of an AppRole method, as in bao auth list, without auth/"


@dataclass(frozen=True)
class _Never:
    """Words that are no part of a path."""

    words: tuple[str, ...]
    message: str
    first: bool = False
    """Whether they may not stand at the beginning."""
    middle: bool = False
    """Whether they may not stand behind a part, with another one behind them."""
    last: bool = False
    """Whether they may not stand at the end either."""

    def check(self, path: str) -> str:
        """Raise ValueError for a path that has one of the words where none may stand."""
        if any(self._found(path, word) for word in self.words):
            raise ValueError(self.message)
        return path

    def _found(self, path: str, word: str) -> bool:
        first, *others = path.split("/")
        *middle, last = others or [""]
        return (
            (self.first and word == first) or (self.middle and word in middle) or (self.last and word == last)
        )

    @property
    def rule(self) -> Rule:
        """The ends of the path for the API server, where a look into its middle would cost much."""
        return Rule(f"!({' || '.join(self._as_cel())})", self.message)

    def _as_cel(self) -> Iterator[str]:
        for word in self.words:
            if self.first:
                yield f"self == '{word}' || self.startsWith('{word}/')"
            if self.last:
                yield f"self.endsWith('/{word}')"


_MOUNTS_OF_VAULT = _Never(
    ("sys", "auth", "identity", "cubbyhole", "audit"), MOUNT_IS_RESERVED, first=True, middle=True
)
"""Vault's own mounts, also those of a namespace: what is written below them is no document."""
_API_IN_MOUNT = _Never(
    ("data", "metadata", "destroy", "delete", "undelete", "subkeys"),
    MOUNT_HAS_API,
    middle=True,
    last=True,
)
"""What KV's API puts after a mount (https://openbao.org/api-docs/secret/kv/kv-v2/): below it, a document is another one."""
_API_IN_PATH = _Never(("data", "metadata"), PATH_HAS_API, first=True)
_AUTH_OF_VAULT = _Never(("auth", "token"), AUTH_MOUNT_IS_RESERVED, first=True)
_ROLE_IN_AUTH = _Never(("role",), AUTH_MOUNT_IS_RESERVED, middle=True, last=True)

VaultMount = Annotated[
    str,
    Field(pattern=VAULT_PATH, max_length=128),
    AfterValidator(_MOUNTS_OF_VAULT.check),
    AfterValidator(_API_IN_MOUNT.check),
    _MOUNTS_OF_VAULT.rule,
    _API_IN_MOUNT.rule,
]
"""Where a KV engine is mounted."""
VaultPath = Annotated[
    str,
    Field(pattern=VAULT_PATH, max_length=512),
    AfterValidator(_API_IN_PATH.check),
    _API_IN_PATH.rule,
]
"""A document below a mount."""
AuthMount = Annotated[
    str,
    Field(pattern=VAULT_PATH, max_length=128),
    AfterValidator(_AUTH_OF_VAULT.check),
    AfterValidator(_ROLE_IN_AUTH.check),
    _AUTH_OF_VAULT.rule,
    _ROLE_IN_AUTH.rule,
]
"""Where an auth method is mounted, below `auth/`."""


def place_of(url: str) -> str:
    """Return `url` in its one spelling: without a port that goes without saying, and without / at its end."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host.removesuffix(f':{_PORTS[scheme]}')}/{path}".rstrip("/")


_GIVEN: dict[frozenset[str], set[str]] = {}


class Model(BaseModel):
    """Closed, frozen, and in the camelCase of Kubernetes."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_default=True,
        hide_input_in_errors=True,
        defer_build=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """What the class's own validators check, for the API server."""
    conditional: ClassVar[tuple[str, ...]] = ()
    """Fields whose default must not be written down for whoever left them out: beside some values they are refused."""

    def touches(self, home: Home) -> Iterable[Touch]:
        """Return what this part itself touches; what stands below it, and every address and file, is found by its type."""
        del home
        return ()

    def model_post_init(self, context: object, /) -> None:
        """Share the set of the names that were given: it never changes, and most declarations have the same few."""
        del context
        given = self.__pydantic_fields_set__
        object.__setattr__(self, "__pydantic_fields_set__", _GIVEN.setdefault(frozenset(given), given))

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return itself, for it never changes: as a default it need not be copied for each declaration."""
        del memo
        return self

    @classmethod
    def all_rules(cls) -> list[Rule]:
        """Return the rules of the class and of those it is made from."""
        return [rule for base in reversed(cls.__mro__) for rule in vars(base).get("rules", ())]

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        """Hand on what the custom resource's schema needs; `rotator.policy.json_schema` leaves it out."""
        schema = handler(core)
        own = handler.resolve_ref_schema(schema)
        if rules := cls.all_rules():
            own[CEL] = [rule.as_schema() for rule in rules]
        if cls.conditional:
            own[CONDITIONAL] = [to_camel(name) for name in cls.conditional]
        return schema


class OneOf(Model):
    """A choice: exactly one of the fields listed in `choices` is set."""

    @classmethod
    @cache
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
        schema = super().__get_pydantic_json_schema__(core, handler)
        names = [to_camel(n) for n in cls.choices()]
        handler.resolve_ref_schema(schema)["oneOf"] = [
            {"required": [n], "properties": {n: {"not": {"type": "null"}}}} for n in names
        ]
        return schema

    @classmethod
    def all_rules(cls) -> list[Rule]:
        """Return the rules, and first of all that exactly one is set."""
        names = [to_camel(n) for n in cls.choices()]
        given = ", ".join(f"has(self.{n})" for n in names)
        one = Rule(f"[{given}].filter(x, x).size() == 1", cls.expectation())
        return [one, *super().all_rules()]

    @classmethod
    def expectation(cls) -> str:
        """Return the sentence for whoever set none, or several."""
        return f"expected exactly one of {', '.join(to_camel(n) for n in cls.choices())}"

    @property
    def chosen(self) -> str:
        """The name of the one that is set."""
        return next(n for n in self.model_fields_set if n in self.choices() and getattr(self, n) is not None)

    @property
    def given(self) -> Any:
        """The one that is set; a class that has several gives it a type."""
        return getattr(self, self.chosen)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [n for n in self.choices() if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(self.expectation())
        return self


class VaultRef(Model):
    """A document in a KV version 2 engine."""

    mount: VaultMount = Field(description="Where the KV version 2 engine is mounted.")
    path: VaultPath = Field(description="The path of the document below the mount.")

    @property
    def document(self) -> Document:
        """The document."""
        return Document(self.mount, self.path)


class SecretKey(Model):
    """A data key of an existing Secret in the rotation's namespace."""

    name: Name = Field(description="The name of the Secret.")
    key: DataKey = Field(description="The data key that holds the value.")

    def at(self, home: Home) -> tuple[Address, str]:
        """Return the Secret, and the data key in it."""
        return Address(SECRET, home.namespace, self.name), self.key

    def touches(self, home: Home) -> Iterator[Touch]:
        """It is read."""
        yield Touch(self.at(home)[0], Use.READ)


class VaultField(VaultRef):
    """A field of an existing Vault document."""

    field: DataKey = Field(description="The field that holds the value.")

    def at(self, home: Home) -> tuple[Document, str]:
        """Return the document, and the field in it."""
        del home
        return self.document, self.field

    def touches(self, home: Home) -> Iterator[Touch]:
        """It is read."""
        yield Touch(self.at(home)[0], Use.READ)
