"""A Vault all of whose answers are written down, for what is asked about the secret ids of a role."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import urllib3

from rotator.clients.clock import RunClock
from rotator.clients.connections import Connections
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.core.sensitive import Sensitive
from rotator.ports import Aim, Copy, Deadline
from rotator.systems.app_role.client import AppRoleLogin, AppRoleSecretIds
from rotator.systems.vault.client import Vault
from rotator.systems.vault.settings import VaultSettings

ROLE_ID, LOOKUP, ADD, DESTROY, LOGIN = "/role-id", "/lookup", "/custom-secret-id", "/destroy", "/login"
FOUND = {
    "cidr_list": [], "creation_time": "2026-11-26T19:34:06Z", "expiration_time": "0001-01-01T00:00:00Z", "metadata": {},
    "last_updated_time": "2026-11-26T19:34:06Z", "secret_id_accessor": "a", "secret_id_num_uses": 0, "secret_id_ttl": 0,
}  # fmt: skip
AROUND = {
    "request_id": "r",
    "lease_id": "",
    "lease_duration": 0,
    "wrap_info": None,
    "warnings": None,
    "auth": None,
}
AUTH = {"client_token": "s.1", "accessor": "a", "policies": [], "lease_duration": 60, "renewable": True}
GOOD: Mapping[str, Any] = {
    ROLE_ID: {**AROUND, "data": {"role_id": "an-id"}},
    LOOKUP: {**AROUND, "data": FOUND},
    LOGIN: {**AROUND, "data": None, "auth": AUTH},
}
SECRET_ID = "a-secret-id-in-use"


class Says:
    """Connections on which each request is answered as written down, by the end of its path; else by nothing."""

    def __init__(self, answers: Mapping[str, tuple[int, bytes]]) -> None:
        self._answers = answers
        self.asked: list[str] = []

    def request(self, method: str, url: str, **_: Any) -> urllib3.BaseHTTPResponse:
        """Answer."""
        del method
        path = urlsplit(url).path
        self.asked.append(path)
        status, body = next((said for tail, said in self._answers.items() if path.endswith(tail)), (204, b""))
        headers = {"Content-Length": str(len(body))}
        return urllib3.HTTPResponse(
            body=io.BytesIO(body), headers=headers, status=status, preload_content=False
        )

    def clear(self) -> None:
        """There is nothing to close."""


def vault(says: Says) -> Vault:
    """Return the product's client on these connections."""
    settings = VaultSettings.from_environment(
        {"VAULT_ADDR": "https://vault.example:8200", "VAULT_TOKEN": "t"}
    )
    clock = RunClock(sleep=lambda _: None)
    retry = Retry(clock, Deadline(clock.now() + timedelta(minutes=1)), attempts=1)
    return Vault(settings, retry, Meter(clock), cast("Connections", says))


def acts(client: Vault) -> Iterator[Callable[[], object]]:
    """Yield what is asked of a role."""
    role, login = AppRoleSecretIds(client, "approle", "api"), AppRoleLogin(client, "approle", "api")
    copy = Copy("v1", {"secret_id": Sensitive(SECRET_ID)})
    yield lambda: role.next_call(
        Aim(rotation="a/b", accept=(copy,), forget=(), known=frozenset({"v1"}), settled=False)
    )
    yield lambda: role.next_call(
        Aim(rotation="a/b", accept=(), forget=(copy,), known=frozenset({"v1"}), settled=False)
    )
    yield lambda: role.check_free("a/b")
    yield lambda: login.accepted(copy)


def read(octets: bytes) -> None:
    """Ask for everything, each of which is answered by a part of a document."""
    try:
        document = json.loads(octets)
    except (ValueError, RecursionError):
        document = {}
    parts = document if isinstance(document, dict) else {}
    answers = {tail: (200, json.dumps(said).encode()) for tail, said in parts.items() if tail in GOOD}
    for act in acts(vault(Says(answers or dict.fromkeys(GOOD, (200, octets))))):
        act()
