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
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

HTTP = "type.googleapis.com/envoy.extensions.filters"
STARTS = 60.0
"""Seconds that it may take to start."""


@contextmanager
def envoy(
    program: str,
    jwks: str,
    *,
    seconds: float | None = None,
    port: int = 0,
    threads: int = 1,
    ahead: bool = False,
) -> Iterator[str]:
    """Run Envoy on a JWK Set; give the address at which it answers.

    `seconds`: how long it keeps the set, where that is not to be its default. `threads`: each has a cache of its own, unless Envoy
    fetches `ahead` of requests (`async_fetch`).
    """
    with tempfile.TemporaryDirectory() as folder:
        file, ports = Path(folder) / "envoy.json", Path(folder) / "admin"
        file.write_text(json.dumps(_configuration(jwks, seconds, port, ahead=ahead)), encoding="utf-8")
        quiet = ["--disable-hot-restart", "--log-level", "error", "--concurrency", str(threads)]
        process = subprocess.Popen([program, "-c", str(file), "--admin-address-path", str(ports), *quiet])
        try:
            yield _listener(ports)
        finally:
            process.terminate()
            process.wait()


def _configuration(jwks: str, seconds: float | None, port: int, *, ahead: bool) -> Any:
    parts = urlsplit(jwks)
    remote: dict[str, Any] = {"http_uri": {"uri": jwks, "cluster": "keys", "timeout": "5s"}}
    if seconds:
        remote["cache_duration"] = f"{seconds:g}s"
    if ahead:
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
    listens = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
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
