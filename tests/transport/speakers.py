"""The clients of the product, each with one read and one write, so that one table holds for all of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from rotator.clients.clock import RunClock
from rotator.clients.http import Http
from rotator.clients.ldap import BindAs, Ldap
from rotator.clients.meter import Meter
from rotator.clients.retry import ATTEMPTS, Retry
from rotator.core.sensitive import Sensitive
from rotator.kinds import SECRET
from rotator.systems.kubernetes.client import Kubernetes
from rotator.systems.vault.client import Vault
from rotator.systems.vault.settings import VaultSettings
from tests.clusters import official

TOKEN = "a-token-that-nobody-else-may-see"


@dataclass(frozen=True)
class Speaker:
    """A client on a server."""

    read: Callable[[], object]
    write: Callable[[], object]
    close: Callable[[], object]

    def __post_init__(self) -> None:
        """Be closed when the test is over."""
        MADE.append(self)


MADE: list[Speaker] = []
"""The clients of the test that runs."""


class Speak(Protocol):
    """Makes a client."""

    def __call__(self, place: str, ca: str, retry: Retry, timeout: float = 10.0) -> Speaker:
        """`place`: the server, as host:port; `ca`: its CA; `timeout`: of one request, in seconds."""
        ...


class Key:
    """Lets us in."""

    def headers(self) -> dict[str, Sensitive]:
        """Return what every request carries."""
        return {"Authorization": Sensitive(f"Bearer {TOKEN}")}


def retrying(clock: RunClock, attempts: int = ATTEMPTS) -> Retry:
    """Return retries within a run of an hour."""
    return Retry(clock, clock.deadline(timedelta(hours=1)), attempts)


def _kubernetes(place: str, ca: str, retry: Retry, timeout: float = 10.0) -> Speaker:
    api = official(f"https://{place}", TOKEN, ca)
    client = Kubernetes(api, retry, Meter(RunClock()), timeout=timeout)
    return Speaker(
        lambda: client.get(SECRET, "payments", "key"),
        lambda: client.patch(SECRET, "payments", "key", {"data": {"key": TOKEN}}),
        client.close,
    )


def _vault(place: str, ca: str, retry: Retry, timeout: float = 10.0) -> Speaker:
    env = {"VAULT_ADDR": f"https://{place}", "VAULT_CACERT": ca, "VAULT_TOKEN": TOKEN}
    env["VAULT_CLIENT_TIMEOUT"] = f"{timeout:.0f}s"
    env |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    client = Vault(VaultSettings.from_environment(env), retry, Meter(RunClock()))
    return Speaker(
        lambda: client.read("rotator", "key"),
        lambda: client.write("rotator", "key", {"key": Sensitive(TOKEN)}, cas=0),
        client.close,
    )


def _http(place: str, ca: str, retry: Retry, timeout: float = 10.0) -> Speaker:
    client = Http(retry, Meter(RunClock()), ca_file=ca, system="okta", access=Key(), timeout=timeout)
    url = f"https://{place}/clients/1"
    return Speaker(
        lambda: client.get(url),
        lambda: client.send("POST", f"{url}/secrets", document={"secret": Sensitive(TOKEN)}),
        client.close,
    )


def _ldap(place: str, ca: str, retry: Retry, timeout: float = 10.0) -> Speaker:
    us = BindAs("cn=rotator", lambda: Sensitive(TOKEN))
    client = Ldap(f"ldaps://{place}", retry, Meter(RunClock()), us, ca_file=ca, timeout=timeout)
    return Speaker(
        lambda: client.account("cn=key"),
        lambda: client.set_password("cn=key", Sensitive(TOKEN)),
        lambda: None,  # each of its requests closes its own connection
    )


SPEAKERS: dict[str, Speak] = {"kubernetes": _kubernetes, "vault": _vault, "http": _http}
"""Those that speak HTTP."""
EVERY: dict[str, Speak] = {**SPEAKERS, "ldap": _ldap}
