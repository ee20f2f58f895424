"""A KongConsumer with a credential for each version, beside credentials of others."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from rotator.engine.outcome import Outcome
from rotator.errors import PolicyError
from rotator.policy.files import load
from rotator.policy.model import RotationPolicy
from rotator.policy.permissions import Extent, rules
from tests.faults.environment import NAMESPACE, Bao
from tests.faults.transport import LostReply
from tests.gateways.kong import DEFINITION, GROUP, Kong, consumer
from tests.trial import Trial

AT = f"/apis/{GROUP}/v1/namespaces/{NAMESPACE}/kongconsumers"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
MONTH = timedelta(days=31)
SLOTS = ("kong-key-0", "kong-key-1", "kong-key-2")


class Site:
    """A rotation whose key Kong checks, with the controller at work."""

    def __init__(self, bao: Bao, *, made: bool = True, **kong: Any) -> None:
        self.trial = Trial(bao)
        found = self.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION)
        assert found["kind"] == "CustomResourceDefinition", found
        self.credential("theirs", "team-b")
        if made:
            self.ask("POST", AT, consumer(NAMESPACE, "api", "theirs"))
        self.policy = policy(self.trial, **kong)
        self.kong = Kong(ask=self.ask, now=lambda: self.trial.timeline.now, namespace=NAMESPACE, name="api")
        self.trial.timeline.moved.append(self.kong.step)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask as an administrator."""
        return self.trial.environment.ask(method, path, body)

    def credential(self, name: str, key: str, **labels: str) -> None:
        """Make a credential of somebody else."""
        data = {"key": key, "algorithm": "RS256", "rsa_public_key": "PEM"}
        self.ask(
            "POST",
            SECRETS,
            {
                "metadata": {"name": name, "labels": {"konghq.com/credential": "jwt", **labels}},
                "data": {n: base64.b64encode(v.encode()).decode() for n, v in data.items()},
            },
        )

    def listed(self) -> list[str]:
        """Return the consumer's list."""
        return list(self.ask("GET", f"{AT}/api").get("credentials", []))

    def slots(self) -> dict[str, str]:
        """Return the kid in each credential of ours."""
        found = {name: self.ask("GET", f"{SECRETS}/{name}") for name in SLOTS}
        return {name: base64.b64decode(s["data"]["key"]).decode() for name, s in found.items() if s}

    def run(self, **how: Any) -> Outcome:
        """Do one run."""
        return self.trial.run(self.policy, **how)

    def stable(self) -> Outcome:
        """Run until the rotation is over, a few seconds at a time, and see that what is signed is accepted."""
        for _ in range(600):
            outcome = self.run()
            if outcome.reason.startswith("the next rotation"):
                return outcome
            for _ in range(4):
                self.trial.timeline.pass_by(timedelta(seconds=4))
                held = self.trial.held()
                assert held is None or held in self.kong.accepted, "a valid token was refused"
                assert "team-b" in self.kong.accepted, "a token of another team was refused"
                ring = outcome.ring
                dead = {v.id for v in ring.versions if str(v.state) == "Destroyed"} if ring else set()
                assert not dead & self.kong.accepted.keys(), "a dead key was accepted"
        raise AssertionError(outcome)


def policy(trial: Trial, **kong: Any) -> RotationPolicy:
    """Return the rotation."""
    algorithm = kong.pop("algorithm", "ES256")
    return trial.policy(
        credential={"jwtSigningKey": {"algorithm": algorithm}},
        verifiers=[{"kong": {"consumer": "api", **kong}}],
        overlap={"tokenTTL": "1m", "clockSkew": "1s"},
        holders=[{"secret": {"name": "key", "data": {"key": "private_key", "kid": "kid"}}, "pickUp": "1s"}],
    )


@pytest.fixture
def site(bao: Bao) -> Site:
    """A site of the test's own, with a credential of another team."""
    return Site(bao)


def test_whole_lives_beside_another_team(site: Site) -> None:
    """Three rotations: a slot is used again, and nothing of anybody else changes."""
    site.stable()
    for _ in range(3):
        before = site.trial.held()
        site.trial.timeline.pass_by(MONTH)
        site.stable()
        assert site.trial.held() != before
        assert list(site.slots().values()) == [site.trial.held()]
        assert site.listed() == ["theirs", *site.slots()]
    assert site.kong.accepted.keys() == {"team-b", site.trial.held()}
    assert (site.kong.removed, site.kong.dangling) == (0, 0)


def test_a_credential_holds_what_kong_expects(site: Site) -> None:
    """Its key is the kid; nothing of the private key is in it."""
    site.stable()
    (name,) = site.slots()
    found = site.ask("GET", f"{SECRETS}/{name}")
    assert found["metadata"]["labels"]["konghq.com/credential"] == "jwt"
    data = {n: base64.b64decode(v).decode() for n, v in found["data"].items()}
    assert data.keys() == {"key", "algorithm", "rsa_public_key"}
    assert (data["key"], data["algorithm"]) == (site.trial.held(), "ES256")
    assert data["rsa_public_key"].startswith("-----BEGIN PUBLIC KEY-----")


def test_an_object_of_others_that_blocks_the_controller_is_waited_for(site: Site) -> None:
    """Kong goes on with its last valid configuration then; nothing is activated, and the reason is the controller's."""
    site.stable()
    old = site.trial.held()
    site.trial.timeline.pass_by(MONTH)
    site.kong.broken = "another object is wrong"
    for _ in range(5):
        outcome = site.run()
        site.trial.timeline.pass_by(timedelta(minutes=5))
    assert "Kong's controller has not applied" in outcome.reason
    assert "another object is wrong" in site.run().reason
    assert site.trial.held() == old
    site.kong.broken = ""
    site.stable()
    assert site.trial.held() != old


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("no consumer", "does not exist: make it, with the annotation kubernetes.io/ingress.class"),
        ("no class", "has no annotation kubernetes.io/ingress.class"),
        ("a slot of others", "was not made by rotator"),
    ],
)
def test_what_is_in_the_way_is_said_before_anything_is_made(bao: Bao, spoil: str, why: str) -> None:
    """In a plan as well."""
    site = Site(bao, made=spoil != "no consumer")
    if spoil == "no class":
        site.ask("PATCH", f"{AT}/api", {"metadata": {"annotations": {"kubernetes.io/ingress.class": None}}})
    if spoil == "a slot of others":
        site.credential("kong-key-1", "other")
    for act in (False, True):
        outcome = site.run(act=act)
        assert why in outcome.reason, outcome.reason
        assert str(outcome.result) == "Frozen"
    assert site.slots().keys() <= {"kong-key-1"}
    assert site.trial.held() is None


@pytest.mark.parametrize("edit", ["data", "label", "deleted", "taken off"])
def test_what_somebody_changes_is_put_right(site: Site, edit: str) -> None:
    """At the next look, which is once an hour where nothing is due."""
    site.stable()
    (name,) = site.slots()
    before = site.ask("GET", f"{SECRETS}/{name}")["data"]
    if edit == "data":
        site.ask("PATCH", f"{SECRETS}/{name}", {"data": {"algorithm": "SFMyNTY="}})
    elif edit == "label":
        site.ask("PATCH", f"{SECRETS}/{name}", {"metadata": {"labels": {"konghq.com/credential": "acl"}}})
    elif edit == "deleted":
        site.ask("DELETE", f"{SECRETS}/{name}")
    else:
        site.ask("PATCH", f"{AT}/api", {"credentials": ["theirs"]})
    site.trial.timeline.pass_by(timedelta(hours=2))
    for _ in range(6):
        site.run()
        site.trial.timeline.pass_by(timedelta(seconds=4))
    (name,) = site.slots()
    assert site.ask("GET", f"{SECRETS}/{name}")["data"] == before
    assert site.listed() == ["theirs", name]
    assert site.kong.accepted.keys() == {"team-b", site.trial.held()}


def test_a_lost_reply_makes_no_second_credential(site: Site) -> None:
    """A second one with the same key would remove the whole consumer."""
    lost: list[str] = []
    plain = site.trial._middle  # noqa: SLF001 - the only way to stand between two requests

    def losing(call: Any, body: bytes, perform: Any) -> Any:
        answer = plain(call, body, perform)
        if call.method == "PATCH" and call.path.startswith(f"{SECRETS}/kong-") and len(lost) < 2:
            lost.append(call.path)
            raise LostReply
        return answer

    site.trial._middle = losing  # type: ignore[method-assign]  # noqa: SLF001
    site.stable()
    site.trial.timeline.pass_by(MONTH)
    site.stable()
    assert len(lost) == 2
    assert (site.kong.removed, site.kong.dangling) == (0, 0)


def test_the_rights_name_every_object(site: Site) -> None:
    """The consumer to change, and three credentials to make, change and delete."""
    found = {(r.resource, r.names): r.verbs for r in rules([site.policy], Extent())[NAMESPACE]}
    assert found["kongconsumers", ("api",)] == ("get", "patch")
    assert found["secrets", SLOTS] == ("create", "get", "patch", "delete")


@pytest.mark.parametrize(
    ("kong", "why"),
    [
        ({"algorithm": "EdDSA"}, "Kong verifies ES512, PS and EdDSA signatures from 3.7 on"),
        ({"algorithm": "PS256", "oldest": "2.8"}, "from 3.7 on"),
        ({"algorithm": "EdDSA", "oldest": "3.7"}, ""),
        ({"algorithm": "RS512"}, ""),
        ({"oldest": "3.8"}, "Input should be"),
    ],
)
def test_algorithms_follow_the_version(bao: Bao, tmp_path: Any, kong: dict[str, Any], why: str) -> None:
    """What the oldest Kong that runs cannot verify is refused before anything begins."""
    if why.startswith("Input"):
        with pytest.raises(ValidationError, match=why):
            policy(Trial(bao), **kong)
        return
    made = policy(Trial(bao), **kong)
    file = tmp_path / "rotation.yaml"
    file.write_text(yaml.safe_dump(made.model_dump(mode="json", by_alias=True, exclude_unset=True)))
    if why:
        with pytest.raises(PolicyError, match=why):
            load([file])
    else:
        load([file])
