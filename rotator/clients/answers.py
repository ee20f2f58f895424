"""What the answers of HTTP servers mean to us, whichever client received them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from rotator.clients.addresses import named, target_of, where
from rotator.clients.connections import NotReached, cause_of
from rotator.clients.retry import retry_after
from rotator.core.reading import Unreadable, parse
from rotator.core.shapes import Shape, anything, mapping
from rotator.errors import Ambiguous, ClientError, Conflict, Forbidden, NotFound, Rejected, Unavailable

T = TypeVar("T")
LARGEST = 32 << 20
"""Octets of one answer that are read: a page of 500 pods has a few million."""
TAKEN = range(200, 300)
"""The only answers that mean success (RFC 9110, section 15.3)."""
_OBJECT = mapping(anything)
REDIRECTS = range(300, 400)
_NOT_CARRIED_OUT = frozenset({307, 308})
"""Redirects of a request that was left alone (RFC 9110, sections 15.4.8 and 15.4.9)."""
_SERVER_ERRORS = 500
_NO_CONTENT = 204
_NEXT = re.compile(r'rel\s*=\s*"?[^",;]*\bnext\b', re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NOT_TAKEN = frozenset({429, 503})
_CLASSES: Mapping[int, type[ClientError]] = {401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict}


def no_answer(what: str, error: Exception, address: str, ca: str = "") -> ClientError:
    """Translate an exception of the transport to `address`: certainly never sent, or perhaps taken.

    `ca`: where the CA of the server is declared, for people.
    """
    if isinstance(error, NotReached):
        hint = f"; is its CA in {ca}?" if error.unverified and ca else ""
        return Unavailable(what, f"{named(address)} was not reached ({error}){hint}")
    return Ambiguous(what, f"no answer from {named(address)} ({cause_of(error)})")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as messages speak of it."""

    what: str
    """The request without its contents."""
    method: str
    address: str
    moved: str
    """What a person can do where the answer is a redirect."""


def check_redirect(asked: Asked, status: int, headers: Mapping[str, str]) -> None:
    """Raise for a redirect. None is followed: what we send goes to the declared address and nowhere else.

    Rejected where the request certainly had no effect. A web application may answer a write that it took by a redirect,
    so that is Ambiguous.
    """
    if status not in REDIRECTS:
        return
    kind = Rejected if asked.method == "GET" or status in _NOT_CARRIED_OUT else Ambiguous
    location = headers.get("Location")
    said = (
        f"HTTP {status}: {where(asked.address)} redirects to {target_of(asked.address, location)}. Nothing was sent there: "
        f"what is secret goes to the declared address only. {asked.moved}"
        if location
        else f"HTTP {status} from {where(asked.address)}, expected an answer"
    )
    raise kind(asked.what, said, code=status)


def said_nothing(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an empty body is the whole answer: it may as well have been cut off (RFC 9112, section 8)."""
    chunked = "chunked" in headers.get("Transfer-Encoding", "") and "Content-Encoding" not in headers
    return status == _NO_CONTENT or headers.get("Content-Length") == "0" or chunked


def json_object(what: str, status: int, body: bytes) -> dict[str, Any]:
    """Read the answer to a request that was taken. What is no JSON object came from somebody else, such as a proxy."""
    try:
        return _OBJECT(parse(body, largest=LARGEST))
    except Unreadable as error:
        raise Ambiguous(
            what, f"HTTP {status}, and the answer is no JSON object: {error}", code=status
        ) from None


def shaped(what: str, shape: Shape[T], document: object, *, change: bool = False) -> T:
    """Return what was read. Rejected where it has another shape than the API gives it.

    `change`: whether it answers a request that may have taken effect; then what is odd is Ambiguous.
    """
    try:
        return shape(document)
    except Unreadable as error:
        raise (Ambiguous if change else Rejected)(
            what, f"the answer is odd: {error}. Is this its address, and nothing else in front of it?"
        ) from None


def check_whole(what: str, document: object, headers: Mapping[str, str]) -> None:
    """Raise Rejected where an answer says that it goes on elsewhere: what is not shown would count as not there.

    By `Link: <...>; rel="next"` (RFC 8288, section 3), or by a field `nextLink`, as OData has it. None is followed.
    """
    on = _NEXT.search(headers.get("link", "")) or (
        isinstance(document, dict) and any(name.lower().endswith("nextlink") for name in document)
    )
    if on:
        raise Rejected(
            what, "the answer is odd: it goes on elsewhere, expected all of it. That was not followed"
        )


def by_status(what: str, status: int, detail: str, retry_header: str | None, reason: str = "") -> ClientError:
    """Translate an HTTP status that means failure."""
    if status in _NOT_TAKEN:
        return Unavailable(what, detail, code=status, reason=reason, retry_after=retry_after(retry_header))
    if status >= _SERVER_ERRORS:
        return Ambiguous(what, detail, code=status, reason=reason)
    return _CLASSES.get(status, Rejected)(what, detail, code=status, reason=reason)


def error_word(document: Any) -> str:
    """Return the word by which a server names its error, where it is one: never a sentence, which may quote us.

    OAuth 2.0 (RFC 6749, section 5.2) says `error`; others `errorCode`, or `error.code`.
    """
    if not isinstance(document, dict):
        return ""
    error = document.get("error")
    words = (error.get("code") if isinstance(error, dict) else error, document.get("errorCode"))
    return next((w for w in words if isinstance(w, str) and _WORD.fullmatch(w)), "")
