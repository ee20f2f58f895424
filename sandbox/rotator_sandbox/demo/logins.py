"""Programs that log in at the identity provider as the OAuth client, with exactly the secret that they hold."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial

import urllib3

from rotator_sandbox.demo.ledger import Ledger, Refusal
from rotator_sandbox.demo.scenarios import CLIENT, Realm
from rotator_sandbox.demo.signers import Deed, Read, Work
from rotator_sandbox.demo.tokens import Key, RefusedError
from rotator_sandbox.demo.verifiers import UnreachableError, Verifier

NAME = "keycloak stand-in"
EVERY = 0.1
"""Between two logins of one program, in seconds."""
TIMEOUT = 5.0
OK = 200


def logs_in(read: Read, provider: Verifier, ledger: Ledger) -> Work:
    """Return what a program does that logs in again and again; a refusal is one of a secret it holds by right."""

    def log_in(key: Key, who: str) -> Deed:
        answered, refusal = True, None
        try:
            provider.check(key.secret)
        except UnreachableError:
            answered = False
        except RefusedError as error:
            held = time.time() - key.since
            refusal = Refusal(provider.name, who, key.kid, held, str(error), "login")
        return Deed(time.time(), partial(ledger.log_in, answered=answered, refusal=refusal))

    return Work(read, log_in, EVERY)


@dataclass
class LogIn:
    """The identity provider as those who log in see it: they ask for a token as the client (RFC 6749, section 4.4)."""

    realm: Realm
    client: str = CLIENT
    name: str = NAME
    slow: float = 0.0

    def __post_init__(self) -> None:
        """Keep connections, as programs do."""
        self._pool = connections(self.realm)

    def check(self, text: str) -> None:
        """Log in with a client secret; see `rotator_sandbox.demo.verifiers.Verifier`."""
        headers = urllib3.make_headers(basic_auth=f"{self.client}:{text}")
        place = f"{self.realm.issuer}/protocol/openid-connect/token"
        try:
            answer = self._pool.request(
                "POST",
                place,
                fields={"grant_type": "client_credentials"},
                headers=headers,
                encode_multipart=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(type(error).__name__) from None
        if answer.status != OK:
            raise RefusedError(f"HTTP {answer.status} {_word(answer.data)}")
        if not json.loads(answer.data).get("access_token"):
            raise RefusedError("an answer without a token")


def connections(realm: Realm) -> urllib3.PoolManager:
    """Return what keeps connections to the provider, for any number of threads."""
    return urllib3.PoolManager(ca_certs=realm.ca_file, retries=False, timeout=TIMEOUT, maxsize=16)


def _word(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return "without a reason"
