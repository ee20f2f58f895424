"""Where coverage of `rotator/` is measured: to trace all tests would double their time, and show hardly a line more."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

WHERE = (
    "tests/core/",
    "tests/engine/",
    "tests/ports/",
    "tests/providers/",
    "tests/transport/",
    "tests/test_",
)
"""How the ids of tests begin that call the product in their own process, for its own sake."""


def measured(ids: Iterable[str]) -> set[str]:
    """Return one case of each test there. They come in any order, in each process: it is the least of their ids."""
    least: dict[str, str] = {}
    for each in sorted(ids, reverse=True):
        if each.startswith(WHERE):
            least[each.partition("[")[0]] = each
    return set(least.values())


class Measured:
    """Has pytest-cov pause in all other tests. A test that is marked `no_cover` itself is not measured either."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Mark them."""
        chosen = measured(item.nodeid for item in items)
        for item in items:
            if item.nodeid not in chosen:
                item.add_marker(pytest.mark.no_cover)
