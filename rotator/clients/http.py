"""Plain HTTP: reads for gates that look at what verifiers look at, and the calls to identity providers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3

from rotator.clients.answers import (
    TAKEN,
    Asked,
    by_status,
    check_redirect,
    error_word,
    no_answer,
    said_nothing,
)
from rotator.clients.connections import Connections, shared, whole
from rotator.clients.meter import Meter
from rotator.clients.proxies import answered_by
from rotator.clients.retry import Retry, briefly
from rotator.core.dates import http_date
from rotator.core.reading import Unreadable, parse
from rotator.core.sensitive import Sensitive
from rotator.core.shapes import digits, fitting
from rotator.errors import Ambiguous, Rejected
from rotator.ports import Access

SYSTEM = "http"
LARGEST = 1 << 20
"""The largest document read, in bytes."""
_SHOWN = (200,)
_MOVED = "Declare the address to which it leads, if that is the right one"
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Fetched:
    """A JSON document (None: there was none) and the headers that came with it, by lower-case name."""

    document: Any
    headers: Mapping[str, str]


Connect = Callable[[str | None], Connections]
"""Makes the connections of one client, which verify servers with a PEM bundle; None: the system's."""


class Http:
    """Requests with JSON answers: TLS verified, no redirect followed, nothing cached on our side."""

    def __init__(  # noqa: PLR0913 - what one system may need
        self,
        retry: Retry,
        meter: Meter,
        *,
        ca_file: str | None = None,
        timeout: float = 5.0,
        system: str = SYSTEM,
        access: Access | None = None,
        connect: Connect | None = None,
    ) -> None:
        self._pool = connect(ca_file) if connect else Connections(shared(ca_file))
        self._retry = retry
        self._meter = meter
        self._timeout = timeout
        self._system = system
        self._access = access
        self._entered: Mapping[str, Sensitive] | None = None

    def get(self, url: str) -> Fetched:
        """Fetch one JSON document. Raises ClientError."""
        return self.send("GET", url)

    def send(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        url: str,
        *,
        document: Any = None,
        form: Mapping[str, str | Sensitive] | None = None,
        headers: Mapping[str, str | Sensitive] | None = None,
        read: bool | None = None,
    ) -> Fetched:
        """Send a request with a JSON document, a form or neither; either may hold secrets as `Sensitive`.

        `read`: whether it changes nothing, so that it may be asked again after a lost reply; default: a GET. Raises
        ClientError with `reason`, the server's word for its error, where it gave one.
        """
        body, kind = _body(document, form)
        again = method == "GET" if read is None else read
        way_in = self._way_in(look=again)
        sent = {"Accept": "application/json", **kind, **_revealed({**(headers or {}), **way_in})}
        return self._retry.call(lambda: self._ask(method, url, body, sent), read=again)

    def _way_in(self, *, look: bool) -> Mapping[str, Sensitive]:
        """Return what lets us in. A change goes in by the way of the look before it: nothing is to stand between them (I5)."""
        if self._access and (look or self._entered is None):
            with briefly(brief=not look):
                self._entered = self._access.headers()
        return self._entered or {}

    def _ask(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Fetched:
        what = f"{method} {url.partition('?')[0]}"
        try:
            with (
                self._meter.span(self._system, {"request": what}),
                self._retry.within(self._timeout, what, url),
            ):
                answer = self._pool.request(
                    method,
                    url,
                    body=body,
                    headers=headers,
                    redirect=False,
                    preload_content=False,
                )
                octets = whole(answer, LARGEST)
        except urllib3.exceptions.HTTPError as error:
            self._meter.count(self._system, method, 0)
            raise no_answer(what, error, url, "caFile") from None
        self._meter.count(self._system, method, answer.status)
        check_redirect(Asked(what, method, url, _MOVED), answer.status, answer.headers)
        found, why = _read(octets)
        if answer.status not in (TAKEN if method != "GET" else _SHOWN):
            word = _unsent(error_word(found), body, headers)
            said = f"HTTP {answer.status} {word}".strip() + answered_by(url)
            again = answer.headers.get("Retry-After") or _reset(answer.headers)
            raise by_status(what, answer.status, said, again, word)
        if why and (octets or method == "GET" or not said_nothing(answer.status, answer.headers)):
            kind = Rejected if method == "GET" and octets else Ambiguous
            raise kind(what, why, code=answer.status)
        return Fetched(found, {k.lower(): v for k, v in answer.headers.itermerged()})

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()


def _reset(headers: Mapping[str, str]) -> str | None:
    """Return the seconds until `X-Rate-Limit-Reset`, an instant by the server's own clock, where no Retry-After says it."""
    reset = fitting(digits, headers.get("X-Rate-Limit-Reset"), None)
    date = http_date(headers.get("Date") or "")
    return None if reset is None or date is None else str(max(1, math.ceil(reset - date.timestamp())))


def _unsent(word: str, body: bytes | None, headers: Mapping[str, str]) -> str:
    """Return a server's word for its error, but not what it was sent: that may be a secret."""
    sent = (body or b"", *(value.encode() for value in headers.values()))
    return "" if any(word.encode() in part for part in sent) else word


def _read(octets: bytes) -> tuple[Any, str]:
    """Return a document, or what is wrong with it."""
    if len(octets) > LARGEST:
        return None, f"the answer is larger than {LARGEST} bytes"
    try:
        return parse(octets, largest=LARGEST), ""
    except Unreadable as error:
        return None, f"the answer is no JSON document: {error}"


def _body(document: Any, form: Mapping[str, str | Sensitive] | None) -> tuple[bytes | None, dict[str, str]]:
    """Write a body: the only place where what it holds is revealed."""
    if form is not None:
        return urlencode(_revealed(form)).encode(), {"Content-Type": _FORM}
    if document is not None:
        return json.dumps(document, default=_reveal).encode(), {"Content-Type": "application/json"}
    return None, {}


def _reveal(value: object) -> str:
    if isinstance(value, Sensitive):
        return value.reveal()
    raise TypeError(f"{type(value).__name__} in a request")


def _revealed(values: Mapping[str, str | Sensitive]) -> dict[str, str]:
    return {n: v.reveal() if isinstance(v, Sensitive) else v for n, v in values.items()}
