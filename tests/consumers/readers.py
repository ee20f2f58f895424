"""How applications read what they are handed: each by its own library, or by the rule that is written in its source."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.test import override_settings
from itsdangerous import BadSignature, URLSafeTimedSerializer

Given = Mapping[str, str]
"""What a pod was started with, by data key."""

if not settings.configured:
    settings.configure(SECRET_KEY="of no pod")


class Reader(Protocol):
    """An application, of which every pod may have been given something else."""

    def begins(self, given: Given, user: int) -> str:
        """Return what a pod makes for a user: a session, or what it stores."""
        ...

    def accepts(self, given: Given, made: str) -> bool:
        """Whether a pod accepts what another one made."""
        ...


class Airflow:
    """Encrypts with the first Fernet key, and decrypts with each: `airflow.models.crypto`."""

    def begins(self, given: Given, user: int) -> str:
        """Encrypt a password."""
        return self._keys(given).encrypt(b"%d" % user).decode()

    def accepts(self, given: Given, made: str) -> bool:
        """Decrypt it."""
        try:
            return self._keys(given).decrypt(made).isdigit()
        except InvalidToken:
            return False

    def again(self, given: Given, made: str) -> str:
        """Encrypt it with the first key, as `airflow rotate-fernet-key` does."""
        return self._keys(given).rotate(made).decode()

    def _keys(self, given: Given) -> MultiFernet:
        return MultiFernet([Fernet(part.encode()) for part in given["fernet-key"].split(",")])


class Django:
    """Django's own sessions in signed cookies."""

    def begins(self, given: Given, user: int) -> str:
        """Log a user in."""
        with self._settings(given):
            session = SessionStore()
            session["user"] = user
            session.save()
            return str(session.session_key)

    def accepts(self, given: Given, made: str) -> bool:
        """Load the session; one that is refused is a new and empty one."""
        with self._settings(given):
            return "user" in SessionStore(session_key=made)

    def _settings(self, given: Given) -> override_settings:
        fallbacks = [key for key in [given["SECRET_KEY_FALLBACKS"]] if key]
        return override_settings(SECRET_KEY=given["SECRET_KEY"], SECRET_KEY_FALLBACKS=fallbacks)


class Flask:
    """Flask's session cookie by itsdangerous: `flask.sessions.SecureCookieSessionInterface` of 3.1.1, which gives the current key last."""

    def begins(self, given: Given, user: int) -> str:
        """Sign a session."""
        return str(self._serializer(given).dumps({"user": user}))

    def accepts(self, given: Given, made: str) -> bool:
        """Load it."""
        try:
            return "user" in self._serializer(given).loads(made)
        except BadSignature:
            return False

    def _serializer(self, given: Given) -> URLSafeTimedSerializer:
        fallbacks = [key for key in [given["SECRET_KEY_FALLBACKS"]] if key]
        signer = {"key_derivation": "hmac", "digest_method": hashlib.sha1}
        return URLSafeTimedSerializer(
            [*fallbacks, given["SECRET_KEY"]], salt="cookie-session", signer_kwargs=signer
        )


class OAuth2Proxy:
    """The signed cookie of oauth2-proxy by its rule: pkg/encryption/utils.go, SignedValue and Validate. It is no library of Python."""

    def begins(self, given: Given, user: int) -> str:
        """Sign a session."""
        return f"{user}|0|{self._signature(given, user)}"

    def accepts(self, given: Given, made: str) -> bool:
        """Compare the signature."""
        user, _, signature = made.split("|")
        return hmac.compare_digest(signature, self._signature(given, int(user)))

    def _signature(self, given: Given, user: int) -> str:
        signed = f"_oauth2_proxy{user}0".encode()
        return hmac.new(given["cookie-secret"].encode(), signed, hashlib.sha256).hexdigest()


class Node:
    """One process of Node that reads as applications in JavaScript do."""

    def __init__(self, modules: Path) -> None:
        script = Path(__file__).parent / "node" / "readers.mjs"
        self._process = subprocess.Popen(
            ["node", str(script)],
            env={**os.environ, "ROTATOR_MODULES": str(modules)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **question: Any) -> Any:
        """Ask one thing."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{json.dumps(question)}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        """End it: it ends by itself where nothing more is asked."""
        self._process.communicate(timeout=10)


@dataclass(frozen=True)
class InNode:
    """An application in JavaScript, by its own library."""

    node: Node
    name: str

    def begins(self, given: Given, user: int) -> str:
        """Log a user in."""
        return str(self.node.ask(name=self.name, asks="begins", given=given, what=user))

    def accepts(self, given: Given, made: str) -> bool:
        """Show the session."""
        return bool(self.node.ask(name=self.name, asks="accepts", given=given, what=made))
