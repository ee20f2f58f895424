"""A real Envoy that checks tokens with its `jwt_authn` filter, and answers every request itself once it has let it through.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/jwt_authn_filter
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

HTTP = "type.googleapis.com/envoy.extensions.filters"
STARTS = 60.0
"""Seconds that it may take to start."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How one Envoy is set up."""

    jwks: str
    """Where it fetches the set."""
    keeps: float | None = None
    """Seconds for which it keeps the set, where that is not to be its default."""
    port: int = 0
    """Where it listens; 0: at any port."""
    threads: int = 1
    """Each has a cache of its own, unless it fetches ahead."""
    ahead: bool = False
    """Whether it fetches before requests need it (`async_fetch`)."""


@contextmanager
def envoy(program: str, setup: Setup) -> Iterator[str]:
    """Run Envoy; give the address at which it answers."""
    with tempfile.TemporaryDirectory() as folder:
        file, ports = Path(folder) / "envoy.json", Path(folder) / "admin"
        file.write_text(json.dumps(_configuration(setup)), encoding="utf-8")
        quiet = ["--disable-hot-restart", "--log-level", "error", "--concurrency", str(setup.threads)]
        process = subprocess.Popen([program, "-c", str(file), "--admin-address-path", str(ports), *quiet])
        try:
            yield _listener(ports)
        finally:
            process.terminate()
            process.wait()


def _configuration(setup: Setup) -> Any:
    parts = urlsplit(setup.jwks)
    remote: dict[str, Any] = {"http_uri": {"uri": setup.jwks, "cluster": "keys", "timeout": "5s"}}
    if setup.keeps:
        remote["cache_duration"] = f"{setup.keeps:g}s"
    if setup.ahead:
        remote["async_fetch"] = {}
    provider = {"remote_jwks": remote, "audiences": ["api"]}
    rule = {"match": {"prefix": "/"}, "requires": {"provider_name": "keys"}}
    verify = {
        "name": "jwt",
        "typed_config": {
            "@type": f"{HTTP}.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"keys": provider},
            "rules": [rule],
        },
    }
    router = {"name": "router", "typed_config": {"@type": f"{HTTP}.http.router.v3.Router"}}
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    manager = {
        "@type": f"{HTTP}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "http_filters": [verify, router],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }
    listens = {"socket_address": {"address": "127.0.0.1", "port_value": setup.port}}
    admin = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    there = {"socket_address": {"address": parts.hostname, "port_value": parts.port}}
    cluster = {
        "name": "keys",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": "keys",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": there}}]}],
        },
    }
    filters = [{"filters": [{"name": "http", "typed_config": manager}]}]
    return {
        "admin": {"address": admin},
        "static_resources": {
            "listeners": [{"name": "in", "address": listens, "filter_chains": filters}],
            "clusters": [cluster],
        },
    }


def _listener(ports: Path) -> str:
    """Return the address at which it answers, once it does."""
    give_up = time.monotonic() + STARTS
    while time.monotonic() < give_up:
        try:
            admin = ports.read_text(encoding="utf-8")
            with urllib.request.urlopen(f"http://{admin}/listeners?format=json", timeout=5) as answer:
                (status,) = json.load(answer)["listener_statuses"]
            port = status["local_address"]["socket_address"]["port_value"]
        except (OSError, URLError, ValueError, KeyError):
            time.sleep(0.1)
        else:
            return f"http://127.0.0.1:{port}/"
    raise RuntimeError("Envoy did not start")
