"""Servers that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.observability.servers import Pushgateway


@pytest.fixture
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushgateway]:
    """An empty Pushgateway."""
    server = Pushgateway(tmp_path_factory.mktemp("pushgateway"))
    yield server
    server.stop()
