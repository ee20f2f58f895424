"""Fixtures: the Kubernetes APIs that tests run on. A test module asks for them with `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rotator_sandbox.emulator import Cluster, EmulatorServer
from rotator_sandbox.envtest import ControlPlane
from tests.clusters import Served, official, over_http
from tests.faults.timeline import Timeline
from tests.faults.transport import api_client

ADMIN = "sandbox-admin"


@pytest.fixture(scope="session")
def emulator() -> Served:
    """The emulator in this process, without a network."""
    timeline, cluster = Timeline(), Cluster(admin_token=ADMIN)
    return Served(
        lambda token: api_client(
            cluster, token, lambda _call, _body, perform: perform(), lambda: timeline.now
        ),
        ADMIN,
    )


@pytest.fixture(scope="session")
def emulator_server() -> Iterator[Served]:
    """The emulator behind a port, with RBAC."""
    with EmulatorServer(rbac=True) as server:
        served = over_http(server)
        yield served
        served.close()


@pytest.fixture(scope="session")
def kube_apiserver(control_plane: ControlPlane) -> Iterator[Served]:
    """The real kube-apiserver."""
    plane = control_plane
    served = Served(
        lambda token: official(plane.url, token, str(plane.ca_file)), plane.admin_token, plane.kubeconfig
    )
    yield served
    served.close()
