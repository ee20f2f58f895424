"""OpenBao is sealed, restarted or stopped in the middle of a run: nothing is lost, and the next run goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from rotator.core.codec import from_document
from rotator.core.ring import Ring
from rotator.engine.outcome import Outcome, Result
from rotator.errors import Ambiguous
from rotator.policy.model import RotationPolicy
from rotator_sandbox.openbao import OpenBao
from tests.faults.environment import Bao
from tests.faults.timeline import START, Timeline
from tests.faults.transport import Answer, Call, LostReply, Perform
from tests.trial import Trial
from tests.troubled import Troubled
from tests.vaults import connected


class Struck(Trial):
    """A trial in which something happens at one request to Vault."""

    def __init__(self, bao: Bao) -> None:
        super().__init__(bao)
        self._policy = self.policy()
        self._wanted = ""
        self._skip = 0
        self._strike: Callable[[], None] | None = None
        self._lose_reply = False

    def at(
        self, request: str, strike: Callable[[], None], *, skip: int = 0, lose_reply: bool = False
    ) -> None:
        """Strike once, at a request such as `POST rotator/data`: before it is sent, or before its answer is seen."""
        self._wanted, self._strike, self._skip, self._lose_reply = request, strike, skip, lose_reply

    @property
    def armed(self) -> bool:
        """Whether the strike is still to come."""
        return self._strike is not None

    def _middle(self, call: Call, body: bytes, perform: Perform) -> Answer:
        asked = f"{call.method} {call.path.removeprefix('/v1/')}"
        if self._strike is None or call.system != "vault" or not asked.startswith(self._wanted):
            return super()._middle(call, body, perform)
        if self._skip:
            self._skip -= 1
            return super()._middle(call, body, perform)
        strike, self._strike = self._strike, None
        if not self._lose_reply:
            strike()
            return super()._middle(call, body, perform)
        super()._middle(call, body, perform)
        strike()
        raise LostReply

    def once(self) -> Outcome:
        """Do one run."""
        return self.run(self._policy)

    def stable(self) -> Outcome:
        """Run until the rotation is stable."""
        return self.until_stable(self._policy)

    def ring(self) -> Ring:
        """Read the ring as root."""
        text = self.vault(f"rotator/data/{self.life}/key")["data"]["ring"]
        return from_document(json.loads(text))


def promise_holds(trial: Struck) -> None:
    """Assert that whoever signs is believed: the held version is accepted, and so is all that the ring accepts."""
    ring, shown = trial.ring(), trial.accepted()
    assert trial.held() in shown
    unpublished = {v.id for v in ring.live if v.published_at is None}
    assert set(ring.accepted) - unpublished <= set(shown)


def frozen_and_said(trial: Struck, outcome: Outcome, what: str) -> None:
    """Assert that the outcome and the lease say what is wrong, and with whom."""
    assert not trial.armed, "the run did not get that far"
    assert outcome.result is Result.FROZEN
    assert what in outcome.reason
    assert "vault" in outcome.reason.lower()
    memo = trial.lease()["metadata"]["annotations"]["rotator.dev/memo"]
    assert what in memo
    assert trial.lease()["spec"].get("holderIdentity") is None


# The requests to Vault of a whole rotation, by the run in which they are made.
FIND, LEAD, SWITCH, OVERLAP, WITHDRAWN = range(5)
"""How many runs have gone before: the second version is made and published; activated; converged; the first is withdrawn; gone."""
POINTS = [
    (FIND, "POST auth/approle/login", 0),
    (FIND, "GET rotator/data", 0),
    (FIND, "POST rotator/data", 0),
    (FIND, "POST rotator/data", 1),
    (LEAD, "GET rotator/data", 0),
    (LEAD, "POST rotator/data", 0),
    (SWITCH, "POST rotator/data", 0),
    (OVERLAP, "POST rotator/data", 0),
    (WITHDRAWN, "POST rotator/data", 0),
    (WITHDRAWN, "GET rotator/metadata", 0),
    (WITHDRAWN, "POST rotator/data", 1),
]


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """An OpenBao of these tests' own, on disk: it is sealed, restarted and stopped."""
    server = OpenBao(tmp_path_factory.mktemp("fragile"), durable=True)
    yield Bao.of(server)
    server.stop()


@pytest.fixture(scope="module")
def sealable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """An OpenBao of these tests' own, in memory: it is sealed and unsealed."""
    server = OpenBao(tmp_path_factory.mktemp("sealable"))
    yield Bao.of(server)
    server.stop()


def in_rotation(bao: Bao, runs: int) -> Struck:
    """Return a trial whose second rotation is due, or `runs` runs further."""
    trial = Struck(bao)
    trial.stable()
    trial.timeline.pass_by(timedelta(days=30))
    for _ in range(runs):
        trial.wait(trial.once())
    return trial


@pytest.mark.parametrize(("runs", "request_", "skip"), POINTS)
def test_sealed_at_any_request_it_freezes_and_goes_on_once_unsealed(
    sealable: Bao, runs: int, request_: str, skip: int
) -> None:
    """The run ends frozen and says so; whoever signs is believed all the while; then the rotation is finished."""
    trial = in_rotation(sealable, runs)
    before = trial.accepted()
    trial.at(request_, sealable.server.seal, skip=skip)
    outcome = trial.once()
    sealed_for = trial.once()
    sealable.server.unseal()
    frozen_and_said(trial, outcome, f"Vault at {sealable.server.address.removeprefix('https://')} is sealed")
    assert sealed_for.result is Result.FROZEN
    assert _withdrawn(trial) or set(before) <= set(trial.accepted())
    promise_holds(trial)
    trial.stable()
    promise_holds(trial)
    assert [v.number for v in trial.ring().live] == [2]
    assert trial.accepted() == [trial.held()]


def _withdrawn(trial: Struck) -> bool:
    retiring = trial.ring().retiring
    return retiring is not None and retiring.withdrawn_at is not None


def test_sealed_before_the_first_version_nothing_is_made_twice(sealable: Bao) -> None:
    """A rotation that begins while Vault is sealed leaves nothing behind, and begins once it is unsealed."""
    trial = Struck(sealable)
    trial.at("POST rotator/metadata", sealable.server.seal)
    outcome = trial.once()
    sealable.server.unseal()
    frozen_and_said(trial, outcome, "sealed")
    assert trial.accepted() == []
    assert trial.held() is None
    trial.stable()
    assert [v.number for v in trial.ring().versions] == [1]
    promise_holds(trial)


@pytest.mark.parametrize(
    "lose_reply", [False, True], ids=["between two requests", "before the answer is seen"]
)
def test_a_restart_in_the_middle_of_a_run_is_hardly_noticed(fragile: Bao, *, lose_reply: bool) -> None:
    """The run goes on with its token and records each step once, also where the answer to a write was lost."""
    trial = in_rotation(fragile, FIND)
    revision = trial.ring().revision
    trial.at("POST rotator/data", fragile.server.restart, lose_reply=lose_reply)
    outcome = trial.once()
    assert not trial.armed
    assert outcome.result is Result.WAITING
    assert [s.partition(" ")[0] for s in outcome.steps if not s.startswith(("write", "create"))] == [
        "stage",
        "publish",
    ]
    assert trial.ring().revision == revision + 2
    assert len(trial.accepted()) == 2
    promise_holds(trial)


@pytest.mark.parametrize("lose_reply", [False, True], ids=["before the request", "before the answer is seen"])
def test_stopped_it_freezes_and_goes_on_once_it_is_back(fragile: Bao, *, lose_reply: bool) -> None:
    """A server that is gone is named; its answer that was lost is found out by reading back, later."""
    trial = in_rotation(fragile, LEAD)
    before, held = trial.accepted(), trial.held()
    trial.at("POST rotator/data", fragile.server.stop, lose_reply=lose_reply)
    outcome = trial.once()
    again = trial.once()
    assert trial.accepted() == before
    assert trial.held() == held
    fragile.server.restart()
    frozen_and_said(trial, outcome, "not reached")
    assert again.result is Result.FROZEN
    promise_holds(trial)
    trial.stable()
    assert [v.number for v in trial.ring().live] == [2]
    assert trial.accepted() == [trial.held()]


def test_a_rotation_without_vault_goes_on_beside_one_that_freezes(sealable: Bao) -> None:
    """One bad system stops those that need it, and nobody else."""
    trial = Struck(sealable)
    kubernetes: RotationPolicy = trial.policy("other", store={"kubernetes": {}})
    sealable.server.seal()
    report = trial.fleet(trial.policy(), kubernetes)
    sealable.server.unseal()
    assert [o.result for o in report.outcomes] == [Result.FROZEN, Result.WAITING]
    assert report.exit_code == 1
    assert trial.held("other") in trial.accepted("other")


@pytest.mark.parametrize("body", [b"<html>please log in</html>", b'["no", "object"]'], ids=["page", "list"])
def test_an_answer_that_is_no_object_is_no_answer(body: bytes) -> None:
    """A proxy's page with status 200 says nothing about what became of a write."""
    with Troubled() as proxy:
        proxy.says((200, {}, body))
        clock = Timeline().run_clock(timedelta())
        vault = connected({"VAULT_ADDR": proxy.url, "VAULT_TOKEN": "token"}, clock)
        with pytest.raises(Ambiguous, match="POST rotator/data/key"):
            vault.write("rotator", "key", {}, cas=0)
        assert proxy.asked == {"POST": 1}
        vault.close()


@pytest.mark.parametrize("status", [429, 503])
def test_what_vault_did_not_take_is_asked_again_after_the_time_it_names(status: int) -> None:
    """Also a write: nothing has happened yet."""
    with Troubled() as server:
        server.says((status, {"Retry-After": "7"}, b"{}"), (200, {}, b'{"data": {"version": 1}}'))
        timeline = Timeline()
        env = {"VAULT_ADDR": server.url, "VAULT_TOKEN": "token"}
        vault = connected(env, timeline.run_clock(timedelta()))
        assert vault.write("rotator", "key", {}, cas=0).version == 1
        assert server.asked == {"POST": 2}
        assert timeline.now - START >= timedelta(seconds=7)
        vault.close()
