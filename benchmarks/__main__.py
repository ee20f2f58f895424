"""`python -m benchmarks`: progress on stderr, and as the last line of stdout one JSON object of ratios.

step_vs_shell    the time of a `rotator run` that makes one step of one rotation, as a share of rotate.sh's
due200_vs_shell  how many times faster one `rotator run` makes 200 first steps than rotate.sh in a loop
due200_vs_raw    the writes a second of that run, as a share of a bare client's that makes only these writes
idle_seconds     `rotator run` over 200 rotations of which none is due, and
idle_peak_mb     its peak memory
jwks_vs_static   requests for a JWK Set a second to `rotator serve`, as a share of those to a bare static server

All is measured in one run on one machine, each side in turn; a ratio is the median of those of all rounds. The
seconds in `details` are those of that machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.scenarios import BOUNDED, Bench, Effort
from benchmarks.systems import started


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure speed, as ratios.")
    parser.add_argument(
        "--bounded", action="store_true", help="fewer rotations and repetitions, for a quick check"
    )
    parser.add_argument(
        "--emulator", action="store_true", help="use the emulator even where a kube-apiserver is found"
    )
    options = parser.parse_args()
    begin = time.monotonic()

    def tell(text: str) -> None:
        print(f"[{time.monotonic() - begin:4.0f} s] {text}", file=sys.stderr, flush=True)

    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        started(Path(folder), emulator=options.emulator) as systems,
    ):
        tell(f"on {' and '.join(systems.names.values())}")
        bench = Bench(systems, BOUNDED if options.bounded else Effort(), tell)
        figures = Figures(
            servers=systems.names,
            step=bench.step(),
            due=bench.due(),
            idle=bench.idle(),
            served=bench.served(),
        )
    print(json.dumps(figures.to_json()))


if __name__ == "__main__":
    main()
