"""A write takes effect soon after the instant that it carries, or not at all, however often it is put off.

Windows are counted from that instant: a kubelet's copy, a holder that reads again, a verifier's cache.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from rotator.core.codec import parse_instant
from rotator.engine.outcome import Result
from rotator.systems.world import World
from tests.faults.environment import Bao
from tests.faults.transport import Answer, Call, Perform
from tests.trial import Trial

_SINCE = re.compile(rb'since": "([^"]+)"')
PLACES = {
    "create a ConfigMap": ("kubernetes", "PATCH", "/configmaps/key-accepted"),
    "create a Secret": ("kubernetes", "PATCH", "/secrets/key"),
    "look at metadata in Vault before": ("vault", "GET", "/metadata/{life}/holder"),
    "note in Vault before": ("vault", "PATCH", "/metadata/{life}/holder"),
    "write in Vault": ("vault", "POST", "/data/{life}/holder"),
}


class Busy(Trial):
    """A trial in which one request is put off again and again."""

    place = ("", "", "")
    asked = 0
    """The seconds in Retry-After."""
    left = 0
    """So often it is put off."""

    def __init__(self, bao: Bao) -> None:
        super().__init__(bao)
        self.late: dict[tuple[str, datetime], timedelta] = {}
        """How long after the instant that it carries the first write with it took effect at a path."""

    def _middle(self, call: Call, body: bytes, perform: Perform) -> Answer:
        system, method, tail = self.place
        if self.left and (call.system, call.method) == (system, method) and call.path.endswith(tail):
            self.left -= 1
            return Answer(429, {"Retry-After": str(self.asked)}, b"{}")
        answer = super()._middle(call, body, perform)
        noted = "/metadata/" in call.path  # for people
        if (found := _SINCE.search(body)) and answer.status < 300 and not noted:
            since = parse_instant(found[1].decode())
            self.late.setdefault((call.path, since), self.timeline.now - since)
        return answer


@pytest.mark.parametrize("asked", [9, 120])
@pytest.mark.parametrize("place", PLACES)
def test_a_write_that_is_put_off_lands_in_time_or_never(bao: Bao, place: str, asked: int) -> None:
    """And the rotation goes on with the next run."""
    trial = Busy(bao)
    policy = trial.policy(
        holders=[
            {"secret": {"name": "key", "data": {"key": "private_key", "kid": "kid"}}},
            {"vault": {"mount": "secret", "path": f"{trial.life}/holder"}, "pickUp": "1m"},
        ]
    )
    system, method, tail = PLACES[place]
    trial.place, trial.asked = (system, method, tail.format(life=trial.life)), asked
    landing = World.landing.fget(trial.world())  # type: ignore[attr-defined]
    for _ in range(2):  # the first version, and the next
        trial.left = 3
        for _ in range(8):
            trial.wait(outcome := trial.run(policy, deadline=timedelta(hours=1)))
        assert outcome.result is Result.WAITING, outcome.reason
        trial.timeline.pass_by(timedelta(days=30))
    assert trial.late
    assert max(trial.late.values()) <= landing
