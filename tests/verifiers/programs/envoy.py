"""Reads a token a line, and says of each whether a real Envoy accepts it: envoy.py PROGRAM URL [SECONDS].

It answers every request itself, once its `jwt_authn` filter has let it through:
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/jwt_authn_filter
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

HTTP = "type.googleapis.com/envoy.extensions.filters"


def main() -> None:
    """Start it, and show it what comes in."""
    program, url, *seconds = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        file, ports = Path(folder) / "envoy.json", Path(folder) / "admin"
        file.write_text(json.dumps(configuration(url, seconds)), encoding="utf-8")
        quiet = ["--disable-hot-restart", "--log-level", "error", "--concurrency", "1"]
        process = subprocess.Popen([program, "-c", str(file), "--admin-address-path", str(ports), *quiet])
        try:
            at = listener(ports)
            for token in sys.stdin:
                print(said(at, token.strip()), flush=True)
        finally:
            process.terminate()
            process.wait()


def configuration(url: str, seconds: list[str]) -> Any:
    """Return a listener that lets tokens of the set through, and answers 200 then."""
    parts = urlsplit(url)
    remote: dict[str, Any] = {"http_uri": {"uri": url, "cluster": "keys", "timeout": "5s"}}
    if seconds:
        remote["cache_duration"] = f"{seconds[0]}s"
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
    anywhere = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
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
        "admin": {"address": anywhere},
        "static_resources": {
            "listeners": [{"name": "in", "address": anywhere, "filter_chains": filters}],
            "clusters": [cluster],
        },
    }


def listener(ports: Path) -> str:
    """Return the address at which it answers, once it does."""
    give_up = time.monotonic() + 60
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
    raise SystemExit("Envoy did not start")


def said(at: str, token: str) -> str:
    """Show a token on a new connection."""
    request = urllib.request.Request(at, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10):
            return "accepted"
    except HTTPError as error:
        return f"refused: {error.code} {error.read().decode(errors='replace')}"


main()
