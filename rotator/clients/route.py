"""One request on a connection of its own, to a host or to one address that answers for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3

from rotator.clients.answers import no_answer
from rotator.clients.connections import Connections, shared
from rotator.clients.http import Connect
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry

LARGEST = 16 << 10
"""Octets of an answer that are read: the rest is of no interest."""


@dataclass(frozen=True)
class Route:
    """A route of a gateway. TLS is verified for the route's own host, whichever address is asked."""

    retry: Retry
    meter: Meter
    url: str
    ca_file: str | None
    timeout: float
    """Seconds for one answer."""
    connect: Connect | None = None
    """Makes the connections, where they are not those of the network."""

    def ask(self, headers: Mapping[str, str], address: str = "") -> tuple[int, str]:
        """Return status and text of an answer to a GET; `address`: HOST:PORT to connect to, default the url's own.

        Raises ClientError where there is no answer.
        """
        at = urlsplit(self.url)
        url, host = self.url, at.hostname or ""
        if address:
            url = at._replace(netloc=address).geturl()
        verified = {"server_hostname": host, "assert_hostname": host} if at.scheme == "https" else {}
        connect = self.connect or (lambda ca_file: Connections(shared(ca_file), **verified))
        connections = connect(self.ca_file)
        what = f"GET {self.url.partition('?')[0]}" + (f" at {address}" if address else "")
        try:
            with self.meter.span("gateway", {"request": what}), self.retry.within(self.timeout, what, url):
                answer = connections.request(
                    "GET",
                    url,
                    headers={**headers, "Host": at.netloc, "Connection": "close"},
                    redirect=False,
                    preload_content=False,
                )
                octets = answer.read(LARGEST)
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            raise no_answer(what, error, url, "caFile") from None
        finally:
            connections.clear()
        self.meter.count("gateway", "GET", answer.status)
        return answer.status, octets.decode("utf-8", "replace")
