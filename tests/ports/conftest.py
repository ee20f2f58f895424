"""The contract suites explain their failures like any test."""

import pytest

pytest.register_assert_rewrite("tests.ports.store_contract", "tests.ports.target_contract")
