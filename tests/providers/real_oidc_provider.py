"""The real oidc-provider, where it is installed: in the folder that ROTATOR_OIDC_PROVIDER names, else below `build`."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import pytest

HERE = Path(__file__).parent / "oidc_provider"
PLACE = Path(__file__).parents[2] / "build" / "providers" / "oidc-provider"


@dataclass
class RealOidcProvider:
    """A server of its own process."""

    issuer: str
    initial_token: str
    _stdin: IO[str]
    _stdout: IO[str]
    _ahead: timedelta = timedelta()

    def now(self) -> datetime:
        """Return the server's time."""
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: int) -> None:
        """Let the server's clock go ahead, so that what it caches runs out."""
        self._stdin.write(f"advance {seconds}\n")
        self._stdin.flush()
        self._ahead += timedelta(seconds=seconds)
        assert json.loads(self._stdout.readline()) == {"done": f"advance {seconds}"}

    def register(
        self, metadata: Mapping[str, Any], client_id: str | None = None, secret: str | None = None
    ) -> dict[str, Any]:
        """Register a client, with an id and a secret of our choice, beside the product's own code."""
        headers = {
            "Authorization": f"Bearer {self.initial_token}",
            "Content-Type": "application/json",
            **({"X-Client-Id": _base64(client_id)} if client_id else {}),
            **({"X-Client-Secret": _base64(secret)} if secret else {}),
        }
        body = json.dumps(
            {"grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [], **metadata}
        ).encode()
        request = urllib.request.Request(f"{self.issuer}/reg", body, headers, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            registered: dict[str, Any] = json.load(answer)
        return registered


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture(scope="session")
def oidc_provider() -> Iterator[RealOidcProvider]:
    """Start the real server; skip loudly where it is not installed."""
    modules = Path(os.environ.get("ROTATOR_OIDC_PROVIDER", PLACE)) / "node_modules"
    if not (modules / "oidc-provider").is_dir():
        pytest.skip("NO OIDC-PROVIDER: run make test-providers")
    token = secrets.token_urlsafe(16)
    environment = {**os.environ, "ROTATOR_MODULES": str(modules), "ROTATOR_INITIAL_TOKEN": token}
    process = subprocess.Popen(
        ["node", str(HERE / "server.mjs")],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        issuer = json.loads(process.stdout.readline())["issuer"]
        yield RealOidcProvider(issuer, token, process.stdin, process.stdout)
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()
