"""A bare static server of the kind that `rotator serve` stands on: `python -m benchmarks.static PORT FILE`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import uvicorn


def main() -> None:
    """Answer everything with one file, by as few lines as that takes."""
    port, file = sys.argv[1:]
    body = Path(file).read_bytes()
    headers = [(b"content-type", b"application/jwk-set+json"), (b"content-length", b"%d" % len(body))]

    async def answer(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    uvicorn.run(answer, host="127.0.0.1", port=int(port), http="h11", lifespan="off", log_level="critical")


if __name__ == "__main__":
    main()
