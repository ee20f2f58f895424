"""A real Keycloak on loopback, with and without its feature `client-secret-rotation`, where it is installed.

In the folder that ROTATOR_KEYCLOAK names, else below `build`: two copies, see `tests.providers.install`. One process each for
the whole session, with its database in memory.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator_sandbox.processes import ServerProcess
from tests.providers.install import COPIES, PLACE, Missing, java
from tests.providers.keycloak_server import ADMIN, Admin

WITH, WITHOUT = COPIES
STARTS_WITHIN = 280.0
"""In seconds."""
_JAVA_OPTIONS = "-Xmx512m -XX:-UseG1GC -XX:+UseSerialGC"
"""Small: it lives for some minutes. Both compilers are left on, for the second makes RSA keys ten times faster."""


def _start(name: str, place: Path) -> Iterator[Admin]:
    home = Path(os.environ.get("ROTATOR_KEYCLOAK", PLACE / "keycloak")) / name
    if not (home / "bin" / "kc.sh").is_file():
        pytest.skip("NO KEYCLOAK: run make test-providers")
    try:
        found = java()
    except Missing as missing:
        pytest.skip(f"NO KEYCLOAK: {missing}")
    password, log = secrets.token_urlsafe(12), place / "keycloak.log"
    environment = {
        **os.environ,
        "JAVA": str(found),
        "JAVA_OPTS_KC_HEAP": _JAVA_OPTIONS,
        "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN,
        "KC_BOOTSTRAP_ADMIN_PASSWORD": password,
        "KC_HTTP_MANAGEMENT_HOST": "127.0.0.1",
    }
    here = ["--http-enabled=true", "--http-host=127.0.0.1", "--http-port=0", "--hostname-strict=false"]
    command = [str(home / "bin" / "kc.sh"), "start", "--optimized", *here]
    server = ServerProcess(command, log, environment)
    try:
        server.wait_until(lambda: bool(_address(log)), patience=STARTS_WITHIN)
        yield Admin(url=_address(log), password=password, real=True, rotates=name == WITH)
    finally:
        server.stop()


def _address(log: Path) -> str:
    """Return where it says that it listens: it chooses the port itself; empty until then."""
    found = re.search(r"Listening on: (http://[0-9.:]+)", log.read_text(errors="replace"))
    return found[1] if found else ""


@pytest.fixture(scope="session")
def keycloak_with_rotation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """A Keycloak that can accept two secrets."""
    yield from _start(WITH, tmp_path_factory.mktemp("keycloak-with"))


@pytest.fixture(scope="session")
def keycloak_without_rotation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """A Keycloak that cannot."""
    yield from _start(WITHOUT, tmp_path_factory.mktemp("keycloak-without"))
