"""The text of a JWK Set (RFC 7517, section 5) in which others have keys: ours come and go, theirs stay byte for byte and in order."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from rotator.core.reading import Unreadable, parse

Jwk = Mapping[str, Any]
EMPTY = '{"keys": []}'
_SPACE = re.compile(r"[ \t\n\r]*")
_VALUE = json.JSONDecoder()
_NO_SET = 'it is no JWK Set: expected an object with a list "keys" of objects (RFC 7517, section 5)'


@dataclass(frozen=True, slots=True)
class Entry:
    """One key, and where it stands in the text."""

    start: int
    end: int
    jwk: Jwk = field(repr=False)

    @property
    def kid(self) -> str | None:
        """Its `kid`; None where it has none, or one that is no text."""
        kid = self.jwk.get("kid")
        return kid if isinstance(kid, str) else None


@dataclass(frozen=True, slots=True)
class JwkSetText:
    """A JWK Set as it is written."""

    text: str = field(repr=False)
    start: int
    """Where the list begins, after its bracket."""
    end: int
    """Where the bracket at its end stands."""
    entries: tuple[Entry, ...]

    def without(self, gone: Callable[[Entry], bool]) -> JwkSetText:
        """Return the set without some entries."""
        kept = [e for e in self.entries if not gone(e)]
        if len(kept) == len(self.entries):
            return self
        if not kept:
            return read(self.text[: self.start] + self.text[self.end :])
        gaps = {after.start: self.text[before.end : after.start] for before, after in pairwise(self.entries)}
        first, *rest = kept
        parts = [self.text[: self.entries[0].start], self.text[first.start : first.end]]
        for entry in rest:
            parts += [gaps[entry.start], self.text[entry.start : entry.end]]
        return read("".join((*parts, self.text[self.entries[-1].end :])))

    def with_keys(self, jwks: Sequence[Jwk]) -> JwkSetText:
        """Return the set with keys added at its end."""
        if not jwks:
            return self
        written = [json.dumps(jwk) for jwk in jwks]
        if not self.entries:
            listed = ",\n".join(f"\n{one}" if i == 0 else one for i, one in enumerate(written))
            return read(f"{self.text[: self.start]}{listed}\n{self.text[self.end :]}")
        last = self.entries[-1].end
        gap = self.text[self.entries[0].end : self.entries[1].start] if len(self.entries) > 1 else ",\n"
        return read(self.text[:last] + "".join(f"{gap}{one}" for one in written) + self.text[last:])


def read(text: str) -> JwkSetText:
    """Read a JWK Set. Raises Unreadable, without quoting it, for what is none, or could be read in two ways."""
    document = parse(text)
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise Unreadable(_NO_SET)
    lists = [at for name, at in _members(text) if name == "keys"]
    if len(lists) != 1:
        raise Unreadable('it has "keys" more than once, and readers take one or the other')
    entries, at = [], _after_space(text, lists[0] + 1)
    while text[at] != "]":
        jwk, end = _VALUE.raw_decode(text, at)
        entries.append(Entry(at, end, jwk))
        at = _after_space(text, end)
        if text[at] == ",":
            at = _after_space(text, at + 1)
    return JwkSetText(text, lists[0] + 1, at, tuple(entries))


def _members(text: str) -> list[tuple[str, int]]:
    """Return the names in the outermost object of good JSON, each with where its value begins."""
    found = []
    at = _after_space(text, _after_space(text, 0) + 1)
    while text[at] != "}":
        name, at = _VALUE.raw_decode(text, at)
        at = _after_space(text, _after_space(text, at) + 1)
        found.append((name, at))
        _, at = _VALUE.raw_decode(text, at)
        at = _after_space(text, at)
        if text[at] == ",":
            at = _after_space(text, at + 1)
    return found


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


_PUBLIC = ("kty", "crv", "x", "y", "n", "e", "k")
"""The members that make the key (RFC 7518, section 6), private ones left out: a set for verifiers has none."""
_SAID = ("kid", "alg", "use")
"""What may be left unsaid of a key, and must not be said otherwise."""


def same(theirs: Jwk, ours: Jwk) -> bool:
    """Whether a key means the same to a verifier as `ours`: members that it does not need may differ or be there."""
    return all(theirs.get(name) == ours.get(name) for name in _PUBLIC) and all(
        theirs.get(name, ours.get(name)) == ours.get(name) for name in _SAID
    )
