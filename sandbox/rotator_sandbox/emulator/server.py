"""The HTTP/1.1 edge: keep-alive connections, one thread each, one send per answer."""

from __future__ import annotations

import secrets
import socket
import socketserver
import ssl
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

from .cluster import Cluster
from .wire import Response, encode

if TYPE_CHECKING:
    from io import BufferedIOBase
    from pathlib import Path
    from types import TracebackType

    from rotator_sandbox.certificates import ServerFiles

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_LINE_LIMIT = 65_536
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def _read_headers(stream: BufferedIOBase) -> dict[str, str]:
    headers = {}
    while (line := stream.readline(_LINE_LIMIT)) not in {b"\r\n", b"\n", b""}:
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


def _read_chunks(stream: BufferedIOBase) -> bytes:
    parts = []
    while size := int(stream.readline(_LINE_LIMIT).partition(b";")[0] or b"0", 16):
        parts.append(stream.read(size))
        stream.readline(_LINE_LIMIT)
    _read_headers(stream)
    return b"".join(parts)


def _head(response: Response, framing: str) -> bytes:
    reason = _REASONS.get(response.status, "")
    lines = [f"HTTP/1.1 {response.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    return "\r\n".join([*lines, framing, "\r\n"]).encode("latin-1")


class _Connection(socketserver.StreamRequestHandler):
    """One client connection, from the first request to the last."""

    server: _Listener
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answer requests until the client goes away."""
        try:
            while self._answer_one():
                pass
        except (ConnectionError, TimeoutError, ssl.SSLError, ValueError):
            return

    def _answer_one(self) -> bool:
        words = self.rfile.readline(_LINE_LIMIT).decode("latin-1").split()
        if len(words) != 3:  # noqa: PLR2004
            return False
        method, target, _ = words
        headers = _read_headers(self.rfile)
        response = self.server.cluster.handle(method, target, headers, self._body(headers))
        closing = headers.get("connection", "").lower() == "close"
        if isinstance(response.body, bytes):
            body = b"" if method == "HEAD" else response.body
            framing = f"Content-Length: {len(response.body)}"
            self.request.sendall(_head(response, framing) + body)
        else:
            self._stream(response)
        return not closing

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("expect", "").lower() == "100-continue":
            self.request.sendall(_CONTINUE)
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return _read_chunks(self.rfile)
        length = int(headers.get("content-length") or 0)
        return self.rfile.read(length) if length else b""

    def _stream(self, response: Response) -> None:
        self.request.sendall(_head(response, "Transfer-Encoding: chunked"))
        for chunk in response.body:
            if isinstance(chunk, bytes):
                self.request.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.request.sendall(b"0\r\n\r\n")


class _Listener(socketserver.ThreadingTCPServer):
    """The listening socket; connections run in daemon threads."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, cluster: Cluster, port: int, tls: ssl.SSLContext | None) -> None:
        """Listen on loopback."""
        self.cluster = cluster
        self._tls = tls
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Connection)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a connection; its TLS handshake happens in its own thread."""
        connection, address = super().get_request()
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Forget a connection that is over."""
        if isinstance(request, socket.socket):
            self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        """End the connections that are idle."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class EmulatorServer:
    """A cluster behind a port on loopback, for as long as the context lasts."""

    def __init__(
        self,
        cluster: Cluster | None = None,
        *,
        admin_token: str = "",
        port: int = 0,
        rbac: bool = False,
        tls: ServerFiles | None = None,
    ) -> None:
        """Serve a cluster, or a new one with a token of its own; with `tls` it is HTTPS."""
        drawn = admin_token or secrets.token_urlsafe(24)
        self.cluster = cluster or Cluster(admin_token=drawn, rbac=rbac)
        self.admin_token = self.cluster.admin_token
        self.ca_file: Path | None = None
        context = None
        if tls is not None:
            self.ca_file = tls.ca
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.certificate, tls.key)
        self._listener = _Listener(self.cluster, port, context)
        self._scheme = "http" if context is None else "https"
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(0.05,), name="emulator", daemon=True
        )

    def __repr__(self) -> str:
        """Show where it listens, and not its token."""
        return f"EmulatorServer(url={self.url!r})"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self._scheme}://127.0.0.1:{self._listener.server_address[1]}"

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End all watches and connections, and let the port go."""
        self.cluster.close()
        self._listener.shutdown()
        self._listener.drop_connections()
        self._listener.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        """Begin to answer."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def kubeconfig(self, path: Path, token: str = "") -> Path:
        """Write a kubeconfig for the official clients. kubectl sends no bearer token over plain HTTP."""
        token = token or self.admin_token
        cluster = {"server": self.url}
        if self.ca_file is not None:
            cluster["certificate-authority"] = str(self.ca_file)
        return write_kubeconfig(path, cluster, token)


def write_kubeconfig(path: Path, cluster: dict[str, str], token: str) -> Path:
    """Write a kubeconfig with one cluster, one user and one context, readable by its owner."""
    name = "sandbox"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    path.touch(mode=0o600)
    path.write_bytes(encode(config))
    return path
