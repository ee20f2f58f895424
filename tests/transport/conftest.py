"""No test here leaves a socket open: none is left to the garbage collector, which is off meanwhile."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transport.speakers import MADE


def _sockets() -> set[str]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the folder itself was open when it was read
            found.add(str(descriptor.readlink()))
    return {name for name in found if name.startswith("socket:")}


@pytest.fixture(scope="module", autouse=True)
def _nobody_collects() -> Iterator[None]:
    """Let what is in a cycle lie where it is."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(autouse=True)
def _no_socket_is_left() -> Iterator[None]:
    """Count them before and after a test, and the closing of its clients."""
    before = _sockets()
    yield
    while MADE:
        MADE.pop().close()
    assert _sockets() - before == set()
