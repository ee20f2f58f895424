"""Reads a token a line, and says of each whether a real Envoy accepts it: PROGRAM URL [SECONDS]."""

from __future__ import annotations

import sys
import urllib.request
from urllib.error import HTTPError

from tests.gateways.envoy import Setup, envoy


def main() -> None:
    """Start it, and show it what comes in."""
    program, url, *seconds = sys.argv[1:]
    with envoy(program, Setup(jwks=url, keeps=float(seconds[0]) if seconds else None)) as at:
        for token in sys.stdin:
            print(said(at, token.strip()), flush=True)


def said(at: str, token: str) -> str:
    """Show a token on a new connection."""
    request = urllib.request.Request(at, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10):
            return "accepted"
    except HTTPError as error:
        return f"refused: {error.code} {error.read().decode(errors='replace')}"


main()
