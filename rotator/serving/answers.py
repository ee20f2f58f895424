"""An HTTP request as far as it counts here, and its answer: values, so that what is answered is a pure function.

Semantics: https://www.rfc-editor.org/rfc/rfc9110 (GET and HEAD: section 9.3, ETag and If-None-Match: 8.8.3 and 13.1.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

READ = ("GET", "HEAD")
TEXT = "text/plain; charset=utf-8"
NEVER_KEPT = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""What an error and whatever is for people is sent with: a cache that keeps a 404 keeps verifiers from their keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request."""

    method: str
    path: str
    host: str = ""
    """In lower case, without a port."""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name in lower case; of a name that stands there twice, the first."""
    client: str = ""
    """The address that has connected: nothing that a request says of its origin is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer."""

    status: HTTPStatus
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Answers = Callable[[Asked], Answer]


def sentence(status: HTTPStatus, text: str, **headers: str) -> Answer:
    """Return an answer for people, which no cache keeps."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {"Content-Type": TEXT, **NEVER_KEPT, **named}
    return Answer(status=status, headers=kept, body=f"{text}\n".encode())


def not_allowed(*methods: str) -> Answer:
    """Return the answer to any other method."""
    allowed = ", ".join(methods)
    return sentence(HTTPStatus.METHOD_NOT_ALLOWED, f"expected {allowed}", Allow=allowed)


def matches(none_match: str, etag: str) -> bool:
    """Whether If-None-Match names an entity tag, weakly or strongly (section 13.1.2); ours hold no comma."""
    tags = {tag.strip().removeprefix("W/") for tag in none_match.split(",")}
    return "*" in tags or etag in tags
