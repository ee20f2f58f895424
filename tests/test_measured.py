"""Coverage is measured in one case of each test, the same in each process."""

from __future__ import annotations

import pytest

from tests.measured import measured

IDS = ("tests/core/test_a.py::test_x[b]", "tests/core/test_a.py::test_x[a]", "tests/test_b.py::TestC::test_y")


@pytest.mark.parametrize("ids", [IDS, IDS[::-1]])
def test_one_case_of_each_test_is_measured_in_whatever_order_they_come(ids: tuple[str, ...]) -> None:
    """Also where there is only one."""
    assert measured(ids) == {IDS[1], IDS[2]}


def test_what_does_not_call_the_product_for_its_own_sake_is_not_measured() -> None:
    """Charts, pictures and other processes."""
    assert measured(["tests/chart/test_render.py::test_x", "benchmarks/test_b.py::test_y"]) == set()
