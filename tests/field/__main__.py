"""`python -m tests.field`: live through all cases; the last line is JSON `{cases, right, wrong}`; exit 1 where one is wrong."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.field import answers, formats, looks, nodes, others, shapes, shared, stores, taken_over
from tests.field.cases import CASES, Case
from tests.field.place import Wrong
from tests.field.servers import Server, servers

FAMILIES = (taken_over, shared, stores, others, looks, nodes, answers, shapes, formats)
"""The modules that hold the cases."""
AT_ONCE = 6
"""Cases at a time: they wait more than they work."""


@dataclass(frozen=True)
class Verdict:
    """What became of a case on a server."""

    case: Case
    server: str
    wrong: str

    def __str__(self) -> str:
        verdict = "WRONG" if self.wrong else "right"
        row = f"{verdict}  {self.server:14}  {self.case.name:26}  {self.case.right}"
        return f"{row}\n       {self.wrong}" if self.wrong else row


def judged(case: Case, server: Server, folder: Path) -> Verdict:
    """Live through one case on one server."""
    try:
        case.act(server.place(case.name, folder / server.name / case.name))
    except Wrong as wrong:
        return Verdict(case, server.name, str(wrong))
    except Exception:  # noqa: BLE001 - a case that fails is wrong, and the others go on
        return Verdict(case, server.name, traceback.format_exc(limit=-4))
    return Verdict(case, server.name, "")


def main(arguments: Sequence[str]) -> int:
    """Live through all cases, or those whose names begin as `--only` says."""
    parser = argparse.ArgumentParser(prog="make field", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[""], help="beginnings of names of cases")
    os.environ.pop("KUBECONFIG", None)  # the cases' own is where the official client looks without it
    chosen = parser.parse_args(arguments).only
    cases = [c for c in CASES if c.name.startswith(tuple(chosen))]
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="field-") as temporary:
        folder = Path(temporary)
        with servers(folder) as found, ThreadPoolExecutor(AT_ONCE) as pool:
            if len(found) == 1:
                print("NO KUBE-APISERVER: the cases run on the emulator alone")  # noqa: T201
            pairs = [(case, server) for case in cases for server in found]
            for verdict in pool.map(lambda pair: judged(pair[0], pair[1], folder), pairs):
                wrong += bool(verdict.wrong)
                print(verdict, flush=True)  # noqa: T201
    print(json.dumps({"cases": len(pairs), "right": len(pairs) - wrong, "wrong": wrong}))  # noqa: T201
    return 1 if wrong or not pairs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
