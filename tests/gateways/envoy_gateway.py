"""A real Envoy Gateway without Kubernetes: it reads its resources from files, and runs a real Envoy on this machine.

https://gateway.envoyproxy.io/docs/tasks/operations/standalone-deployment-mode/. `build` makes it from its Go module, which takes many minutes.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.gateways.envoy import Setup
from tests.verifiers.install import PLACE, need, run

VERSION = "1.9.0"
PROGRAM = PLACE / "envoy-gateway" / VERSION / "envoy-gateway"
MADE_FOR = "1.39.0"
"""The version of Envoy that it wants to download; another one in its place will do."""
STARTS = 120.0
"""Seconds that it may take to answer."""
GROUP = "gateway.envoyproxy.io"


def build() -> None:
    """Build it from its module. Raises Missing."""
    if PROGRAM.is_file():
        return
    need("go")
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    module = f"github.com/envoyproxy/gateway/cmd/envoy-gateway@v{VERSION}"
    run(["env", f"GOBIN={PROGRAM.parent}", "go", "install", module], PROGRAM.parent)


class _Api(BaseHTTPRequestHandler):
    """The service behind it, which answers everything."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def envoy_gateway(envoy: str, setup: Setup, folder: Path) -> Iterator[str]:
    """Run it with an Envoy; give the address at which that answers."""
    homes = {name: folder / name for name in ("config", "data", "state", "run", "resources")}
    for home in homes.values():
        home.mkdir(parents=True)
    place = homes["data"] / "envoy-versions" / MADE_FOR / "bin"
    place.mkdir(parents=True)
    (place / "envoy").symlink_to(envoy)
    api = ThreadingHTTPServer(("127.0.0.1", 0), _Api)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    resources = [json.dumps(each) for each in _resources(setup, api.server_port)]
    (homes["resources"] / "all.yaml").write_text("\n---\n".join(resources), encoding="utf-8")
    (folder / "config.yaml").write_text(json.dumps(_configuration(homes)), encoding="utf-8")
    certificates = [str(PROGRAM), "certgen", "--local", "--config-home", str(homes["config"])]
    subprocess.run(certificates, check=True, capture_output=True)
    with (folder / "envoy-gateway.log").open("wb") as log:
        command = [str(PROGRAM), "server", "--config-path", str(folder / "config.yaml")]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True)
        at = f"http://127.0.0.1:{setup.port}/"
        try:
            _answers(at)
            yield at
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            api.shutdown()


def _configuration(homes: dict[str, Path]) -> dict[str, Any]:
    host = {
        "configHome": str(homes["config"]),
        "dataHome": str(homes["data"]),
        "stateHome": str(homes["state"]),
        "runtimeDir": str(homes["run"]),
    }
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": f"{GROUP}/gatewayclass-controller"},
        "provider": {
            "type": "Custom",
            "custom": {
                "resource": {"type": "File", "file": {"paths": [str(homes["resources"])]}},
                "infrastructure": {"type": "Host", "host": host},
            },
        },
        "extensionApis": {"enableBackend": True},
        "logging": {"level": {"default": "error"}},
    }


def _resources(setup: Setup, api: int) -> Iterator[dict[str, Any]]:
    jwks = urlsplit(setup.jwks)
    route = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "api"}
    yield _resource(
        "gateway.networking.k8s.io/v1",
        "GatewayClass",
        "eg",
        {"controllerName": f"{GROUP}/gatewayclass-controller"},
    )
    listener = {
        "name": "http",
        "protocol": "HTTP",
        "port": setup.port,
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }
    yield _resource(
        "gateway.networking.k8s.io/v1",
        "Gateway",
        "eg",
        {"gatewayClassName": "eg", "listeners": [listener]},
    )
    for name, port in (("api", api), ("jwks", jwks.port)):
        endpoints = [{"ip": {"address": "127.0.0.1", "port": port}}]
        yield _resource(f"{GROUP}/v1alpha1", "Backend", name, {"endpoints": endpoints})
    backend = {"group": GROUP, "kind": "Backend"}
    yield _resource(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        "api",
        {"parentRefs": [{"name": "eg"}], "rules": [{"backendRefs": [{**backend, "name": "api"}]}]},
    )
    remote = {"uri": setup.jwks, "backendRefs": [{**backend, "name": "jwks"}]}
    if setup.keeps:
        remote["cacheDuration"] = f"{setup.keeps:g}s"
    provider = {"name": "keys", "audiences": ["api"], "remoteJWKS": remote}
    yield _resource(
        f"{GROUP}/v1alpha1",
        "SecurityPolicy",
        "api",
        {"targetRefs": [route], "jwt": {"providers": [provider]}},
    )


def _resource(api: str, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    namespace = {} if kind == "GatewayClass" else {"namespace": "default"}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **namespace}, "spec": spec}


def _answers(at: str) -> None:
    give_up = time.monotonic() + STARTS
    while time.monotonic() < give_up:
        connection = http.client.HTTPConnection(urlsplit(at).netloc, timeout=5)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status in {401, 403}:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.3)
    raise RuntimeError("Envoy Gateway did not start")
