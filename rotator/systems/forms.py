"""What stands in a data key: a field of the credential, in an encoding that its reader knows, or a text with such fields in it.

`FIELD`, `FIELD|ENCODING`, each perhaps with `previous.` or `other.` before it; or a template, which has `${…}` with one of them
in it. A template sees the fields of its own credential, and has no logic.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pydantic import AfterValidator, Field

from rotator.core.reading import parse as parse_json
from rotator.core.sensitive import Sensitive
from rotator.credentials.encodings import encode, from_base64, from_hex
from rotator.late import Late

if TYPE_CHECKING:
    from rotator.credentials import keys
else:
    keys = Late("rotator.credentials.keys")

PREVIOUS = "previous."
"""The prefix by which a mapping names a field of the version on its way out: `previous.private_key`."""
OTHER = "other."
"""The prefix by which a mapping names a field of the version that is accepted besides the active one: the next one until it is
active, then the previous one until it is withdrawn: `other.value`."""
PREFIXES = ("", PREVIOUS, OTHER)
"""What can stand before a field; empty: of the active version."""
LONGEST = 1024
"""Characters of one entry: a template is a line or a short document, and the API server reckons what checking it costs."""
SEPARATORS = frozenset(",;: \n")
"""What stands alone between two placeholders makes a list of them, and goes with a previous one that does not exist."""


SPLIT = "value"
"""The field that may hold a separator: a shared secret is any text. Keys have line ends, and are told apart by more than those."""


# --- encodings ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Encoding:
    """A way of writing a field."""

    name: str
    reads: str
    """What an application reads, for people."""
    standard: str
    """Who says how that is written."""
    write: Callable[[bytes], bytes]
    """Raises ValueError, without quoting it, for what cannot be written so."""
    read: Callable[[bytes], bytes | None] = bytes
    """Returns what was written; None, or ValueError: it is not written so. Keys are read in every form by their credential."""
    of: tuple[str, ...] = ()
    """The fields that have it; empty: all."""
    algorithms: tuple[str, ...] = ("",)
    """What the `alg` of its keys begins with."""
    only_text: bool = False
    """Whether bytes that are no text cannot be written so."""
    never: str = ""
    """Characters that its readers do not agree on: a text that holds one is not written so."""


def _textual(change: Callable[[str], str], never: str = "") -> Callable[[bytes], bytes]:
    """Return what writes a text. Raises ValueError for bytes, and for a text that holds one of the characters `never`."""

    def write(octets: bytes) -> bytes:
        text = Sensitive(octets).reveal()
        if set(text) & set(never):
            raise ValueError(
                "its value holds a quote, a backslash or another character that readers read in different ways"
            )
        return change(text).encode()

    return write


def _pkcs1(pem: bytes) -> bytes:
    return keys.to_pkcs1(Sensitive(pem)).octets()


def _sec1(pem: bytes) -> bytes:
    return keys.to_sec1(Sensitive(pem)).octets()


def _der(pem: bytes) -> bytes:
    """Return what stands between BEGIN and END (RFC 7468), in one line."""
    return b"".join(line for line in pem.splitlines() if not line.startswith(b"-----"))


def _dotenv(text: str) -> str:
    if "\n" not in text:
        return f"'{text}'"
    if '"' in text:
        raise ValueError("its value holds line ends and quotes, which readers read in different ways")
    return '"' + text.replace("\n", "\\n") + '"'


def _from_dotenv(octets: bytes) -> bytes:
    text = octets.decode().strip()
    quote = text[:1]
    if quote not in {"'", '"'} or not text.endswith(quote):
        return text.encode()
    inner = text[1:-1]
    return (inner.replace("\\n", "\n") if quote == '"' else inner).encode()


def _from_json(octets: bytes) -> bytes | None:
    text = parse_json(octets)
    return text.encode() if isinstance(text, str) else None


def _from_shell(octets: bytes) -> bytes | None:
    words = shlex.split(octets.decode())
    return words[0].encode() if len(words) == 1 else None


_ODD_IN_DOTENV = "'\\$\r"
_PRIVATE, _PUBLIC = ("private_key",), ("public_key",)

ENCODINGS: Mapping[str, Encoding] = {
    one.name: one
    for one in (
        Encoding(
            "pkcs8", "a private key in PEM, `BEGIN PRIVATE KEY`; the same as without a word", "RFC 5958", bytes, of=_PRIVATE
        ),
        Encoding(
            "pkcs1", "an RSA key in PEM, `BEGIN RSA PRIVATE KEY`", "RFC 8017, appendix A.1.2", _pkcs1, of=_PRIVATE, algorithms=("RS", "PS")
        ),
        Encoding(
            "sec1", "a key of an elliptic curve in PEM, `BEGIN EC PRIVATE KEY`", "RFC 5915", _sec1, of=_PRIVATE, algorithms=("ES",)
        ),
        Encoding(
            "spki", "a public key in PEM, `BEGIN PUBLIC KEY`; the same as without a word", "RFC 5280, section 4.1", bytes, of=_PUBLIC
        ),
        Encoding(
            "der-base64", "a key's DER (PKCS #8, SPKI) in base64, in one line", "RFC 7468, section 2, between BEGIN and END", _der, of=_PRIVATE + _PUBLIC
        ),
        Encoding("jwks", "a JWK Set of the one key", "RFC 7517, section 5", lambda jwk: b'{"keys":[' + jwk + b"]}", of=("jwk",)),
        Encoding(
            "base64", "base64 with padding, in one line", "RFC 4648, section 4", base64.b64encode, lambda o: from_base64(o.decode())
        ),
        Encoding(
            "base64url", "base64 of URLs with padding", "RFC 4648, section 5", base64.urlsafe_b64encode, lambda o: from_base64(o.decode())
        ),
        Encoding(
            "base64url-nopad", "base64 of URLs without padding", "RFC 7515, appendix C", lambda o: encode(o, "base64url"), lambda o: from_base64(o.decode())
        ),
        Encoding("hex", "hexadecimal digits", "RFC 4648, section 8, in lower case", lambda o: encode(o, "hex"), lambda o: from_hex(o.decode())),
        Encoding("json", "a string in a JSON document, with its quotes", "RFC 8259, section 7", _textual(json.dumps), _from_json, only_text=True),
        Encoding(
            "escaped", "one line, in which `\\n` stands for each line end", r"what readers undo by replacing `\n`",
            _textual(lambda t: t.replace("\n", "\\n"), "\\\r"), lambda o: o.replace(b"\\n", b"\n"), only_text=True, never="\\\r",
        ),
        Encoding(
            "dotenv", "a value in a `.env` file, in quotes", "the `dotenv` of npm and `--env-file` of Node, which others follow",
            _textual(_dotenv, _ODD_IN_DOTENV), _from_dotenv, only_text=True, never=_ODD_IN_DOTENV,
        ),
        Encoding(
            "shell", "a word of a shell, in single quotes", "POSIX.1-2017, Shell Command Language, section 2.2.2",
            _textual(lambda t: "'" + t.replace("'", r"'\''") + "'", "\0"), _from_shell, only_text=True, never="\0",
        ),
        Encoding(
            "url", "user or password in a URL, with `%`", "RFC 3986, sections 2.1 and 3.2.1", lambda o: quote_from_bytes(o, safe="").encode(), unquote_to_bytes
        ),
    )
}  # fmt: skip
"""All encodings, by name."""


def encodings_of(field: str) -> tuple[str, ...]:
    """Return the encodings that a field can have."""
    return tuple(one.name for one in ENCODINGS.values() if not one.of or field in one.of)


# --- the grammar -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taken:
    """A field that is taken: of which version, and how it is written."""

    field: str
    prefix: str = ""
    """One of `PREFIXES`."""
    encoding: str = ""
    """Empty: as the field is."""

    @property
    def named(self) -> str:
        """The field as a mapping names it, without the encoding."""
        return f"{self.prefix}{self.field}"


@dataclass(frozen=True, slots=True)
class Shape:
    """What one data key holds."""

    parts: tuple[str | Taken, ...]
    is_template: bool

    @property
    def taken(self) -> tuple[Taken, ...]:
        """The fields in it."""
        return tuple(part for part in self.parts if isinstance(part, Taken))

    @property
    def is_previous(self) -> bool:
        """Whether all that it takes is of the version on its way out."""
        return self._prefixes == {PREVIOUS}

    @property
    def is_active(self) -> bool:
        """Whether it takes something of the active version."""
        return "" in self._prefixes

    @property
    def has_other(self) -> bool:
        """Whether it takes something of the other accepted version."""
        return OTHER in self._prefixes

    @property
    def separators(self) -> Iterator[tuple[str, Taken]]:
        """Yield what separates a list, and each value beside it that stands there as it is: it must not hold that."""
        for position, part in enumerate(self.parts):
            if _separates(self.parts, position):
                beside = (self.parts[position - 1], self.parts[position + 1])
                plain = (t for t in beside if isinstance(t, Taken) and (t.field, t.encoding) == (SPLIT, ""))
                yield from ((str(part).strip(" ") or " ", taken) for taken in plain)

    @property
    def _prefixes(self) -> set[str]:
        return {taken.prefix for taken in self.taken}


_PLACEHOLDER = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_TAKEN = re.compile(r"(?P<prefix>previous\.|other\.)?(?P<field>[a-z_]+)(?:\|(?P<encoding>[a-z0-9-]+))?")
_NO_PLACEHOLDER = "expected ${FIELD}, ${FIELD|ENCODING}, ${previous.FIELD} or ${other.FIELD}, and $${ for what is no placeholder"


@lru_cache(maxsize=1024)
def parse(text: str) -> Shape:
    """Read what a mapping says of a data key. Raises ValueError for a template, or an encoding, that cannot be.

    Whether the credential has the fields is not looked at here.
    """
    if "${" in text:
        if word := _prefix(text):
            raise ValueError(f"a template cannot begin with the word {word}")
        parts = _merged(_parts(text))
        shape = Shape(tuple(parts), is_template=True)
        if not shape.taken:
            raise ValueError(f"it takes no field; {_NO_PLACEHOLDER}")
        return shape
    name, _, encoding = text.partition("|")
    prefix = _prefix(name)
    taken = Taken(name.removeprefix(prefix), prefix, encoding)
    if "|" in text:
        _check(taken)
    return Shape((taken,), is_template=False)


def _prefix(text: str) -> str:
    """Return what a text begins with that says of which version a field is; empty: nothing."""
    return next((prefix for prefix in PREFIXES if prefix and text.startswith(prefix)), "")


def _parts(text: str) -> Iterator[str | Taken]:
    end = 0
    for found in _PLACEHOLDER.finditer(text):
        yield text[end : found.start()]
        end = found.end()
        yield "${" if found[1] is None else _placeholder(found[1], closed=bool(found[2]))
    yield text[end:]


def _placeholder(text: str, *, closed: bool) -> Taken:
    found = _TAKEN.fullmatch(text)
    if found is None or not closed:
        raise ValueError(f"a placeholder that is none; {_NO_PLACEHOLDER}")
    taken = Taken(found["field"], found["prefix"] or "", found["encoding"] or "")
    if taken.encoding:
        _check(taken)
    return taken


def _check(taken: Taken) -> None:
    """Raise ValueError for an encoding that the field cannot have."""
    known = encodings_of(taken.field)
    if taken.encoding not in known:
        what = f"{taken.field} is not written as" if taken.encoding in ENCODINGS else "unknown encoding"
        raise ValueError(f"{what} {taken.encoding or '(none)'}; expected one of {', '.join(known)}")


def _merged(parts: Iterator[str | Taken]) -> list[str | Taken]:
    """Put literals that follow one another together, and leave empty ones out."""
    whole: list[str | Taken] = []
    for part in parts:
        if isinstance(part, str) and whole and isinstance(whole[-1], str):
            whole[-1] += part
        elif part:
            whole.append(part)
    return whole


def _pattern() -> str:
    """Return the grammar of templates, and of what is none, as a regular expression that RE2 and ECMAScript read alike.

    It lets pass whatever has no placeholder in it: that is compared with all there can be (`rotator.policy.rules`).
    """
    by_field = {f: _any(e for e in encodings_of(f) if ENCODINGS[e].of) for f in _special_fields()}
    every = _any(e for e in ENCODINGS if not ENCODINGS[e].of)
    special = "|".join(rf"{field}\|{own}" for field, own in by_field.items())
    placeholder = rf"\$\{{(previous\.|other\.)?([a-z_]+(\|{every})?|{special})\}}"
    return rf"^([^$]|\$+[^${{]|\$\$+\{{|{placeholder})*\$*$"


def _special_fields() -> list[str]:
    """Return the fields that have encodings of their own."""
    return sorted({field for one in ENCODINGS.values() for field in one.of})


def _any(words: Iterator[str] | Any) -> str:
    return f"({'|'.join(words)})"


def _is_shape(text: str) -> str:
    parse(text)
    return text


SHAPE = _pattern()
Source = Annotated[
    str, Field(max_length=LONGEST, json_schema_extra={"pattern": SHAPE}), AfterValidator(_is_shape)
]
"""What a data key holds."""


# --- rendering ---------------------------------------------------------------------------------------------------

Fields = Mapping[str, Sensitive]


def render(shape: Shape, current: Fields, previous: Fields, other: Fields | None = None) -> Sensitive | None:
    """Return what the data key holds; None where it is all of a previous version that does not exist.

    `other` are the fields of the other accepted version. Where there is none, what takes it alone holds an empty text, so that
    its readers always find it. Raises ValueError, without quoting it, where a field cannot be written as is asked.
    """
    versions = {"": current, PREVIOUS: previous, OTHER: other or {}}
    values = [_value(taken, versions[taken.prefix]) for taken in shape.taken]
    for separator, taken in shape.separators:
        if separator.encode() in (_value(taken, versions[taken.prefix]) or b""):
            raise ValueError(f"{taken.named} {splits(separator)}")
    if shape.is_previous and all(value is None for value in values):
        return None
    return Sensitive(b"".join(_joined(shape.parts, iter(values))))


def splits(separator: str) -> str:
    """Say that a value holds what separates the values of a list."""
    return f"holds {separator!r}, at which readers of the list split it: it would be another value, or two"


def _value(taken: Taken, fields: Fields) -> bytes | None:
    if taken.prefix and taken.field not in fields:
        return None
    octets = fields[taken.field].octets()
    if not taken.encoding:
        return octets
    try:
        return ENCODINGS[taken.encoding].write(octets)
    except ValueError as error:
        raise ValueError(f"{taken.named} cannot be written as {taken.encoding}: {error}") from None


def _separates(parts: tuple[str | Taken, ...], position: int) -> bool:
    """Whether a part stands alone between two placeholders and makes a list of them."""
    part = parts[position]
    return isinstance(part, str) and 0 < position < len(parts) - 1 and set(part) <= SEPARATORS


def _joined(parts: tuple[str | Taken, ...], values: Iterator[bytes | None]) -> Iterator[bytes]:
    """Yield literals and values. What joins two of a list is left out where there are not two."""
    begun, separator = False, ""
    for position, part in enumerate(parts):
        if isinstance(part, Taken):
            if (value := next(values)) is not None:
                yield separator.encode() if begun else b""
                yield value
                begun, separator = True, ""
        elif _separates(parts, position):
            separator = part
        else:
            yield part.encode()
            begun, separator = False, ""


def read(shape: Shape, value: Sensitive) -> Sensitive | None:
    """Return the field that stands in what others wrote; None for a template, and for what is not written so."""
    if shape.is_template:
        return None
    (taken,) = shape.taken
    if not taken.encoding:
        return value
    try:
        octets = ENCODINGS[taken.encoding].read(value.octets())
    except ValueError:
        return None
    return None if octets is None else Sensitive(octets)
