"""Asks a server for a JWK Set again and again on one connection, as a proxy in front of it does."""

from __future__ import annotations

import http.client
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PATH = "/.well-known/jwks.json"
LONGEST = 120.0
"""Seconds after which a server that does not answer never will."""


@contextmanager
def running(command: Sequence[str], env: Mapping[str, str], port: int) -> Iterator[bytes]:
    """Run a server until the end of the block; give the set that it answers with."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=dict(env), stdout=quiet, stderr=quiet)
    try:
        yield _first(port)
    finally:
        process.terminate()
        process.wait()


def seconds(port: int, requests: int) -> float:
    """Return how long so many requests take, one after the other. Raises RuntimeError for any answer but 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    begun = time.perf_counter()
    for _ in range(requests):
        if _ask(connection)[0] != http.client.OK:
            raise RuntimeError("a request was not answered with the set")
    lasted = time.perf_counter() - begun
    connection.close()
    return lasted


def _ask(connection: http.client.HTTPConnection) -> tuple[int, bytes]:
    connection.request("GET", PATH)
    answer = connection.getresponse()
    return answer.status, answer.read()


def _first(port: int) -> bytes:
    give_up = time.monotonic() + LONGEST
    while time.monotonic() < give_up:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            status, body = _ask(connection)
        except OSError:
            status, body = 0, b""
        finally:
            connection.close()
        if status == http.client.OK:
            return body
        time.sleep(0.2)
    raise RuntimeError(f"nothing answers on port {port}")
