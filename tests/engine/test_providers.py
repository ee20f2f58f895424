"""A credential at a provider through the engine: what is recorded when, what is proven, what a run costs, what stops it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from rotator.engine.outcome import Outcome, Result
from rotator.policy.model import RotationPolicy
from tests.faults.kinds_of_faults import Killed
from tests.faults.stage import NAMESPACE, Bao
from tests.faults.traffic import text_of
from tests.faults.transport import Answer, Call, Perform
from tests.faults.vendor import Clock
from tests.providers import entra_server, okta_server
from tests.providers.served import Asked, Said
from tests.scene import Scene

OKTA, GRAPH = "https://okta.example", "https://graph.example"
MONTH = timedelta(days=30)


class Stand:
    """A scene with a provider."""

    def __init__(self, bao: Bao) -> None:
        self.scene = Scene(bao)
        self.okta = okta_server.OktaApi()
        self.okta.url = OKTA
        self.entra = entra_server.EntraApi(Clock(self.scene.timeline))
        self.entra.url = GRAPH
        self.scene.apis = {"okta.example": self.okta, "graph.example": self.entra}
        self._secret("admin", token=okta_server.TOKEN)

    def _secret(self, name: str, **data: str) -> None:
        encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
        document = {"metadata": {"name": name}, "data": encoded}
        self.scene.stage.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", document)

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
        return self.scene.policy(**whole)

    def held(self) -> str:
        """Return the client secret that the holder has."""
        return text_of(self.scene.stage.secret("key"), "secret", secret=True) or ""

    def stored(self) -> int:
        """Return how many versions have material in the store."""
        ring = text_of(self.scene.stage.secret("rotation-key"), "material", secret=True) or ""
        return ring.count("client_secret")

    def until(self, policy: RotationPolicy, step: str) -> Outcome:
        """Run until `step` is recorded."""
        for _ in range(30):
            outcome = self.scene.run(policy)
            if any(s.startswith(step) for s in outcome.steps):
                return outcome
            self.scene.wait(outcome)
        raise AssertionError(f"no {step}: {outcome}")


@pytest.fixture
def stand(bao: Bao) -> Stand:
    """A scene with a client at Okta that has no secret."""
    return Stand(bao)


def test_a_whole_life(stand: Stand) -> None:
    """The new one is let in before anybody holds it, the old one until it is withdrawn, and then never again."""
    scene, policy = stand.scene, stand.policy()
    scene.until_stable(policy)
    first = stand.held()
    assert stand.okta.accepts(first)
    scene.timeline.pass_by(MONTH)
    stand.until(policy, "publish")
    assert stand.held() == first
    assert len(stand.okta.secrets.now) == 2
    stand.until(policy, "withdraw")
    scene.until_stable(policy)
    second = stand.held()
    assert second != first
    assert (stand.okta.accepts(first), stand.okta.accepts(second)) == (False, True)
    assert [s.value for s in stand.okta.secrets.now] == [second]
    assert stand.stored() == 1


def test_a_run_costs_a_read_a_call_a_read_and_the_logins(stand: Stand) -> None:
    """What is in place is read once and proven by one login; an idle run asks the provider nothing."""
    scene, policy = stand.scene, stand.policy()
    scene.until_stable(policy)
    scene.timeline.pass_by(timedelta(hours=2))
    scene.run(policy)
    asked = {k: n for k, n in scene.counted().items() if k.startswith("provider")}
    assert asked == {
        "provider GET secrets": 1,
        "provider GET openid-configuration": 1,
        "provider POST token": 1,
    }
    scene.run(policy)
    assert not [k for k in scene.counted() if k.startswith("provider")]
    scene.timeline.pass_by(MONTH)
    scene.run(policy)
    asked = {k: n for k, n in scene.counted().items() if k.startswith("provider")}
    assert asked == {
        "provider GET secrets": 3,  # what is there; right before the call; right after it
        "provider POST secrets": 1,
        "provider GET openid-configuration": 1,
        "provider POST token": 4,  # the one in use; the new one three times in a row
    }


def test_nobody_is_handed_what_is_not_let_in(stand: Stand) -> None:
    """A new secret that the token endpoint refuses is waited for, then people are called; the old one stays in use."""
    scene, policy = stand.scene, stand.policy()
    scene.until_stable(policy)
    first = stand.held()
    stand.okta.middle = _refuses_all_but(stand, first)
    scene.timeline.pass_by(MONTH)
    outcome = scene.run(policy)
    assert outcome.result is Result.WAITING
    assert "was refused" in outcome.reason
    scene.timeline.pass_by(timedelta(minutes=11))
    outcome = scene.run(policy)
    assert outcome.result is Result.FROZEN
    assert stand.held() == first
    stand.okta.middle = okta_server.OktaApi().middle
    scene.until_stable(policy)
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
    scene, policy = stand.scene, stand.policy()
    scene.until_stable(policy)
    first = stand.held()
    scene.timeline.pass_by(MONTH)
    stand.until(policy, "activate")
    stand.okta.middle = _accepts_still(first)
    outcome = stand.until(policy, "withdraw")
    assert outcome.result is Result.WAITING
    assert "is still accepted" in outcome.reason
    assert outcome.summary.accepted == 2
    assert stand.stored() == 2
    scene.timeline.pass_by(timedelta(hours=3))
    outcome = scene.run(policy)
    assert outcome.result is Result.FROZEN
    assert "is still accepted" in outcome.reason
    assert outcome.summary.retire_at is not None
    assert stand.stored() == 2
    stand.okta.middle = okta_server.OktaApi().middle
    scene.until_stable(policy)
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
    scene, policy = stand.scene, stand.policy()
    scene.until_stable(policy)
    first = stand.held()
    scene.timeline.pass_by(MONTH)
    stand.until(policy, "converge")
    stand.okta.middle = _refuses_all_but(stand, "nobody's")
    scene.timeline.pass_by(timedelta(hours=3))
    outcome = scene.run(policy)
    assert outcome.result is Result.FROZEN
    assert stand.okta.accepts(first)


def test_what_somebody_else_made_stops_it_before_anything_is_touched(stand: Stand) -> None:
    """Two there already: nothing is made, recorded or delivered; once one is gone it goes on beside the other."""
    scene, policy = stand.scene, stand.policy()
    theirs = [stand.okta.add_anothers().id for _ in range(2)]
    outcome = scene.run(policy)
    assert outcome.result is Result.FROZEN
    assert scene.stage.secret("key") is None
    assert stand.okta.anothers() == tuple(theirs)


def test_a_plan_asks_and_changes_nothing(stand: Stand) -> None:
    """A plan names the call that a run would make, and reads only."""
    scene, policy = stand.scene, stand.policy()
    scene.until_stable(policy)
    scene.timeline.pass_by(MONTH)
    before = stand.okta.secrets.now
    outcome = scene.run(policy, act=False)
    assert any("okta" in step for step in outcome.steps)
    assert stand.okta.secrets.now == before


def test_the_value_in_use_is_taken_over_from_the_provider(stand: Stand) -> None:
    """It becomes the first version: nobody notices, and it is withdrawn when its time is over."""
    scene, policy = stand.scene, stand.policy(takeOver={"provider": {}})
    used = stand.okta.add_anothers().value
    scene.until_stable(policy)
    assert stand.held() == used
    scene.timeline.pass_by(MONTH)
    stand.until(policy, "withdraw")
    scene.until_stable(policy)
    assert not stand.okta.accepts(used)
    assert stand.okta.accepts(stand.held())


def test_a_deleted_rotation_leaves_nothing_of_its_own(stand: Stand) -> None:
    """What is deleted is withdrawn at the provider too."""
    scene, policy = stand.scene, stand.policy()
    scene.until_stable(policy)
    secret = stand.held()
    world = scene.world()
    from rotator import wiring  # noqa: PLC0415 - only here

    fleet = wiring.fleet(world, act=True, concurrency=1)
    outcome = fleet.advance([wiring.rotation(world, policy, leaving=True)]).outcomes[0]
    assert outcome.result is Result.DELETED
    assert not stand.okta.accepts(secret)
    assert scene.stage.secret("key") is None


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
    scene, policy = stand.scene, _entra(stand)
    perform_all = scene._middle  # noqa: SLF001 - the one seam to the outside

    def dies_after_the_secret(call: Call, body: bytes, perform: Perform) -> Answer:
        answer = perform_all(call, body, perform)
        if call.path.endswith("/addPassword"):
            raise Killed
        return answer

    monkeypatch.setattr(scene, "_middle", dies_after_the_secret)
    with pytest.raises(Killed):
        scene.run(policy)
    (orphan,) = stand.entra.passwords.now
    monkeypatch.setattr(scene, "_middle", perform_all)
    scene.timeline.pass_by(timedelta(minutes=5))
    scene.until_stable(policy)
    (kept,) = stand.entra.passwords.now
    assert kept != orphan
    assert stand.entra.accepts(stand.held())
    assert not stand.entra.accepts(orphan.value)


def test_a_plan_ends_where_the_provider_makes_the_value(stand: Stand) -> None:
    """It names the call, and imagines nothing of what it answers."""
    outcome = stand.scene.run(_entra(stand), act=False)
    assert [step.partition(" ")[0] for step in outcome.steps] == ["stage", "add"]
    assert outcome.summary.phase == "New"
    assert stand.entra.passwords.now == ()


# --- without an API, and without overlap --------------------------------------------------------------------------


def test_people_install_it_and_a_login_sees_it(stand: Stand) -> None:
    """The list is handed over; only when the new one is let in is it handed to holders, however long that takes."""
    scene = stand.scene
    policy = stand.policy(verifiers=[{"static": {"secret": "handover", "maxAge": "0s"}}])
    outcome = scene.run(policy)
    assert outcome.result is Result.WAITING
    scene.timeline.pass_by(timedelta(days=2))
    assert scene.run(policy).result is Result.WAITING
    assert scene.stage.secret("key") is None
    (offered,) = _handed_over(stand)
    stand.okta.add_anothers(offered)
    scene.until_stable(policy)
    assert stand.held() == offered


def test_people_say_that_they_have_installed_it(stand: Stand) -> None:
    """Where no login can tell, exactly the ids that are to be accepted are awaited in an annotation."""
    scene = stand.scene
    static = {"secret": "handover", "maxAge": "0s", "confirmedBy": "Annotation"}
    policy = stand.policy(verifiers=[{"static": static}])
    outcome = scene.run(policy)
    assert "kubectl annotate" in outcome.reason
    version = scene.stage.secret("handover")["metadata"]["annotations"]["rotator.dev/version"]
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/handover"
    for said in (f"{version},another", ""):
        scene.stage.ask("PATCH", path, {"metadata": {"annotations": {"rotator.dev/accepts": said}}})
        assert scene.run(policy).waiting_on == ("confirmation on secret payments/handover",)
    scene.stage.ask("PATCH", path, {"metadata": {"annotations": {"rotator.dev/accepts": version}}})
    scene.until_stable(policy)
    assert stand.held() == _handed_over(stand)[0]


def _handed_over(stand: Stand) -> list[str]:
    import json  # noqa: PLC0415 - only here

    text = text_of(stand.scene.stage.secret("handover"), "accepted", secret=True) or "[]"
    return [str(each["client_secret"]) for each in json.loads(text)]
