"""A system that is away for 20 seconds, as an API server that restarts, does not end a run: reads wait for it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from rotator.clients.clock import RunClock
from rotator.clients.connections import NotReached
from rotator.clients.meter import Meter
from rotator.clients.retry import PATIENCE, Retry
from rotator.engine.outcome import Result
from rotator.errors import LeaseLost, NotFound
from rotator.kinds import SECRET
from rotator.ports import Lease
from rotator.run import wiring
from rotator.systems.kubernetes.client import Kubernetes
from rotator.systems.kubernetes.lease import LEASE_DURATION
from rotator.systems.world import World
from rotator_sandbox.emulator import Cluster, EmulatorServer
from tests.clusters import official, over_http
from tests.faults.environment import NAMESPACE, Bao
from tests.faults.timeline import START, Timeline
from tests.faults.transport import Answer, Call, Perform
from tests.trial import Trial

AWAY = timedelta(seconds=20)


class Away(Trial):
    """A trial in which a system refuses connections for a while, from its n-th request of some kind on."""

    system = "kubernetes"
    kind = "GET"
    number = 0
    patience = PATIENCE
    meanwhile: Callable[[], object] = staticmethod(lambda: None)
    """What happens while it is away."""
    back: datetime | None = None

    def world(self, skew: timedelta = timedelta(), deadline: timedelta = timedelta(minutes=10)) -> World:
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
def trial(bao: Bao) -> Away:
    """Return a trial of its own."""
    return Away(bao)


@pytest.mark.parametrize("number", [1, 2, 3, 5])
@pytest.mark.parametrize("system", ["kubernetes", "vault"])
def test_a_run_waits_for_a_system_that_is_away(trial: Away, system: str, number: int) -> None:
    """From whichever read on."""
    policy = trial.policy("key")
    trial.run(policy)
    trial.timeline.pass_by(timedelta(days=40))
    trial.system, trial.number = system, number
    outcome = trial.run(policy)
    assert trial.back is None or trial.timeline.now >= trial.back
    assert outcome.result is Result.WAITING, outcome.reason


def test_somebody_who_looks_does_not_wait(trial: Away) -> None:
    """As kubectl does not."""
    trial.number, trial.patience = 1, 0.0
    outcome = trial.run(trial.policy("key"), act=False)
    assert outcome.result is Result.FROZEN
    assert trial.timeline.now < START + AWAY / 2


def test_a_lease_is_renewed_once_its_server_is_back(trial: Away) -> None:
    """The write itself waits for nothing; a read does, and then it is written as of that instant."""
    leases = wiring.fleet(trial.world(), act=True).leases
    taken = leases.take(Lease(rotation=f"{NAMESPACE}/key"))
    trial.timeline.pass_by(timedelta(seconds=20))
    trial.kind, trial.number = "PATCH", 1
    renewed = leases.renew(taken)
    assert trial.back
    assert renewed.expires
    assert renewed.expires >= trial.back + LEASE_DURATION


def test_a_run_whose_lease_was_taken_while_it_waited_stops(trial: Away) -> None:
    """What another run has begun is left to it."""

    def overtake() -> None:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rotation-key"
        trial.environment.ask("PATCH", path, {"spec": {"holderIdentity": "another"}})

    leases = wiring.fleet(trial.world(), act=True).leases
    taken = leases.take(Lease(rotation=f"{NAMESPACE}/key"))
    trial.timeline.pass_by(timedelta(seconds=40))
    trial.kind, trial.number, trial.meanwhile = "PATCH", 1, overtake
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
