"""A credential at a provider through the engine: what is recorded when, what is proven, what a run costs, what stops it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from rotator.engine.outcome import Outcome, Result
from rotator.policy.model import RotationPolicy
from tests.faults.environment import NAMESPACE, Bao
from tests.faults.kinds_of_faults import Killed
from tests.faults.traffic import text_of
from tests.faults.transport import Answer, Call, Perform
from tests.faults.vendor import Clock
from tests.providers import entra_server, okta_server
from tests.providers.served import Asked, Said
from tests.trial import Trial

OKTA, GRAPH = "https://okta.example", "https://graph.example"
MONTH = timedelta(days=30)


class Stand:
    """A trial with a provider."""

    def __init__(self, bao: Bao) -> None:
        self.trial = Trial(bao)
        self.okta = okta_server.OktaApi()
        self.okta.url = OKTA
        self.entra = entra_server.EntraApi(Clock(self.trial.timeline))
        self.entra.url = GRAPH
        self.trial.apis = {"okta.example": self.okta, "graph.example": self.entra}
        self._secret("admin", token=okta_server.TOKEN)

    def _secret(self, name: str, **data: str) -> None:
        encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
        document = {"metadata": {"name": name}, "data": encoded}
        self.trial.environment.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", document)

    def policy(self, **spec: Any) -> RotationPolicy:
        """Return the declaration of a client at Okta, changed by `spec`."""
        auth = {"token": {"secret": {"name": "admin", "key": "token"}}}
        whole = {
            "credential": {"oauthClient": {"clientId": okta_server.APP, "issuer": self.okta.issuer}},
            "verifiers": [{"okta": {"url": OKTA, "app": okta_server.APP, "auth": auth}}],
            "holders": [{"secret": {"name": "key", "data": {"kid": "client_id", "secret": "client_secret"}}}],
            "store": {"kubernetes": {}},
            **spec,
        }
        return self.trial.policy(**whole)

    def held(self) -> str:
        """Return the client secret that the holder has."""
        return text_of(self.trial.environment.secret("key"), "secret", secret=True) or ""

    def stored(self) -> int:
        """Return how many versions have material in the store."""
        ring = text_of(self.trial.environment.secret("rotation-key"), "material", secret=True) or ""
        return ring.count("client_secret")

    def until(self, policy: RotationPolicy, step: str) -> Outcome:
        """Run until `step` is recorded."""
        for _ in range(30):
            outcome = self.trial.run(policy)
            if any(s.startswith(step) for s in outcome.steps):
                return outcome
            self.trial.wait(outcome)
        raise AssertionError(f"no {step}: {outcome}")


@pytest.fixture
def stand(bao: Bao) -> Stand:
    """A trial with a client at Okta that has no secret."""
    return Stand(bao)


def test_a_whole_life(stand: Stand) -> None:
    """The new one is let in before anybody holds it, the old one until it is withdrawn, and then never again."""
    trial, policy = stand.trial, stand.policy()
    trial.until_stable(policy)
    first = stand.held()
    assert stand.okta.accepts(first)
    trial.timeline.pass_by(MONTH)
    stand.until(policy, "publish")
    assert stand.held() == first
    assert len(stand.okta.secrets.now) == 2
    stand.until(policy, "withdraw")
    trial.until_stable(policy)
    second = stand.held()
    assert second != first
    assert (stand.okta.accepts(first), stand.okta.accepts(second)) == (False, True)
    assert [s.value for s in stand.okta.secrets.now] == [second]
    assert stand.stored() == 1


def test_a_run_costs_a_read_a_call_a_read_and_the_logins(stand: Stand) -> None:
    """What is in place is read once and proven by one login; an idle run asks the provider nothing."""
    trial, policy = stand.trial, stand.policy()
    trial.until_stable(policy)
    trial.timeline.pass_by(timedelta(hours=2))
    trial.run(policy)
    asked = {k: n for k, n in trial.counted().items() if k.startswith("provider")}
    assert asked == {
        "provider GET secrets": 1,
        "provider GET openid-configuration": 1,
        "provider POST token": 1,
    }
    trial.run(policy)
    assert not [k for k in trial.counted() if k.startswith("provider")]
    trial.timeline.pass_by(MONTH)
    trial.run(policy)
    asked = {k: n for k, n in trial.counted().items() if k.startswith("provider")}
    assert asked == {
        "provider GET secrets": 3,  # what is there; right before the call; right after it
        "provider POST secrets": 1,
        "provider GET openid-configuration": 1,
        "provider POST token": 4,  # the one in use; the new one three times in a row
    }


def test_nobody_is_handed_what_is_not_let_in(stand: Stand) -> None:
    """A new secret that the token endpoint refuses is waited for, then people are called; the old one stays in use."""
    trial, policy = stand.trial, stand.policy()
    trial.until_stable(policy)
    first = stand.held()
    stand.okta.middle = _refuses_all_but(stand, first)
    trial.timeline.pass_by(MONTH)
    outcome = trial.run(policy)
    assert outcome.result is Result.WAITING
    assert "was refused" in outcome.reason
    trial.timeline.pass_by(timedelta(minutes=11))
    outcome = trial.run(policy)
    assert outcome.result is Result.FROZEN
    assert stand.held() == first
    stand.okta.middle = okta_server.OktaApi().middle
    trial.until_stable(policy)
    assert stand.held() != first


def _refuses_all_but(stand: Stand, secret: str) -> Any:
    pair = base64.b64encode(f"{okta_server.APP}:{secret}".encode()).decode()

    def middle(asked: Asked, perform: Any) -> Said:
        if asked.path.endswith("/token") and asked.headers.get("authorization") != f"Basic {pair}":
            return Said(401, {"error": "invalid_client"})
        said: Said = perform()
        return said

    del stand
    return middle


def test_what_is_withdrawn_is_kept_until_it_is_proven_dead(stand: Stand) -> None:
    """A provider that goes on accepting the old one is told apart by logging in; it is tried again for ever."""
    trial, policy = stand.trial, stand.policy()
    trial.until_stable(policy)
    first = stand.held()
    trial.timeline.pass_by(MONTH)
    stand.until(policy, "activate")
    stand.okta.middle = _accepts_still(first)
    outcome = stand.until(policy, "withdraw")
    assert outcome.result is Result.WAITING
    assert "is still accepted" in outcome.reason
    assert outcome.summary.accepted == 2
    assert stand.stored() == 2
    trial.timeline.pass_by(timedelta(hours=3))
    outcome = trial.run(policy)
    assert outcome.result is Result.FROZEN
    assert "is still accepted" in outcome.reason
    assert outcome.summary.retire_at is not None
    assert stand.stored() == 2
    stand.okta.middle = okta_server.OktaApi().middle
    trial.until_stable(policy)
    assert stand.stored() == 1


def _accepts_still(secret: str) -> Any:
    pair = base64.b64encode(f"{okta_server.APP}:{secret}".encode()).decode()

    def middle(asked: Asked, perform: Any) -> Said:
        if asked.path.endswith("/token") and asked.headers.get("authorization") == f"Basic {pair}":
            return Said(200, {"access_token": "x", "token_type": "Bearer", "expires_in": 60})
        said: Said = perform()
        return said

    return middle


def test_both_refused_proves_nothing(stand: Stand) -> None:
    """Where the active one is refused as well, it is the client that is shut: the old one is not taken for dead."""
    trial, policy = stand.trial, stand.policy()
    trial.until_stable(policy)
    first = stand.held()
    trial.timeline.pass_by(MONTH)
    stand.until(policy, "converge")
    stand.okta.middle = _refuses_all_but(stand, "nobody's")
    trial.timeline.pass_by(timedelta(hours=3))
    outcome = trial.run(policy)
    assert outcome.result is Result.FROZEN
    assert stand.okta.accepts(first)


def test_what_somebody_else_made_stops_it_before_anything_is_touched(stand: Stand) -> None:
    """Two there already: nothing is made, recorded or delivered; once one is gone it goes on beside the other."""
    trial, policy = stand.trial, stand.policy()
    theirs = [stand.okta.add_anothers().id for _ in range(2)]
    outcome = trial.run(policy)
    assert outcome.result is Result.FROZEN
    assert trial.environment.secret("key") is None
    assert stand.okta.anothers() == tuple(theirs)


def test_a_plan_asks_and_changes_nothing(stand: Stand) -> None:
    """A plan names the call that a run would make, and reads only."""
    trial, policy = stand.trial, stand.policy()
    trial.until_stable(policy)
    trial.timeline.pass_by(MONTH)
    before = stand.okta.secrets.now
    outcome = trial.run(policy, act=False)
    assert any("okta" in step for step in outcome.steps)
    assert stand.okta.secrets.now == before


def test_the_value_in_use_is_taken_over_from_the_provider(stand: Stand) -> None:
    """It becomes the first version: nobody notices, and it is withdrawn when its time is over."""
    trial, policy = stand.trial, stand.policy(takeOver={"provider": {}})
    used = stand.okta.add_anothers().value
    trial.until_stable(policy)
    assert stand.held() == used
    trial.timeline.pass_by(MONTH)
    stand.until(policy, "withdraw")
    trial.until_stable(policy)
    assert not stand.okta.accepts(used)
    assert stand.okta.accepts(stand.held())


def test_a_deleted_rotation_leaves_nothing_of_its_own(stand: Stand) -> None:
    """What is deleted is withdrawn at the provider too."""
    trial, policy = stand.trial, stand.policy()
    trial.until_stable(policy)
    secret = stand.held()
    world = trial.world()
    from rotator.run import wiring  # noqa: PLC0415 - only here

    fleet = wiring.fleet(world, act=True, concurrency=1)
    outcome = fleet.advance([wiring.declared(world, policy, leaving=True)]).outcomes[0]
    assert outcome.result is Result.DELETED
    assert not stand.okta.accepts(secret)
    assert trial.environment.secret("key") is None


# --- values that the provider makes -------------------------------------------------------------------------------


def _entra(stand: Stand) -> RotationPolicy:
    stand._secret("graph", token=entra_server.TOKEN)  # noqa: SLF001 - of this file
    auth = {"token": {"secret": {"name": "graph", "key": "token"}}}
    place: Mapping[str, Any] = {"url": GRAPH, "application": entra_server.OBJECT, "auth": auth}
    login = {"scope": f"{entra_server.CLIENT}/.default"}
    client = {"clientId": entra_server.CLIENT, "issuer": stand.entra.issuer, "login": login}
    return stand.policy(credential={"oauthClient": client}, verifiers=[{"entra": place}])


def test_what_the_provider_made_is_kept_before_anything_else_is_done(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed right after the call leaves a secret that nobody knows: the next one removes it first."""
    trial, policy = stand.trial, _entra(stand)
    perform_all = trial._middle  # noqa: SLF001 - the one seam to the outside

    def dies_after_the_secret(call: Call, body: bytes, perform: Perform) -> Answer:
        answer = perform_all(call, body, perform)
        if call.path.endswith("/addPassword"):
            raise Killed
        return answer

    monkeypatch.setattr(trial, "_middle", dies_after_the_secret)
    with pytest.raises(Killed):
        trial.run(policy)
    (orphan,) = stand.entra.passwords.now
    monkeypatch.setattr(trial, "_middle", perform_all)
    trial.timeline.pass_by(timedelta(minutes=5))
    trial.until_stable(policy)
    (kept,) = stand.entra.passwords.now
    assert kept != orphan
    assert stand.entra.accepts(stand.held())
    assert not stand.entra.accepts(orphan.value)


def test_a_plan_ends_where_the_provider_makes_the_value(stand: Stand) -> None:
    """It names the call, and imagines nothing of what it answers."""
    outcome = stand.trial.run(_entra(stand), act=False)
    assert [step.partition(" ")[0] for step in outcome.steps] == ["stage", "add"]
    assert outcome.summary.phase == "New"
    assert stand.entra.passwords.now == ()


# --- without an API, and without overlap --------------------------------------------------------------------------


def test_people_install_it_and_a_login_sees_it(stand: Stand) -> None:
    """The list is handed over; only when the new one is let in is it handed to holders, however long that takes."""
    trial = stand.trial
    policy = stand.policy(verifiers=[{"static": {"secret": "handover", "maxAge": "0s"}}])
    outcome = trial.run(policy)
    assert outcome.result is Result.WAITING
    trial.timeline.pass_by(timedelta(days=2))
    assert trial.run(policy).result is Result.WAITING
    assert trial.environment.secret("key") is None
    (offered,) = _handed_over(stand)
    stand.okta.add_anothers(offered)
    trial.until_stable(policy)
    assert stand.held() == offered


def test_people_say_that_they_have_installed_it(stand: Stand) -> None:
    """Where no login can tell, exactly the ids that are to be accepted are awaited in an annotation."""
    trial = stand.trial
    static = {"secret": "handover", "maxAge": "0s", "confirmedBy": "Annotation"}
    policy = stand.policy(verifiers=[{"static": static}])
    outcome = trial.run(policy)
    assert "kubectl annotate" in outcome.reason
    version = trial.environment.secret("handover")["metadata"]["annotations"]["rotator.dev/version"]
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/handover"
    for said in (f"{version},another", ""):
        trial.environment.ask("PATCH", path, {"metadata": {"annotations": {"rotator.dev/accepts": said}}})
        assert trial.run(policy).waiting_on == ("confirmation on secret payments/handover",)
    trial.environment.ask("PATCH", path, {"metadata": {"annotations": {"rotator.dev/accepts": version}}})
    trial.until_stable(policy)
    assert stand.held() == _handed_over(stand)[0]


def _handed_over(stand: Stand) -> list[str]:
    import json  # noqa: PLC0415 - only here

    text = text_of(stand.trial.environment.secret("handover"), "accepted", secret=True) or "[]"
    return [str(each["client_secret"]) for each in json.loads(text)]
