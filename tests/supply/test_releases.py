"""The look for what is not released any more, with the real pip and an index of ours on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from docs.reference.dependencies import Table
from tests.supply import releases

TODAY = date(2026, 11, 27)
UPLOADED: Mapping[str, tuple[str, ...]] = {
    "kept": ("2024-01-31", "2026-03-01"),
    "left": ("2020-05-05", "2025-04-30"),
}
"""By name: when its versions 0, 1, … were uploaded."""


class Index(BaseHTTPRequestHandler):
    """An index in JSON (PEP 691), with the times of uploads (PEP 700)."""

    def do_GET(self) -> None:
        """List the files of a project; 404 for one that there is not."""
        name = self.path.strip("/")
        if name not in UPLOADED:
            self.send_error(404)
            return
        files = [
            {
                "filename": f"{name}-{version}-py3-none-any.whl",
                "url": f"{name}-{version}-py3-none-any.whl",
                "hashes": {},
                "upload-time": f"{day}T12:00:00Z",
            }
            for version, day in enumerate(UPLOADED[name])
        ]
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
        self.end_headers()
        self.wfile.write(json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": files}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let pip ask our index, and no other."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _ask(monkeypatch, f"http://127.0.0.1:{server.server_port}/")
        yield
        server.shutdown()


def _ask(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name, value in (
        ("INDEX_URL", url),
        ("CONFIG_FILE", "/dev/null"),
        ("EXTRA_INDEX_URL", ""),
        ("RETRIES", "0"),
    ):
        monkeypatch.setenv(f"PIP_{name}", value)


def _table(**released: str) -> Table:
    return Table(checked="2026-11", direct={}, development={}, released=released)


@pytest.mark.usefixtures("index")
def test_what_is_not_released_any_more_is_named() -> None:
    """Proves that one that was released since is not, and that what was released lately is not asked for."""
    ((code, said),) = releases.check(_table(left="2025-04", unheard_of="2025-05"), TODAY)
    assert (code, said.partition(" is its newest")[0]) == (releases.STALE, "STALE: left 1")
    ((code, said),) = releases.check(_table(kept="2024-01"), TODAY)
    assert (code, said) == (
        releases.GOOD,
        "kept 1 was released after 2024-01: write its month into [released]",
    )


def test_with_a_reason_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that [old] is heard, with no index to reach."""
    _ask(monkeypatch, "http://127.0.0.1:1/")
    said = Table(
        checked="2026-11", direct={}, development={}, released={"left": "2020-05"}, old={"left": "x"}
    )
    assert list(releases.check(said, TODAY)) == []


def test_an_index_that_is_not_reached_is_no_good_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that it is said."""
    _ask(monkeypatch, "http://127.0.0.1:1/")
    ((code, said),) = releases.check(_table(left="2025-04"), TODAY)
    assert code == releases.UNKNOWN
    assert said.startswith("THE INDEX WAS NOT REACHED for left")


@pytest.mark.usefixtures("index")
def test_the_month_of_the_last_release_is_found() -> None:
    """Proves it for one that was released on the last day of a month."""
    assert releases.month_of("left", TODAY) == "2025-04"
