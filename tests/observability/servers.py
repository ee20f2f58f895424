"""A real Pushgateway and a real Prometheus on loopback."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from observability.servers import PROMETHEUS, PUSHGATEWAY, ProgramNotFoundError, listens, program
from rotator_sandbox.certificates import ServerFiles, issue
from rotator_sandbox.processes import ServerProcess, free_port

PASSWORD = "open-sesame/1@x"
_HASH = "$2b$04$Mg6uZJMA/Ez9Y0kjRVWUc.kngpbhxYXFbDpL51SH2PyrgTWFZ67xS"
"""PASSWORD, by bcrypt."""
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url: str, headers: Mapping[str, str] | None = None) -> Any:
    """Open `url` without a proxy."""
    return _direct.open(urllib.request.Request(url, headers=dict(headers or {})), timeout=10)


def _program(name: str) -> str:
    try:
        return program(name)
    except ProgramNotFoundError:
        pytest.skip(f"NO {name.upper()}: what needs the real server is not tested")


class Pushgateway:
    """Keeps what was pushed, in memory; with TLS, it asks `ops` for PASSWORD."""

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        self.port = free_port()
        self.files: ServerFiles | None = None
        arguments = [_program(PUSHGATEWAY), f"--web.listen-address=127.0.0.1:{self.port}"]
        arguments.append("--persistence.file=")
        if tls:
            self.files = issue(folder)
            settings = {
                "tls_server_config": {
                    "cert_file": str(self.files.certificate),
                    "key_file": str(self.files.key),
                },
                "basic_auth_users": {"ops": _HASH},
            }
            (folder / "web.json").write_text(json.dumps(settings))
            arguments.append(f"--web.config.file={folder / 'web.json'}")
        self._process = ServerProcess(arguments, folder / "pushgateway.log")
        self._process.wait_until(lambda: listens(self.port))

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"{'https' if self.files else 'http'}://127.0.0.1:{self.port}"

    def shown(self) -> str:
        """Return what a scrape finds."""
        with get(f"{self.url}/metrics") as answer:
            return str(answer.read().decode())

    def stop(self) -> None:
        """End it."""
        self._process.stop()


class Prometheus:
    """Scrapes `targets` by job as a PodMonitor of the chart does, with honor_labels; evaluates `rules`."""

    def __init__(
        self, folder: Path, targets: Mapping[str, int] | None = None, *, rules: Path | None = None
    ) -> None:
        self.port = free_port()
        self._folder = folder
        config: dict[str, Any] = {
            "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "250ms"},
            "scrape_configs": [
                {
                    "job_name": job,
                    "honor_labels": True,
                    "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
                }
                for job, port in (targets or {}).items()
            ],
        }
        if rules:
            config["rule_files"] = [str(rules)]
        (folder / "prometheus.yml").write_text(json.dumps(config))
        (folder / "data").mkdir(exist_ok=True)
        self._process = ServerProcess(
            [
                _program(PROMETHEUS),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            folder / "prometheus.log",
        )
        self._process.wait_until(self._ready)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of an API answer. Raises HTTPError for a query that cannot be parsed."""
        with get(f"{self.url}/api/v1/{path}?{urlencode(parameters)}") as answer:
            return json.load(answer)["data"]

    def query(self, expression: str, **parameters: str) -> list[dict[str, Any]]:
        """Return the vector that `expression` gives now."""
        found: list[dict[str, Any]] = self.ask("query", query=expression, **parameters)["result"]
        return found

    def value(self, expression: str) -> float | None:
        """Return the one value of `expression`, or None where there is none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def wait_for(self, expression: str) -> list[dict[str, Any]]:
        """Wait until `expression` gives something, and return it."""
        self._process.wait_until(lambda: bool(self.query(expression)))
        return self.query(expression)

    def stop(self) -> None:
        """End it."""
        self._process.stop()

    def _ready(self) -> bool:
        try:
            with get(f"{self.url}/-/ready") as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
