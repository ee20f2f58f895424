"""All programs of the demo together: who signs with what, who checks it where, and who logs in."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import requests

from rotator_sandbox.demo.api import Api, ApiUnavailableError
from rotator_sandbox.demo.jwks_server import JwksServer
from rotator_sandbox.demo.ledger import Ledger
from rotator_sandbox.demo.logins import logs_in
from rotator_sandbox.demo.scenarios import (
    CLIENT_SECRET,
    COOKIE_KEY,
    COOKIE_LIST,
    COOKIE_SECRET,
    JWKS_KEY,
    JWKS_MAP,
    ORDERS_LIST,
    ORDERS_SECRET,
    PICK_UP,
    SIGNING_SECRET,
)
from rotator_sandbox.demo.served import ServedSet
from rotator_sandbox.demo.services import Service
from rotator_sandbox.demo.signers import POLL, Deed, Pods, Read, Rereader, Work
from rotator_sandbox.demo.tokens import (
    Check,
    Key,
    by_hand,
    by_joserfc,
    by_pyjwt,
    client_of,
    key_of,
)
from rotator_sandbox.demo.verifiers import (
    Cached,
    Copies,
    Fetch,
    PyJwkClient,
    Slow,
    Stale,
    Verifier,
)
from rotator_sandbox.demo.workers import Workers

SIGN_EVERY = 0.04
"""Between two tokens of one program, in seconds."""
COPY_EVERY = 0.15
"""How often the adversaries take a copy of each list, in seconds."""
DRAIN = 10.0
"""How long the last checks may take."""

ReadVault = Callable[[], dict[str, str] | None]


@dataclass
class Traffic:
    """Signers, verifiers, clients, and the ledger of what they saw."""

    api: Api
    jwks: JwksServer
    served: ServedSet
    read_vault: Mapping[str, ReadVault]
    """By rotation: reads the consumer path, as the program does that has its key from there."""
    provider: Verifier
    """Where clients log in."""
    seed: int
    ledger: Ledger = field(default_factory=Ledger)
    services: dict[str, list[Service]] = field(default_factory=dict)
    """By rotation: those who are sent tokens."""
    verifiers: dict[str, list[Verifier]] = field(default_factory=dict)
    """By rotation: all who accept or refuse what is made with it."""
    _copies: list[Copies] = field(default_factory=list)
    _signing: Workers = field(default_factory=Workers)
    _checking: Workers = field(default_factory=Workers)

    def start(self) -> None:
        """Let the verifiers listen, then the signers begin."""
        self._checking.start(lambda: self.jwks.serve(self._list("ConfigMap", JWKS_MAP, JWKS_KEY)), "jwks")
        sent = self._verifiers()
        self.verifiers = {**sent, "shop-oauth": [self.provider]}
        for name, verifiers in sent.items():
            self.services[name] = [self._service(name, verifier) for verifier in verifiers]
        for copies in self._copies:
            self._checking.repeat(copies.look, COPY_EVERY, "copies")
        self._signing.start(lambda: self.served.disturb(self._signing.stop), "replicas")
        for program in self._signers():
            self._start(program, self._signing)

    def all_services(self) -> Iterator[Service]:
        """Yield the services of all rotations."""
        for services in self.services.values():
            yield from services

    def check(self) -> None:
        """Raise what a program has died of."""
        self._signing.check()
        self._checking.check()

    def stop_signing(self) -> None:
        """Let the signers end and the last tokens be checked; the verifiers stay."""
        self._signing.end()
        give_up = time.monotonic() + DRAIN
        while time.monotonic() < give_up and not all(s.idle() for s in self.all_services()):
            self.check()
            time.sleep(0.05)

    def stop(self) -> None:
        """End all programs."""
        self._signing.stop.set()
        self._checking.stop.set()
        self.jwks.stop()
        self._signing.end()
        self._checking.end()

    # --- who checks -----------------------------------------------------------------------------------------

    def _verifiers(self) -> dict[str, list[Verifier]]:
        keys = _http(self.jwks.url)
        orders = self._list("Secret", ORDERS_LIST, JWKS_KEY)
        cookies = self._list("Secret", COOKIE_LIST, COOKIE_KEY)
        payments: list[Verifier] = [
            PyJwkClient(self.jwks.url),
            Cached(keys, by_joserfc, "joserfc key set"),
            PyJwkClient(self.served.replicas[0].url, "PyJWT's PyJWKClient, served"),
            Cached(self.served.fetch, by_joserfc, "joserfc key set, served"),
            *self._adversaries(self.served.fetch, by_pyjwt),
        ]
        services: list[Verifier] = [
            Cached(orders, by_joserfc, "joserfc key set"),
            Cached(orders, by_pyjwt, "PyJWT key set"),
        ]
        return {
            "payments-jwt": [*payments, *self._adversaries(keys, by_pyjwt)],
            "orders-hs256": [*services, *self._adversaries(orders, by_pyjwt)],
            "shop-cookie": [Cached(cookies, by_hand, "cookie check"), *self._adversaries(cookies, by_hand)],
        }

    def _adversaries(self, fetch: Fetch, read: Callable[[str], Check]) -> tuple[Verifier, Verifier]:
        copies = Copies(fetch, read)
        self._copies.append(copies)
        return Stale(copies), Slow(copies)

    def _service(self, rotation: str, verifier: Verifier) -> Service:
        chance = random.Random(f"{self.seed} {rotation} {verifier.name}")  # noqa: S311 - only says when to check
        service = Service(verifier, self.ledger, chance)
        self._start(service, self._checking)
        return service

    def _list(self, kind: str, name: str, key: str) -> Fetch:
        """Return what reads an accepted list from the cluster."""

        def fetch() -> str | None:
            try:
                return (self.api.values(kind, name) or {}).get(key)
            except ApiUnavailableError:
                return None

        return fetch

    # --- who signs, and who logs in -------------------------------------------------------------------------

    def _signers(self) -> Iterator[Rereader]:
        """Start the pods' programs, and yield those that read their key again."""
        works = {
            name: self._signs(rotation, self._secret(rotation, name)) for name, rotation in _RESTARTED.items()
        }
        works[CLIENT_SECRET] = logs_in(self._client, self.provider, self.ledger)
        self._signing.repeat(Pods(self.api, self._signing, self.ledger, works).look, POLL, "pods")
        cookies = self._secret("shop-cookie", COOKIE_SECRET)
        yield self._rereader("vault reader", self._signs("payments-jwt", self._vault_key))
        yield self._rereader("shop", self._signs("shop-cookie", cookies))
        yield self._rereader("shop backend", logs_in(self._vault_client, self.provider, self.ledger))

    def _rereader(self, name: str, work: Work) -> Rereader:
        return Rereader(name, work, PICK_UP, self.ledger)

    def _signs(self, rotation: str, read: Read) -> Work:
        def sign(key: Key, who: str) -> Deed:
            token = key.sign(who)

            def send() -> None:
                self.ledger.sign(1)
                for service in self.services[rotation]:
                    service.submit(token)

            return Deed(token.signed, send)

        return Work(read, sign, SIGN_EVERY)

    def _secret(self, rotation: str, name: str) -> Read:
        def read() -> Key | None:
            try:
                return key_of(rotation, self.api.values("Secret", name))
            except ApiUnavailableError:
                return None

        return read

    def _client(self) -> Key | None:
        try:
            return client_of("shop-oauth", self.api.held(CLIENT_SECRET))
        except ApiUnavailableError:
            return None

    def _vault_client(self) -> Key | None:
        return client_of("shop-oauth", self.read_vault["shop-oauth"]())

    def _vault_key(self) -> Key | None:
        values = self.read_vault["payments-jwt"]()
        return key_of("payments-jwt", values and {"key": values["private_key"], "kid": values["kid"]})

    def _start(self, program: Service | Rereader, workers: Workers) -> None:
        workers.start(lambda: program.run(workers.stop), type(program).__name__)


_RESTARTED = {SIGNING_SECRET: "payments-jwt", ORDERS_SECRET: "orders-hs256"}
"""The Secrets that pods read at their start, and the rotations that they belong to."""


def _http(url: str) -> Fetch:
    """Return what fetches a document over HTTP, without any cache."""
    session = requests.Session()
    session.trust_env = False

    def fetch() -> str | None:
        try:
            answer = session.get(url, timeout=5)
        except requests.RequestException:
            return None
        return answer.text if answer.ok else None

    return fetch
