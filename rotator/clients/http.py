"""Plain HTTP reads, for gates that look at what verifiers look at."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from rotator.clients.answers import by_status, no_answer
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.errors import Rejected, SettingsError

SYSTEM = "http"
HTTP_OK = 200
LARGEST = 1 << 20
"""The largest document read, in bytes."""


@dataclass(frozen=True)
class Fetched:
    """A JSON document and the headers that say how long it may be cached."""

    document: Any
    headers: Mapping[str, str]


class Http:
    """GET of JSON documents, TLS verified, nothing cached on our side."""

    def __init__(
        self, retry: Retry, meter: Meter, *, ca_file: str | None = None, timeout: float = 5.0
    ) -> None:
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SettingsError(f"caFile {ca_file}: {reason}; expected a PEM bundle") from None
        self._pool = urllib3.PoolManager(ssl_context=context, retries=False)
        self._retry = retry
        self._meter = meter
        self._timeout = timeout

    def get(self, url: str) -> Fetched:
        """Fetch one JSON document. Raises ClientError."""
        return self._retry.call(lambda: self._ask(url), read=True)

    def _ask(self, url: str) -> Fetched:
        what = f"GET {url.partition('?')[0]}"
        try:
            with self._meter.span(SYSTEM, {"request": what}):
                answer = self._pool.request(
                    "GET",
                    url,
                    headers={"Accept": "application/json"},
                    timeout=self._timeout,
                    preload_content=False,
                )
                body = answer.read(LARGEST + 1)
            if len(body) > LARGEST:
                answer.close()  # the rest is still on its way: this connection is of no more use
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            self._meter.count(SYSTEM, "GET", 0)
            raise no_answer(what, error, url) from None
        self._meter.count(SYSTEM, "GET", answer.status)
        if answer.status != HTTP_OK:
            raise by_status(what, answer.status, f"HTTP {answer.status}", answer.headers.get("Retry-After"))
        if len(body) > LARGEST:
            raise Rejected(what, f"the answer is larger than {LARGEST} bytes")
        try:
            return Fetched(json.loads(body), {k.lower(): v for k, v in answer.headers.itermerged()})
        except ValueError:
            raise Rejected(what, "the answer is no JSON document") from None
