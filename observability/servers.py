"""A real Pushgateway and a real Prometheus on loopback, for as long as a stack of contexts lasts."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from rotator_sandbox.processes import ServerProcess, free_port

PUSHGATEWAY, PROMETHEUS = "prometheus-pushgateway", "prometheus"
"""The programs, as Debian names them."""
SCRAPE = 0.5
"""How often is scraped and rules are evaluated, in seconds."""


class ProgramNotFoundError(LookupError):
    """A program is not on the PATH; the message says which."""


def program(name: str) -> str:
    """Return where a program is. Raises ProgramNotFoundError."""
    found = shutil.which(name)
    if found is None:
        raise ProgramNotFoundError(f"no {name} on the PATH (Debian: apt install {name})")
    return found


def pushgateway(folder: Path, stack: ExitStack) -> int:
    """Start a Pushgateway that keeps what is pushed in memory; return its port."""
    port = free_port()
    listen = f"--web.listen-address=127.0.0.1:{port}"
    process = ServerProcess([program(PUSHGATEWAY), listen], folder / "pushgateway.log")
    stack.callback(process.stop)
    process.wait_until(lambda: listens(port))
    return port


def prometheus(folder: Path, gateway: int, rules: Mapping[str, Any], stack: ExitStack) -> str:
    """Start a Prometheus that scrapes the Pushgateway on the port `gateway` as the chart's monitor does; return its URL."""
    port, every = free_port(), f"{SCRAPE * 1000:.0f}ms"
    target = {"targets": [f"127.0.0.1:{gateway}"]}
    config = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": ["rules.json"],
        "scrape_configs": [{"job_name": "pushgateway", "honor_labels": True, "static_configs": [target]}],
    }
    (folder / "rules.json").write_text(json.dumps(rules), encoding="utf-8")
    (folder / "prometheus.json").write_text(json.dumps(config), encoding="utf-8")
    arguments = [
        program(PROMETHEUS),
        f"--config.file={folder / 'prometheus.json'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    process = ServerProcess(arguments, folder / "prometheus.log")
    stack.callback(process.stop)
    process.wait_until(lambda: _ready(f"http://127.0.0.1:{port}/-/ready"))
    return f"http://127.0.0.1:{port}"


def listens(port: int) -> bool:
    """Whether somebody listens on `port` of loopback."""
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def _ready(address: str) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(address, timeout=2) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (URLError, OSError):
        return False
