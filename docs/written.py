"""Generated files: written anew, or with `--check` only compared."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent


def write_or_check(texts: Mapping[Path, str], *, check: bool) -> bool:
    """Write what differs and return True; with `check` write nothing, name what differs, return whether all is right."""
    stale = [
        path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        if check:
            sys.stderr.write(f"docs/{path.relative_to(HERE)} is not as the code says: run `make generate`\n")
        else:
            path.write_text(texts[path], encoding="utf-8")
    return not (check and stale)


def finish(texts: Mapping[Path, str]) -> None:
    """Write or check as the command line asks, and exit: 1 where a file is not as the code says."""
    sys.exit(0 if write_or_check(texts, check="--check" in sys.argv) else 1)
