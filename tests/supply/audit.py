"""`python -m tests.supply.audit`: look every locked dependency up in public advisories.

Exit codes: 0 all were looked up and none has a known vulnerability; 1 one has; 3 some could not be looked up, because
no advisory source was reached: nothing is known then, and that is said. (pip-audit itself calls that "no known
vulnerabilities" and ends with 0.)
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOCK = "requirements-otel.txt"
"""The larger of the two locks that are shipped; requirements.txt is a part of it."""
CLEAN, VULNERABLE, UNKNOWN = 0, 1, 3


@dataclass
class Findings:
    """What all sources together say."""

    packages: set[str] = field(default_factory=set)
    looked_up: set[str] = field(default_factory=set)
    advisories: dict[str, set[str]] = field(default_factory=dict)
    """Package and version: the ids of its advisories."""

    def add(self, report: Mapping[str, Any]) -> None:
        """Take in a report of pip-audit."""
        for each in report["dependencies"]:
            self.packages.add(each["name"])
            if "skip_reason" in each:
                continue
            self.looked_up.add(each["name"])
            for found in each["vulns"]:
                key = f"{each['name']} {each['version']}"
                self.advisories.setdefault(key, set()).add(found["id"])

    @property
    def exit_code(self) -> int:
        """Say it in a number. A vulnerability that is known counts, whatever else is unknown."""
        if self.advisories:
            return VULNERABLE
        return CLEAN if self.packages and self.looked_up == self.packages else UNKNOWN

    def lines(self) -> Iterable[str]:
        """Say it in sentences."""
        for package, ids in sorted(self.advisories.items()):
            yield f"VULNERABLE: {package}: {', '.join(sorted(ids))}"
        if self.exit_code == CLEAN:
            yield f"{len(self.looked_up)} packages looked up, no known vulnerability"
        elif unknown := self.packages - self.looked_up or {"all of them"}:
            yield (
                f"NO ADVISORY SOURCE REACHED for {len(unknown)} of {len(self.packages)} packages: nothing is known "
                f"about {', '.join(sorted(unknown))}"
            )


def ask(source: Sequence[str], lock: Path) -> Mapping[str, Any] | None:
    """Return a source's report, or None where it was not reached."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip_audit",
            "--requirement",
            lock,
            "--require-hashes",
            "--disable-pip",
            "--progress-spinner",
            "off",
            "--format",
            "json",
            *source,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        report: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        return None
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask each source, and say what is known."""
    options = argparse.ArgumentParser(
        prog="audit", description=__doc__.partition("\n")[0] if __doc__ else None
    )
    options.add_argument("--lock", type=Path, default=ROOT / LOCK)
    options.add_argument("--osv-url", help="an OSV mirror to ask alone")
    chosen = options.parse_args(arguments)
    sources = (
        [["-s", "osv", "--osv-url", chosen.osv_url]] if chosen.osv_url else [["-s", "pypi"], ["-s", "osv"]]
    )
    findings = Findings()
    for source in sources:
        if report := ask(source, chosen.lock):
            findings.add(report)
        if findings.looked_up and findings.looked_up == findings.packages:
            break
    for line in findings.lines():
        sys.stderr.write(line + "\n")
    return findings.exit_code


if __name__ == "__main__":
    sys.exit(main())
