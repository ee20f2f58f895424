"""Shared by all tests: a real OpenBao and a real kube-apiserver for those that want one, and the canary that finds every leak."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from rotator.core.sensitive import Sensitive
from rotator_sandbox.envtest import BinariesNotFoundError, find_binaries
from rotator_sandbox.openbao import OpenBao
from tests.contract.kubernetes_servers import RealServer
from tests.faults.environment import Bao
from tests.measured import Measured
from tests.skips import Skips

settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")


def pytest_configure(config: pytest.Config) -> None:
    """See to it that nothing is skipped silently, and that coverage is measured where it tells something."""
    config.pluginmanager.register(Skips())
    config.pluginmanager.register(Measured())


SHORTEST_SECRET = 12
"""Shorter values (an algorithm's name, a revision) are wrapped as well, and are no secrets."""
_PUBLIC = re.compile(r'"(?:kid|id|rotation|spec|reason|x|y|n)": ?"([^"]+)"')
"""Parts of wrapped JSON documents that everybody may know."""
_DERIVED_ID = re.compile(r"[0-9a-f]{16}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT.*")


class Canary:
    """Knows every secret that was wrapped during a test, and looks for it wherever a test leaves text."""

    def __init__(self) -> None:
        self._heard: set[str] = set()
        self._public: set[str] = set()

    def heard(self, value: str | bytes) -> None:
        """Remember what was wrapped: the private parts of documents, the lines of keys, and whatever looks drawn."""
        text = value.decode(errors="replace") if isinstance(value, bytes) else value
        self._public |= set(_PUBLIC.findall(text))
        if text.startswith(("{", "[")):
            self._heard |= set(_PRIVATE.findall(text))
        elif "PUBLIC KEY" not in text:
            self._heard |= {part for part in text.splitlines() if _looks_drawn(part)}

    def found_in(self, text: str) -> bool:
        """Whether `text` holds a secret."""
        return any(secret in text for secret in self._heard - self._public)


_PRIVATE = re.compile(r'\\?"(?:d|k|p|q|dp|dq|qi|value|private_key)\\?": ?\\?"([^"\\]{12,})')
"""The private members of JWKs (RFC 7518, section 6) and of our material, also inside a JSON text in a JSON text."""


def _looks_drawn(text: str) -> bool:
    """Whether a line looks drawn: long, in one piece, and neither an id, an instant, a name nor a mark of PEM."""
    if len(text) < SHORTEST_SECRET or text.startswith(("-----", "run-", "payments/")):
        return False
    return " " not in text and not _DERIVED_ID.fullmatch(text) and not _INSTANT.fullmatch(text)


@pytest.fixture(autouse=True)
def canary(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> Iterator[Canary]:
    """Fail the test if a log record or any output holds a secret that was made during it (I8)."""
    bird = Canary()
    wrap = Sensitive.__init__

    def heard(self: Sensitive, value: str | bytes) -> None:
        bird.heard(value)
        wrap(self, value)

    monkeypatch.setattr(Sensitive, "__init__", heard)
    caplog.set_level(logging.DEBUG)
    yield bird
    out, err = capsys.readouterr()
    records = [
        f"{r.getMessage()} {vars(r)}" for phase in ("setup", "call") for r in caplog.get_records(phase)
    ]
    for name, text in (("standard output", out), ("standard error", err), ("the log", "\n".join(records))):
        assert not bird.found_in(text), f"{name} holds key material"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Look for secrets in what a test raises, before it is printed."""
    try:
        return (yield)
    except Exception as error:
        bird = getattr(item, "funcargs", {}).get("canary")
        text = "".join(traceback.format_exception(error))
        if isinstance(bird, Canary) and bird.found_in(text):
            raise pytest.fail.Exception(
                "an exception holds key material; it is not shown", pytrace=False
            ) from None
        raise


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """A real OpenBao over TLS, and a role with exactly the shipped policy."""
    server = OpenBao(tmp_path_factory.mktemp("bao"))
    yield Bao.of(server)
    server.stop()


@pytest.fixture(scope="session")
def control_plane() -> Iterator[RealServer]:
    """A real kube-apiserver with RBAC, where the envtest convention finds one: one for all tests of this process.

    Tests keep to namespaces of their own. What belongs to the whole cluster (definitions, roles, admission policies) has a
    name of its own, or is taken as it is found.
    """
    try:
        binaries = find_binaries()
    except BinariesNotFoundError as error:
        pytest.skip(f"NO KUBE-APISERVER: {error}")
    with RealServer(binaries) as plane:
        yield plane
