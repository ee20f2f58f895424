"""Start a program, wait for it, note its wall time and peak memory: launcher.py REPORT PROGRAM ARG...

It is a small process of its own, because Linux counts the memory of what starts a program into the
peak of that program (`setmax_mm_hiwater_rss` in fs/exec.c).
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> int:
    """Run the program; its exit code is ours."""
    report, *command = sys.argv[1:]
    begin = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - begin
    with open(report, "w", encoding="utf-8") as out:  # noqa: PTH123 - pathlib would make this process larger
        json.dump({"seconds": seconds, "peak_kb": usage.ru_maxrss}, out)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
