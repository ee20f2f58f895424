"""The one seam to the outside: every request of the product passes here, on its way and on its way back."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import urllib3
from kubernetes import client

from rotator.clients.connections import Connections
from rotator_sandbox.emulator import Cluster
from tests.faults.on_the_wire import DamagedAnswerError
from tests.providers.served import Api, Asked


@dataclass(frozen=True)
class Call:
    """A request of the product."""

    system: str
    method: str
    path: str

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"

    @property
    def looks(self) -> bool:
        """Whether it certainly changes nothing; a directory counts the binds that it refuses."""
        return not self.writes and self.system != "ldap"

    @property
    def changes(self) -> bool:
        """Whether it writes, and is no login, which changes nothing."""
        return self.writes and not self.path.endswith("/token")

    @property
    def at_provider(self) -> bool:
        """Whether it goes to an identity provider or a directory."""
        return self.system not in {"kubernetes", "vault"}

    @property
    def renews(self) -> bool:
        """Whether it takes or renews a lease, or gives it back."""
        return self.writes and "/leases/" in self.path

    @property
    def fenced(self) -> bool:
        """Whether the system can refuse it because somebody wrote in between."""
        return self.writes and (self.system == "kubernetes" or "/data/" in self.path)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body) if self.body else {}


Perform = Callable[[], Answer]
Middle = Callable[[Call, bytes, Perform], Answer]
"""Stands between the product and a system."""


class LostReply(Exception):
    """The time ran out before an answer came."""


class ClusterPool:
    """Takes the place of the official client's connection pool: hands requests to the emulator in this process."""

    def __init__(self, cluster: Cluster, middle: Middle, now: Callable[[], Any]) -> None:
        self._cluster = cluster
        self._middle = middle
        self._now = now

    def request(self, method: str, url: str, **given: Any) -> urllib3.BaseHTTPResponse:
        """Answer like `urllib3.PoolManager.request`."""
        parts = urlsplit(url)
        body = given.get("body") or b""
        octets = body.encode() if isinstance(body, str) else body

        def perform() -> Answer:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            got = self._cluster.handle(method, target, given["headers"], octets)
            assert isinstance(got.body, bytes)
            return Answer(got.status, {**got.headers, "Date": http_date(self._now())}, got.body)

        try:
            answer = self._middle(Call("kubernetes", method, parts.path), octets, perform)
        except LostReply:
            raise urllib3.exceptions.ReadTimeoutError(None, url, "lost") from None  # type: ignore[arg-type]
        except DamagedAnswerError as damaged:
            return damaged.to_pool(method, url, **given)
        return response(answer.status, answer.headers, answer.body)

    def clear(self) -> None:
        """There are no connections to close."""


class ProviderPool:
    """Takes the place of the connections to a provider: hands requests to its contract server in this process."""

    def __init__(self, system: str, api: Api, middle: Middle, now: Callable[[], Any]) -> None:
        self._system = system
        self._api = api
        self._middle = middle
        self._now = now

    def clear(self) -> None:
        """Close what was never opened."""

    def request(self, method: str, url: str, **given: Any) -> urllib3.BaseHTTPResponse:
        """Answer like `urllib3.PoolManager.request`."""
        parts = urlsplit(url)
        headers = {name.lower(): value for name, value in (given.get("headers") or {}).items()}
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        octets = given.get("body") or b""

        def perform() -> Answer:
            said = self._api.handle(Asked(method, parts.path, query, headers, octets))
            body = b"" if said.document is None else json.dumps(said.document).encode()
            length = {"Content-Length": str(len(body))}
            return Answer(said.status, {**said.headers, **length, "Date": http_date(self._now())}, body)

        try:
            answer = self._middle(Call(self._system, method, parts.path), octets, perform)
        except LostReply:
            raise urllib3.exceptions.ReadTimeoutError(None, url, "lost") from None  # type: ignore[arg-type]
        except DamagedAnswerError as damaged:
            return damaged.to_pool(method, url, **given)
        return response(answer.status, answer.headers, answer.body)


class VaultPool:
    """Stands under hvac; what it lets through goes to the real server."""

    def __init__(self, inner: Connections, middle: Middle, now: Callable[[], Any]) -> None:
        self._inner = inner
        self._middle = middle
        self._now = now

    def request(self, method: str, url: str, **given: Any) -> urllib3.BaseHTTPResponse:
        """Answer like `urllib3.PoolManager.request`."""

        def perform() -> Answer:
            got = self._inner.request(method, url, **given)
            body = got.read()
            got.release_conn()
            headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            return Answer(got.status, {**headers, "Date": http_date(self._now())}, body)

        try:
            answer = self._middle(
                Call("vault", method, urlsplit(url).path), given.get("body") or b"", perform
            )
        except LostReply:
            raise urllib3.exceptions.ReadTimeoutError(None, url, "lost") from None  # type: ignore[arg-type]
        except DamagedAnswerError as damaged:
            return damaged.to_pool(method, url, **given)
        return response(answer.status, answer.headers, answer.body)

    def clear(self) -> None:
        """The connections belong to the server's other lives too."""


def response(status: int, headers: Mapping[str, str], body: bytes) -> urllib3.BaseHTTPResponse:
    """Return an answer as connections give it."""
    return urllib3.HTTPResponse(
        body=io.BytesIO(body), headers=dict(headers), status=status, preload_content=False
    )


def http_date(moment: Any) -> str:
    """Write a `Date` header."""
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


def api_client(cluster: Cluster, token: str, middle: Middle, now: Callable[[], Any]) -> client.ApiClient:
    """Return the official client, on the emulator in this process."""
    settings = client.Configuration()
    settings.host = "http://emulator"
    settings.api_key = {"BearerToken": f"Bearer {token}"}
    api = client.ApiClient(settings)
    api.rest_client.pool_manager = cast("Any", ClusterPool(cluster, middle, now))
    return api
