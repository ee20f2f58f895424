"""Reads a token a line, and says of each whether PyJWT accepts it: pyjwt.py URL [SECONDS]."""

from __future__ import annotations

import sys

import jwt


def main() -> None:
    """Verify what comes in, with the client's own cache."""
    url, *seconds = sys.argv[1:]
    keys = jwt.PyJWKClient(url, lifespan=float(seconds[0])) if seconds else jwt.PyJWKClient(url)
    for token in sys.stdin:
        try:
            key = keys.get_signing_key_from_jwt(token.strip())
            jwt.decode(token.strip(), key, algorithms=["ES256"], audience="api")
        except jwt.PyJWTError as error:
            print(f"refused: {type(error).__name__}", flush=True)
        else:
            print("accepted", flush=True)


main()
