"""Plain HTTP reads, for gates that look at what verifiers look at."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from rotator.clients.answers import HTTP_ERRORS, by_status, no_answer
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.errors import Rejected

SYSTEM = "http"
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
        context = ssl.create_default_context(cafile=ca_file)
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
            answer = self._pool.request(
                "GET",
                url,
                headers={"Accept": "application/json"},
                timeout=self._timeout,
                preload_content=False,
            )
            body = answer.read(LARGEST)
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            self._meter.count(SYSTEM, "GET", 0)
            raise no_answer(what, error) from None
        self._meter.count(SYSTEM, "GET", answer.status)
        if answer.status >= HTTP_ERRORS:
            raise by_status(what, answer.status, f"HTTP {answer.status}", answer.headers.get("Retry-After"))
        try:
            return Fetched(json.loads(body), {k.lower(): v for k, v in answer.headers.items()})
        except ValueError:
            raise Rejected(what, "the answer is no JSON document") from None
