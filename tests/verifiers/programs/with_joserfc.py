"""Reads a token a line, and says of each whether joserfc accepts it: with_joserfc.py URL [SECONDS].

joserfc fetches nothing: its key set is a value. So it is fetched here, and kept for five minutes, as most do.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

KEPT = 300.0


def main() -> None:
    """Verify what comes in."""
    url, *seconds = sys.argv[1:]
    kept = float(seconds[0]) if seconds else KEPT
    keys, fetched = KeySet([]), -kept
    for token in sys.stdin:
        if time.monotonic() - fetched >= kept:
            with urllib.request.urlopen(url, timeout=10) as answer:
                keys, fetched = KeySet.import_key_set(json.load(answer)), time.monotonic()
        try:
            jwt.decode(token.strip(), keys, algorithms=["ES256"])
        except (JoseError, ValueError) as error:
            print(f"refused: {type(error).__name__}", flush=True)
        else:
            print("accepted", flush=True)


main()
