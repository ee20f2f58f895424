"""All programs of the demo together: who signs with what, and who checks it where."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rotator.sandbox.demo.api import Api, ApiUnavailableError
from rotator.sandbox.demo.crew import Crew
from rotator.sandbox.demo.jwks_server import JwksServer
from rotator.sandbox.demo.ledger import Ledger
from rotator.sandbox.demo.scene import JWKS_KEY, JWKS_MAP, PICK_UP, SIGNING_SECRET
from rotator.sandbox.demo.services import Service
from rotator.sandbox.demo.signers import POLL, Pods, Read, Rereader
from rotator.sandbox.demo.tokens import Check, Token, by_hand, by_joserfc, by_pyjwt, key_of
from rotator.sandbox.demo.verifiers import Cached, Copies, PyJwkClient, Slow, Stale, Verifier

COPY_EVERY = 0.15
"""How often the adversaries take a copy of each list, in seconds."""
DRAIN = 10.0

ReadVault = Callable[[], dict[str, str] | None]


@dataclass
class Traffic:
    """Signers, verifiers, and the list of what went well."""

    api: Api
    jwks: JwksServer
    read_vault: ReadVault
    """Reads the consumer path, as the program does that has its key from there."""
    seed: int
    ledger: Ledger = field(default_factory=Ledger)
    services: dict[str, list[Service]] = field(default_factory=dict)
    """By rotation."""
    _copies: list[Copies] = field(default_factory=list)
    _signing: Crew = field(default_factory=Crew)
    _checking: Crew = field(default_factory=Crew)

    def start(self) -> None:
        """Let the verifiers listen, then the signers begin."""
        self._checking.start(lambda: self.jwks.serve(self._values("ConfigMap", JWKS_MAP, JWKS_KEY)), "jwks")
        for name, verifiers in self._verifiers().items():
            choices = [random.Random(f"{self.seed} {name} {v.name}") for v in verifiers]  # noqa: S311 - when to check
            self.services[name] = [Service(v, self.ledger, r) for v, r in zip(verifiers, choices, strict=True)]
        for copies in self._copies:
            self._checking.repeat(copies.look, COPY_EVERY, "copies")
        for service in self.all_services():
            self._run(service, self._checking)
        self._start_signers()

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
        self.jwks.stop()
        self._signing.end()
        self._checking.end()

    def _run(self, program: Service | Rereader, crew: Crew) -> None:
        crew.start(lambda: program.run(crew.stop), type(program).__name__)

    def _verifiers(self) -> dict[str, list[Verifier]]:
        jwks = self._values("ConfigMap", JWKS_MAP, JWKS_KEY)
        del jwks
        fetch = http_get(self.jwks.url)
        orders, cookies = self._values("Secret", "orders-accepted", JWKS_KEY), self._values("Secret", "cookie-accepted", "accepted")
        return {
            "payments-jwt": [
                PyJwkClient(self.jwks.url),
                Cached(fetch, by_joserfc, "joserfc key set"),
                *self._adversaries(fetch, by_pyjwt),
            ],
            "orders-hs256": [
                Cached(orders, by_joserfc, "joserfc key set"),
                Cached(orders, by_pyjwt, "PyJWT key set"),
                *self._adversaries(orders, by_pyjwt),
            ],
            "shop-cookie": [Cached(cookies, by_hand, "cookie check"), *self._adversaries(cookies, by_hand)],
        }
