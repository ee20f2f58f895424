"""A service that signs: it reads its key at its start and at every SIGHUP, and leaves a token made with it in a file.

Arguments: the key file, the file for the token, the file for its own process id.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import jwt


def main() -> None:
    """Serve until ended."""
    key, token, pid = (Path(argument) for argument in sys.argv[1:])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    pid.write_text(str(os.getpid()))
    while True:
        jwk = json.loads(key.read_text())["current"]
        signed = jwt.encode({"sub": "somebody"}, jwt.PyJWK(jwk), headers={"kid": jwk["kid"]})
        new = token.with_suffix(".new")
        new.write_text(signed)
        new.replace(token)
        signal.sigwait({signal.SIGHUP})


main()
