"""`python -m tests.faults`: explore, and print one JSON object as the last line."""

from __future__ import annotations

from tests.faults.explore import main

main()
