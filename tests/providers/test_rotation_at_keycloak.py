"""Whole rotations at Keycloak through the engine, store and Secrets, on the stand-in and on the real server.

The rotation's time is virtual and jumps by weeks, a real Keycloak's is not: nothing here may depend on when a secret ends
by itself.
"""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator.engine.outcome import Outcome, Result
from rotator.policy.model import RotationPolicy
from rotator_sandbox.identity.served import Served
from tests.faults.environment import NAMESPACE, Bao
from tests.faults.traffic import text_of
from tests.providers.keycloak_server import Admin, KeycloakApi, RealClient, Realm
from tests.trial import Trial

MONTH = timedelta(days=30)
RIGHTS = ("manage-clients", "manage-realm", "view-clients", "view-realm")
STAND_INS = {True: "stand_in_with", False: "stand_in_without"}


def _served(*, rotates: bool) -> Iterator[Admin]:
    api = KeycloakApi(rotates=rotates)
    with Served(api) as server:
        api.url = server.url
        yield Admin(url=server.url, password=api.password, real=False, rotates=rotates)


@pytest.fixture(scope="module")
def stand_in_with() -> Iterator[Admin]:
    """The stand-in, which can accept two secrets."""
    yield from _served(rotates=True)


@pytest.fixture(scope="module")
def stand_in_without() -> Iterator[Admin]:
    """The stand-in, which cannot."""
    yield from _served(rotates=False)


def _servers(stand_in: str, real: str) -> list[Any]:
    return [
        pytest.param(stand_in, id="stand-in"),
        pytest.param(real, id="real", marks=pytest.mark.real_provider),
    ]


@pytest.fixture(params=_servers("stand_in_with", "keycloak_with_rotation"))
def rotating(request: pytest.FixtureRequest) -> Realm:
    """A realm that can accept two secrets of a client."""
    realm: Realm = request.getfixturevalue(request.param).realm()
    return realm


@pytest.fixture(params=_servers("stand_in_without", "keycloak_without_rotation"))
def plain(request: pytest.FixtureRequest) -> Realm:
    """A realm that cannot."""
    realm: Realm = request.getfixturevalue(request.param).realm()
    return realm


class Stand:
    """A trial, and a client of a realm."""

    def __init__(self, bao: Bao, realm: Realm) -> None:
        self.trial, self.realm = Trial(bao), realm
        self.trial.timeline.now = datetime.now(UTC).replace(microsecond=0)
        self.client: RealClient = realm.client(secret="in-use-before-rotator-came-along")
        name, secret = realm.robot(*RIGHTS)
        self.keep("admin", secret=secret)
        self.keep("before", secret=self.client.secret)
        self.auth: dict[str, Any] = {
            "client": {"clientId": name, "secret": {"secret": {"name": "admin", "key": "secret"}}}
        }

    def keep(self, name: str, **data: str) -> None:
        """Make a Secret."""
        encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
        path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
        self.trial.environment.ask("POST", path, {"metadata": {"name": name}, "data": encoded})

    def policy(self, *, keycloak: dict[str, Any] | None = None, **spec: Any) -> RotationPolicy:
        """Return the declaration, which takes over what is in use."""
        place = {
            "url": self.realm.admin.url,
            "realm": self.realm.name,
            "auth": self.auth,
            "ensurePolicy": True,
            **(keycloak or {}),
        }
        whole = {
            "credential": {"oauthClient": {"clientId": self.client.name, "issuer": self.realm.issuer}},
            "takeOver": {"secret": {"name": "before", "key": "secret"}},
            "verifiers": [{"keycloak": place}],
            "holders": [{"secret": {"name": "key", "data": {"secret": "client_secret"}}}],
            "store": {"kubernetes": {}},
            **spec,
        }
        return self.trial.policy(**whole)

    def held(self) -> str:
        """Return the secret that the holder has."""
        return text_of(self.trial.environment.secret("key"), "secret", secret=True) or ""

    def until(self, policy: RotationPolicy, step: str) -> Outcome:
        """Run until `step` is recorded."""
        for _ in range(30):
            outcome = self.trial.run(policy)
            if any(s.startswith(step) for s in outcome.steps):
                return outcome
            self.trial.wait(outcome)
        raise AssertionError(f"no {step}: {outcome}")


def test_a_secret_in_use_is_rotated_and_nobody_is_refused(bao: Bao, rotating: Realm) -> None:
    """The one in use is taken over; both are let in until the old one is withdrawn; then it is dead."""
    stand = Stand(bao, rotating)
    trial, policy = stand.trial, stand.policy()
    trial.until_stable(policy)
    first = stand.held()
    assert first == stand.client.secret
    for _ in range(2):
        trial.timeline.pass_by(MONTH)
        stand.until(policy, "publish")
        assert stand.client.logs_in(first)
        stand.until(policy, "converge")
        second = stand.held()
        assert second != first
        assert stand.client.logs_in(first)
        assert stand.client.logs_in(second)
        trial.until_stable(policy)
        assert stand.client.logs_in(second)
        assert not stand.client.logs_in(first)
        first = second


def test_rotators_own_client_rotates_itself(bao: Bao, rotating: Realm) -> None:
    """It gets in with the version that works, whichever that is, and never locks itself out."""
    stand = Stand(bao, rotating)
    name, secret = rotating.robot(*RIGHTS)
    found = rotating.find(name)
    stand.client = RealClient(rotating, name, found["id"], secret)
    stand.keep("own", secret=secret)
    taken = {"secret": {"name": "own", "key": "secret"}}
    policy = stand.policy(keycloak={"auth": {"own": {}}}, takeOver=taken)
    stand.trial.until_stable(policy)
    stand.trial.timeline.pass_by(MONTH)
    stand.until(policy, "prove")
    stand.trial.until_stable(policy)
    assert stand.held() != secret
    assert stand.client.logs_in(stand.held())
    assert not stand.client.logs_in(secret)


def test_without_overlap_it_stops_before_anything_is_changed(bao: Bao, plain: Realm) -> None:
    """A realm that cannot accept two secrets is told apart before the first new one is set."""
    stand = Stand(bao, plain)
    trial, policy = stand.trial, stand.policy()
    for _ in range(3):
        outcome = trial.run(policy)
        trial.timeline.pass_by(MONTH)
    assert outcome.result is Result.FROZEN
    assert stand.client.logs_in(stand.client.secret)
    assert stand.held() in {"", stand.client.secret}


def test_without_overlap_it_is_cut_in_the_window_that_was_declared(bao: Bao, plain: Realm) -> None:
    """The hard cut begins in the window, the holder follows in the same run, and the old one is dead at once."""
    stand = Stand(bao, plain)
    outage = {"days": ["Sat"], "start": "02:00", "length": "2h"}
    trial, policy = stand.trial, stand.policy(keycloak={"overlap": False}, outage=outage)
    trial.until_stable(policy)
    trial.timeline.pass_by(MONTH)
    waiting = trial.run(policy)
    if trial.timeline.now.strftime("%a") != "Sat":
        assert waiting.until is not None
        assert waiting.until.strftime("%a %H:%M") == "Sat 02:00"
        assert stand.client.logs_in(stand.client.secret)
    stand.until(policy, "activate")
    assert stand.held() != stand.client.secret
    assert stand.client.logs_in(stand.held())
    assert not stand.client.logs_in(stand.client.secret)
    trial.until_stable(policy)


def test_a_realms_signing_key_is_published_before_it_signs(bao: Bao, rotating: Realm) -> None:
    """Lower priority, wait, raise, passive, delete: at no instant is a token signed with a key that nobody could know."""
    stand = Stand(bao, rotating)
    keys = {"url": rotating.admin.url, "realm": rotating.name, "auth": stand.auth, "maxAge": "10m"}
    policy = stand.trial.policy(
        credential={"keycloakRealmKey": {"algorithm": "RS256"}},
        verifiers=[{"keycloakRealmKeys": keys}],
        holders=[{"keycloakRealm": {}}],
        store={"kubernetes": {}},
    )
    stand.trial.until_stable(policy)
    first = _signs_with(stand)
    assert first in _published(rotating)
    stand.trial.timeline.pass_by(MONTH)
    stand.until(policy, "publish")
    assert _signs_with(stand) == first
    fresh = set(_published(rotating)) - {first}
    stand.until(policy, "converge")
    second = _signs_with(stand)
    assert second in fresh
    assert first in _published(rotating)
    stand.trial.until_stable(policy)
    assert first not in _published(rotating)
    assert _signs_with(stand) == second


def _signs_with(stand: Stand) -> str:
    """Return the `kid` of a token that the realm signs now."""
    token = stand.client.login(stand.client.secret)
    assert token
    head = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])


def _published(realm: Realm) -> list[str]:
    with urllib.request.urlopen(f"{realm.issuer}/protocol/openid-connect/certs", timeout=30) as answer:
        return [str(key["kid"]) for key in json.load(answer)["keys"]]
