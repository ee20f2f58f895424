"""What a collector of metrics or traces is told: one POST, limited as a whole, and nothing of the answer but its head.

A collector is outside of the promise: whatever it does costs a run its time limit and a warning.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import urllib3

from rotator.clients.addresses import where
from rotator.clients.answers import TAKEN, Asked, by_status, check_redirect, no_answer
from rotator.clients.connections import Connections
from rotator.clients.limits import Left, within
from rotator.clients.proxies import answered_by
from rotator.errors import Rejected

LARGEST = 1 << 20
"""Octets that may arrive for one answer: its body is not read."""
_MOVED = "Name the address to which it leads, if that is the right one"
_PLAIN = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "user-agent",
    }
)
"""Headers that hold no credential."""


class Outlet:
    """The way to one collector. Follows no redirect, asks nothing again."""

    def __init__(self, what: str, context: ssl.SSLContext) -> None:
        """`what`: what is told, as messages speak of it; `context`: what verifies the collector."""
        self._what = what
        self._connections = Connections(context)

    def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        seconds: float,
        run: Left = lambda: math.inf,
    ) -> None:
        """Send `body` within `seconds` and what is left of the `run`.

        Raises ClientError where no answer says that it was taken, and where a proxy would see a credential in plain text;
        SettingsError for a variable that names no proxy.
        """
        what = f"{self._what} {urlsplit(url).scheme}://{where(url)}"
        proxy = answered_by(url)
        if proxy and any(name.lower() not in _PLAIN for name in headers):
            raise Rejected(
                what,
                f"it needs a credential, which would go in plain text{proxy}. Nothing was sent. "
                "Use https, or name the host in NO_PROXY",
            )
        try:
            with within(seconds, run, octets=LARGEST):
                answer = self._connections.request(
                    "POST", url, body=body, headers=headers, redirect=False, preload_content=False
                )
        except urllib3.exceptions.HTTPError as error:
            raise no_answer(what, error, url) from None
        answer.close()
        check_redirect(Asked(what, "POST", url, _MOVED), answer.status, answer.headers)
        if answer.status not in TAKEN:
            raise by_status(
                what, answer.status, f"HTTP {answer.status}{proxy}", answer.headers.get("Retry-After")
            )

    def close(self) -> None:
        """Close the connections."""
        self._connections.clear()
