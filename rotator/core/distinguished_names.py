"""Distinguished names: read strictly, and compared as a directory compares them (RFC 4514, RFC 4517)."""

from __future__ import annotations

import re
from collections.abc import Iterator

Name = tuple[frozenset[tuple[str, str]], ...]
"""The relative names, the entry's own first; each a set of attribute types with their values, in a form to compare."""

_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+")
_HEX = re.compile(r"#([0-9A-Fa-f]{2})+")
_ESCAPED = re.compile(rb"\\(?:([0-9A-Fa-f]{2})|([ \"#+,;<=>\\]))")
_NEVER_PLAIN = frozenset('";<>\0')
"""What stands in a value only behind a backslash (RFC 4514, section 3), besides what separates values."""
_ALIASES = {
    "2.5.4.3": "cn", "commonname": "cn",
    "2.5.4.7": "l", "localityname": "l",
    "2.5.4.8": "st", "stateorprovincename": "st",
    "2.5.4.10": "o", "organizationname": "o",
    "2.5.4.11": "ou", "organizationalunitname": "ou",
    "2.5.4.6": "c", "countryname": "c",
    "2.5.4.9": "street", "streetaddress": "street",
    "0.9.2342.19200300.100.1.25": "dc", "domaincomponent": "dc",
    "0.9.2342.19200300.100.1.1": "uid", "userid": "uid",
}  # fmt: skip
"""Other names of the types in the table of RFC 4514, section 3 (from RFC 4519)."""


def parse(text: str) -> Name:
    """Read a name. Raises ValueError that says what is wrong with it."""
    if not text.strip():
        raise ValueError("an empty name; expected as cn=payments,dc=example,dc=org")
    return tuple(frozenset(_attribute(part, text) for part in _split(rdn, "+")) for rdn in _split(text, ","))


def same(one: str, other: str) -> bool:
    """Whether both name the same entry: case, spaces around separators, and the way of escaping do not count."""
    return parse(one) == parse(other)


def _split(text: str, separator: str) -> Iterator[str]:
    """Yield what stands between separators that no backslash stands before."""
    start = position = 0
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        if text[position] == separator:
            yield text[start:position]
            start = position + 1
        position += 1
    yield text[start:]


def _attribute(part: str, whole: str) -> tuple[str, str]:
    kind, equals, value = part.partition("=")
    kind, value = kind.strip().lower(), _trimmed(value)
    if not equals or not value or not _TYPE.fullmatch(kind):
        raise ValueError(f"{whole!r}: {part.strip()!r} is no TYPE=VALUE; a comma in a value is written \\,")
    return _ALIASES.get(kind, kind), _value(value, whole)


def _trimmed(value: str) -> str:
    """Take away the spaces around a value, but for one that is escaped."""
    ahead = value.lstrip(" ")
    shorn = ahead.rstrip(" ")
    backslashes = len(shorn) - len(shorn.rstrip("\\"))
    return f"{shorn} " if backslashes % 2 and len(shorn) < len(ahead) else shorn


def _value(value: str, whole: str) -> str:
    if value.startswith("#"):
        if not _HEX.fullmatch(value):
            raise ValueError(f"{whole!r}: a value that begins with # is hexadecimal, or # is written \\#")
        return value.lower()
    plain = _ESCAPED.sub(b"", value.encode())
    if b"\\" in plain or _NEVER_PLAIN & set(plain.decode()):
        raise ValueError(f'{whole!r}: one of \\ " ; < > in a value has no backslash before it')
    try:
        read = _ESCAPED.sub(_unescaped, value.encode()).decode()
    except UnicodeDecodeError:
        raise ValueError(f"{whole!r}: the escaped bytes of a value are no UTF-8") from None
    return " ".join(read.casefold().split())


def _unescaped(found: re.Match[bytes]) -> bytes:
    code, character = found.groups()
    return bytes.fromhex(code.decode()) if code else bytes(character)
