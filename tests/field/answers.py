"""Servers that answer oddly."""

from __future__ import annotations

import base64
import gzip
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs, unquote_plus

from tests.field.cases import case
from tests.field.place import SOON, Place, named, same, secret
from tests.transport.servers import OverTls, answer


@contextmanager
def _listening(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on loopback; give the address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Silent(http.server.BaseHTTPRequestHandler):
    """A server that logs nothing, and finds nothing."""

    def do_GET(self) -> None:
        """Find nothing."""
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@case("28-own-secret-with-a-line-end")
def _(place: Place) -> None:
    """The secret that rotator logs in with at a provider is sent without the line end that `echo` gave it."""
    seen: list[str] = []

    class Provider(Silent):
        def do_GET(self) -> None:
            """Describe the realm."""
            self._say(
                200, {"issuer": realm, "token_endpoint": f"{realm}/token", "jwks_uri": f"{realm}/certs"}
            )

        def do_POST(self) -> None:
            """Refuse a login, and note what came."""
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            basic = base64.b64decode(self.headers.get("Authorization", "Basic ")[6:]).decode()
            seen.extend(parse_qs(body).get("client_secret") or [unquote_plus(basic.partition(":")[2])])
            self._say(401, {"error": "invalid_client"})

        def _say(self, status: int, document: object) -> None:
            octets = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

    own = "the-secret-of-rotator-itself"
    place.have(secret("sso", data={"secret": f"{own}\n"}), secret("shop", data={"SECRET": "a-secret-in-use"}))
    with _listening(Provider) as address:
        realm = f"http://{address}/realms/acme"
        way_in = {"client": {"clientId": "rotator", "secret": {"secret": {"name": "sso", "key": "secret"}}}}
        place.declare(
            credential={"oauthClient": {"clientId": "shop", "issuer": realm}},
            takeOver={"secret": {"name": "shop", "key": "SECRET"}},
            verifiers=[{"keycloak": {"url": f"http://{address}", "realm": "acme", "auth": way_in}}],
            holders=[{"secret": {"name": "shop", "data": {"SECRET": "client_secret"}}, "pickUp": "1s"}],
        )
        ran = place.run()
    same("exit and result", (ran.code, ran.row["result"]), (1, "Frozen"))
    same("what was sent", set(seen), {own})


@case("11-standby-in-plain-text")
def _(place: Place) -> None:
    """A standby that sends us to plain text is refused; nothing leaves, and both addresses are named."""
    seen: list[str] = []

    class Plain(Silent):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_error(404)

        do_POST = do_PUT = do_GET  # noqa: N815

    place.declare(
        credential={"jwtSigningKey": {"algorithm": "ES256"}},
        store={"vault": {"mount": "rotator", "path": f"{place.namespace}/key"}},
        verifiers=[{"jwks": {"configMap": "public", **SOON}}],
        holders=[{"secret": {"name": "signer"}, "pickUp": "1s"}],
    )
    folder = place.folder / "standby"
    folder.mkdir()
    with _listening(Plain) as plain, OverTls(folder, answer(200)) as standby:
        standby.act = answer(307, b"", Location=f"http://{plain}/v1/any")
        ran = place.run(VAULT_ADDR=standby.url, VAULT_CACERT=str(standby.files.ca))
        named("the reason", ran.row["reason"], plain, standby.place)
    same("exit and result", (ran.code, ran.row["result"]), (1, "Frozen"))
    same("what plain text has seen", seen, [])
    same("what exists", place.names("ConfigMap") - {"kube-root-ca.crt"}, set())


def _signer(place: Place, url: str) -> None:
    place.declare(
        credential={"jwtSigningKey": {"algorithm": "ES256"}},
        verifiers=[{"jwks": {"configMap": "public", **SOON}}],
        holders=[{"secret": {"name": "signer"}, "pickUp": "1s"}],
        gates={"beforeActivate": [{"jwksProbe": {"url": url, "times": 1}}]},
    )


def _issuer(place: Place, **headers: str) -> type[http.server.BaseHTTPRequestHandler]:
    """Return a server that shows the published keys with some headers."""
    packed = headers.get("Content-Encoding") == "gzip"

    class Issuer(Silent):
        def do_GET(self) -> None:
            """Show what is published."""
            octets = place.data("ConfigMap", "public").get("jwks.json", b'{"keys": []}')
            octets = gzip.compress(octets) if packed else octets
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

    return Issuer


_TOMORROW = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
OPEN: dict[str, dict[str, str]] = {
    "jwk-set": {"Content-Type": "application/jwk-set+json"},
    "gzip": {"Content-Encoding": "gzip"},
    "no-store": {"Cache-Control": "no-store", "Expires": _TOMORROW},
}
KEPT: dict[str, tuple[dict[str, str], str]] = {
    "expires": ({"Expires": _TOMORROW}, "cache lifetime"),
    "max-age": ({"Cache-Control": "public, max-age=600"}, "cache lifetime of 10m"),
    "age": ({"Age": "3600"}, "(Age)"),
}


def _opens(headers: dict[str, str]) -> Callable[[Place], None]:
    def act(place: Place) -> None:
        """A probe opens where the keys are shown as verifiers read them, however they are sent."""
        with _listening(_issuer(place, **headers)) as address:
            _signer(place, f"http://{address}/keys")
            runs = place.live()
        same("the end", (runs[-1].code, runs[-1].row["phase"]), (0, "Stable"))

    return act


def _freezes(headers: dict[str, str], says: str) -> Callable[[Place], None]:
    def act(place: Place) -> None:
        """A probe freezes where caches may keep the old keys for longer than the lead; nobody signs with the new one."""
        with _listening(_issuer(place, **headers)) as address:
            _signer(place, f"http://{address}/keys")
            frozen = place.until_frozen()
        named("the reason", frozen.row["reason"], says, "maxAge")
        same("holders", place.names("Secret") & {"signer"}, set())

    return act


for _name, _headers in OPEN.items():
    case(f"16-probe-{_name}")(_opens(_headers))
for _name, (_headers, _says) in KEPT.items():
    case(f"26-probe-{_name}")(_freezes(_headers, _says))


@case("12-proxy")
def _(place: Place) -> None:
    """A Vault behind a proxy is asked by it, and one in a network of NO_PROXY is not; a proxy that refuses is named."""
    asked: list[str] = []

    class Proxy(Silent):
        def do_CONNECT(self) -> None:
            """Refuse, and note what was asked for."""
            asked.append(self.path)
            self.send_error(403)

    place.declare(
        credential={"jwtSigningKey": {"algorithm": "ES256"}},
        store={"vault": {"mount": "rotator", "path": f"{place.namespace}/key"}},
        verifiers=[{"jwks": {"configMap": "public", **SOON}}],
        holders=[{"secret": {"name": "signer"}, "pickUp": "1s"}],
    )
    there = "https://vault.example:8200"
    with _listening(Proxy) as proxy:
        ran = place.run(HTTPS_PROXY=f"http://{proxy}", VAULT_ADDR=there)
        named("the reason", ran.row["reason"], proxy)
        same("what the proxy was asked for", set(asked), {"vault.example:8200"})
        asked.clear()
        place.run(HTTPS_PROXY=f"http://{proxy}", VAULT_ADDR="https://127.0.0.1:9", NO_PROXY="127.0.0.0/8")
    same("what the proxy was asked for", asked, [])
    same("exit and result", (ran.code, ran.row["result"]), (1, "Frozen"))
