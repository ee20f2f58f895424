"""Servers that answer oddly."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.field.cases import case
from tests.field.place import SOON, Place, named, same
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


@case("11-standby-in-plain-text")
def _(place: Place) -> None:
    """A standby that sends us to plain text is refused; nothing leaves, and both addresses are named."""
    seen: list[str] = []

    class Plain(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_error(404)

        do_POST = do_PUT = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

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
