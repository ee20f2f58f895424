"""The product's Vault client on a real OpenBao, with a record of what it sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import urllib3

from rotator.clients.clock import RunClock
from rotator.clients.connections import Connections
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.core.sensitive import Sensitive
from rotator.ports import Deadline
from rotator.systems.vault.client import Vault, connections_to
from rotator.systems.vault.settings import VaultSettings
from tests.faults.environment import Bao


@dataclass(frozen=True)
class Sent:
    """A request as it went out."""

    method: str
    path: str
    token: Sensitive
    namespace: str | None


@dataclass
class Recorder:
    """The connections to the server, with a record."""

    sent: list[Sent] = field(default_factory=list)
    inner: Connections | None = None

    def request(self, method: str, url: str, **given: Any) -> urllib3.BaseHTTPResponse:
        """Keep what is sent, and send it."""
        assert self.inner
        headers: Mapping[str, str] = given["headers"]
        path = urlsplit(url).path.removeprefix("/v1/")
        token = Sensitive(headers.get("X-Vault-Token", ""))
        self.sent.append(Sent(method, path, token, headers.get("X-Vault-Namespace")))
        return self.inner.request(method, url, **given)

    def clear(self) -> None:
        """Close the connections."""
        assert self.inner
        self.inner.clear()

    def paths(self) -> list[str]:
        """Return what was asked for, in order."""
        return [f"{s.method} {s.path}" for s in self.sent]

    def tokens(self) -> list[str]:
        """Return the tokens used, each once, in order."""
        return list(dict.fromkeys(s.token.reveal() for s in self.sent if s.token.reveal()))


def connected(env: Mapping[str, str], clock: RunClock, recorder: Recorder | None = None) -> Vault:
    """Return the product's client as an environment describes it."""
    retry = Retry(clock, Deadline(clock.now() + timedelta(hours=24)))
    settings = VaultSettings.from_environment(env)
    if recorder:
        recorder.inner = connections_to(settings)
    return Vault(settings, retry, Meter(clock), cast("Connections | None", recorder))


def address(bao: Bao) -> dict[str, str]:
    """Return the environment of somebody who may reach the server, and cannot log in."""
    return {"VAULT_ADDR": bao.server.address, "VAULT_CACERT": bao.server.ca_file}


def app_role(bao: Bao) -> dict[str, str]:
    """Return the environment of a role with exactly the shipped policy."""
    login = {
        "ROTATOR_VAULT_AUTH": "approle",
        "ROTATOR_VAULT_ROLE": bao.role,
        "ROTATOR_VAULT_SECRET_ID": bao.secret,
    }
    return address(bao) | login


def logged_in(bao: Bao) -> Vault:
    """Return a client that logs in with exactly the shipped policy."""
    return connected(app_role(bao), RunClock())
