"""`rotator`, with every HTTP request counted below all client libraries: counting.py REPORT VERB ARG...

Headers are read where `http.client` sends them, so that it counts whichever library is in use above it.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
from pathlib import Path
from typing import Any

from rotator.cli import main


class Counter:
    """Method, path and body size of all requests of this process, in the order in which they were begun."""

    def __init__(self) -> None:
        self.requests: list[list[Any]] = []
        self._lock = threading.Lock()

    def install(self) -> None:
        """Stand between the client libraries and the connection."""
        connection = http.client.HTTPConnection
        begin, header = connection.putrequest, connection.putheader
        begun: dict[int, list[Any]] = {}

        def putrequest(self_: http.client.HTTPConnection, method: str, url: str, *args: Any, **options: Any) -> None:
            request = [method, url, 0]
            with self._lock:
                self.requests.append(request)
                begun[id(self_)] = request
            begin(self_, method, url, *args, **options)

        def putheader(self_: http.client.HTTPConnection, name: str | bytes, *values: Any) -> None:
            if str(name).lower() == "content-length":
                begun[id(self_)][2] = int(values[0])
            header(self_, name, *values)

        setattr(connection, "putrequest", putrequest)  # noqa: B010 - the type checker refuses the assignment
        setattr(connection, "putheader", putheader)  # noqa: B010 - as above


if __name__ == "__main__":
    report = Path(sys.argv.pop(1))
    counter = Counter()
    counter.install()
    try:
        main()
    finally:
        report.write_text(json.dumps(counter.requests))
