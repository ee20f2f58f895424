"""The clients of the product, each with one read and one write, so that one table holds for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from rotator.clients.clock import RunClock
from rotator.clients.http import Http
from rotator.clients.kubernetes import Kubernetes
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.core.sensitive import Sensitive
from rotator.kinds import SECRET
from tests.clusters import official
from tests.vaults import connected

TOKEN = "a-token-that-nobody-else-may-see"


@dataclass(frozen=True)
class Speaker:
    """A client on a server."""

    read: Callable[[], object]
    write: Callable[[], object]


Speak = Callable[[str, str, RunClock], Speaker]
"""Given the server's address, its CA and a clock."""


class Key:
    """Lets us in."""

    def headers(self) -> dict[str, Sensitive]:
        """Return what every request carries."""
        return {"Authorization": Sensitive(f"Bearer {TOKEN}")}


def _retry(clock: RunClock) -> Retry:
    return Retry(clock, clock.deadline(timedelta(hours=1)))


def _kubernetes(url: str, ca: str, clock: RunClock) -> Speaker:
    client = Kubernetes(official(url, TOKEN, ca), _retry(clock), Meter(clock))
    return Speaker(
        lambda: client.get(SECRET, "payments", "key"),
        lambda: client.patch(SECRET, "payments", "key", {"data": {"key": TOKEN}}),
    )


def _vault(url: str, ca: str, clock: RunClock) -> Speaker:
    client = connected({"VAULT_ADDR": url, "VAULT_CACERT": ca, "VAULT_TOKEN": TOKEN}, clock)
    return Speaker(
        lambda: client.read("rotator", "key"),
        lambda: client.write("rotator", "key", {"key": Sensitive(TOKEN)}, cas=0),
    )


def _http(url: str, ca: str, clock: RunClock) -> Speaker:
    client = Http(_retry(clock), Meter(clock), ca_file=ca, system="okta", access=Key())
    return Speaker(
        lambda: client.get(f"{url}/clients/1"),
        lambda: client.send("POST", f"{url}/clients/1/secrets", document={"secret": Sensitive(TOKEN)}),
    )


SPEAKERS: dict[str, Speak] = {"kubernetes": _kubernetes, "vault": _vault, "http": _http}
