"""`python -m tests.supply.releases`: ask the index, through pip, whether what looks old has been released since.

Without names it goes through docs/reference/dependencies.toml: what that says was released lately is not asked for again.
Exit codes: 0 all have had a release in the last 18 months, or a reason stands in [old]; 1 one has not; 3 the index was not
reached for some: nothing is known of those. With names it prints the month of their last release, for [released].
"""

from __future__ import annotations

import json
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

from docs.reference.dependencies import Table, table

OLD = 24
"""Months before `checked` at which a last release is old: `make test` asks for a reason."""
EARLY = 18
"""Months before today at which `make audit` asks for one."""
GOOD, STALE, UNKNOWN = 0, 1, 3
_FIRST_YEAR = 2010


def months_between(earlier: str, later: str) -> int:
    """Return the months from one to another, both as 2026-11."""
    return _number(later) - _number(earlier)


def newest(name: str, before: date | None = None) -> str | None:
    """Return the newest version on the index, of those before a day; empty: there was none. None: it was not reached."""
    limit = [f"--uploaded-prior-to={before.isoformat()}"] if before else []
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "index",
            "versions",
            "--json",
            *limit,
            name,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return str(json.loads(done.stdout)["latest"])
    return "" if before and "No matching distribution" in done.stderr else None


def month_of(name: str, today: date) -> str:
    """Return the month of the last release. Raises LookupError where the index was not reached."""
    last = newest(name)
    if last is None:
        raise LookupError(name)
    months = range(_number(f"{_FIRST_YEAR}-01"), _number(f"{today:%Y-%m}") + 1)
    found = bisect_left(months, True, key=lambda number: newest(name, _first_day(number + 1)) == last)
    return f"{_first_day(months[found]):%Y-%m}"


def check(said: Table, today: date) -> Iterator[tuple[int, str]]:
    """Yield an exit code and a sentence for each that looks old."""
    now = f"{today:%Y-%m}"
    for name, month in said.released.items():
        if name in said.old or months_between(month, now) <= EARLY:
            continue
        last = newest(name)
        if last is None:
            yield UNKNOWN, f"THE INDEX WAS NOT REACHED for {name}: nothing is known of it since {month}"
        elif newest(name, _first_day(_number(now) - EARLY)) == last:
            yield (
                STALE,
                f"STALE: {name} {last} is its newest version, of {month}: replace it, or say in [old] why it stays",
            )
        else:
            yield GOOD, f"{name} {last} was released after {month}: write its month into [released]"


def main(arguments: Sequence[str]) -> int:
    """Check all, or print the months of some."""
    today = datetime.now(UTC).date()
    if arguments:
        for name in arguments:
            sys.stdout.write(f'{name} = "{month_of(name, today)}"\n')
        return GOOD
    found = list(check(table(), today))
    for _, sentence in found:
        sys.stderr.write(sentence + "\n")
    codes = {code for code, _ in found}
    return next((code for code in (STALE, UNKNOWN) if code in codes), GOOD)


def _number(month: str) -> int:
    year, number = month.split("-")
    return int(year) * 12 + int(number) - 1


def _first_day(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
