"""`rotator`, with every HTTP request counted below all client libraries: counting.py REPORT VERB ARG...

Headers are read where `http.client` sends them, so that it counts whichever library is in use above it.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
from contextlib import contextmanager
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks.traffic import Request

if TYPE_CHECKING:
    from collections.abc import Iterator


class Counter:
    """All requests of this process, in the order in which they were begun."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._begun: dict[int, int] = {}
        self._lock = threading.Lock()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Stand between the client libraries and the connection."""
        connection = http.client.HTTPConnection
        begin, header = connection.putrequest, connection.putheader

        def putrequest(
            at: http.client.HTTPConnection, method: str, url: str, *args: Any, **options: Any
        ) -> None:
            self._begin(id(at), Request(method, url, 0))
            begin(at, method, url, *args, **options)

        def putheader(at: http.client.HTTPConnection, name: str | bytes, *values: Any) -> None:
            if str(name).lower() == "content-length":
                self._note(id(at), size=int(values[0]))
            if b"apply-patch" in _octets(values[0]):
                self._note(
                    id(at), method="CREATE"
                )  # by its name; the bare client's POST makes the same write
            header(at, name, *values)

        with patch.multiple(connection, putrequest=putrequest, putheader=putheader):
            yield

    def _begin(self, connection: int, request: Request) -> None:
        with self._lock:
            self._begun[connection] = len(self.requests)
            self.requests.append(request)

    def _note(self, connection: int, **what: Any) -> None:
        with self._lock:
            index = self._begun[connection]
            self.requests[index] = replace(self.requests[index], **what)


def _octets(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def main() -> None:
    """Run the command line, and write down what it sent."""
    from rotator.cli import verbs as cli  # noqa: PLC0415 - after the connection is patched

    report = Path(sys.argv.pop(1))
    counter = Counter()
    try:
        with counter.installed():
            cli.main()
    finally:
        report.write_text(json.dumps([astuple(r) for r in counter.requests]))


if __name__ == "__main__":
    main()
