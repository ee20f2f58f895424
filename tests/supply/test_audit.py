"""The dependency audit, with the real pip-audit and an advisory source of ours on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.supply import audit

LOCK = "requests==2.34.2 --hash=sha256:{0}\nurllib3==2.8.0 --hash=sha256:{0}\n".format("0" * 64)
ADVISORY = {
    "id": "TEST-2026-1",
    "summary": "made up",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "affected": [{"package": {"ecosystem": "PyPI", "name": "urllib3"}, "versions": ["2.8.0"]}],
}


@pytest.fixture
def lock(tmp_path: Path) -> str:
    """Return a small lock."""
    file = tmp_path / "lock.txt"
    file.write_text(LOCK)
    return str(file)


@pytest.fixture
def source() -> Iterator[Callable[[dict[str, list[object]]], str]]:
    """Return a function that starts an OSV source with these advisories for each package, and returns its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(advisories: dict[str, list[object]]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                found = advisories[asked["package"]["name"]]
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps({"vulns": found} if found else {}).encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/v1/query"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_no_advisory_is_good(
    lock: str, source: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Proves exit code 0, only when each package was looked up."""
    address = source({"requests": [], "urllib3": []})
    assert audit.main(["--lock", lock, "--osv-url", address]) == audit.CLEAN
    assert "2 packages looked up" in capsys.readouterr().err


def test_an_advisory_is_named(
    lock: str, source: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Proves exit code 1, the package, its version and the advisory."""
    address = source({"requests": [], "urllib3": [ADVISORY]})
    assert audit.main(["--lock", lock, "--osv-url", address]) == audit.VULNERABLE
    assert "VULNERABLE: urllib3 2.8.0: TEST-2026-1" in capsys.readouterr().err


def test_a_source_that_is_not_reached_is_no_good_news(lock: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Proves exit code 3 and a loud word, where pip-audit itself may end with 0."""
    assert audit.main(["--lock", lock, "--osv-url", "http://127.0.0.1:1/v1/query"]) == audit.UNKNOWN
    assert "NO ADVISORY SOURCE REACHED" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("dependencies", "code"),
    [
        ([], 3),
        ([{"name": "a", "version": "1", "vulns": []}], 0),
        ([{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "not found"}], 3),
        (
            [
                {"name": "a", "version": "1", "vulns": [{"id": "X"}]},
                {"name": "b", "skip_reason": "not found"},
            ],
            1,
        ),
    ],
    ids=["an empty report", "all looked up", "one skipped", "one skipped, one vulnerable"],
)
def test_what_a_report_means(dependencies: list[object], code: int) -> None:
    """Proves that a package that was skipped is never taken for a good one."""
    findings = audit.Findings()
    findings.add({"dependencies": dependencies})
    assert findings.exit_code == code
    assert list(findings.lines())
