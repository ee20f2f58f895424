"""A system that is away for 20 seconds, as an API server that restarts, does not end a run: reads wait for it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from rotator import wiring
from rotator.clients.clock import RunClock
from rotator.clients.connections import NotReached
from rotator.clients.kubernetes import Kubernetes
from rotator.clients.meter import Meter
from rotator.clients.retry import PATIENCE, Retry
from rotator.engine.outcome import Result
from rotator.errors import LeaseLost, NotFound
from rotator.kinds import SECRET
from rotator.sandbox.emulator import Cluster, EmulatorServer
from tests.clusters import official, over_http
from tests.faults.stage import NAMESPACE, Bao
from tests.faults.timeline import START, Timeline
from tests.faults.transport import Answer, Call, Perform
from tests.scene import Scene

AWAY = timedelta(seconds=20)


class Away(Scene):
    """A scene in which a system refuses connections for a while, from its n-th request of some kind on."""

    system = "kubernetes"
    kind = "GET"
    number = 0
    patience = PATIENCE
    meanwhile: Callable[[], object] = staticmethod(lambda: None)
    """What happens while it is away."""
    back: datetime | None = None

    def world(
        self, skew: timedelta = timedelta(), deadline: timedelta = timedelta(minutes=10)
    ) -> wiring.World:
        """Return the world of a run that acts."""
        world = super().world(skew, deadline)
        world.retry.patience = self.patience
        return world

    def _middle(self, call: Call, body: bytes, perform: Perform) -> Answer:
        if call.system == self.system:
            self.number -= call.method == self.kind
            if self.number == 0 and call.method == self.kind:
                self.back = self.timeline.now + AWAY
                self.meanwhile()
            if self.back and self.timeline.now < self.back:
                raise NotReached(ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)))
        return super()._middle(call, body, perform)


@pytest.fixture
def scene(bao: Bao) -> Away:
    """Return a scene of its own."""
    return Away(bao)


@pytest.mark.parametrize("number", [1, 2, 3, 5])
@pytest.mark.parametrize("system", ["kubernetes", "vault"])
def test_a_run_waits_for_a_system_that_is_away(scene: Away, system: str, number: int) -> None:
    """From whichever read on."""
    policy = scene.policy("key")
    scene.run(policy)
    scene.timeline.pass_by(timedelta(days=40))
    scene.system, scene.number = system, number
    outcome = scene.run(policy)
    assert scene.back is None or scene.timeline.now >= scene.back
    assert outcome.result is Result.WAITING, outcome.reason


def test_somebody_who_looks_does_not_wait(scene: Away) -> None:
    """As kubectl does not."""
    scene.number, scene.patience = 1, 0.0
    outcome = scene.run(scene.policy("key"), act=False)
    assert outcome.result is Result.FROZEN
    assert scene.timeline.now < START + AWAY / 2


def test_a_lease_is_renewed_once_its_server_is_back(scene: Away) -> None:
    """The write itself waits for nothing; a read does, and then it is written as of that instant."""
    leases = wiring.fleet(scene.world(), act=True).leases
    taken = leases.take(leases.absent(f"{NAMESPACE}/key"))
    scene.timeline.pass_by(timedelta(seconds=20))
    scene.kind, scene.number = "PATCH", 1
    renewed = leases.renew(taken)
    assert scene.back
    assert renewed.expires
    assert renewed.expires >= scene.back + wiring.LEASE


def test_a_run_whose_lease_was_taken_while_it_waited_stops(scene: Away) -> None:
    """What another run has begun is left to it."""

    def overtake() -> None:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rotation-key"
        scene.stage.ask("PATCH", path, {"spec": {"holderIdentity": "another"}})

    leases = wiring.fleet(scene.world(), act=True).leases
    taken = leases.take(leases.absent(f"{NAMESPACE}/key"))
    scene.timeline.pass_by(timedelta(seconds=40))
    scene.kind, scene.number, scene.meanwhile = "PATCH", 1, overtake
    with pytest.raises(LeaseLost, match="was taken by another"):
        leases.renew(taken)


def test_a_real_server_that_is_stopped_and_started_is_waited_for() -> None:
    """On connections that were open before, and over new ones."""
    first = EmulatorServer().start()
    port = int(first.url.rpartition(":")[2])
    served = over_http(first)
    namespace = served.namespace()
    served.ask("POST", f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": "key"}})
    started: list[EmulatorServer] = []

    def start() -> None:
        cluster = Cluster(admin_token=first.admin_token)
        started.append(EmulatorServer(cluster, port=port).start())
        over_http(started[0]).ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})

    def sleep(seconds: float) -> None:
        timeline.pass_by(timedelta(seconds=seconds))
        if not started:
            start()

    timeline = Timeline()
    clock = RunClock(lambda: timeline.now, timeline.seconds, sleep)
    retry = Retry(clock, clock.deadline(timedelta(hours=1)), patience=PATIENCE)
    api = official(first.url, first.admin_token)
    client = Kubernetes(api, retry, Meter(clock))
    assert client.get(SECRET, namespace, "key")
    first.stop()
    with pytest.raises(NotFound):
        client.get(SECRET, namespace, "key")
    client.close()
    served.close()
    started[0].stop()
